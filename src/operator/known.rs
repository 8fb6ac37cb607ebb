//! What the parts of the operator know together beside the watches, all of which is shown as metrics. Not here: what
//! each metric says (`observed`, `crate::process::metrics`).

use std::sync::Arc;

use akamai_cps::Budgets;
use prometheus_client::registry::Registry;

use super::observed;
use super::settings::Settings;
use super::watched::Watched;
use crate::accounts;
use crate::cluster::leader::Leadership;
use crate::process::metrics::{self, Metrics};

/// What is known together.
pub struct Known {
    /// Which accounts may be used.
    pub accounts: Arc<accounts::Registry>,
    /// How many requests are left.
    pub budgets: Arc<Budgets>,
    /// What happened, counted.
    pub metrics: Arc<Metrics>,
}

impl Known {
    /// Nothing is known yet. The registry shows it, with what is read from the watches.
    pub fn new(settings: &Settings, watched: &Watched, leadership: &Leadership) -> (Self, Registry) {
        let accounts = Arc::new(accounts::Registry::new(watched.namespaces.clone()));
        let budgets = settings.budgets();
        let mut registry = Registry::default();
        metrics::register_build(&mut registry);
        let metrics = Metrics::new(&mut registry);
        registry.register_collector(Box::new(observed::Budgets(budgets.clone())));
        registry.register_collector(Box::new(observed::Certificates(watched.certificates.store())));
        registry.register_collector(Box::new(observed::Leader(leadership.clone())));
        registry.register_collector(Box::new(observed::Accounts(accounts.clone())));
        (Self { accounts, budgets, metrics }, registry)
    }
}
