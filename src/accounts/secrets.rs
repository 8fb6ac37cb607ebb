//! Reads Secrets. The operator watches only their metadata. It reads the content when an account needs it, and keeps
//! no copy.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use kube::{Client, ResourceExt};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;

use akacert_api::status::SecretVersion;

/// How many reads run at a time.
const AT_A_TIME: usize = 16;

/// How long a read may take: at the start, certificates wait until the Secrets have been read.
const LONGEST: Duration = Duration::from_secs(10);

/// Namespace and name of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub namespace: String,
    pub name: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

pub(super) struct Content {
    pub version: SecretVersion,
    pub data: BTreeMap<String, ByteString>,
}

/// Why a Secret could not be read, in the API server's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unread(String);

#[cfg(test)]
impl Unread {
    pub fn because(why: &str) -> Self {
        Self(why.into())
    }
}

/// `None`: the Secret does not exist.
pub(super) type Answer = Result<Option<Arc<Content>>, Unread>;

/// A Secret, and its version as the watch shows it.
type Seen = (Place, SecretVersion);

pub(super) struct Secrets {
    client: Client,
    under_way: Mutex<HashMap<Seen, Weak<OnceCell<Answer>>>>,
    turns: Semaphore,
}

impl Secrets {
    pub fn new(client: Client) -> Self {
        Self { client, under_way: Mutex::default(), turns: Semaphore::new(AT_A_TIME) }
    }

    /// Reads a Secret. Accounts that ask for the same version at the same time share one request.
    pub async fn read(&self, place: &Place, seen: &SecretVersion) -> Answer {
        let reading = self.reading((place.clone(), seen.clone()));
        reading.get_or_init(|| self.get(place)).await.clone()
    }

    fn reading(&self, seen: Seen) -> Arc<OnceCell<Answer>> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reading) = under_way.get(&seen).and_then(Weak::upgrade) {
            return reading;
        }
        under_way.retain(|_, reading| reading.strong_count() > 0);
        let reading = Arc::default();
        under_way.insert(seen, Arc::downgrade(&reading));
        reading
    }

    async fn get(&self, place: &Place) -> Answer {
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await;
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &place.namespace);
        match timeout(LONGEST, api.get_opt(&place.name)).await {
            Ok(Ok(secret)) => Ok(secret.map(|secret| Arc::new(Content::of(secret)))),
            Ok(Err(kube::Error::Api(status))) => Err(Unread(status.message)),
            Ok(Err(error)) => Err(Unread(error.to_string())),
            Err(_) => Err(Unread(format!("the API server did not answer within {} s", LONGEST.as_secs()))),
        }
    }
}

impl Content {
    fn of(secret: Secret) -> Self {
        let version = SecretVersion {
            uid: secret.uid().unwrap_or_default(),
            resource_version: secret.resource_version().unwrap_or_default(),
        };
        Self { version, data: secret.data.unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::future;
    use http::{Request, Response};
    use http_body_util::Full;
    use kube::client::Body;
    use serde_json::json;
    use tower_test::mock::{Handle, pair};

    use super::*;

    type Server = Handle<Request<Body>, Response<Full<Bytes>>>;

    fn secrets() -> (Secrets, Server) {
        let (service, server) = pair();
        (Secrets::new(Client::new(service, "default")), server)
    }

    fn place() -> Place {
        Place { namespace: "shop".into(), name: "akamai".into() }
    }

    fn version(resource_version: &str) -> SecretVersion {
        SecretVersion { uid: "1".into(), resource_version: resource_version.into() }
    }

    /// Answers the next request with the Secret at this version.
    async fn give(server: &mut Server, resource_version: &str) {
        let (request, answer) = server.next_request().await.unwrap();
        assert_eq!(request.uri().path(), "/api/v1/namespaces/shop/secrets/akamai");
        let metadata = json!({"name": "akamai", "uid": "1", "resourceVersion": resource_version});
        let secret = json!({"metadata": metadata, "data": {"host": "aA=="}});
        answer.send_response(Response::new(Full::new(Bytes::from(secret.to_string()))));
    }

    #[tokio::test]
    async fn accounts_that_ask_for_a_secret_at_the_same_time_share_one_request() {
        let (secrets, mut server) = secrets();
        let (place, seen) = (place(), version("5"));
        let all = future::join_all((0..40).map(|_| secrets.read(&place, &seen)));
        let (answers, ()) = future::join(all, give(&mut server, "5")).await;
        for answer in answers {
            let content = answer.unwrap().unwrap();
            assert_eq!((&content.version, content.data["host"].0.as_slice()), (&seen, &b"h"[..]));
        }
    }

    #[tokio::test]
    async fn a_secret_is_not_kept() {
        let (secrets, mut server) = secrets();
        let (place, seen) = (place(), version("5"));
        for _ in 0..2 {
            let (answer, ()) = future::join(secrets.read(&place, &seen), give(&mut server, "5")).await;
            assert!(answer.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn a_secret_that_changed_since_the_watch_saw_it_says_so() {
        let (secrets, mut server) = secrets();
        let (place, seen) = (place(), version("5"));
        let (answer, ()) = future::join(secrets.read(&place, &seen), give(&mut server, "6")).await;
        assert_eq!(answer.unwrap().unwrap().version, version("6"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_does_not_answer_is_not_waited_for_long() {
        let (secrets, _server) = secrets();
        let answer = secrets.read(&place(), &version("5")).await;
        assert_eq!(answer.err(), Some(Unread::because("the API server did not answer within 10 s")));
    }
}
