//! Changes, their deployment schedule, and what is deployed.

use super::{Arguments, Cps};
use crate::client::to_body;
use crate::error::Error;
use crate::operation;
use crate::types::{Change, ChangeId, Deployment, DeploymentSchedule, Deployments, EnrollmentId};

/// One of the two networks a certificate is deployed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// For trying things out.
    Staging,
    /// The real one.
    Production,
}

impl Cps {
    /// Reads a change (`GET …/changes/{id}`). When it is done CPS may say not found: read the enrollment then.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_change(&self, enrollment: EnrollmentId, change: ChangeId) -> Result<Change, Error> {
        let ids = &[enrollment.0, change.0];
        self.call(&operation::GET_CHANGE, Arguments { ids, ..Arguments::default() }).await
    }

    /// Cancels a change (`DELETE …/changes/{id}`). An enrollment that was never deployed goes with its only change.
    ///
    /// # Errors
    /// See [`Error`]. Late in its way a change cannot be cancelled any more.
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

    /// Reads what is deployed on one network (`GET …/deployments/{network}`); none when nothing is.
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
            // CPS says so with an empty body as well as with a problem document.
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What one network's URL answers: by the schema a deployment, by Akamai's own sample both networks.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum OneDeployment {
    Both(Box<BothDeployments>),
    One(Box<Deployment>),
}

/// Both networks have to be there, since a deployment has no required field to be told apart by.
#[derive(serde::Deserialize)]
struct BothDeployments {
    #[serde(deserialize_with = "serde::Deserialize::deserialize")]
    production: Option<Deployment>,
    #[serde(deserialize_with = "serde::Deserialize::deserialize")]
    staging: Option<Deployment>,
}
