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
