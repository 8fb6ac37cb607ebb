//! What a reconcile works with. Built once, by `crate::operator`.

use std::sync::Arc;

use akacert_api::AkamaiCertificate;
use akacert_core::deployed::Roots;
use akacert_core::life::schedule::Pace;
use akacert_core::published::Rules;
use akacert_outside::dns::Dns;
use akacert_outside::probe::Prober;
use kube::Client;
use kube::runtime::events::Recorder;

use super::knowledge::Knowledge;
use crate::accounts;
use crate::cluster::Publisher;
use crate::cluster::index::Index;
use crate::cps::lists::Lists;
use crate::process::metrics::Metrics;

/// Certificates by their common names, in lower case.
pub type ByCommonName = Index<AkamaiCertificate, String>;

/// What a reconcile works with.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The accounts.
    pub accounts: Arc<accounts::Registry>,
    /// Publishes tokens, and knows what is published.
    pub publisher: Publisher,
    /// What operator flags allow to be published.
    pub rules: Rules,
    /// Fetches tokens.
    pub prober: Prober,
    /// Asks DNS.
    pub dns: Dns,
    /// The authorities that a deployed certificate may come from.
    pub roots: Roots,
    /// Lists of enrollments, shared.
    pub lists: Lists,
    /// All certificates, by their common names.
    pub certificates: ByCommonName,
    /// What is known of each certificate.
    pub knowledge: Knowledge,
    /// Sends events.
    pub recorder: Recorder,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Scale of all intervals; 1 for the real CPS.
    pub interval_scale: f64,
    /// When certificates at rest are looked at from outside.
    pub outside: Pace,
}
