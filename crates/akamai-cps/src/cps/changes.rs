//! Changes, their deployment schedules, and deployments.

use super::{Arguments, Cps};
use crate::client::to_body;
use crate::error::Error;
use crate::operation;
use crate::types::{Change, ChangeId, Deployment, DeploymentSchedule, Deployments, EnrollmentId};

/// A network to which a certificate is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// For tests of a certificate.
    Staging,
    /// For visitors.
    Production,
}

impl Cps {
    /// Reads a change (`GET …/changes/{id}`). After its completion CPS may answer "not found": read the enrollment
    /// then.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_change(&self, enrollment: EnrollmentId, change: ChangeId) -> Result<Change, Error> {
        let ids = &[enrollment.0, change.0];
        self.call(&operation::GET_CHANGE, Arguments { ids, ..Arguments::default() }).await
    }

    /// Cancels a change (`DELETE …/changes/{id}`). If the enrollment was never deployed, it disappears with its only
    /// change.
    ///
    /// # Errors
    /// See [`Error`]. A change that is nearly complete cannot be cancelled.
    pub async fn cancel_change(&self, enrollment: EnrollmentId, change: ChangeId) -> Result<(), Error> {
        let ids = &[enrollment.0, change.0];
        self.send(&operation::CANCEL_CHANGE, Arguments { ids, ..Arguments::default() }).await.map(drop)
    }

    /// Reads when the result of a change may be deployed (`GET …/deployment-schedule`).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_deployment_schedule(
        &self,
        enrollment: EnrollmentId,
        change: ChangeId,
    ) -> Result<DeploymentSchedule, Error> {
        let ids = &[enrollment.0, change.0];
        self.call(&operation::GET_DEPLOYMENT_SCHEDULE, Arguments { ids, ..Arguments::default() }).await
    }

    /// Sets when the result of a change may be deployed (`PUT …/deployment-schedule`).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn set_deployment_schedule(
        &self,
        enrollment: EnrollmentId,
        change: ChangeId,
        schedule: &DeploymentSchedule,
    ) -> Result<(), Error> {
        let ids = &[enrollment.0, change.0];
        let body = to_body(&operation::SET_DEPLOYMENT_SCHEDULE, schedule)?;
        self.send(&operation::SET_DEPLOYMENT_SCHEDULE, Arguments { ids, body, ..Arguments::default() })
            .await
            .map(drop)
    }

    /// Reads what is deployed on both networks (`GET …/deployments`).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_deployments(&self, enrollment: EnrollmentId) -> Result<Deployments, Error> {
        let ids = &[enrollment.0];
        self.call(&operation::GET_DEPLOYMENTS, Arguments { ids, ..Arguments::default() }).await
    }

    /// Reads what is deployed on one network (`GET …/deployments/{network}`); `None` if nothing is.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_deployment(
        &self,
        enrollment: EnrollmentId,
        network: Network,
    ) -> Result<Option<Deployment>, Error> {
        let operation = match network {
            Network::Staging => &operation::GET_STAGING_DEPLOYMENT,
            Network::Production => &operation::GET_PRODUCTION_DEPLOYMENT,
        };
        let ids = &[enrollment.0];
        match self.call::<OneDeployment>(operation, Arguments { ids, ..Arguments::default() }).await {
            Ok(OneDeployment::Both(both)) => Ok(match network {
                Network::Staging => both.staging,
                Network::Production => both.production,
            }),
            Ok(OneDeployment::One(deployment)) => Ok(Some(*deployment)),
            // CPS says so with an empty body, or with a problem document.
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The answer of one network's URL: a deployment according to the schema, both networks according to Akamai's own
/// sample.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum OneDeployment {
    Both(Box<BothDeployments>),
    One(Box<Deployment>),
}

/// Requires both networks, because a deployment has no required field that would tell the two apart.
#[derive(serde::Deserialize)]
struct BothDeployments {
    #[serde(deserialize_with = "serde::Deserialize::deserialize")]
    production: Option<Deployment>,
    #[serde(deserialize_with = "serde::Deserialize::deserialize")]
    staging: Option<Deployment>,
}
