//! external-dns, for tests of DNSEndpoint objects.

use anyhow::Result;
use tokio::process::Command;

use crate::bed::TestBed;
use crate::bind::{DYN_TSIG, DYN_ZONE, EXTERNAL_DNS_DOMAIN};
use crate::network::HOST;
use crate::process::Process;

impl TestBed {
    /// Starts external-dns. It publishes the TXT records of DNSEndpoint objects below
    /// [`EXTERNAL_DNS_DOMAIN`](crate::EXTERNAL_DNS_DOMAIN), and removes every other TXT record there. Without
    /// `--registry=noop` it would keep a registry that misses TXT records, and would never change or delete one
    /// (kubernetes-sigs/external-dns#6718).
    ///
    /// # Errors
    /// It does not start.
    pub async fn external_dns(&self) -> Result<Process> {
        let mut command = Command::new(self.program("external-dns")?);
        command.arg(format!("--kubeconfig={}", self.kubeconfig().display())).args([
            "--source=crd".to_owned(),
            "--managed-record-types=TXT".into(),
            "--registry=noop".into(),
            "--policy=sync".into(),
            format!("--domain-filter={EXTERNAL_DNS_DOMAIN}"),
            "--interval=1s".into(),
            "--events".into(),
            "--min-event-sync-interval=100ms".into(),
            "--provider=rfc2136".into(),
            format!("--rfc2136-host={HOST}"),
            "--rfc2136-port=53".into(),
            format!("--rfc2136-zone={DYN_ZONE}"),
            format!("--rfc2136-tsig-keyname={}", DYN_TSIG.name),
            format!("--rfc2136-tsig-secret={}", DYN_TSIG.secret),
            format!("--rfc2136-tsig-secret-alg={}", DYN_TSIG.algorithm),
            // It compares with the content of the zone.
            "--rfc2136-tsig-axfr".into(),
            "--rfc2136-min-ttl=1s".into(),
            format!("--metrics-address={HOST}:7979"),
        ]);
        let mut external_dns = Process::start("external-dns", &self.work().join("logs"), command)?;
        external_dns.until_listening(&format!("{HOST}:7979")).await?;
        Ok(external_dns)
    }
}
