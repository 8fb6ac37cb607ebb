//! What tests ask of CPS: through the client, as anybody would, and through the simulator's control endpoint.

use akamai_cps::types::EnrollmentId;
use akamai_cps::{Client, Credentials, Priority};
use anyhow::{Context, Result};
use serde::Deserialize;

use crate::bed::TestBed;
use crate::services::{CPS_HOST, EDGERC};

/// A call that the simulator answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// HTTP method.
    pub method: String,
    /// The path with its numbers replaced.
    pub pattern: String,
    /// The enrollment that it concerned.
    pub enrollment_id: Option<u64>,
    /// The account switch key it was made with.
    pub account: Option<String>,
    /// HTTP status of the answer; also of one that was then lost on purpose.
    pub status: u16,
    /// A poll of a change that was answered as the one before.
    pub waiting: bool,
}

/// A certificate in production, PEM.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The certificate.
    pub certificate: String,
    /// The certificates that lead to its root.
    pub trust_chain: String,
}

impl TestBed {
    /// A client of the simulator, without a request budget.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn cps(&self) -> Result<akamai_cps::Cps> {
        Ok(self.akamai()?.with(Priority::Poll, "test"))
    }

    /// Somebody else's client of Edge DNS, which knows nothing of what the operator is writing.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn edge_dns(&self) -> Result<akamai_cps::edge_dns::EdgeDns> {
        Ok(self.akamai()?.edge_dns(Priority::Publish, "test"))
    }

    fn akamai(&self) -> Result<Client> {
        let credentials = Credentials::from_edgerc(EDGERC, "default")?;
        let client = Client::builder(credentials)
            .base_url(format!("https://{CPS_HOST}"))
            .root_certificate_pem(self.ca())
            .budget(akamai_cps::Budget::unlimited())
            .build()?;
        Ok(client)
    }

    /// The certificate that an enrollment has in production.
    ///
    /// # Errors
    /// There is none.
    pub async fn deployed_certificate(&self, enrollment: u64) -> Result<Deployed> {
        let deployments = self.cps()?.get_deployments(EnrollmentId(enrollment)).await?;
        let primary = deployments.production.and_then(|production| production.primary_certificate);
        let primary = primary.context("nothing is deployed in production")?;
        Ok(Deployed {
            certificate: primary.certificate.context("a deployment without a certificate")?,
            trust_chain: primary.trust_chain.unwrap_or_default(),
        })
    }

    /// Every call that the simulator answered since it was asked to forget them.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn calls(&self) -> Result<Vec<Call>> {
        let answer = self.control("GET", "/calls", None).await?;
        Ok(serde_json::from_value(answer["calls"].clone())?)
    }
}
