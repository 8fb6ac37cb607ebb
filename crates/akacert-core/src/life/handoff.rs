//! PURE: the ConfigMap that tells pipelines what is deployed, if the user asks for it. It does not change `Ready`.

use super::draft::Draft;
use super::{Next, Pause, Snapshot, Step};
use crate::published::{self, Kind};
use akacert_api::reason::Reason;
use akacert_api::status::condition;

/// Checks that the ConfigMap matches the recorded deployment, or returns the step that writes it. Returns when to
/// retry a failed write.
pub fn handed_off(s: &Snapshot<'_>, d: &mut Draft) -> Result<Pause, Next> {
    let wanted = s.spec().handoff.as_ref();
    if wanted.is_none() {
        d.without(condition::HANDED_OFF);
    }
    // Only what the status already reports as deployed.
    let Some((id, production)) =
        s.recorded_enrollment().zip(s.recorded_production()).filter(|_| super::is_ready(s))
    else {
        return Ok(Pause::UntilEvent);
    };
    if let Some(failure) = s.memory.failures.of(Step::HAND_OFF).filter(|failure| s.now < failure.retry_at) {
        d.beside(condition::HANDED_OFF, false, failure.reason, failure.message.clone());
        return Ok(Pause::Until(failure.retry_at));
    }
    match published::plan_handoff(s.certificate, id, production, s.published) {
        Ok(Some(write)) => match s.memory.writes.held(&write, s.now) {
            Some(held) => {
                d.beside(condition::HANDED_OFF, false, held.reason, held.message);
                Ok(Pause::Until(held.retry_at))
            }
            None => Err(Next::Do(Step::HandOff(Box::new(write)))),
        },
        Ok(None) => {
            if let Some(disputed) = s.memory.writes.disputed(s.now, |kind| kind == Kind::Handoff) {
                d.beside(condition::HANDED_OFF, false, disputed.reason, disputed.message);
                return Ok(Pause::Until(disputed.retry_at));
            }
            if let Some(handoff) = wanted {
                let message = format!("ConfigMap {} says what is deployed", handoff.config_map_name);
                d.beside(condition::HANDED_OFF, true, Reason::HandedOff, message);
            }
            Ok(Pause::UntilEvent)
        }
        Err(blocked) => {
            d.beside(condition::HANDED_OFF, false, Reason::NameTaken, blocked.to_string());
            Ok(Pause::UntilEvent)
        }
    }
}
