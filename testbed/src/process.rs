//! A program of the test bed. Its output goes to a file. Dropping it ends the program.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// Linux counts CPU time in these, whatever the kernel's own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a program has used.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Seconds of CPU time since it began, in user space and in the kernel.
    pub cpu: f64,
    /// Memory that it holds, in MiB.
    pub resident: f64,
    /// The most memory that it has held, in MiB.
    pub peak: f64,
}

/// A running program.
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts a program.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(name: &str, logs: &Path, mut command: Command) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name: name.to_owned(), log, child })
    }

    /// Whether the program has ended by itself.
    ///
    /// # Errors
    /// Its state cannot be read.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Stops the program for now, as if its machine hung.
    ///
    /// # Errors
    /// It has ended.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets the program continue after [`Process::freeze`].
    ///
    /// # Errors
    /// It has ended.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Asks it to shut down.
    ///
    /// # Errors
    /// It has ended.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::SIGTERM)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.id()?)?), signal)?)
    }

    fn id(&self) -> Result<u32> {
        self.child.id().with_context(|| format!("{} has ended", self.name))
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// It has ended.
    pub fn usage(&self) -> Result<Usage> {
        let directory = Path::new("/proc").join(self.id()?.to_string());
        let stat = std::fs::read_to_string(directory.join("stat"))?;
        let (_, fields) = stat.rsplit_once(") ").context("/proc/PID/stat")?;
        let ticks: Vec<f64> = fields.split(' ').skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        let status = std::fs::read_to_string(directory.join("status"))?;
        let mebibytes = |key| -> Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            // A process that nobody has waited for yet has no memory any more.
            let line = line.with_context(|| {
                format!("{} has ended: {}", self.name, last_lines(&self.log).unwrap_or_default())
            })?;
            Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
        };
        Ok(Usage {
            cpu: ticks.iter().sum::<f64>() / TICKS_PER_SECOND,
            resident: mebibytes("VmRSS:")?,
            peak: mebibytes("VmHWM:")?,
        })
    }

    /// Waits until the program ends by itself. Returns its exit code, or `None` if a signal ended it.
    ///
    /// # Errors
    /// It does not end within half a minute.
    pub async fn ended(mut self) -> Result<Option<i32>> {
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        Ok(ended.with_context(|| format!("{} does not end", self.name))??.code())
    }

    /// The whole output of the program.
    ///
    /// # Errors
    /// Its log cannot be read.
    pub fn log(&self) -> Result<String> {
        std::fs::read_to_string(&self.log).with_context(|| format!("no {}", self.log.display()))
    }

    /// Asks the program to shut down. Returns whether it aborted, now or before.
    ///
    /// # Errors
    /// It does not end within half a minute.
    pub async fn terminated_after_abort(mut self) -> Result<bool> {
        if self.child.id().is_some() {
            self.terminate()?;
        }
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        let status = ended.with_context(|| format!("{} does not end", self.name))??;
        Ok(status.signal() == Some(Signal::SIGABRT as i32))
    }

    /// Ends the program, and waits until it is gone.
    ///
    /// # Errors
    /// It cannot be ended.
    pub async fn stop(mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("cannot end {}", self.name))
    }

    /// Waits until a condition holds, while the program runs.
    ///
    /// # Errors
    /// The program ended, or the condition did not hold within a minute.
    pub async fn until<F: Future<Output = bool>>(
        &mut self,
        what: &str,
        condition: impl Fn() -> F,
    ) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended ({status}) before it was {what}; it said:\n{}",
                    self.name,
                    last_lines(&self.log)?
                );
            }
            if condition().await {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{} is not {what} after a minute; it said:\n{}", self.name, last_lines(&self.log)?);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the program listens.
    ///
    /// # Errors
    /// As for [`Process::until`].
    pub async fn until_listening(&mut self, address: &str) -> Result<()> {
        self.until("listening", || async { tokio::net::TcpStream::connect(address).await.is_ok() }).await
    }
}

/// The end of a log, for an error message.
///
/// # Errors
/// The log cannot be read.
pub fn last_lines(log: &Path) -> Result<String> {
    let log = std::fs::read(log).with_context(|| format!("no {}", log.display()))?;
    Ok(the_last(&String::from_utf8_lossy(&log)))
}

/// The last lines of a text.
#[must_use]
pub fn the_last(text: &str) -> String {
    const LINES: usize = 15;
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_a_text_are_fifteen_or_all_there_are() {
        assert_eq!(the_last("one\ntwo\n"), "one\ntwo");
        let twenty: String = (1..=20).map(|line| format!("{line}\n")).collect();
        assert_eq!(the_last(&twenty), "6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n18\n19\n20");
    }
}
