//! BIND: the authoritative server of some zones. It forwards every other name to pebble-challtestsrv.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::challtestsrv::BEHIND_BIND;
use crate::network::{AUTHORITY, HOST};
use crate::process::Process;
use crate::requirements::{Purpose, on_path, require};

/// A key that signs DNS messages (RFC 8945).
#[derive(Clone, Copy, Debug)]
pub struct Tsig {
    /// The key's name.
    pub name: &'static str,
    /// The algorithm of its signatures.
    pub algorithm: &'static str,
    /// The secret in base64.
    pub secret: &'static str,
}

/// The zone that everybody with [`DYN_TSIG`] may change. Each name in it leads to the ingress controller, unless a
/// record exists below it: with `_acme-challenge.www.dyn.test`, the name `www.dyn.test` exists, and the wildcard no
/// longer applies to it. A test that needs both gives the name an address with
/// [`TestBed::dns_update`](crate::TestBed::dns_update).
pub const DYN_ZONE: &str = "dyn.test";
/// The domain in which only external-dns writes TXT records.
pub const EXTERNAL_DNS_DOMAIN: &str = "ext.dyn.test";
/// The zones that the CPS simulator writes to as Edge DNS. The first delegates the second. Their names lead to the
/// ingress controller, as those in [`DYN_ZONE`] do.
pub const EDGE_ZONES: [&str; 2] = ["edge.test", "child.edge.test"];
/// The key for [`DYN_ZONE`].
pub const DYN_TSIG: Tsig = Tsig {
    name: "dyn-key",
    algorithm: "hmac-sha256",
    secret: "dGVzdGJlZC1keW4ta2V5LWRvLW5vdC11c2UtaXQhISE=",
};
/// The key for [`EDGE_ZONES`].
pub const EDGE_TSIG: Tsig = Tsig {
    name: "edge-dns-key",
    algorithm: "hmac-sha256",
    secret: "dGVzdGJlZC1lZGdlLWRucy1rZXktZG8tbm90LXVzZSE=",
};

impl Tsig {
    /// The statement for BIND's configuration.
    fn statement(&self) -> String {
        format!("key \"{}\" {{ algorithm {}; secret \"{}\"; }};\n", self.name, self.algorithm, self.secret)
    }
}

/// Starts BIND.
///
/// # Errors
/// It is not installed, or does not start.
pub async fn start(work: &Path) -> Result<Process> {
    let directory = work.join("named");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("dyn.key"), DYN_TSIG.statement())?;
    fs::write(edge_key(work), EDGE_TSIG.statement())?;
    // With records below it, the domain exists, and the zone's own wildcard no longer applies to it.
    let external_dns = format!("*.{EXTERNAL_DNS_DOMAIN}. A {HOST}\n");
    fs::write(directory.join(DYN_ZONE), zone(&format!("ns1 A {HOST}\n{external_dns}")))?;
    let [parent, child] = EDGE_ZONES;
    fs::write(directory.join(parent), zone(&format!("{child}. NS ns1.{DYN_ZONE}.\n")))?;
    fs::write(directory.join(child), zone(""))?;
    let configuration = directory.join("named.conf");
    fs::write(&configuration, self::configuration(work))?;
    // An AppArmor profile keeps /usr/sbin/named away from the test bed's files. It does not apply to a copy.
    let program = directory.join("named");
    require(Purpose::Shell, &["named"])?;
    fs::copy(on_path("named").context("`named` is not on PATH")?, &program)?;
    let mut command = Command::new(program);
    command.args(["-f", "-n", "1", "-c"]).arg(configuration);
    let mut named = Process::start("named", &work.join("logs"), command)?;
    let log = work.join("logs/named.log");
    // BIND listens before it has read its zones.
    let loaded = || async { fs::read_to_string(&log).is_ok_and(|log| log.contains("all zones loaded")) };
    named.until("ready", loaded).await?;
    Ok(named)
}

/// The file with [`EDGE_TSIG`].
pub fn edge_key(work: &Path) -> PathBuf {
    work.join("edge-dns.key")
}

/// BIND's log of queries.
pub fn query_log(work: &Path) -> PathBuf {
    work.join("logs/queries.log")
}

fn zone(records: &str) -> String {
    format!(
        "$TTL 1\n\
         @ SOA ns1.{DYN_ZONE}. hostmaster.{DYN_ZONE}. 1 3600 600 86400 1\n\
         @ NS ns1.{DYN_ZONE}.\n\
         @ A {HOST}\n\
         * A {HOST}\n\
         {records}"
    )
}

fn configuration(work: &Path) -> String {
    let (edge_key, queries) = (edge_key(work), query_log(work));
    let (edge_key, queries) = (edge_key.display(), queries.display());
    let (work, [parent, child]) = (work.display(), EDGE_ZONES);
    let zone = |name: &str, key: &Tsig| {
        let key = key.name;
        format!(
            "zone \"{name}\" {{ type primary; file \"{name}\"; allow-update {{ key {key}; }}; allow-transfer {{ key {key}; }}; }};\n"
        )
    };
    let zones = [zone(DYN_ZONE, &DYN_TSIG), zone(parent, &EDGE_TSIG), zone(child, &EDGE_TSIG)].concat();
    let (forwarder, port) = BEHIND_BIND;
    format!(
        "include \"{work}/named/dyn.key\";
include \"{edge_key}\";
options {{
  directory \"{work}/named\";
  listen-on {{ {HOST}; {AUTHORITY}; }};
  listen-on-v6 {{ none; }};
  pid-file none;
  lock-file none;
  session-keyfile none;
  check-names primary ignore;
  notify no;
  minimal-responses yes;
  rrset-order {{ order none; }};
  allow-query {{ any; }};
  recursion yes;
  allow-recursion {{ any; }};
  recursive-clients 10000;
  forward only;
  forwarders port {port} {{ {forwarder}; }};
  dnssec-validation no;
  empty-zones-enable no;
  max-cache-ttl 0;
  max-ncache-ttl 0;
  servfail-ttl 0;
}};
server {forwarder} {{ edns no; }};
controls {{ }};
logging {{
  channel errors {{ stderr; severity info; print-category yes; }};
  channel queries {{ file \"{queries}\"; }};
  category default {{ errors; }};
  category queries {{ queries; }};
}};
{zones}"
    )
}
