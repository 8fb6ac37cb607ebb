//! I/O: makes one CPS call. A write whose answer was lost is an answer too: this module sends nothing twice.

use akacert_core::life::Step;
use akacert_core::life::answer::{Answer, FaultKind};
use akacert_core::life::step::{Update, Warnings};
use akamai_cps::types::{ContractId, Enrollment, EnrollmentId};
use akamai_cps::{Cps, CreateParams, DeleteParams, Error, Priority, UpdateParams};
use jiff::Timestamp;
use kube::ResourceExt;

use super::{Context, Subject, fault};
use crate::cps::lists;
use crate::process::failpoint;

pub(super) async fn call(step: &Step, subject: &Subject<'_>, ctx: &Context) -> Answer {
    let Some((account, client)) = subject.account.zip(subject.client) else { return fault::no_account() };
    let uid = subject.certificate.uid().unwrap_or_default();
    let cps = |priority| client.with(priority, uid.as_str());
    let shared = |contract: &str, after, priority| {
        let key = lists::Key { client: client.identity(), contract: contract.to_owned() };
        let (contract, cps) = (ContractId::new(contract), cps(priority));
        ctx.lists.get(key, &account.budget_group, after, async move || cps.list_enrollments(&contract).await)
    };
    let answer = match step {
        Step::ListEnrollments { contract, common_name, after } => {
            shared(contract, *after, Priority::Poll).await.map(|list| {
                let same_name = list.enrollments.iter().filter(|listed| listed.has_common_name(common_name));
                Answer::Enrollments { begun: list.begun, found: same_name.cloned().collect() }
            })
        }
        Step::Watch { contract, enrollment, after } => {
            let list = match shared(contract, *after, Priority::Housekeeping).await {
                Ok(list) => list,
                Err(error) => return Answer::Failed(fault::cps(&error)),
            };
            let ours = list.enrollments.iter().find(|listed| listed.enrollment_id() == Some(*enrollment));
            match ours {
                Some(ours) => {
                    Ok(Answer::Enrollment { begun: list.begun, found: Some(Box::new(ours.clone())) })
                }
                // Read it before telling anybody that it is gone.
                None => enrollment_read(&cps(Priority::Poll), *enrollment, list.begun).await,
            }
        }
        Step::ReadChallenges(..) | Step::ReadStaged(..) => read(step, &cps(Priority::Publish)).await,
        step if !step.is_side_effect() => read(step, &cps(Priority::Poll)).await,
        step => return write(step, &cps(Priority::Publish)).await,
    };
    answer.unwrap_or_else(|error| Answer::Failed(fault::cps(&error)))
}

async fn enrollment_read(cps: &Cps, id: EnrollmentId, begun: Timestamp) -> Result<Answer, Error> {
    let found = found(cps.get_enrollment(id).await)?.map(Box::new);
    Ok(Answer::Enrollment { begun, found })
}

async fn read(step: &Step, cps: &Cps) -> Result<Answer, Error> {
    Ok(match step {
        Step::ReadEnrollment(id) => enrollment_read(cps, *id, Timestamp::now()).await?,
        Step::ReadChange(id, change) => {
            Answer::Change(found(cps.get_change(*id, *change).await)?.map(Box::new))
        }
        Step::ReadChallenges(id, change) => {
            let challenges = found(cps.get_dv_challenges(*id, *change).await)?;
            Answer::Challenges(challenges.map(|challenges| challenges.dv).unwrap_or_default())
        }
        Step::ReadWarnings(id, change, which) => {
            let answer = match which {
                Warnings::PreVerification => cps.get_pre_verification_warnings(*id, *change).await,
                Warnings::PostVerification => cps.get_post_verification_warnings(*id, *change).await,
            };
            Answer::Warnings(found(answer)?.unwrap_or_default())
        }
        Step::ReadStaged(id, change) => {
            let info = found(cps.get_change_management_info(*id, *change).await)?;
            Answer::Staged(info.and_then(|info| info.validation_result_hash).unwrap_or_default())
        }
        Step::ReadDeployments(id) => {
            Answer::Deployments(Box::new(found(cps.get_deployments(*id).await)?.unwrap_or_default()))
        }
        _ => Answer::Done,
    })
}

/// Treats CPS's "not found" as an answer and not as an error.
fn found<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

async fn write(step: &Step, cps: &Cps) -> Answer {
    match step {
        Step::CreateEnrollment { contract, body } => create(cps, contract, body).await,
        Step::UpdateEnrollment(wanted) => update(cps, wanted).await,
        Step::DeleteEnrollment(id) => delete(cps, *id).await,
        Step::Acknowledge { enrollment, change, .. } => {
            failpoint::reach("before the acknowledgement");
            let answer = cps.acknowledge_dv_challenges(*enrollment, *change).await;
            failpoint::reach("after the acknowledgement");
            told(answer)
        }
        Step::AcknowledgeWarnings(id, change, which) => {
            failpoint::reach("before the acknowledgement of warnings");
            let answer = match which {
                Warnings::PreVerification => cps.acknowledge_pre_verification_warnings(*id, *change).await,
                Warnings::PostVerification => cps.acknowledge_post_verification_warnings(*id, *change).await,
            };
            failpoint::reach("after the acknowledgement of warnings");
            told(answer)
        }
        Step::AcknowledgeDeployment { enrollment, change, hash } => {
            failpoint::reach("before the acknowledgement of the deployment");
            let answer = cps.acknowledge_change_management(*enrollment, *change, hash).await;
            failpoint::reach("after the acknowledgement of the deployment");
            told(answer)
        }
        Step::Schedule(id, change, schedule) => {
            failpoint::reach("before the schedule");
            let answer = cps.set_deployment_schedule(*id, *change, schedule).await;
            failpoint::reach("after the schedule");
            told(answer)
        }
        _ => Answer::Done,
    }
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
