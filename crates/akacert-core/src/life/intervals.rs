//! PURE: when to look again. The intervals suit CPS, which takes minutes to hours. One setting scales them all, so
//! that a demonstration need not wait.

use std::time::Duration;

use jiff::Timestamp;

/// From the create to the first look at the change. CPS takes about two minutes until challenges can be read.
const AFTER_CREATE: Duration = Duration::from_secs(60);
/// While CPS prepares or validates: the first interval, and the longest. The authority takes a minute or two.
const WHILE_VALIDATING: (Duration, Duration) = (Duration::from_secs(90), Duration::from_secs(300));
/// The same, while CPS deploys, which takes up to two hours.
const WHILE_DEPLOYING: (Duration, Duration) = (Duration::from_secs(120), Duration::from_secs(600));
/// While a human has to do something in CPS.
const WHILE_STALLED: Duration = Duration::from_secs(900);
/// Between self-checks: the first interval, and the longest.
const SELF_CHECK: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// After a failed call or write: the first interval, and the longest.
const AFTER_FAILURE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));
/// Between two readings of the challenges on offer. Tokens rotate after days.
const CHALLENGES: Duration = Duration::from_secs(900);
/// Between two acknowledgements, while CPS still asks for one.
const ACKNOWLEDGE_AGAIN: Duration = Duration::from_secs(3600);
/// After the authority refused a name: the first interval, and the longest. Refused authorizations count against its
/// limits.
const AFTER_REFUSAL: (Duration, Duration) = (Duration::from_secs(3600), Duration::from_secs(32 * 3600));
/// Between two checks of TXT records while a change needs them. A deleted record is then back within a minute.
const RECORDS: Duration = Duration::from_secs(40);
/// Without the self-check: from reading challenges to acknowledging them. The Ingress controller has to catch up
/// first. CPS validates at once, and a name that fails gets another token.
const UNCHECKED: Duration = Duration::from_secs(60);
/// How long to look for an enrollment in the list after the answer to its create was lost.
const UNCERTAIN_CREATE: Duration = Duration::from_secs(300);
/// Between two lists of a contract, for changes that CPS or somebody else began.
const WATCH: Duration = Duration::from_secs(1800);
/// The same, once CPS should have begun a renewal.
const WATCH_CLOSELY: Duration = Duration::from_secs(300);
/// From the last write of an object that somebody changed back, until the operator forgets that.
const AFTER_DISPUTE: Duration = Duration::from_secs(3600);
/// From the last write of such an object, until the operator relies on it.
const SETTLING: Duration = Duration::from_secs(60);
/// The shortest interval, however small the scale.
const SHORTEST: Duration = Duration::from_millis(50);

/// The intervals of one certificate.
#[derive(Clone, Copy, Debug)]
pub struct Intervals {
    /// 1 for the real CPS.
    pub scale: f64,
    /// A number that differs between certificates, so that a fleet does not poll in step.
    pub seed: u64,
}

impl Intervals {
    /// From the create to the first look at the change.
    #[must_use]
    pub fn after_create(&self) -> Duration {
        self.scaled(AFTER_CREATE, 0)
    }

    /// Between polls of a change that CPS prepares or validates, after `unchanged` polls without news.
    #[must_use]
    pub fn while_validating(&self, unchanged: u32) -> Duration {
        self.growing(WHILE_VALIDATING, unchanged)
    }

    /// Between polls of a change that CPS deploys, after `unchanged` polls without news.
    #[must_use]
    pub fn while_deploying(&self, unchanged: u32) -> Duration {
        self.growing(WHILE_DEPLOYING, unchanged)
    }

    /// Between looks while a human has to do something.
    #[must_use]
    pub fn while_stalled(&self) -> Duration {
        self.scaled(WHILE_STALLED, 0)
    }

    /// From the `count`th refused acknowledgement in a row to the next one.
    #[must_use]
    pub fn after_refusal(&self, count: i64) -> Duration {
        let (first, most) = AFTER_REFUSAL;
        let count = u32::try_from(count).unwrap_or(1);
        self.scaled(first.saturating_mul(1 << count.saturating_sub(1).min(10)).min(most), count)
    }

    /// Between checks of TXT records while a change needs them.
    #[must_use]
    pub fn records(&self) -> Duration {
        self.scaled(RECORDS, 0)
    }

    /// Between self-checks, after `failed` failed ones.
    #[must_use]
    pub fn self_check(&self, failed: u32) -> Duration {
        self.growing(SELF_CHECK, failed)
    }

    /// After the `count`th failure in a row.
    #[must_use]
    pub fn after_failure(&self, count: u32) -> Duration {
        self.growing(AFTER_FAILURE, count.saturating_sub(1))
    }

    /// From the last write of an object that somebody changed back, until the operator forgets that.
    #[must_use]
    pub fn after_dispute(&self) -> Duration {
        self.scaled(AFTER_DISPUTE, 0)
    }

    /// From the last write of such an object, until the operator relies on it.
    #[must_use]
    pub fn settling(&self) -> Duration {
        self.scaled(SETTLING, 0)
    }

    /// Between readings of the challenges on offer.
    #[must_use]
    pub fn challenges(&self) -> Duration {
        self.scaled(CHALLENGES, 0)
    }

    /// Between acknowledgements of the same challenges.
    #[must_use]
    pub fn acknowledge_again(&self) -> Duration {
        self.scaled(ACKNOWLEDGE_AGAIN, 0)
    }

