//! Enrollments: list, create, read, update, remove.

use jiff::civil::Date;

use super::{Arguments, Cps};
use crate::client::{parse, to_body};
use crate::error::Error;
use crate::operation;
use crate::types::{ChangeId, ContractId, Enrollment, EnrollmentId, EnrollmentList, EnrollmentStatus};

/// Options for creating an enrollment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CreateParams {
    /// Accept a common name that another enrollment already has (`allow-duplicate-cn`; not in the OpenAPI document).
    pub allow_duplicate_cn: bool,
    /// Deploy from this day on (UTC).
    pub deploy_not_before: Option<Date>,
    /// Deploy until this day (UTC).
    pub deploy_not_after: Option<Date>,
}

/// Options for updating an enrollment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpdateParams {
    /// Cancel a pending change. Its challenges become invalid.
    pub allow_cancel_pending_changes: bool,
    /// Go to production without staging.
    pub allow_staging_bypass: bool,
    /// Renew although nothing has changed.
    pub force_renewal: bool,
    /// Update although a renewal is near.
    pub renewal_date_check_override: bool,
    /// Continue with one certificate of two.
    pub allow_missing_certificate_addition: bool,
    /// Deploy from this day on (UTC).
    pub deploy_not_before: Option<Date>,
    /// Deploy until this day (UTC).
    pub deploy_not_after: Option<Date>,
}

/// Options for removing an enrollment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeleteParams {
    /// Cancel a pending change, which would otherwise block the removal.
    pub allow_cancel_pending_changes: bool,
    /// Remove from this day on (UTC).
    pub deploy_not_before: Option<Date>,
    /// Remove until this day (UTC).
    pub deploy_not_after: Option<Date>,
}

/// How far the removal of an enrollment is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// True: it is gone (HTTP 200). False: a change removes it. It is gone once a read answers "not found".
    pub complete: bool,
    /// The changes that remove it.
    pub changes: Vec<ChangeId>,
}

impl Cps {
    /// Lists all enrollments of a contract (`GET /enrollments`), complete. This is large and slow, so call it rarely.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_enrollments(&self, contract: &ContractId) -> Result<Vec<Enrollment>, Error> {
        let query = vec![("contractId", contract.to_string())];
        let arguments = Arguments { query, ..Arguments::default() };
        let list: EnrollmentList = self.call(&operation::LIST_ENROLLMENTS, arguments).await?;
        Ok(list.enrollments)
    }

    /// Creates an enrollment (`POST /enrollments`). This is not idempotent: after [`Error::OutcomeUnknown`], look for
    /// the enrollment with [`Cps::list_enrollments`] before trying again.
    ///
    /// # Errors
    /// See [`Error`]. A common name that is taken gives HTTP 409.
    pub async fn create_enrollment(
        &self,
        contract: &ContractId,
        enrollment: &Enrollment,
        params: &CreateParams,
    ) -> Result<EnrollmentStatus, Error> {
        let mut query = vec![("contractId", contract.to_string())];
        flag(&mut query, "allow-duplicate-cn", params.allow_duplicate_cn);
        schedule(&mut query, params.deploy_not_before, params.deploy_not_after);
        let body = to_body(&operation::CREATE_ENROLLMENT, enrollment)?;
        self.call(&operation::CREATE_ENROLLMENT, Arguments { ids: &[], query, body }).await
    }

    /// Reads an enrollment (`GET /enrollments/{id}`).
    ///
    /// # Errors
    /// See [`Error`]; [`Error::is_not_found`] if it is gone.
    pub async fn get_enrollment(&self, id: EnrollmentId) -> Result<Enrollment, Error> {
        self.call(&operation::GET_ENROLLMENT, Arguments { ids: &[id.0], ..Arguments::default() }).await
    }

    /// Replaces an enrollment (`PUT /enrollments/{id}`). CPS drops what the body leaves out, so start from what was
    /// read. Read-only fields are not sent ([`Enrollment::for_update`]).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn update_enrollment(
        &self,
        id: EnrollmentId,
        enrollment: &Enrollment,
        params: &UpdateParams,
    ) -> Result<EnrollmentStatus, Error> {
        let mut query = Vec::new();
        flag(&mut query, "allow-cancel-pending-changes", params.allow_cancel_pending_changes);
        flag(&mut query, "allow-staging-bypass", params.allow_staging_bypass);
        flag(&mut query, "force-renewal", params.force_renewal);
        flag(&mut query, "renewal-date-check-override", params.renewal_date_check_override);
        flag(&mut query, "allow-missing-certificate-addition", params.allow_missing_certificate_addition);
        schedule(&mut query, params.deploy_not_before, params.deploy_not_after);
        let body = to_body(&operation::UPDATE_ENROLLMENT, &enrollment.for_update())?;
        self.call(&operation::UPDATE_ENROLLMENT, Arguments { ids: &[id.0], query, body }).await
    }

    /// Removes an enrollment (`DELETE /enrollments/{id}`).
    ///
    /// # Errors
    /// See [`Error`]; [`Error::is_not_found`] if it is already gone, conflict `certificate-live-on-network` while its
    /// certificate is in use.
    pub async fn delete_enrollment(&self, id: EnrollmentId, params: &DeleteParams) -> Result<Removal, Error> {
        let mut query = Vec::new();
        flag(&mut query, "allow-cancel-pending-changes", params.allow_cancel_pending_changes);
        schedule(&mut query, params.deploy_not_before, params.deploy_not_after);
        let arguments = Arguments { ids: &[id.0], query, body: Vec::new() };
        let answer = self.send(&operation::DELETE_ENROLLMENT, arguments).await?;
        // The status says what happened. The body only names the change.
        let status: Option<EnrollmentStatus> = parse(&operation::DELETE_ENROLLMENT, &answer).ok();
        let changes = status.map(|status| status.changes).unwrap_or_default();
        Ok(Removal { complete: answer.status != http::StatusCode::ACCEPTED, changes })
    }
}

fn flag(query: &mut Vec<(&'static str, String)>, name: &'static str, set: bool) {
    if set {
        query.push((name, "true".to_owned()));
    }
}

fn schedule(query: &mut Vec<(&'static str, String)>, not_before: Option<Date>, not_after: Option<Date>) {
    query.extend(not_after.map(|day| ("deploy-not-after", day.to_string())));
    query.extend(not_before.map(|day| ("deploy-not-before", day.to_string())));
}
