//! The simulator's own check of what a client has published: HTTP-01 tokens and DNS-01 TXT records, found through the
//! configured DNS server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;

use crate::model::{Challenge, Domain};

/// Why the simulator cannot check tokens at all.
#[derive(Debug, thiserror::Error)]
pub enum FetchSetupError {
    #[error("cannot set up the DNS resolver, check --dns or /etc/resolv.conf: {0}")]
    Resolver(#[from] NetError),
    #[error("cannot set up the HTTP client for tokens: {0}")]
    Client(#[from] reqwest::Error),
}

/// The challenge type that validates a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Http01,
    Dns01,
}

pub(crate) struct Fetcher {
    client: reqwest::Client,
    resolver: TokioResolver,
    port: u16,
}

#[derive(Clone)]
struct Dns(TokioResolver);

impl Resolve for Dns {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.0.clone();
        Box::pin(async move {
            let found = resolver.lookup_ip(absolute(name.as_str())).await?;
            let addresses: Vec<_> = found.iter().map(|ip| SocketAddr::new(ip, 0)).collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The name with a trailing dot, so that the resolver tries no search domain.
fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

impl Fetcher {
    pub(crate) fn new(dns: Option<SocketAddr>, port: u16) -> Result<Self, FetchSetupError> {
        let provider = TokioRuntimeProvider::default();
        let mut builder = match dns {
            Some(address) => {
                let mut udp = ConnectionConfig::udp();
                udp.port = address.port();
                let server = NameServerConfig::new(address.ip(), true, vec![udp]);
                TokioResolver::builder_with_config(
                    ResolverConfig::from_parts(None, vec![], vec![server]),
                    provider,
                )
            }
            None => TokioResolver::builder(provider)?,
        };
        let options: &mut ResolverOpts = builder.options_mut();
        // The next check must see a record that a client has just published.
        options.cache_size = 0;
        options.timeout = Duration::from_secs(2);
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        let resolver = builder.build()?;
        let client = reqwest::Client::builder()
            .dns_resolver(Arc::new(Dns(resolver.clone())))
            .redirect(Policy::limited(10))
            // Authorities do the same: a redirect to https may lead to the very certificate that is due for renewal.
            .tls_danger_accept_invalid_certs(true)
            .timeout(Duration::from_secs(10))
            .pool_max_idle_per_host(0)
            .no_proxy()
            .user_agent("cps-simulator")
            .build()?;
        Ok(Self { client, resolver, port })
    }

    /// The method that would validate the name now, or why none would.
    pub(crate) async fn look(&self, domain: &Domain) -> Result<Method, String> {
        if let Some(challenge) = &domain.dns01
            && self.has_txt(domain, challenge).await
        {
            return Ok(Method::Dns01);
        }
        match &domain.http01 {
            Some(challenge) => self.fetch(&domain.name, challenge).await.map(|()| Method::Http01),
            None => Err("The TXT record was not found.".into()),
        }
    }

    /// Whether DNS has the TXT record of a DNS-01 challenge.
    pub(crate) async fn has_txt(&self, domain: &Domain, challenge: &Challenge) -> bool {
        let base = domain.name.strip_prefix("*.").unwrap_or(&domain.name);
        let Ok(found) = self.resolver.txt_lookup(absolute(&format!("_acme-challenge.{base}"))).await else {
            return false;
        };
        found.answers().iter().any(|record| {
            matches!(&record.data, RData::TXT(txt) if txt.txt_data.concat() == challenge.response.as_bytes())
        })
    }

    /// Fetches a token over HTTP and compares it. Trailing white space is allowed (RFC 8555, 8.3).
    async fn fetch(&self, name: &str, challenge: &Challenge) -> Result<(), String> {
        let port = if self.port == 80 { String::new() } else { format!(":{}", self.port) };
        let url = format!("http://{name}{port}/.well-known/acme-challenge/{}", challenge.token);
        let mut response = self
            .client
            .get(&url)
            .send()
            .await
            .map_err(|error| format!("{url} cannot be fetched: {error}"))?;
        if !response.status().is_success() {
            return Err(format!("{url} answered {}", response.status()));
        }
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > 4096 {
                break;
            }
        }
        if body.trim_ascii_end() == challenge.response.as_bytes() {
            Ok(())
        } else {
            Err(format!("{url} did not answer with the response body of the challenge"))
        }
    }
}
