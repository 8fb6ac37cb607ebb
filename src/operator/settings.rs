//! The operator's flags, and what they stand for: files are read, and what cannot be is refused here. Not here: what
//! is done with it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use akamai_cps::Budgets;
use clap::Args;
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};

use super::OperatorError;
use crate::accounts::{Endpoint, Endpoints};
use crate::cluster::leader::Terms;
use crate::cluster::scope::Scope;
use akacert_core::deployed::{Roots, RootsError};
use akacert_core::life::intervals::ForecastTimes;
use akacert_core::published::Rules;
use akacert_outside::dns::Dns;
use akacert_outside::probe::{ProbeSettings, Prober};

/// Flags of the operator.
#[derive(Args, Debug)]
pub struct Settings {
    /// The operator's own namespace: it holds the tokens, and the Secrets of ClusterAkamaiAccounts.
    #[arg(long, env = "POD_NAMESPACE")]
    pub operator_namespace: String,

    /// The pod's name, which identifies this operator in the Lease and in events. Random when absent.
    #[arg(long, env = "POD_NAME")]
    pub pod_name: Option<String>,

    /// How long the other operators wait without a sign of life from the leader before one of them takes over.
    #[arg(long, default_value = "12s", value_name = "DURATION")]
    pub lease_duration: SignedDuration,

    /// A namespace to watch for certificates and accounts. All when none is given.
    #[arg(long = "watch-namespace", value_name = "NAMESPACE")]
    pub watch_namespaces: Vec<String>,

    /// Name of the solver's Service in the operator's namespace.
    #[arg(long, default_value = "akacert-solver")]
    pub solver_service: String,

    /// An endpoint that the operator may call beside Akamai's own, such as a simulator or a proxy: https://HOST[:PORT]
    /// or http://HOST[:PORT]. It gets the credentials of the Secrets whose host is that HOST[:PORT].
    #[arg(long = "allow-endpoint", value_name = "URL")]
    pub allow_endpoints: Vec<String>,

    /// A PEM file with certificates of the authority that signed those of the allowed endpoints.
    #[arg(long, value_name = "FILE")]
    pub endpoint_ca_file: Option<PathBuf>,

    /// A PEM bundle of the authorities that deployed certificates may come from. When absent, those that the machine
    /// trusts (SSL_CERT_FILE names others).
    #[arg(long, value_name = "FILE")]
    pub trusted_roots: Option<PathBuf>,

    /// A resolver for the self-check, ADDRESS:PORT; the system's when none is given.
    #[arg(long = "probe-resolver", value_name = "ADDRESS")]
    pub probe_resolvers: Vec<SocketAddr>,

    /// A range of private addresses that the self-check may connect to, such as 10.0.0.0/8.
    #[arg(long = "probe-allow", value_name = "CIDR")]
    pub probe_allow: Vec<IpNet>,

    /// A certificate authority that CAA records have to allow, spelt as the records spell it. If several are given, one is
    /// enough.
    #[arg(long = "caa-issuer", value_name = "DOMAIN", default_value = "letsencrypt.org")]
    pub caa_issuers: Vec<String>,

    /// A name server to which certificates may send updates (dns01.rfc2136), HOST or HOST:PORT, spelt as certificates spell it.
    #[arg(long = "allow-dns-server", value_name = "SERVER")]
    pub allow_dns_servers: Vec<String>,

    /// Where to check served certificates, ADDRESS:PORT, instead of where names resolve to. For test networks.
    #[arg(long, value_name = "ADDRESS")]
    pub probe_edge: Option<SocketAddr>,

    /// How often to check a certificate at rest from outside (RenewalReady, Served), such as 24h.
    #[arg(long, default_value = "24h", value_name = "DURATION")]
    pub forecast_interval: SignedDuration,

    /// An annotation key that certificates may put on their Ingress; `example.com/*` is all keys with that prefix.
    #[arg(long = "allow-ingress-annotation", value_name = "KEY")]
    pub allow_ingress_annotations: Vec<String>,

    /// Scale of all waiting intervals. 1 suits CPS; smaller values are for simulators.
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    pub interval_scale: f64,

    /// Do not limit the requests to Akamai. For simulators.
    #[arg(long)]
    pub no_request_limits: bool,

