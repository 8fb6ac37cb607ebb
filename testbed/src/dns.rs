//! What tests read from the DNS, and change in BIND's zones.

use anyhow::{Context, Result, bail, ensure};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::bed::TestBed;
use crate::bind::{self, DYN_TSIG, EDGE_TSIG, EDGE_ZONES, Tsig};
use crate::network::HOST;
use crate::records::{self, Query};

impl TestBed {
    /// The queries that BIND got, in order. The ACME authority queries the server at [`AUTHORITY`](crate::AUTHORITY).
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn dns_queries(&self) -> Result<Vec<Query>> {
        records::query_log(&bind::query_log(self.work()))
    }

    /// Changes records in one of BIND's zones, signed with its key. Each change is a command of nsupdate, such as
    /// `add www.dyn.test 1 A 10.77.0.1` or `delete www.dyn.test A`.
    ///
    /// # Errors
    /// BIND refused them; the error has the output of nsupdate.
    pub async fn dns_update(&self, changes: &[&str]) -> Result<()> {
        let edge =
            |name: &str| EDGE_ZONES.iter().any(|zone| name == *zone || name.ends_with(&format!(".{zone}")));
        let of_edge = changes.iter().filter_map(|change| change.split_whitespace().nth(1)).any(edge);
        update(Some(if of_edge { &EDGE_TSIG } else { &DYN_TSIG }), changes).await
    }

    /// Like [`TestBed::dns_update`], without a key.
    ///
    /// # Errors
    /// BIND refused them, as it should.
    pub async fn unsigned_dns_update(&self, changes: &[&str]) -> Result<()> {
        update(None, changes).await
    }

    /// The values of the TXT records of a name, sorted.
    ///
    /// # Errors
    /// The DNS does not answer.
    pub async fn txt_values(&self, name: &str) -> Result<Vec<String>> {
        Ok(records::txt_values(&self.dig(&["+short", name, "TXT"]).await?))
    }

    /// Runs dig against BIND, and returns its output.
    ///
    /// # Errors
    /// It failed.
    pub async fn dig(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("dig").arg(format!("@{HOST}")).args(arguments).output().await?;
        ensure!(output.status.success(), "dig {}: {}", arguments.join(" "), text(&output.stdout));
        Ok(text(&output.stdout))
    }
}

async fn update(key: Option<&Tsig>, changes: &[&str]) -> Result<()> {
    let mut command = Command::new("nsupdate");
    if let Some(key) = key {
        command.args(["-y", &format!("{}:{}:{}", key.algorithm, key.name, key.secret)]);
    }
    let pipe = std::process::Stdio::piped;
    let mut child =
        command.stdin(pipe()).stdout(pipe()).stderr(pipe()).spawn().context("cannot run nsupdate")?;
    let mut input = child.stdin.take().context("no standard input")?;
    input.write_all(format!("server {HOST}\n{}\nsend\n", changes.join("\n")).as_bytes()).await?;
    drop(input);
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        bail!("nsupdate: {}{}", text(&output.stdout), text(&output.stderr));
    }
    Ok(())
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).trim().to_owned()
}
