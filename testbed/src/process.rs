//! A program of the test bed: started with its output in a file, ended when dropped.

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

    /// Whether it has ended by itself.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Stops it where it is, as a machine that hangs would.
    ///
    /// # Errors
    /// It has ended.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It has ended.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Asks it to end in good order.
    ///
    /// # Errors
    /// It has ended.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::SIGTERM)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.child.id().with_context(|| format!("{} has ended", self.name))?;
        Ok(kill(Pid::from_raw(i32::try_from(pid)?), signal)?)
    }

    /// Waits until it ends by itself; answers its exit code, none after a signal.
    ///
    /// # Errors
    /// It does not end within half a minute.
    pub async fn ended(mut self) -> Result<Option<i32>> {
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        Ok(ended.with_context(|| format!("{} does not end", self.name))??.code())
    }

    /// What it wrote.
    ///
    /// # Errors
    /// Its log cannot be read.
    pub fn log(&self) -> Result<String> {
        std::fs::read_to_string(&self.log).with_context(|| format!("no {}", self.log.display()))
    }

    /// Lets it end in good order, and answers whether it aborted instead, now or before.
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

    /// Ends it, and waits until it is gone.
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
                bail!("{} ended ({status}) before it was {what}: see {}", self.name, self.log.display());
            }
            if condition().await {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{} is not {what} after a minute: see {}", self.name, self.log.display());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until it listens.
    ///
    /// # Errors
    /// As [`Process::until`].
    pub async fn until_listening(&mut self, address: &str) -> Result<()> {
        self.until("listening", || async { tokio::net::TcpStream::connect(address).await.is_ok() }).await
    }
}
