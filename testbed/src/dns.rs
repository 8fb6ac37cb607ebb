//! DNS: BIND, which is the authority for some zones and forwards every other name to pebble-challtestsrv, and what
//! tests change in both.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::bed::TestBed;
use crate::namespace::on_path;
use crate::network::{AUTHORITY, CPS, HOST};
use crate::process::Process;
use crate::programs::Programs;
use crate::records::{self, Query};
use crate::services::{CPS_HOST, DCV_HOST};

/// A key that signs DNS messages (RFC 8945).
#[derive(Clone, Copy, Debug)]
pub struct Tsig {
    /// Its name.
    pub name: &'static str,
    /// Its algorithm.
    pub algorithm: &'static str,
    /// The secret, base64.
    pub secret: &'static str,
}

/// The zone that everybody who has [`DYN_TSIG`] may change. Each name in it leads to the ingress controller, except
/// those above a record: `_acme-challenge.www.dyn.test` takes the address from `www.dyn.test`, which exists from then
/// on and has none of its own. A test that needs both gives the name an address with [`TestBed::dns_update`].
pub const DYN_ZONE: &str = "dyn.test";
/// The names below which external-dns may write; it is the only one who writes TXT records there.
pub const EXTERNAL_DNS_DOMAIN: &str = "ext.dyn.test";
/// The zones that the CPS simulator writes as Edge DNS; the second is delegated by the first. Their names lead to the
/// ingress controller as those in [`DYN_ZONE`] do.
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

/// Where pebble-challtestsrv answers.
const CHALLTESTSRV: (&str, u16) = (HOST, 8053);

impl Tsig {
    /// As BIND writes it.
    fn statement(&self) -> String {
        format!("key \"{}\" {{ algorithm {}; secret \"{}\"; }};\n", self.name, self.algorithm, self.secret)
    }
}

/// Starts the DNS.
///
/// # Errors
/// A part does not start.
pub async fn start(work: &Path, programs: &Programs) -> Result<[Process; 2]> {
    let (others, authority) = tokio::try_join!(challtestsrv(work, programs), named(work))?;
    Ok([others, authority])
}

/// Starts the DNS of every other name: the ingress controller, unless [`set_address`] says otherwise.
async fn challtestsrv(work: &Path, programs: &Programs) -> Result<Process> {
    let mut command = Command::new(programs.path("pebble-challtestsrv")?);
    command.args([
        format!("-dnsserver={}:{}", CHALLTESTSRV.0, CHALLTESTSRV.1),
        format!("-management={HOST}:8055"),
        format!("-defaultIPv4={HOST}"),
        "-defaultIPv6=".into(),
        "-http01=".into(),
        "-https01=".into(),
        "-tlsalpn01=".into(),
        "-doh=".into(),
    ]);
    let mut dns = Process::start("challtestsrv", &work.join("logs"), command)?;
    dns.until_listening(&format!("{HOST}:8055")).await?;
    for host in [CPS_HOST, DCV_HOST] {
        set_address(host, CPS).await?;
    }
    Ok(dns)
}

async fn named(work: &Path) -> Result<Process> {
    let directory = work.join("named");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("dyn.key"), DYN_TSIG.statement())?;
    fs::write(work.join("edge-dns.key"), EDGE_TSIG.statement())?;
    // Once there are records below it, the zone's own wildcard is none for the names below it.
    let external_dns = format!("*.{EXTERNAL_DNS_DOMAIN}. A {HOST}\n");
    fs::write(directory.join(DYN_ZONE), zone(&format!("ns1 A {HOST}\n{external_dns}")))?;
    let [parent, child] = EDGE_ZONES;
    fs::write(directory.join(parent), zone(&format!("{child}. NS ns1.{DYN_ZONE}.\n")))?;
    fs::write(directory.join(child), zone(""))?;
    let configuration = directory.join("named.conf");
    fs::write(&configuration, self::configuration(work))?;
    // A copy, since an AppArmor profile for /usr/sbin/named keeps it from the test bed's files.
    let program = directory.join("named");
    fs::copy(on_path("named").context("`named` is missing: install it (Debian package bind9)")?, &program)?;
    let mut command = Command::new(program);
    command.args(["-f", "-n", "1", "-c"]).arg(configuration);
    let mut named = Process::start("named", &work.join("logs"), command)?;
    let log = work.join("logs/named.log");
    // It listens before it has read its zones.
    let loaded = || async { fs::read_to_string(&log).is_ok_and(|log| log.contains("all zones loaded")) };
    named.until("ready", loaded).await?;
    Ok(named)
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
    let (work, [parent, child]) = (work.display(), EDGE_ZONES);
    let zone = |name: &str, key: &Tsig| {
        let key = key.name;
        format!(
            "zone \"{name}\" {{ type primary; file \"{name}\"; allow-update {{ key {key}; }}; allow-transfer {{ key {key}; }}; }};\n"
        )
    };
    let zones = [zone(DYN_ZONE, &DYN_TSIG), zone(parent, &EDGE_TSIG), zone(child, &EDGE_TSIG)].concat();
    let (forwarder, port) = CHALLTESTSRV;
    format!(
        "include \"{work}/named/dyn.key\";
include \"{work}/edge-dns.key\";
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
  channel queries {{ file \"{work}/logs/queries.log\"; }};
  category default {{ errors; }};
  category queries {{ queries; }};
}};
{zones}"
    )
}

