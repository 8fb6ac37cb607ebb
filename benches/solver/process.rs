//! The servers as processes: their resource use, and their answers.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

const DEADLINE: Duration = Duration::from_secs(60);
/// Linux reports CPU time in these units, whatever the kernel's own clock.
const TICKS_PER_SECOND: f64 = 100.0;

pub struct Server {
    pub port: u16,
    child: Child,
    client: reqwest::Client,
}

/// MiB.
pub struct Memory {
    pub resident: f64,
    pub peak: f64,
}

/// The path of a program. Debian has servers in directories that are not on a user's PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    directories.map(|directory| directory.join(program)).find(|file| file.is_file())
}

pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Server {
    pub fn start(port: u16, command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn()?;
        Ok(Self { port, child, client: reqwest::Client::new() })
    }

    /// The same process, at another of its ports.
    pub fn at(&self, port: u16) -> Port<'_> {
        Port { port, client: &self.client }
    }

    pub async fn until(&self, host: &str, path: &str, status: u16) -> Result<()> {
        self.at(self.port).until(host, path, status).await
    }

    pub async fn expect(&self, host: &str, path: &str, body: &str) -> Result<()> {
        let (status, answer) = self.at(self.port).get(host, path).await?;
        ensure!(status == 200 && answer == body, "{host}{path}: {status} {answer}");
        Ok(())
    }

    pub fn memory(&self) -> Result<Memory> {
        let status = self.read("status")?;
        let of = |key| -> Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).context(key)?;
            Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
        };
        Ok(Memory { resident: of("VmRSS:")?, peak: of("VmHWM:")? })
    }

    /// Seconds of CPU time, in user space and in the kernel.
    pub fn cpu(&self) -> Result<f64> {
        let stat = self.read("stat")?;
        let (_, fields) = stat.rsplit_once(") ").context("/proc/PID/stat")?;
        let ticks: Vec<f64> = fields.split(' ').skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        Ok(ticks.iter().sum::<f64>() / TICKS_PER_SECOND)
    }

    fn read(&self, file: &str) -> Result<String> {
        let id = self.child.id().context("a server has ended")?;
        Ok(std::fs::read_to_string(format!("/proc/{id}/{file}"))?)
    }
}

pub struct Port<'a> {
    port: u16,
    client: &'a reqwest::Client,
}

impl Port<'_> {
    async fn get(&self, host: &str, path: &str) -> Result<(u16, String)> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let answer = self.client.get(url).header("Host", host).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    pub async fn until(&self, host: &str, path: &str, status: u16) -> Result<()> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let last = self.get(host, path).await;
            if last.as_ref().is_ok_and(|(found, _)| *found == status) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{host}{path} is not {status} but {last:?}");
            sleep(Duration::from_millis(2)).await;
        }
    }
}
