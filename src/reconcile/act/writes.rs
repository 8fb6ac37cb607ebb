//! I/O: the writes to CPS, each once, and what its answer means. A write whose answer was lost is never blindly repeated:
//! what was read before is forgotten, so that CPS is read again first. Not here: the reads, the writes to the cluster.

use std::time::Duration;

use akamai_cps::types::{ContractId, EnrollmentId};
use akamai_cps::{Cps, CreateParams, DeleteParams, Error as CpsError, UpdateParams};
use jiff::Timestamp;

use super::Trouble;
use crate::process::failpoint;
use akacert_api::reason::Reason;
use akacert_core::life::snapshot::{Created, Memory};
use akacert_core::life::step::Update;

/// The create. Whatever its answer, the list has to be read again before another one.
pub(super) async fn create(
    cps: &Cps,
    contract: &str,
    body: &akamai_cps::types::Enrollment,
    generation: i64,
    memory: &mut Memory,
) -> Result<(), Trouble> {
    memory.list = None;
    memory.duplicate = None;
    failpoint::reach("before the create");
    let answer = cps.create_enrollment(&ContractId::new(contract), body, &CreateParams::default()).await;
    failpoint::reach("after the create");
    match answer {
        Ok(created) => {
            memory.uncertain_create = None;
            let change = created.changes.last().copied();
            memory.created =
                Some(Created { at: Timestamp::now(), enrollment: created.enrollment, change, generation });
            Ok(())
        }
        Err(error) if error.is_outcome_unknown() => {
            memory.uncertain_create = Some(Timestamp::now());
            Ok(())
        }
        Err(error) if error.status() == Some(409) => {
            memory.duplicate = Some(Timestamp::now());
            Ok(())
        }
        Err(error)
            if error.status().is_some_and(|status| status == 400 || status == 422)
                && !error.is_transient() =>
        {
            Err(Trouble {
                reason: Reason::EnrollmentRefused,
                message: format!("CPS refused to create the enrollment: {error}"),
                stalled: true,
                retry_after: Some(Duration::from_secs(3600)),
                gone: false,
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// After a write to a change. The names were looked at for it; the next write looks again.
pub(super) fn looked_at_again_soon(memory: &mut Memory, now: Timestamp) {
    memory.enrollment = None;
    if let Some(reading) = &mut memory.change {
        reading.at = now;
        reading.unchanged = 0;
    }
}

/// The update. Whatever its answer, the enrollment is read again and compared before another one.
pub(super) async fn update(
    cps: &Cps,
    wanted: &Update,
    generation: i64,
    memory: &mut Memory,
) -> Result<(), Trouble> {
    let params = UpdateParams {
        allow_cancel_pending_changes: wanted.replace,
        renewal_date_check_override: wanted.override_renewal,
        force_renewal: wanted.renew,
        ..UpdateParams::default()
    };
    memory.enrollment = None;
    failpoint::reach("before the update");
    let answer = cps.update_enrollment(wanted.enrollment, &wanted.body, &params).await;
    failpoint::reach("after the update");
    match answer {
        Ok(updated) => {
            let change = updated.changes.last().copied();
            memory.created =
                Some(Created { at: Timestamp::now(), enrollment: wanted.enrollment, change, generation });
            memory.updates.push(wanted.plan.clone());
            memory.change = None;
            Ok(())
        }
        // Somebody else's change came first, or the answer was lost: what CPS has now decides.
        Err(error) if error.is_outcome_unknown() => Ok(()),
        Err(error) if error.status() == Some(409) => Err(Trouble {
            reason: Reason::UpdateWaits,
            message: format!("CPS cannot take the update now: {error}"),
            stalled: false,
            retry_after: None,
            gone: false,
        }),
        Err(error)
            if error.status().is_some_and(|status| status == 400 || status == 422)
                && !error.is_transient() =>
        {
            Err(Trouble {
                reason: Reason::UpdateRefused,
                message: format!("CPS refused the update: {error}"),
                stalled: true,
                retry_after: Some(Duration::from_secs(3600)),
                gone: false,
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// CPS may have gone on by itself, and then refuses the acknowledgement: the next look at the change tells.
pub(super) fn acknowledged<T>(answer: Result<T, CpsError>) -> Result<(), Trouble> {
    match answer {
        Err(error)
            if error.status() == Some(404) || error.status() == Some(409) || error.is_outcome_unknown() =>
        {
            tracing::info!(%error, "the acknowledgement was not taken; the change is looked at again");
            Ok(())
        }
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}

pub(super) async fn delete(cps: &Cps, id: EnrollmentId, memory: &mut Memory) -> Result<(), Trouble> {
    failpoint::reach("before the removal of the enrollment");
    let answer = cps
        .delete_enrollment(
            id,
            &DeleteParams { allow_cancel_pending_changes: true, ..DeleteParams::default() },
        )
        .await;
    failpoint::reach("after the removal of the enrollment");
    memory.enrollment = None;
    match answer {
        Err(error) if error.is_conflict("certificate-live-on-network") => Err(Trouble {
            reason: Reason::DeletionRefused,
            message: format!(
                "CPS refuses to remove enrollment {id}, because its certificate is live: detach it from its edge hostnames, \
                 or set deletionPolicy: Retain to leave it in CPS ({error})"
            ),
            stalled: true,
            retry_after: None,
            gone: false,
        }),
        Err(error) if !error.is_not_found() && !error.is_outcome_unknown() => Err(error.into()),
        _ => {
            memory.removal = Some(Timestamp::now());
            Ok(())
        }
    }
}
