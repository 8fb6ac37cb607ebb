//! Inputs of a change: what CPS waits for, and the acknowledgements that let it continue.
//!
//! While CPS prepares an input, reading it gives 404: try again later. If CPS refuses an acknowledgement because the
//! change has moved on (404, or conflict `invalid-enrollment-state`), no harm is done: read the change.

use super::acknowledgement::Acknowledgement;
use super::{Arguments, Cps};
use crate::client::to_body;
use crate::error::Error;
use crate::operation::{self, Operation};
use crate::types::{ChangeId, ChangeManagementInfo, DvChallenges, EnrollmentId, Warnings};

impl Cps {
    /// Reads the domain validation challenges (`GET …/input/info/lets-encrypt-challenges`).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_dv_challenges(
        &self,
        enrollment: EnrollmentId,
        change: ChangeId,
    ) -> Result<DvChallenges, Error> {
        let ids = &[enrollment.0, change.0];
        self.call(&operation::GET_DV_CHALLENGES, Arguments { ids, ..Arguments::default() }).await
    }

    /// Reads the warnings before the order (`GET …/input/info/pre-verification-warnings`).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_pre_verification_warnings(
        &self,
        enrollment: EnrollmentId,
        change: ChangeId,
    ) -> Result<Warnings, Error> {
        let ids = &[enrollment.0, change.0];
        self.call(&operation::GET_PRE_VERIFICATION_WARNINGS, Arguments { ids, ..Arguments::default() }).await
    }

    /// Reads the warnings about the issued certificate (`GET …/input/info/post-verification-warnings`).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_post_verification_warnings(
        &self,
        enrollment: EnrollmentId,
        change: ChangeId,
    ) -> Result<Warnings, Error> {
        let ids = &[enrollment.0, change.0];
        self.call(&operation::GET_POST_VERIFICATION_WARNINGS, Arguments { ids, ..Arguments::default() }).await
    }

    /// Reads what waits on staging for an acknowledgement (`GET …/input/info/change-management-info`).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_change_management_info(
        &self,
        enrollment: EnrollmentId,
        change: ChangeId,
    ) -> Result<ChangeManagementInfo, Error> {
        let ids = &[enrollment.0, change.0];
        self.call(&operation::GET_CHANGE_MANAGEMENT_INFO, Arguments { ids, ..Arguments::default() }).await
    }

    /// Tells CPS that the challenges are published (`POST …/input/update/lets-encrypt-challenges-completed`), so that
    /// it checks at once. Success does not mean that the domains are validated.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn acknowledge_dv_challenges(
        &self,
        enrollment: EnrollmentId,
        change: ChangeId,
    ) -> Result<(), Error> {
        self.acknowledge(&operation::ACKNOWLEDGE_DV_CHALLENGES, enrollment, change, None).await
    }

    /// Accepts the warnings before the order (`POST …/input/update/pre-verification-warnings-ack`).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn acknowledge_pre_verification_warnings(
        &self,
        enrollment: EnrollmentId,
        change: ChangeId,
    ) -> Result<(), Error> {
        self.acknowledge(&operation::ACKNOWLEDGE_PRE_VERIFICATION_WARNINGS, enrollment, change, None).await
    }

    /// Accepts the warnings about the issued certificate (`POST …/input/update/post-verification-warnings-ack`).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn acknowledge_post_verification_warnings(
        &self,
        enrollment: EnrollmentId,
        change: ChangeId,
    ) -> Result<(), Error> {
        self.acknowledge(&operation::ACKNOWLEDGE_POST_VERIFICATION_WARNINGS, enrollment, change, None).await
    }

    /// Lets what is on staging go to production (`POST …/input/update/change-management-ack`). `hash` is the
    /// [`ChangeManagementInfo::validation_result_hash`] of what was approved.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn acknowledge_change_management(
        &self,
        enrollment: EnrollmentId,
        change: ChangeId,
        hash: &str,
    ) -> Result<(), Error> {
        self.acknowledge(&operation::ACKNOWLEDGE_CHANGE_MANAGEMENT, enrollment, change, Some(hash)).await
    }

    /// The answer to an acknowledgement may have no body. CPS has been seen to answer 200, 202 and 204.
    async fn acknowledge(
        &self,
        operation: &'static Operation,
        enrollment: EnrollmentId,
        change: ChangeId,
        hash: Option<&str>,
    ) -> Result<(), Error> {
        let ids = &[enrollment.0, change.0];
        let body = to_body(operation, &Acknowledgement::new(hash))?;
        self.send(operation, Arguments { ids, body, ..Arguments::default() }).await.map(drop)
    }
}
