//! I/O: makes one CPS call. A write whose answer was lost is an answer too: this module sends nothing twice.

use akacert_api::reason::Reason;
use akacert_core::life::Step;
use akacert_core::life::answer::{Answer, FaultKind};
use akacert_core::life::step::{Update, Warnings};
use akamai_cps::types::{ChangeId, ContractId, DeploymentSchedule, Enrollment, EnrollmentId};
use akamai_cps::{Cps, CreateParams, DeleteParams, Error, Priority, UpdateParams};
use jiff::Timestamp;
use kube::ResourceExt;

use super::{Context, Subject, fault};
use crate::cps::lists::{self, List};
use crate::process::failpoint;

pub(super) async fn call(step: &Step, subject: &Subject<'_>, ctx: &Context) -> Answer {
    let Some((account, client)) = subject.account.zip(subject.client) else { return fault::no_account() };
    let uid = subject.certificate.uid().unwrap_or_default();
    let cps = |priority| client.with(priority, uid.as_str());
    let (poll, publish) = (|| cps(Priority::Poll), || cps(Priority::Publish));
    let shared = |contract: &str, after, cps: Cps| {
        let key = lists::Key { client: client.identity(), contract: contract.to_owned() };
        let contract = ContractId::new(contract);
        ctx.lists.get(key, &account.budget_group, after, async move || cps.list_enrollments(&contract).await)
    };
    match step {
        Step::ListEnrollments { contract, common_name, after } => {
            answered(shared(contract, *after, poll()).await.map(|list| listed(&list, common_name)))
        }
        Step::Watch { contract, enrollment, after } => {
            let list = shared(contract, *after, cps(Priority::Housekeeping)).await;
            answered(read_watched(&poll(), list, *enrollment).await)
        }
        Step::ReadEnrollment(id) => answered(read_enrollment(&poll(), *id, Timestamp::now()).await),
        Step::ReadChange(id, change) => answered(read_change(&poll(), *id, *change).await),
        Step::ReadChallenges(id, change) => answered(read_challenges(&publish(), *id, *change).await),
        Step::ReadWarnings(id, change, which) => answered(read_warnings(&poll(), *id, *change, *which).await),
        Step::ReadStaged(id, change) => answered(read_staged(&publish(), *id, *change).await),
        Step::ReadDeployments(id) => answered(read_deployments(&poll(), *id).await),
        Step::CreateEnrollment { contract, body } => create(&publish(), contract, body).await,
        Step::UpdateEnrollment(wanted) => update(&publish(), wanted).await,
        Step::DeleteEnrollment(id) => delete(&publish(), *id).await,
        Step::Acknowledge { enrollment, change, .. } => acknowledge(&publish(), *enrollment, *change).await,
        Step::AcknowledgeWarnings(id, change, which) => {
            acknowledge_warnings(&publish(), *id, *change, *which).await
        }
        Step::AcknowledgeDeployment { enrollment, change, hash } => {
            acknowledge_deployment(&publish(), *enrollment, *change, hash).await
        }
        Step::Schedule(id, change, schedule) => set_schedule(&publish(), *id, *change, schedule).await,
        Step::Preflight(_)
        | Step::Probe { .. }
        | Step::CheckRecords(_)
        | Step::Forecast { .. }
        | Step::WriteRecord(_)
        | Step::RemoveRecord(_)
        | Step::RecordIntent(_)
        | Step::RecordEnrollment(_)
        | Step::RecordRenewal(_)
        | Step::ForgetEnrollment
        | Step::Publish(_)
        | Step::HandOff(_)
        | Step::RemoveFinalizer => {
            Answer::Failed(fault::other(Reason::CpsUnavailable, format!("{step} is no call of CPS")))
        }
    }
}

fn answered(answer: Result<Answer, Error>) -> Answer {
    answer.unwrap_or_else(|error| Answer::Failed(fault::cps(&error)))
}

/// Treats CPS's "not found" as an answer and not as an error.
fn found<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn listed(list: &List, common_name: &str) -> Answer {
    let same_name = list.enrollments.iter().filter(|listed| listed.has_common_name(common_name));
    Answer::Enrollments { begun: list.begun, found: same_name.cloned().collect() }
}

async fn read_watched(cps: &Cps, list: Result<List, Error>, id: EnrollmentId) -> Result<Answer, Error> {
    let list = list?;
    match list.enrollments.iter().find(|listed| listed.enrollment_id() == Some(id)) {
        Some(ours) => Ok(Answer::Enrollment { begun: list.begun, found: Some(Box::new(ours.clone())) }),
        // Read it before telling anybody that it is gone.
        None => read_enrollment(cps, id, list.begun).await,
    }
}

async fn read_enrollment(cps: &Cps, id: EnrollmentId, begun: Timestamp) -> Result<Answer, Error> {
    let found = found(cps.get_enrollment(id).await)?.map(Box::new);
    Ok(Answer::Enrollment { begun, found })
}

