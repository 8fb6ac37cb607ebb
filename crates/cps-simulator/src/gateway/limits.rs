//! The request limits of an account: 35 a minute and 20 in 2 seconds.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::lock::lock;

const WINDOWS: [(usize, Duration); 2] = [(35, Duration::from_secs(60)), (20, Duration::from_secs(2))];

/// The requests of the last minute, for each account.
#[derive(Default)]
pub(crate) struct Limits {
    accounts: Mutex<HashMap<String, VecDeque<Instant>>>,
}

impl Limits {
    /// Counts a request, or says how long the account has to wait. A refused request does not count.
    pub(crate) fn admit(&self, account: &str, now: Instant) -> Result<(), Duration> {
        let mut accounts = lock(&self.accounts);
        let seen = accounts.entry(account.to_owned()).or_default();
        while seen.front().is_some_and(|first| now.duration_since(*first) >= WINDOWS[0].1) {
            seen.pop_front();
        }
        let wait = WINDOWS
            .iter()
            .filter_map(|(limit, window)| {
                let oldest = seen.iter().rev().nth(limit - 1)?;
                window.checked_sub(now.duration_since(*oldest)).filter(|left| !left.is_zero())
            })
            .max();
        match wait {
            Some(wait) => Err(wait),
            None => {
                seen.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_21st_request_in_two_seconds_waits_for_the_window() {
        let (limits, start) = (Limits::default(), Instant::now());
        for n in 0..20 {
            assert_eq!(limits.admit("a", start + Duration::from_millis(n)), Ok(()));
        }
        assert_eq!(limits.admit("a", start + Duration::from_millis(500)), Err(Duration::from_millis(1500)));
        assert_eq!(limits.admit("a", start + Duration::from_secs(2)), Ok(()));
    }

    #[test]
    fn the_36th_request_in_a_minute_waits_for_the_minute() {
        let (limits, start) = (Limits::default(), Instant::now());
        for n in 0..35 {
            assert_eq!(limits.admit("a", start + Duration::from_secs(n)), Ok(()));
        }
        assert_eq!(limits.admit("a", start + Duration::from_secs(40)), Err(Duration::from_secs(20)));
        assert_eq!(limits.admit("a", start + Duration::from_secs(60)), Ok(()));
    }

    #[test]
    fn accounts_do_not_share_their_limits() {
        let (limits, start) = (Limits::default(), Instant::now());
        for _ in 0..20 {
            assert_eq!(limits.admit("a", start), Ok(()));
        }
        assert_eq!(limits.admit("b", start), Ok(()));
    }
}