    /// Where liveness, readiness and metrics are served.
    #[arg(long, default_value = "0.0.0.0:8081", value_name = "ADDRESS")]
    pub admin_listen: SocketAddr,
}

/// What flags stand for that may be wrong, or name a file.
pub struct Given {
    /// The namespaces to look after.
    pub scope: Scope,
    /// What may be published.
    pub rules: Rules,
    /// What may be called beside Akamai itself.
    pub endpoints: Endpoints,
    /// Looks from outside.
    pub prober: Prober,
    /// Asks DNS.
    pub dns: Dns,
    /// The authorities that a deployed certificate may come from.
    pub roots: Roots,
}

impl Settings {
    /// Reads the flags that may be wrong, and the files that they name.
    pub fn read(&self) -> Result<Given, OperatorError> {
        let endpoints = self.endpoints()?;
        let prober = self.prober()?;
        let dns = prober.dns().map_err(|error| OperatorError::Flag(error.to_string()))?;
        let roots = self.roots()?;
        let scope = Scope::new(&self.watch_namespaces);
        Ok(Given { scope, rules: self.rules(), endpoints, prober, dns, roots })
    }

    /// Whom the Lease and the events name.
    pub fn identity(&self) -> String {
        self.pod_name.clone().unwrap_or_else(|| format!("akacert-{:016x}", rand::random::<u64>()))
    }

    /// How long leadership lasts without a sign of life.
    pub fn terms(&self) -> Terms {
        Terms::new(self.lease_duration.unsigned_abs())
    }

    /// How many requests Akamai may be sent.
    pub fn budgets(&self) -> Arc<Budgets> {
        Arc::new(if self.no_request_limits { Budgets::unlimited() } else { Budgets::new() })
    }

    /// When certificates at rest are looked at from outside, by a process that starts now.
    pub fn forecast_times(&self) -> ForecastTimes {
        ForecastTimes { interval: self.forecast_interval.unsigned_abs(), started: Timestamp::now() }
    }

    fn rules(&self) -> Rules {
        Rules {
            operator_namespace: self.operator_namespace.clone(),
            allowed_ingress_annotations: self.allow_ingress_annotations.iter().cloned().collect(),
            solver_service: self.solver_service.clone(),
            allowed_dns_servers: self.allow_dns_servers.iter().map(|s| s.to_ascii_lowercase()).collect(),
        }
    }

    fn endpoints(&self) -> Result<Endpoints, OperatorError> {
        let allowed = self
            .allow_endpoints
            .iter()
            .map(|url| {
                Endpoint::parse(url)
                    .map_err(|error| OperatorError::Flag(format!("--allow-endpoint: {error}")))
            })
            .collect::<Result<_, _>>()?;
        let ca_pem = self
            .endpoint_ca_file
            .as_ref()
            .map(|file| {
                std::fs::read(file).map_err(|error| {
                    OperatorError::Flag(format!("--endpoint-ca-file {}: {error}", file.display()))
                })
            })
            .transpose()?;
        Ok(Endpoints { allowed, ca_pem })
    }

    fn prober(&self) -> Result<Prober, OperatorError> {
        let probing = ProbeSettings {
            resolvers: self.probe_resolvers.clone(),
            allowed: self.probe_allow.clone(),
            edge: self.probe_edge,
            caa_issuers: self.caa_issuers.clone(),
            ..ProbeSettings::default()
        };
        Prober::new(probing).map_err(|error| OperatorError::Flag(error.to_string()))
    }

    fn roots(&self) -> Result<Roots, OperatorError> {
        let Some(file) = &self.trusted_roots else {
            return roots_of_the_machine()
                .map_err(|error| OperatorError::Flag(format!("{error}; name one with --trusted-roots")));
        };
        let flag =
            |error: String| OperatorError::Flag(format!("--trusted-roots {}: {error}", file.display()));
        let bundle = std::fs::read(file).map_err(|error| flag(error.to_string()))?;
        Roots::from_pem(&bundle).map_err(|error| flag(error.to_string()))
    }
}

/// The roots that the machine trusts. The environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` can name others.
fn roots_of_the_machine() -> Result<Roots, RootsError> {
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(%error, "some of the system's trusted roots cannot be read");
    }
    Roots::from_der(found.certs.iter().map(|certificate| certificate.to_vec()))
}