async fn read_change(cps: &Cps, id: EnrollmentId, change: ChangeId) -> Result<Answer, Error> {
    Ok(Answer::Change(found(cps.get_change(id, change).await)?.map(Box::new)))
}

async fn read_challenges(cps: &Cps, id: EnrollmentId, change: ChangeId) -> Result<Answer, Error> {
    let challenges = found(cps.get_dv_challenges(id, change).await)?;
    Ok(Answer::Challenges(challenges.map(|challenges| challenges.dv).unwrap_or_default()))
}

async fn read_warnings(
    cps: &Cps,
    id: EnrollmentId,
    change: ChangeId,
    which: Warnings,
) -> Result<Answer, Error> {
    let answer = match which {
        Warnings::PreVerification => cps.get_pre_verification_warnings(id, change).await,
        Warnings::PostVerification => cps.get_post_verification_warnings(id, change).await,
    };
    Ok(Answer::Warnings(found(answer)?.unwrap_or_default()))
}

async fn read_staged(cps: &Cps, id: EnrollmentId, change: ChangeId) -> Result<Answer, Error> {
    let info = found(cps.get_change_management_info(id, change).await)?;
    Ok(Answer::Staged(info.and_then(|info| info.validation_result_hash).unwrap_or_default()))
}

async fn read_deployments(cps: &Cps, id: EnrollmentId) -> Result<Answer, Error> {
    Ok(Answer::Deployments(Box::new(found(cps.get_deployments(id).await)?.unwrap_or_default())))
}

async fn acknowledge(cps: &Cps, id: EnrollmentId, change: ChangeId) -> Answer {
    failpoint::reach("before the acknowledgement");
    let answer = cps.acknowledge_dv_challenges(id, change).await;
    failpoint::reach("after the acknowledgement");
    told(answer)
}

async fn acknowledge_warnings(cps: &Cps, id: EnrollmentId, change: ChangeId, which: Warnings) -> Answer {
    failpoint::reach("before the acknowledgement of warnings");
    let answer = match which {
        Warnings::PreVerification => cps.acknowledge_pre_verification_warnings(id, change).await,
        Warnings::PostVerification => cps.acknowledge_post_verification_warnings(id, change).await,
    };
    failpoint::reach("after the acknowledgement of warnings");
    told(answer)
}

async fn acknowledge_deployment(cps: &Cps, id: EnrollmentId, change: ChangeId, hash: &str) -> Answer {
    failpoint::reach("before the acknowledgement of the deployment");
    let answer = cps.acknowledge_change_management(id, change, hash).await;
    failpoint::reach("after the acknowledgement of the deployment");
    told(answer)
}

async fn set_schedule(
    cps: &Cps,
    id: EnrollmentId,
    change: ChangeId,
    schedule: &DeploymentSchedule,
) -> Answer {
    failpoint::reach("before the schedule");
    let answer = cps.set_deployment_schedule(id, change, schedule).await;
    failpoint::reach("after the schedule");
    told(answer)
}

async fn create(cps: &Cps, contract: &str, body: &Enrollment) -> Answer {
    failpoint::reach("before the create");
    let answer = cps.create_enrollment(&ContractId::new(contract), body, &CreateParams::default()).await;
    failpoint::reach("after the create");
    match answer {
        Ok(created) => {
            Answer::Taken { enrollment: created.enrollment, change: created.changes.last().copied() }
        }
        Err(error) => Answer::Failed(fault::cps(&error)),
    }
}

async fn update(cps: &Cps, wanted: &Update) -> Answer {
    let params = UpdateParams {
        allow_cancel_pending_changes: wanted.replace,
        renewal_date_check_override: wanted.override_renewal,
        force_renewal: wanted.renew,
        ..UpdateParams::default()
    };
    failpoint::reach("before the update");
    let answer = cps.update_enrollment(wanted.enrollment, &wanted.body, &params).await;
    failpoint::reach("after the update");
    match answer {
        Ok(updated) => {
            Answer::Taken { enrollment: wanted.enrollment, change: updated.changes.last().copied() }
        }
        Err(error) => Answer::Failed(fault::cps(&error)),
    }
}

async fn delete(cps: &Cps, id: EnrollmentId) -> Answer {
    let params = DeleteParams { allow_cancel_pending_changes: true, ..DeleteParams::default() };
    failpoint::reach("before the removal of the enrollment");
    let answer = cps.delete_enrollment(id, &params).await;
    failpoint::reach("after the removal of the enrollment");
    answer.map_or_else(|error| Answer::Failed(fault::cps(&error)), |_| Answer::Done)
}

/// The answer to an input for a change. If CPS has moved on by itself, a 404 means that it no longer takes the input.
fn told<T>(answer: Result<T, Error>) -> Answer {
    match answer {
        Ok(_) => Answer::Done,
        Err(error) => {
            tracing::info!(%error, "CPS did not take the input; the change is looked at again");
            let mut fault = fault::cps(&error);
            if error.status() == Some(404) {
                fault.kind = FaultKind::NotFound;
            }
            Answer::Failed(fault)
        }
    }
}
