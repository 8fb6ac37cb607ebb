//! The self-check: fetches each token as the certificate authority would, before the operator acknowledges the
//! challenges.
//!
//! Every ready solver replica and every public address of the host has to answer. Messages are stable, and never
//! contain what a remote side sent: tenants choose the hosts, and must not use the operator to explore the network.

mod failure;
mod fetch;
mod forecast;
mod interference;
mod preflight;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, future, stream};
use ipnet::IpNet;

pub use failure::{Cause, ProbeFailure, RedirectProblem};
pub use interference::interfering;
pub use preflight::PreflightFailure;

use crate::dns::Dns;
use crate::resolve::{DnsResolver, Family, LookupFailure, ProbeSetupError, Resolve};
use akacert_core::published::{SolverEndpoint, Token};
use fetch::{Answer, Fetcher, Location};

#[cfg(test)]
mod tests;

/// Settings of the self-check, from operator flags.
#[derive(Clone, Debug)]
pub struct ProbeSettings {
    /// DNS resolvers; if empty, the system's.
    pub resolvers: Vec<SocketAddr>,
    /// Ranges of private or loopback addresses to which the self-check may connect. It never connects to link-local
    /// and metadata addresses.
    pub allowed: Vec<IpNet>,
    /// The port that the authority connects to: 80 except in tests.
    pub http_port: u16,
    /// The port of https redirects: 443 except in tests.
    pub https_port: u16,
    /// The address that stands for the Akamai network. If absent, the address that each name resolves to.
    pub edge: Option<SocketAddr>,
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
    /// The longest time for one address, redirects included.
    pub timeout: Duration,
    /// The most redirects to follow.
    pub max_redirects: usize,
    /// The most bytes of a body to read.
    pub max_body: usize,
    /// The most addresses of a host to check.
    pub max_addresses: usize,
    /// How many tokens to fetch, or names to check, at a time.
    pub concurrency: usize,
    /// The authority's names in CAA records. The records have to allow one of them.
    pub caa_issuers: Vec<String>,
    /// The longest time for each part of a name's preflight: lookups, then answers.
    pub preflight_timeout: Duration,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self {
            resolvers: Vec::new(),
            allowed: Vec::new(),
            http_port: 80,
            https_port: 443,
            edge: None,
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(8),
            max_redirects: 10,
            max_body: 4096,
            max_addresses: 8,
            concurrency: 16,
            caa_issuers: vec!["letsencrypt.org".to_owned()],
            preflight_timeout: Duration::from_secs(2),
        }
    }
}

/// Fetches tokens.
#[derive(Clone)]
pub struct Prober {
    settings: Arc<ProbeSettings>,
    resolver: Arc<dyn Resolve>,
    fetcher: Fetcher,
}

impl Prober {
    /// A prober that uses the resolvers of the settings.
    ///
    /// # Errors
    /// The system's resolver configuration cannot be read, or no HTTP client can be made.
    pub fn new(settings: ProbeSettings) -> Result<Self, ProbeSetupError> {
        let resolver = DnsResolver::new(&settings.resolvers)?;
        Self::with_resolver(settings, Arc::new(resolver))
    }

