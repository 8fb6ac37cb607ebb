//! PURE: how many requests may go out when: a token bucket, a sliding window and pauses. The caller passes the time.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// CPS allows this many requests in [`WINDOW`], whatever the rate per minute.
const WINDOW_REQUESTS: usize = 20;
const WINDOW: Duration = Duration::from_secs(2);

/// The rate of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    per_minute: u32,
    burst: u32,
}

impl Limits {
    /// Raises both to at least one: one request per minute, one at a time.
    pub(super) fn new(per_minute: u32, burst: u32) -> Self {
        Self { per_minute: per_minute.max(1), burst: burst.max(1) }
    }

    /// The cost of one request, in nanoseconds of waiting.
    fn cost(self) -> u64 {
        60_000_000_000 / u64::from(self.per_minute)
    }

    fn full(self) -> u64 {
        self.cost() * u64::from(self.burst)
    }
}

/// The state of a budget. It counts credit in nanoseconds, so that rounding loses nothing.
#[derive(Debug)]
pub(super) struct Bucket {
    limits: Option<Limits>,
    credit: u64,
    counted_at: Instant,
    recent: VecDeque<Instant>,
    paused_until: Option<Instant>,
}

impl Bucket {
    /// A full bucket. Without limits, only pauses hold requests back.
    pub(super) fn new(limits: Option<Limits>, now: Instant) -> Self {
        let credit = limits.map_or(0, Limits::full);
        Self { limits, credit, counted_at: now, recent: VecDeque::new(), paused_until: None }
    }

    /// Changes the rate. The remaining number of requests stays, up to the new burst.
    pub(super) fn set_limits(&mut self, limits: Option<Limits>, now: Instant) {
        if self.limits == limits {
            return;
        }
        self.count(now);
        let left = self.limits.map(|old| self.credit / old.cost());
        self.limits = limits;
        self.credit =
            limits.map_or(0, |new| left.map_or(new.full(), |left| (left * new.cost()).min(new.full())));
    }

    /// When the next request may go out: now, or later.
    pub(super) fn ready_at(&mut self, now: Instant) -> Instant {
        self.count(now);
        let resumed = self.paused_until.unwrap_or(now);
        let Some(limits) = self.limits else { return resumed };
        let credited = now + Duration::from_nanos(limits.cost().saturating_sub(self.credit));
        let windowed = match self.recent.len().checked_sub(WINDOW_REQUESTS) {
            Some(oldest) => self.recent[oldest] + WINDOW,
            None => now,
        };
        resumed.max(credited).max(windowed)
    }

    /// Counts a request that goes out now. Call it only when [`Bucket::ready_at`] is now.
    pub(super) fn take(&mut self, now: Instant) {
        if let Some(limits) = self.limits {
            self.credit = self.credit.saturating_sub(limits.cost());
            self.recent.push_back(now);
        }
    }

    /// Holds all requests back until `resume`, or until the end of a longer pause. After a pause, requests start one
    /// by one, because the account has just exceeded its limit.
    pub(super) fn pause(&mut self, resume: Instant, now: Instant) {
        self.count(now);
        self.credit = self.limits.map_or(0, |limits| self.credit.min(limits.cost()));
        // A pause earns no credit.
        let until = self.paused_until.map_or(resume, |until| until.max(resume));
        self.paused_until = Some(until);
        self.counted_at = self.counted_at.max(until);
    }

    /// How long the current pause still lasts; `None` if there is none.
    pub(super) fn paused_for(&mut self, now: Instant) -> Option<Duration> {
        self.count(now);
        self.paused_until.map(|until| until.saturating_duration_since(now))
    }

    /// How many requests could go out now; `None` without limits.
    pub(super) fn remaining(&mut self, now: Instant) -> Option<u32> {
        self.count(now);
        let limits = self.limits?;
        if self.paused_until.is_some() {
            return Some(0);
        }
        u32::try_from(self.credit / limits.cost()).ok()
    }

    fn count(&mut self, now: Instant) {
        self.paused_until = self.paused_until.filter(|until| *until > now);
        while self.recent.front().is_some_and(|sent| *sent + WINDOW <= now) {
            self.recent.pop_front();
        }
        let earned = now.saturating_duration_since(self.counted_at).as_nanos();
        let earned = u64::try_from(earned).unwrap_or(u64::MAX);
        self.counted_at = self.counted_at.max(now);
        if let Some(limits) = self.limits {
            self.credit = self.credit.saturating_add(earned).min(limits.full());
        }
    }
}