    /// From reading challenges to acknowledging them, without a self-check.
    #[must_use]
    pub fn unchecked(&self) -> Duration {
        self.scaled(UNCHECKED, 0)
    }

    /// How long to look for an enrollment after the answer to its create was lost.
    #[must_use]
    pub fn uncertain_create(&self) -> Duration {
        self.scaled(UNCERTAIN_CREATE, 0)
    }

    /// The next list of a contract after a time. All certificates use the same moments, so that one list serves them
    /// all.
    #[must_use]
    pub fn watch_after(&self, last: Timestamp, closely: bool) -> Timestamp {
        self.moment(last, closely, 1)
    }

    /// The last of these moments before a time.
    #[must_use]
    pub fn watch_before(&self, now: Timestamp, closely: bool) -> Timestamp {
        self.moment(now, closely, 0)
    }

    fn moment(&self, time: Timestamp, closely: bool, later: i128) -> Timestamp {
        let interval = if closely { WATCH_CLOSELY } else { WATCH };
        let interval =
            i128::try_from(interval.mul_f64(self.scale).max(SHORTEST).as_nanos()).unwrap_or(i128::MAX);
        let moment = (time.as_nanosecond() / interval + later) * interval;
        Timestamp::from_nanosecond(moment).unwrap_or(Timestamp::MAX)
    }

    fn growing(&self, (first, most): (Duration, Duration), times: u32) -> Duration {
        let factor = 1.6_f64.powi(i32::try_from(times.min(20)).unwrap_or(20));
        self.scaled(first.mul_f64(factor).min(most), times)
    }

    /// Varies an interval by up to ten per cent, depending on certificate and turn.
    fn scaled(&self, interval: Duration, turn: u32) -> Duration {
        let spread = (self.seed.wrapping_mul(31).wrapping_add(u64::from(turn) * 7919)) % 201;
        #[allow(clippy::cast_precision_loss, reason = "a number below 201")]
        let jitter = 0.9 + spread as f64 / 1000.0;
        interval.mul_f64(self.scale * jitter).max(SHORTEST)
    }
}

/// When to check certificates at rest from outside.
#[derive(Clone, Copy, Debug)]
pub struct ForecastTimes {
    /// From one check to the next.
    pub interval: Duration,
    /// When the operator started.
    pub started: Timestamp,
}

impl ForecastTimes {
    /// The next check after a time. Each certificate has its own moments, spread over the interval, so that a restart
    /// of the operator neither repeats nor skips a check.
    #[must_use]
    pub fn after(&self, last: Timestamp, seed: u64) -> Timestamp {
        let interval = i128::try_from(self.interval.as_nanos().max(1_000_000)).unwrap_or(i128::MAX);
        let own = i128::from(seed) % interval;
        let moment = ((last.as_nanosecond() - own).div_euclid(interval) + 1) * interval + own;
        Timestamp::from_nanosecond(moment).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_get_rarer_while_nothing_moves_and_stay_within_bounds() {
        let intervals = Intervals { scale: 1.0, seed: 42 };
        let waits: Vec<_> = (0..12).map(|n| intervals.while_validating(n)).collect();
        assert!(waits[0] >= Duration::from_secs(81) && waits[0] <= Duration::from_secs(99), "{waits:?}");
        assert!(waits[3] > waits[0] * 2, "{waits:?}");
        assert!(waits[11] <= Duration::from_secs(330), "{waits:?}");
    }

    #[test]
    fn one_setting_scales_every_interval() {
        let (real, fast) = (Intervals { scale: 1.0, seed: 7 }, Intervals { scale: 0.1, seed: 7 });
        let ratio = real.while_deploying(2).as_secs_f64() / fast.while_deploying(2).as_secs_f64();
        assert!((ratio - 10.0).abs() < 0.001, "{ratio}");
    }

    #[test]
    fn all_certificates_look_at_their_contract_at_the_same_moments() {
        let of = |seed, last: &str| {
            let intervals = Intervals { scale: 1.0, seed };
            intervals.watch_after(last.parse().unwrap(), false).to_string()
        };
        assert_eq!(of(1, "2026-11-23T12:00:01Z"), "2026-11-23T12:30:00Z");
        assert_eq!(of(2, "2026-11-23T12:29:59Z"), "2026-11-23T12:30:00Z");
        assert_eq!(of(3, "2026-11-23T12:30:00Z"), "2026-11-23T13:00:00Z");
    }

    #[test]
    fn two_certificates_do_not_poll_in_step() {
        let of = |seed| Intervals { scale: 1.0, seed }.while_deploying(0);
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn each_certificate_is_looked_at_once_a_day_at_its_own_moment() {
        let times =
            ForecastTimes { interval: Duration::from_secs(24 * 3600), started: Timestamp::UNIX_EPOCH };
        let of = |seed, last: &str| times.after(last.parse().unwrap(), seed).to_string();
        let hour = 3_600_000_000_000;
        assert_eq!(of(hour, "2026-11-23T00:30:00Z"), "2026-11-23T01:00:00Z");
        assert_eq!(of(hour, "2026-11-23T01:00:00Z"), "2026-11-24T01:00:00Z");
        assert_eq!(of(2 * hour, "2026-11-23T01:00:00Z"), "2026-11-23T02:00:00Z");
    }
}
