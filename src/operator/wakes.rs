//! How one part tells another that something has to be looked at again. Not here: who tells (`watched`, `work`), and
//! what is looked at.

use akacert_api::AkamaiCertificate;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, future};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio_stream::wrappers::UnboundedReceiverStream;

/// The ends that tell. The streams of [`Woken`] end once nobody has one any more: whoever is built takes what it needs.
pub struct Wakers {
    /// Tells of one certificate.
    pub certificates: UnboundedSender<ObjectRef<AkamaiCertificate>>,
    /// Tells of all accounts.
    pub accounts: AllAccounts,
}

/// Tells the controllers of both kinds of accounts to look at all of theirs.
#[derive(Clone)]
pub struct AllAccounts([UnboundedSender<()>; 2]);

impl AllAccounts {
    /// A Secret changed, or a certificate has gone: any account may be concerned.
    pub fn wake(&self) {
        for kind in &self.0 {
            // Nobody hears it any more during a shutdown.
            let _ = kind.send(());
        }
    }
}

/// The ends that hear.
pub struct Woken {
    /// The certificates to look at.
    pub certificates: BoxStream<'static, ObjectRef<AkamaiCertificate>>,
    /// All accounts are to be looked at: one stream for the controller of each kind.
    pub accounts: [UnboundedReceiverStream<()>; 2],
}

/// Both ends.
pub fn channels() -> (Wakers, Woken) {
    let (certificate, certificates) = mpsc::unbounded_channel();
    let (namespaced, of_namespaced) = mpsc::unbounded_channel();
    let (cluster, of_cluster) = mpsc::unbounded_channel();
    let wakers = Wakers { certificates: certificate, accounts: AllAccounts([namespaced, cluster]) };
    let woken = Woken {
        certificates: UnboundedReceiverStream::new(certificates).boxed(),
        accounts: [of_namespaced, of_cluster].map(UnboundedReceiverStream::new),
    };
    (wakers, woken)
}

impl Woken {
    /// Hears of other certificates too.
    pub fn and(self, others: impl Stream<Item = ObjectRef<AkamaiCertificate>> + Send + 'static) -> Self {
        Self { certificates: stream::select(others, self.certificates).boxed(), ..self }
    }

    /// Takes what comes, and does nothing about it.
    pub async fn discard(&mut self) {
        let [namespaced, cluster] = &mut self.accounts;
        tokio::join!(
            self.certificates.by_ref().for_each(|_| future::ready(())),
            namespaced.for_each(|()| future::ready(())),
            cluster.for_each(|()| future::ready(())),
        );
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn certificate(name: &str) -> ObjectRef<AkamaiCertificate> {
        ObjectRef::new(name).within("shop")
    }

    #[tokio::test]
    async fn certificates_are_heard_of_from_both_sides() {
        let (wakers, woken) = channels();
        wakers.certificates.send(certificate("told")).unwrap();
        drop(wakers);
        let woken = woken.and(stream::iter([certificate("published")]));
        let mut heard: Vec<String> = woken.certificates.map(|certificate| certificate.name).collect().await;
        heard.sort();
        assert_eq!(heard, ["published", "told"]);
    }

    #[tokio::test]
    async fn both_kinds_of_accounts_are_woken() {
        let (wakers, woken) = channels();
        wakers.accounts.wake();
        drop(wakers);
        let [namespaced, cluster] = woken.accounts;
        assert_eq!((namespaced.count().await, cluster.count().await), (1, 1));
    }

    #[tokio::test]
    async fn what_is_discarded_ends_once_nobody_can_tell_any_more() {
        let (wakers, mut woken) = channels();
        let accounts = wakers.accounts.clone();
        wakers.certificates.send(certificate("www")).unwrap();
        drop(wakers);
        assert_eq!(woken.discard().now_or_never(), None);
        drop(accounts);
        woken.discard().await;
    }
}
