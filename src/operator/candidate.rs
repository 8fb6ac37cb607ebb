//! This process as a candidate: its name, its part in the election, and a client and events that obey the outcome.
//! Not here: how an election goes (`crate::cluster::leader`).

use kube::runtime::events::{Recorder, Reporter};
use kube::{Client, Config};

use super::settings::Settings;
use crate::cluster::leader::{Election, Leadership};

/// A candidate for leadership.
pub struct Candidate {
    /// Wins the Lease, and keeps it.
    pub election: Election,
    /// Whether this process leads.
    pub leadership: Leadership,
    /// Writes only while this process leads.
    pub client: Client,
    /// Sends events in this process's name, by that client.
    pub recorder: Recorder,
}

impl Candidate {
    /// Finds the cluster, and sends nothing yet.
    pub async fn new(settings: &Settings) -> Result<Self, kube::Error> {
        let config = Config::infer().await.map_err(kube::Error::InferConfig)?;
        let leadership = Leadership::default();
        let identity = settings.identity();
        let election = Election::new(
            Client::try_from(config.clone())?,
            &settings.operator_namespace,
            identity.clone(),
            settings.terms(),
            leadership.clone(),
        );
        let client = leadership.guarded_client(config)?;
        let reporter = Reporter { controller: "akacert.io/operator".into(), instance: Some(identity) };
        let recorder = Recorder::new(client.clone(), reporter);
        Ok(Self { election, leadership, client, recorder })
    }
}
