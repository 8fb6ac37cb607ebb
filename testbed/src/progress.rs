//! The progress of builds: which one of how many, and since when. A terminal gets a line that counts, anything else a
//! line now and then.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

/// The interval between two lines about the same build, if there is no terminal.
const PAUSE: Duration = Duration::from_secs(30);

/// A build in progress.
pub struct Progress {
    what: String,
    since: Instant,
    /// The time in the last line. A new second gets a new line.
    said: Duration,
    terminal: bool,
}

impl Progress {
    /// Starts build `number` of `of`.
    pub fn new(number: usize, of: usize, what: &str) -> Self {
        let progress = Self {
            what: format!("[{number}/{of}] building {what}"),
            since: Instant::now(),
            said: Duration::ZERO,
            terminal: stderr().is_terminal(),
        };
        match progress.terminal {
            true => eprint!("{} …", progress.what),
            false => eprintln!("{} …", progress.what),
        }
        progress
    }

    /// Shows that the build continues.
    pub fn goes_on(&mut self) {
        let elapsed = self.since.elapsed();
        let pause = if self.terminal { Duration::from_secs(1) } else { PAUSE };
        if elapsed < self.said + pause {
            return;
        }
        self.said = elapsed;
        match self.terminal {
            true => eprint!("\r\x1b[K{} … {}", self.what, duration(elapsed)),
            false => eprintln!("{} … {}", self.what, duration(elapsed)),
        }
    }

    /// Ends the build, and returns how long it took.
    pub fn ended(self, how: &str) -> Duration {
        let took = self.since.elapsed();
        let start = if self.terminal { "\r\x1b[K" } else { "" };
        eprintln!("{start}{} {how} {}", self.what, duration(took));
        took
    }
}

/// A duration for people: `40s`, `1m05s`.
#[must_use]
pub fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..60 => format!("{seconds}s"),
        seconds => format!("{}m{:02}s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_seconds_and_from_a_minute_on_in_minutes() {
        let spoken = [0, 59, 60, 65, 605].map(|seconds| duration(Duration::from_secs(seconds)));
        assert_eq!(spoken, ["0s", "59s", "1m00s", "1m05s", "10m05s"]);
    }
}
