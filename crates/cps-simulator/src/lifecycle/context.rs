//! What all changes of a simulator share: state, settings and authority.

use std::sync::Arc;
use std::time::Duration;

use crate::authority::{Authority, Fetcher};
use crate::config::Config;
use crate::model::Store;
use crate::on_demand::OnDemand;

pub(crate) struct Context {
    pub config: Arc<Config>,
    pub store: Arc<Store>,
    pub authority: Authority,
    pub fetcher: Fetcher,
    pub on_demand: Arc<OnDemand>,
}

impl Context {
    /// Waits at the configured speed.
    pub(super) async fn wait(&self, at_speed_one: Duration) {
        tokio::time::sleep(self.config.scaled(at_speed_one)).await;
    }
}
