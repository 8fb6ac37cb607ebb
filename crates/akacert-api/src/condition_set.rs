//! PURE: merges conditions and compares statuses, so that the operator writes a status only when a fact changes.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The wanted conditions. Each keeps the transition time of the current condition of its type, unless its status
/// flips (Kubernetes API conventions).
#[must_use]
pub fn merged(current: &[Condition], wanted: Vec<Condition>) -> Vec<Condition> {
    wanted
        .into_iter()
        .map(|mut condition| {
            if let Some(old) = find(current, &condition.type_).filter(|old| old.status == condition.status) {
                condition.last_transition_time = old.last_transition_time.clone();
            }
            condition
        })
        .collect()
}

/// The condition with this type.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether the condition with this type is True.
#[must_use]
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == "True")
}

/// A condition whose transition time is now.
#[must_use]
pub fn condition(
    type_: &str,
    status: &str,
    reason: &str,
    message: &str,
    generation: i64,
    now: Timestamp,
) -> Condition {
    Condition {
        type_: type_.into(),
        status: status.into(),
        reason: reason.into(),
        message: bounded(message),
        observed_generation: Some(generation),
        last_transition_time: Time(now),
    }
}

/// The API server refuses messages above 32,768 bytes, and nobody reads more than a screen.
fn bounded(message: &str) -> String {
    const LIMIT: usize = 1024;
    match message.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_condition_keeps_its_transition_time_while_its_status_stays() {
        let old = vec![condition("Ready", "False", "Creating", "a", 1, at(10))];
        let new = merged(&old, vec![condition("Ready", "False", "WaitingForChallenges", "b", 1, at(20))]);
        assert_eq!(new[0].last_transition_time, Time(at(10)));
        assert_eq!(new[0].reason, "WaitingForChallenges");
    }

    #[test]
    fn a_condition_gets_a_new_transition_time_when_its_status_flips() {
        let old = vec![condition("Ready", "False", "Creating", "a", 1, at(10))];
        let new = merged(&old, vec![condition("Ready", "True", "Deployed", "b", 1, at(20))]);
        assert_eq!(new[0].last_transition_time, Time(at(20)));
    }

    #[test]
    fn a_long_message_is_cut_at_a_character_boundary() {
        let cut = condition("Ready", "False", "X", &"ä".repeat(2000), 1, at(0)).message;
        assert_eq!(cut.chars().count(), 1025);
    }
}