impl TestBed {
    /// What was asked of the DNS, in order; [`AUTHORITY`] is the server that the ACME authority asked.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn dns_queries(&self) -> Result<Vec<Query>> {
        records::query_log(&self.work().join("logs/queries.log"))
    }

    /// Changes records of one of BIND's zones, signed with its key. Each change is one of nsupdate:
    /// `add www.dyn.test 1 A 10.77.0.1`, `delete www.dyn.test A`.
    ///
    /// # Errors
    /// BIND refused them; the error has what nsupdate said.
    pub async fn dns_update(&self, changes: &[&str]) -> Result<()> {
        let edge =
            |name: &str| EDGE_ZONES.iter().any(|zone| name == *zone || name.ends_with(&format!(".{zone}")));
        let of_edge = changes.iter().filter_map(|change| change.split_whitespace().nth(1)).any(edge);
        update(Some(if of_edge { &EDGE_TSIG } else { &DYN_TSIG }), changes).await
    }

    /// As [`TestBed::dns_update`], without a key.
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

    /// Runs dig against BIND; answers what it printed.
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

/// Gives a name an IPv4 address of its own, instead of the one it has. As all that follows, for names that are not in
/// a zone of BIND.
///
/// # Errors
/// The DNS does not answer.
pub async fn set_address(name: &str, address: &str) -> Result<()> {
    set_addresses(name, &[address]).await
}

/// Gives a name IPv4 addresses of its own, instead of those it has. They are answered in ascending order.
///
/// # Errors
/// The DNS does not answer.
pub async fn set_addresses(name: &str, addresses: &[&str]) -> Result<()> {
    // Adding alone would leave the old ones.
    clear_addresses(name).await?;
    manage("add-a", json!({"host": host(name), "addresses": addresses})).await
}

/// Lets a name lead to the ingress controller again.
///
/// # Errors
/// The DNS does not answer.
pub async fn clear_addresses(name: &str) -> Result<()> {
    manage("clear-a", json!({"host": host(name)})).await
}

/// Gives a name IPv6 addresses, instead of those it has; at first it has none.
///
/// # Errors
/// The DNS does not answer.
pub async fn set_ipv6_addresses(name: &str, addresses: &[&str]) -> Result<()> {
    clear_ipv6_addresses(name).await?;
    manage("add-aaaa", json!({"host": host(name), "addresses": addresses})).await
}

/// Takes all IPv6 addresses from a name.
///
/// # Errors
/// The DNS does not answer.
pub async fn clear_ipv6_addresses(name: &str) -> Result<()> {
    manage("clear-aaaa", json!({"host": host(name)})).await
}

/// Makes a name an alias of another.
///
/// # Errors
/// The DNS does not answer.
pub async fn set_alias(name: &str, target: &str) -> Result<()> {
    manage("set-cname", json!({"host": host(name), "target": host(target)})).await
}

/// Makes an alias a name of its own again.
///
/// # Errors
/// The DNS does not answer.
pub async fn clear_alias(name: &str) -> Result<()> {
    manage("clear-cname", json!({"host": host(name)})).await
}

/// Gives a name CAA records, each a tag and a value such as `("issue", "letsencrypt.org")`, instead of those it has.
///
/// # Errors
/// The DNS does not answer.
pub async fn set_caa(name: &str, policies: &[(&str, &str)]) -> Result<()> {
    clear_caa(name).await?;
    let policies: Vec<_> = policies.iter().map(|(tag, value)| json!({"tag": tag, "value": value})).collect();
    manage("add-caa", json!({"host": host(name), "policies": policies})).await
}

/// Takes the CAA records from a name.
///
/// # Errors
/// The DNS does not answer.
pub async fn clear_caa(name: &str) -> Result<()> {
    manage("clear-caa", json!({"host": host(name)})).await
}

fn host(name: &str) -> String {
    format!("{name}.")
}

async fn manage(path: &str, body: Value) -> Result<()> {
    let answer = reqwest::Client::new().post(format!("http://{HOST}:8055/{path}")).json(&body).send().await?;
    ensure!(answer.status().is_success(), "the DNS refused {path}: {}", answer.status());
    Ok(())
}
