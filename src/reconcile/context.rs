//! Everything that a reconcile needs. `crate::operator` builds it once.

use std::sync::Arc;

use akacert_api::AkamaiCertificate;
use akacert_core::deployed::Roots;
use akacert_core::life::intervals::ForecastTimes;
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

/// Certificates by their common name, in lower case.
pub type ByCommonName = Index<AkamaiCertificate, String>;

pub struct Context {
    pub client: Client,
    pub accounts: Arc<accounts::Registry>,
    /// Publishes objects, and knows which exist.
    pub publisher: Publisher,
    /// What operator flags allow to publish.
    pub rules: Rules,
    pub prober: Prober,
    pub dns: Dns,
    /// The trusted roots of deployed certificates.
    pub roots: Roots,
    /// The shared lists of enrollments.
    pub lists: Lists,
    pub certificates: ByCommonName,
    pub knowledge: Knowledge,
    pub recorder: Recorder,
    pub metrics: Arc<Metrics>,
    /// The scale of all intervals; 1 for the real CPS.
    pub interval_scale: f64,
    /// When to check certificates at rest from outside.
    pub forecast_times: ForecastTimes,
}
