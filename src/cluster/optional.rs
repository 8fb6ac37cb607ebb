//! Watches kinds that a cluster may lack, such as those of Gateway API, or that the operator's role may not cover.
//! Until the API server serves the kind, the watch shows an empty list.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use kube::runtime::watcher::{self, Event};
use kube::{Client, Resource};

use crate::cluster::scope::Watch;

/// How often to look for a missing kind. Each look costs one request, which lists the kinds of the API group.
const LOOK: Duration = Duration::from_secs(30);

/// Whether the API server serves a kind.
#[derive(Clone, Default)]
pub struct Served(Arc<AtomicBool>);

impl Served {
    /// Whether the API server serves the kind now.
    #[must_use]
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A watch that starts once the API server serves the kind, and shows an empty list until then. If the operator's
/// role lacks the kind, as in an older chart, the list stays empty.
pub fn when_served<K>(client: Client, watch: Watch<K>) -> (Watch<K>, Served)
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
{
    let served = Arc::new(AtomicBool::new(false));
    let flag = served.clone();
    let found = stream::once(async move {
        let missing = !is_served::<K>(&client).await;
        if missing {
            tracing::info!(kind = %K::kind(&()), "the cluster does not have this kind; it is used once it has");
        }
        (client, missing)
    });
    let stream = found.flat_map(move |(client, missing)| {
        let none = if missing { vec![Ok(Event::Init), Ok(Event::InitDone)] } else { vec![] };
        let flag = flag.clone();
        let waited = stream::once(async move {
            while !is_served::<K>(&client).await {
                tokio::time::sleep(LOOK).await;
            }
            flag.store(true, Ordering::Relaxed);
        });
        stream::iter(none).chain(waited.filter_map(|()| async { None }))
    });
    let flag = served.clone();
    let mut listed = false;
    let watch = watch.flat_map(move |event| {
        let refused = matches!(&event, Err(error) if is_forbidden(error));
        listed |= matches!(event, Ok(Event::InitDone));
        flag.store(listed || !refused, Ordering::Relaxed);
        let none = if refused && !listed { vec![Ok(Event::Init), Ok(Event::InitDone)] } else { vec![] };
        stream::iter(none.into_iter().chain([event]))
    });
    (stream.chain(watch).boxed(), Served(served))
}

fn is_forbidden(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(cause) | watcher::Error::WatchStartFailed(cause)) = error else {
        return false;
    };
    matches!(cause, kube::Error::Api(status) if status.is_forbidden())
}

async fn is_served<K: Resource<DynamicType = ()>>(client: &Client) -> bool {
    let (group_version, plural) = (K::api_version(&()), K::plural(&()));
    match client.list_api_group_resources(&group_version).await {
        Ok(found) => found.resources.iter().any(|resource| resource.name == plural),
        Err(_) => false,
    }
}
