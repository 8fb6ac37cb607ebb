//! Limits how many checks run at a time. Each account group has its request budget. This limit is for all groups
//! together, so that a thousand accounts do not open a thousand connections at once.

use std::time::Duration;

use akamai_cps::Budget;
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub(super) const SLOTS: usize = 32;

/// How long a check keeps its slot. A slower check continues without it, so that an endpoint that hangs delays no
/// other account.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct Slots {
    free: Semaphore,
}

impl Default for Slots {
    fn default() -> Self {
        Self { free: Semaphore::new(SLOTS) }
    }
}

impl Slots {
    /// Makes a call once a slot is free.
    pub async fn run<T>(&self, budget: &Budget, call: impl Future<Output = T>) -> T {
        // The budget limits a call that has to wait for it. Holding a slot meanwhile would only delay other accounts.
        if budget.remaining() == Some(0) {
            return call.await;
        }
        // The semaphore is never closed.
        let slot = self.free.acquire().await;
        let mut call = std::pin::pin!(call);
        match timeout(PATIENCE, call.as_mut()).await {
            Ok(answer) => answer,
            Err(_) => {
                drop(slot);
                call.await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_slots_allow_are_under_way() {
        let (slots, budget) = (Slots::default(), Budget::unlimited());
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let call = || async {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(PATIENCE / 2).await;
            now.fetch_sub(1, Ordering::SeqCst);
        };
        future::join_all((0..150).map(|_| slots.run(&budget, call()))).await;
        assert_eq!(most.load(Ordering::SeqCst), SLOTS);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_hang_give_up_their_slots() {
        let (slots, budget) = (Slots::default(), Budget::unlimited());
        let hang = || slots.run(&budget, future::pending::<()>());
        let hanging = future::join_all((0..3 * SLOTS).map(|_| hang()));
        tokio::select! {
            _ = hanging => unreachable!("they hang"),
            answer = slots.run(&budget, future::ready("answer")) => assert_eq!(answer, "answer"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waits_for_its_budget_takes_no_slot() {
        let (slots, spent) = (Slots::default(), Budget::new(1, 1));
        spent.acquire(akamai_cps::Priority::Housekeeping, "first").await;
        let begun = Notify::new();
        let waiting = slots.run(&spent, async {
            begun.notify_one();
            future::pending::<()>().await;
        });
        tokio::select! {
            () = waiting => unreachable!("it waits"),
            () = begun.notified() => assert_eq!(slots.free.available_permits(), SLOTS),
        }
    }
}
