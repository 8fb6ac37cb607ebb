//! The request budget of an Akamai account. Every request of the account waits here for its turn.
//!
//! CPS allows 35 requests a minute and 20 in 2 seconds for a whole account, and other programs use the account too. A
//! budget is one token bucket with priorities. Within a priority the flows (one for each certificate) take turns, so
//! that no certificate can keep the others waiting. The client reads CPS's answers for hints to pause. Edge DNS
//! has limits of its own, so `turns` has a separate budget for it.

mod bucket;
mod queue;
mod registry;
mod turns;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::Rng as _;
use tokio::sync::Notify;
use tokio::time::Instant;

use bucket::{Bucket, Limits};
use queue::{Queue, Ticket};
pub use registry::Budgets;
pub use turns::Turns;

/// The longest random addition to a pause.
const LONGEST_JITTER: Duration = Duration::from_secs(5);

/// Which requests go first. A lower priority waits as long as a higher one has requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Publishing and acknowledging, for which somebody waits.
    Publish = 0,
    /// Following what CPS does.
    Poll = 1,
    /// Everything that can wait: checking accounts, looking for drift.
    Housekeeping = 2,
}

/// Akamai wants a longer pause than the caller is willing to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request budget of the Akamai account is paused")]
pub struct Paused {
    /// How long the pause still lasts.
    pub remaining: Duration,
}

/// The request budget of an account, shared by all its users.
#[derive(Debug)]
pub struct Budget {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    bucket: Bucket,
    queue: Queue,
    next_ticket: Ticket,
}

impl Budget {
    /// A budget of `per_minute` requests, of which `burst` may go out at once. Never more than 20 go out within 2
    /// seconds.
    pub fn new(per_minute: u32, burst: u32) -> Arc<Self> {
        Self::with(Some(Limits::new(per_minute, burst)))
    }

    /// A budget without limits, for a CPS that has none. It still observes the pauses that CPS asks for.
    pub fn unlimited() -> Arc<Self> {
        Self::with(None)
    }

    fn with(limits: Option<Limits>) -> Arc<Self> {
        let state =
            State { bucket: Bucket::new(limits, Instant::now()), queue: Queue::default(), next_ticket: 0 };
        Arc::new(Self { state: Mutex::new(state), changed: Notify::new() })
    }

    /// Waits until a request may go out, however long. Dropping the future gives up the place.
    pub async fn acquire(&self, priority: Priority, flow: &str) {
        // This cannot fail, because no pause is longer than the longest duration.
        let _ = self.acquire_unless_paused(priority, flow, Duration::MAX).await;
    }

    /// Waits until a request may go out, unless the account is paused for longer than `longest`, now or while
    /// waiting. The wait for one's turn has no limit. Dropping the future gives up the place.
    ///
    /// # Errors
    /// The account is paused for longer.
    pub async fn acquire_unless_paused(
        &self,
        priority: Priority,
        flow: &str,
        longest: Duration,
    ) -> Result<(), Paused> {
        let mut place = Place::take(self, priority, Arc::from(flow));
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on, no change is missed.
            changed.as_mut().enable();
            match place.try_go(longest)? {
                Turn::Now => return Ok(()),
                Turn::At(time) => {
                    let _ = tokio::time::timeout_at(time, changed).await;
                }
                Turn::AfterOthers => changed.await,
            }
        }
    }

    /// Holds all requests back until `resume`, plus a random time, so that not all users of the account come back at
    /// the same moment. If the present pause ends later, it stays.
    pub fn pause_until(&self, resume: Instant) {
        let now = Instant::now();
        let wait = resume.saturating_duration_since(now);
        let jitter = (wait / 10).min(LONGEST_JITTER).mul_f64(rand::rng().random());
        self.lock().bucket.pause(resume + jitter, now);
        self.changed.notify_waiters();
    }

    /// How long the current pause still lasts; `None` if there is none.
    pub fn paused_for(&self) -> Option<Duration> {
        self.lock().bucket.paused_for(Instant::now())
    }

    /// How many requests could go out now; `None` without limits.
    pub fn remaining(&self) -> Option<u32> {
        self.lock().bucket.remaining(Instant::now())
    }

    /// How many requests wait for their turn.
    pub fn waiting(&self) -> usize {
        self.lock().queue.len()
    }

    /// Changes the rate for all requests, including those that wait.
    pub fn set_limits(&self, per_minute: u32, burst: u32) {
        self.lock().bucket.set_limits(Some(Limits::new(per_minute, burst)), Instant::now());
        self.changed.notify_waiters();
    }

    /// The state is consistent after every step, so a panic elsewhere does not corrupt it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When a waiting call may go.
enum Turn {
    Now,
    At(Instant),
    AfterOthers,
}

/// A place in the queue. Dropping it gives up the place.
struct Place<'a> {
    budget: &'a Budget,
    priority: Priority,
    flow: Arc<str>,
    ticket: Ticket,
    waiting: bool,
}

impl<'a> Place<'a> {
    fn take(budget: &'a Budget, priority: Priority, flow: Arc<str>) -> Self {
        let mut state = budget.lock();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.queue.push(priority, &flow, ticket);
        drop(state);
        // Another call may be next now.
        budget.changed.notify_waiters();
        Self { budget, priority, flow, ticket, waiting: true }
    }

    fn try_go(&mut self, longest: Duration) -> Result<Turn, Paused> {
        let now = Instant::now();
        let mut state = self.budget.lock();
        if let Some(remaining) = state.bucket.paused_for(now).filter(|remaining| *remaining > longest) {
            return Err(Paused { remaining });
        }
        if state.queue.head() != Some(self.ticket) {
            return Ok(Turn::AfterOthers);
        }
        let ready = state.bucket.ready_at(now);
        if ready > now {
            return Ok(Turn::At(ready));
        }
        state.bucket.take(now);
        state.queue.remove(self.priority, &self.flow, self.ticket, true);
        drop(state);
        self.waiting = false;
        self.budget.changed.notify_waiters();
        Ok(Turn::Now)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.waiting {
            self.budget.lock().queue.remove(self.priority, &self.flow, self.ticket, false);
            self.budget.changed.notify_waiters();
        }
    }
}