    /// A prober with another resolver.
    ///
    /// # Errors
    /// No HTTP client can be made.
    pub fn with_resolver(
        settings: ProbeSettings,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, ProbeSetupError> {
        let fetcher = Fetcher::new(settings.connect_timeout, settings.timeout, settings.max_body)?;
        Ok(Self { settings: Arc::new(settings), resolver, fetcher })
    }

    /// Lookups beyond addresses, with the same resolvers and the same allowed ranges.
    ///
    /// # Errors
    /// The system's resolver configuration cannot be read.
    pub fn dns(&self) -> Result<Dns, ProbeSetupError> {
        Dns::new(&self.settings.resolvers, self.settings.allowed.clone())
    }

    /// Fetches the tokens, several at a time. Returns the first failure of each host that has one.
    pub async fn check_all(
        &self,
        tokens: &[Token],
        solvers: &[SolverEndpoint],
    ) -> Vec<(String, ProbeFailure)> {
        // Boxed: the compiler cannot prove the closure's future Send for every lifetime of a token.
        let checks: Vec<_> = tokens
            .iter()
            .enumerate()
            .map(|(place, token)| {
                let failed = move |failure| (token.host.clone(), failure);
                async move { (place, self.check(token, solvers).await.err().map(failed)) }.boxed()
            })
            .collect();
        let mut results: Vec<_> =
            stream::iter(checks).buffer_unordered(self.settings.concurrency.max(1)).collect().await;
        results.sort_by_key(|(place, _)| *place);
        let mut failures = BTreeMap::new();
        for (host, failure) in results.into_iter().filter_map(|(_, failed)| failed) {
            failures.entry(host).or_insert(failure);
        }
        failures.into_iter().collect()
    }

    /// Fetches one token from every ready solver replica and from every public address of its host.
    ///
    /// # Errors
    /// The first [`ProbeFailure`].
    pub async fn check(&self, token: &Token, solvers: &[SolverEndpoint]) -> Result<(), ProbeFailure> {
        for solver in solvers {
            self.check_solver(token, *solver).await.map_err(ProbeFailure::Solver)?;
        }
        let addresses = self.addresses(&token.host).await?;
        let chains = addresses.into_iter().map(|address| async move {
            let chain = self.check_address(token, address);
            let timely = tokio::time::timeout(self.settings.timeout, chain).await;
            let late = || Err(ProbeFailure::Public { address, cause: Cause::Timeout });
            (address, timely.unwrap_or_else(|_| late()))
        });
        let answers = future::join_all(chains).await;
        let some_right = answers.iter().any(|(_, answer)| answer.is_ok());
        let failed = answers.into_iter().find_map(|(address, answer)| Some((address, answer.err()?)));
        match failed {
            None => Ok(()),
            Some((address, failure)) if some_right => {
                Err(ProbeFailure::Differs { address, failure: Box::new(failure) })
            }
            Some((_, failure)) => Err(failure),
        }
    }

    async fn check_solver(&self, token: &Token, solver: SolverEndpoint) -> Result<(), Cause> {
        let location = Location::http(&token.host, &token.path, solver.port);
        match self.fetcher.get(&location, solver.ip).await? {
            Answer::Body(body) => compare(&body, &token.body),
            Answer::Redirect(_) => Err(Cause::WrongBody),
        }
    }

    /// Fetches the token from one address of its host, through redirects.
    async fn check_address(&self, token: &Token, address: IpAddr) -> Result<(), ProbeFailure> {
        let first = Location::http(&token.host, &token.path, self.settings.http_port);
        match self.follow(first, address, None).await? {
            End::Reached => Ok(()),
            End::Body { body, redirected } => {
                compare(&body, &token.body).map_err(|cause| failed(cause, address, redirected))
            }
        }
    }

    /// Requests one address, and follows redirects until there is a body or the expected redirect.
    async fn follow(
        &self,
        first: Location,
        address: IpAddr,
        wanted: Option<&Location>,
    ) -> Result<End, ProbeFailure> {
        let mut location = first;
        let mut visited = vec![location.clone()];
        let mut target = address;
        loop {
            let redirected = visited.len() > 1;
            let answer = self.fetcher.get(&location, target).await;
            let to = match answer.map_err(|cause| failed(cause, address, redirected))? {
                Answer::Body(body) => return Ok(End::Body { body, redirected }),
                Answer::Redirect(to) => to,
            };
            let next = to
                .and_then(|to| location.redirect(&to, self.settings.http_port, self.settings.https_port))
                .ok_or(ProbeFailure::Redirect(RedirectProblem::Target))?;
            if visited.contains(&next) {
                return Err(ProbeFailure::Redirect(RedirectProblem::Circle));
            }
            if visited.len() > self.settings.max_redirects {
                return Err(ProbeFailure::Redirect(RedirectProblem::TooMany));
            }
            if wanted == Some(&next) {
                return Ok(End::Reached);
            }
            // The message must not show whether a name of the cluster exists, so a missing address and a refused one
            // look the same.
            let addresses = self.addresses(&next.host).await;
            let unusable = || ProbeFailure::Redirect(RedirectProblem::Address);
            target = addresses.ok().and_then(|addresses| addresses.first().copied()).ok_or_else(unusable)?;
            visited.push(next.clone());
            location = next;
        }
    }

    /// All addresses of a host. It is an error if the operator may not connect to one of them.
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ProbeFailure> {
        let lookup = tokio::time::timeout(self.settings.timeout, self.resolver.addresses(host));
        match lookup.await {
            Ok(Ok(addresses)) => self.usable(addresses),
            Ok(Err(LookupFailure::NoSuchName)) => Err(ProbeFailure::NoAddress),
            Ok(Err(LookupFailure::Failed)) | Err(_) => Err(ProbeFailure::Unresolved),
        }
    }

    /// The addresses in a stable order. It is an error if the operator may not connect to one of them.
    fn usable(&self, mut addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, ProbeFailure> {
        if addresses.is_empty() {
            return Err(ProbeFailure::NoAddress);
        }
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(self.settings.max_addresses);
        for address in &addresses {
            if let Some(why) = crate::address::refusal(*address, &self.settings.allowed) {
                return Err(ProbeFailure::AddressRefused { address: *address, why });
            }
        }
        Ok(addresses)
    }
}

/// The end of a chain of redirects.
enum End {
    /// It ended in a body.
    Body {
        /// The bytes of the body.
        body: Vec<u8>,
        /// Whether at least one redirect came before.
        redirected: bool,
    },
    /// It reached the expected redirect.
    Reached,
}

fn failed(cause: Cause, address: IpAddr, redirected: bool) -> ProbeFailure {
    if redirected { ProbeFailure::AfterRedirect(cause) } else { ProbeFailure::Public { address, cause } }
}

/// White space at the end does not count (RFC 8555, section 8.3).
fn compare(found: &[u8], wanted: &str) -> Result<(), Cause> {
    if found.trim_ascii_end() == wanted.trim_end().as_bytes() { Ok(()) } else { Err(Cause::WrongBody) }
}
