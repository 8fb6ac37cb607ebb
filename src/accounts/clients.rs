//! Makes a CPS client from the content of a Secret.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use akamai_cps::{Budgets, BuildError, Client, Permit, Transport};
use k8s_openapi::ByteString;

use super::credentials::{self, Destination, Endpoints, Problem};
use super::resource::AccountResource;
use crate::process::metrics::Metrics;

/// The default budget: requests per minute, and requests at once. Other programs use the Akamai account too.
const DEFAULT_BUDGET: (u32, u32) = (25, 10);

/// Makes the clients of all accounts. They share their connections. Otherwise each would read the machine's
/// certificate authorities again, and 150 accounts would block the controller for seconds.
pub(super) struct Clients {
    endpoints: Endpoints,
    budgets: Arc<Budgets>,
    metrics: Arc<Metrics>,
    permit: Permit,
    akamai: Mutex<Option<Transport>>,
    allowed: Mutex<Option<Transport>>,
}

impl Clients {
    pub fn new(endpoints: Endpoints, budgets: Arc<Budgets>, metrics: Arc<Metrics>, permit: Permit) -> Self {
        Self { endpoints, budgets, metrics, permit, akamai: Mutex::default(), allowed: Mutex::default() }
    }

    /// A client with the credentials in a Secret.
    ///
    /// # Errors
    /// What is wrong with the Secret.
    pub fn client<K: AccountResource>(
        &self,
        account: &K,
        data: &BTreeMap<String, ByteString>,
    ) -> Result<Client, Problem> {
        let credentials = credentials::read(account.credentials(), data)?;
        let destination = credentials::destination(&credentials.host, &self.endpoints)?;
        let budget = account.request_budget().cloned().unwrap_or_default();
        let per_minute = budget.per_minute.unwrap_or(DEFAULT_BUDGET.0);
        let burst = budget.burst.unwrap_or(DEFAULT_BUDGET.1);
        let (metrics, key) = (self.metrics.clone(), account.key());
        let unusable = |error: BuildError| Problem::Invalid(error.to_string());
        let mut builder = Client::builder(credentials)
            .transport(self.transport(&destination).map_err(unusable)?)
            .budget(self.budgets.get(&account.budget_group(), per_minute, burst))
            .edge_dns_turns(self.budgets.edge_dns(&account.budget_group()))
            .observer(Arc::new(move |record| metrics.cps_call(&key, record)))
            .permit(self.permit.clone());
        if let Destination::Allowed(url) = destination {
            builder = builder.base_url(url);
        }
        builder.build().map_err(unusable)
    }

    /// The client trusts the authorities of the flags only for the endpoints of the flags.
    fn transport(&self, destination: &Destination) -> Result<Transport, BuildError> {
        let (shared, authorities) = match destination {
            Destination::Akamai => (&self.akamai, None),
            Destination::Allowed(_) => (&self.allowed, self.endpoints.ca_pem.as_ref()),
        };
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(transport) = shared.as_ref() {
            return Ok(transport.clone());
        }
        let mut builder = Transport::builder().user_agent(concat!("akacert/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = authorities {
            builder = builder.root_certificate_pem(pem.clone());
        }
        Ok(shared.insert(builder.build()?).clone())
    }
}
