//! Creates load with wrk, with URLs from the whole fleet.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::fleet::Fleet;
use super::process::{self, Server};

pub const CONNECTIONS: usize = 64;
const URLS: usize = 4096;

pub struct Load {
    wrk: PathBuf,
    script: PathBuf,
    duration: Duration,
}

pub struct Round {
    pub per_second: f64,
    pub per_cpu_second: f64,
}

impl Round {
    /// Combines rounds that took equally long.
    pub fn together(rounds: &[Self]) -> Self {
        let number = rounds.len() as f64;
        let requests: f64 = rounds.iter().map(|round| round.per_second).sum();
        let cpu: f64 = rounds.iter().map(|round| round.per_second / round.per_cpu_second).sum();
        Self { per_second: requests / number, per_cpu_second: requests / cpu }
    }
}

impl Load {
    pub fn prepare(fleet: &Fleet, directory: &Path, duration: Duration) -> Result<Self> {
        let mut script = String::from("local requests, last = {}, 0\ninit = function()\n  local urls = {\n");
        for number in 0..URLS {
            // 997 is prime, so neighbours are not in the same ConfigMap.
            let token = fleet.token(number * 997 % fleet.tokens());
            writeln!(script, "    {{'{}', '{}'}},", token.host, token.path)?;
        }
        script.push_str(
            "  }\n  for index, url in ipairs(urls) do\n    requests[index] = wrk.format('GET', url[2], {Host = url[1]})\n  end\nend\n\
             request = function()\n  last = last % #requests + 1\n  return requests[last]\nend\n",
        );
        let path = directory.join("urls.lua");
        std::fs::write(&path, script)?;
        Ok(Self { wrk: process::find("wrk").context("wrk")?, script: path, duration })
    }

    pub async fn run(&self, server: &Server) -> Result<Round> {
        let before = server.cpu()?;
        let output = Command::new(&self.wrk)
            .args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{}s", self.duration.as_secs()), "-s"])
            .arg(&self.script)
            .arg(format!("http://127.0.0.1:{}", server.port))
            .output()
            .await?;
        let cpu = server.cpu()? - before;
        let text = String::from_utf8_lossy(&output.stdout);
        let wrong = ["Non-2xx", "Socket errors"].iter().any(|line| text.contains(line));
        ensure!(output.status.success() && !wrong, "wrk: {text}{}", String::from_utf8_lossy(&output.stderr));
        let per_second =
            text.lines().find_map(|line| line.strip_prefix("Requests/sec:")).context("wrk's result")?;
        let per_second: f64 = per_second.trim().parse()?;
        Ok(Round { per_second, per_cpu_second: per_second * self.duration.as_secs_f64() / cpu })
    }
}
