//! What tests read from CPS and change there, through the client and the control endpoint of the simulator.

use akamai_cps::types::EnrollmentId;
use akamai_cps::{Client, Credentials, Priority};
use anyhow::{Context, Result};
use serde::Deserialize;

use crate::bed::TestBed;
use crate::network::CPS_HOST;
use crate::services::EDGERC;

/// A call that the simulator answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The HTTP method.
    pub method: String,
    /// The path, with placeholders for numbers.
    pub pattern: String,
    /// The enrollment that it concerned.
    pub enrollment_id: Option<u64>,
    /// The account switch key of the call.
    pub account: Option<String>,
    /// The HTTP status of the answer, even if the simulator then lost the answer on purpose.
    pub status: u16,
    /// Whether this polled a change and got the same answer as before.
    pub waiting: bool,
}

/// A certificate in production, as PEM.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The certificate.
    pub certificate: String,
    /// The certificates from its issuer to the root.
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

    /// A client of Edge DNS that is independent of the operator's.
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
    /// It has none.
    pub async fn deployed_certificate(&self, enrollment: u64) -> Result<Deployed> {
        let deployments = self.cps()?.get_deployments(EnrollmentId(enrollment)).await?;
        let primary = deployments.production.and_then(|production| production.primary_certificate);
        let primary = primary.context("nothing is deployed in production")?;
        Ok(Deployed {
            certificate: primary.certificate.context("a deployment without a certificate")?,
            trust_chain: primary.trust_chain.unwrap_or_default(),
        })
    }

    /// The calls that the simulator has answered since the last reset.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn calls(&self) -> Result<Vec<Call>> {
        let answer = self.control("GET", "/calls", None).await?;
        Ok(serde_json::from_value(answer["calls"].clone())?)
    }
}
