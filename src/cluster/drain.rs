//! How a controller ends.

use futures::{FutureExt, future};
use kube::Resource;
use kube::runtime::reflector::Store;
use tokio_util::sync::CancellationToken;

/// Waits until a controller has finished its current reconciles. If the controller has not seen its objects yet, it
/// has none, but kube would wait for ever once the watch has ended.
pub async fn until_drained<K>(
    running: impl Future<Output = ()>,
    objects: &Store<K>,
    shutdown: &CancellationToken,
) where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let nothing_to_drain = async {
        shutdown.cancelled().await;
        if matches!(objects.wait_until_ready().now_or_never(), Some(Ok(()))) {
            future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = running => {}
        () = nothing_to_drain => {}
    }
}
