//! I/O: carries out one step, once. Every side effect of the operator on a certificate is in this module or below.
//!
//! If the operator crashes before a side effect, the step is not done. If it crashes after one, the next look finds
//! the step done. Where that needs a record, the record comes first: the operator writes the intent before the
//! create.

mod cluster;
mod cps;
mod fault;
mod looks;
mod records;

use std::sync::Arc;

use akacert_api::AkamaiCertificate;
use akacert_core::account::Account;
use akacert_core::life::Step;
use akacert_core::life::answer::Answer;
use akacert_core::published::SolverEndpoint;
use akamai_cps::Client;

use super::context::Context;
pub use cluster::written;

pub struct Subject<'a> {
    /// The resource. A write replaces it with the API server's answer.
    pub certificate: &'a mut Arc<AkamaiCertificate>,
    /// The account, if there is one.
    pub account: Option<&'a Arc<Account>>,
    pub client: Option<&'a Client>,
    pub solver: &'a [SolverEndpoint],
}

/// The resource no longer exists.
#[derive(Debug)]
pub struct Gone;

/// Carries out a step, and returns the answer.
///
/// # Errors
/// [`Gone`]: nobody needs the answer any more.
pub async fn perform(step: &Step, subject: &mut Subject<'_>, ctx: &Context) -> Result<Answer, Gone> {
    match step {
        Step::RecordIntent(intent) => cluster::record_intent(intent, subject, ctx).await,
        Step::RecordEnrollment(id) => cluster::record_enrollment(*id, subject, ctx).await,
        Step::RecordRenewal(renewal) => cluster::record_renewal(renewal, subject, ctx).await,
        Step::ForgetEnrollment => cluster::forget_enrollment(subject, ctx).await,
        Step::RemoveFinalizer => cluster::remove_finalizer(subject, ctx).await,
        Step::Publish(write) | Step::HandOff(write) => Ok(cluster::publish(write, ctx).await),
        Step::Preflight(targets) => Ok(looks::preflight(ctx, targets).await),
        Step::Probe { tokens, elsewhere, explain } => {
            Ok(looks::probe(subject, ctx, tokens, elsewhere, *explain).await)
        }
        Step::CheckRecords(records) => Ok(looks::records(ctx, records).await),
        Step::Forecast { targets, fingerprint, served } => {
            Ok(Answer::Forecast(ctx.prober.forecast(&ctx.dns, targets, served.then_some(fingerprint)).await))
        }
        Step::WriteRecord(record) => Ok(records::write(record, subject.certificate, ctx).await),
        Step::RemoveRecord(record) => Ok(records::remove(record, subject.certificate, ctx).await),
        Step::ListEnrollments { .. }
        | Step::Watch { .. }
        | Step::ReadEnrollment(_)
        | Step::ReadChange(..)
        | Step::ReadChallenges(..)
        | Step::ReadWarnings(..)
        | Step::ReadStaged(..)
        | Step::ReadDeployments(_)
        | Step::CreateEnrollment { .. }
        | Step::Acknowledge { .. }
        | Step::UpdateEnrollment(_)
        | Step::AcknowledgeWarnings(..)
        | Step::AcknowledgeDeployment { .. }
        | Step::Schedule(..)
        | Step::DeleteEnrollment(_) => Ok(cps::call(step, subject, ctx).await),
    }
}
