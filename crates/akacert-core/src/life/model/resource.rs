//! A resource of the model, and what its operator knows of it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::life::fixtures;
use crate::life::memory::Memory;
use crate::published::{self, CHALLENGES_PATH, Content, SolverEndpoint, Token};
use akacert_api::AkamaiCertificate;
use akacert_api::names::ENROLLMENT_ID_ANNOTATION;
use akacert_api::policy::AdoptionPolicy;
use akacert_api::status::CertificateStatus;

/// So many versions of a resource are remembered.
const VERSIONS: usize = 6;

pub struct Resource {
    /// It is in the cluster; before, nobody looks.
    pub applied: bool,
    /// As the API server has it.
    pub certificate: AkamaiCertificate,
    /// As the operator's watch shows it, where that is older.
    pub stale: Option<AkamaiCertificate>,
    /// Former versions, the last one last.
    earlier: Vec<AkamaiCertificate>,
    pub published: published::Observed,
    pub memory: Memory,
    /// When this operator lost the answer to a create.
    pub lost: Option<Timestamp>,
    pub wake: Option<Timestamp>,
    pub fetched: BTreeSet<Token>,
    /// The TXT records that this operator has found in DNS.
    pub found: BTreeSet<(String, String)>,
    /// The names of the certificate that was last seen in production.
    pub seen: Vec<String>,
}

impl Resource {
    pub fn new(certificate: AkamaiCertificate) -> Self {
        Self {
            applied: false,
            certificate,
            stale: None,
            earlier: vec![],
            published: published::Observed::default(),
            memory: Memory::default(),
            lost: None,
            wake: None,
            fetched: BTreeSet::new(),
            found: BTreeSet::new(),
            seen: vec![],
        }
    }

    /// As the operator sees it.
    pub fn view(&self) -> &AkamaiCertificate {
        self.stale.as_ref().unwrap_or(&self.certificate)
    }

    pub fn uid(&self) -> String {
        self.certificate.metadata.uid.clone().unwrap_or_default()
    }

    /// It is about to be written.
    pub fn change(&mut self) -> &mut AkamaiCertificate {
        if self.earlier.len() == VERSIONS {
            self.earlier.remove(0);
        }
        self.earlier.push(self.certificate.clone());
        &mut self.certificate
    }

    /// Another operator looks at it, whose watch is so many versions behind.
    pub fn taken_over(&mut self, lag: usize) {
        let behind = self.earlier.len().checked_sub(lag).and_then(|version| self.earlier.get(version));
        self.stale = behind.cloned();
        self.forget();
    }

    pub fn forget(&mut self) {
        self.memory = Memory::default();
        self.found.clear();
        self.fetched.clear();
        self.lost = None;
        self.wake = None;
    }

    pub fn status(&self) -> CertificateStatus {
        self.certificate.status.clone().unwrap_or_default()
    }

    /// The enrollment that it has recorded.
    pub fn recorded(&self) -> Option<u64> {
        self.certificate.metadata.annotations.as_ref()?.get(ENROLLMENT_ID_ANNOTATION)?.parse().ok()
    }

    pub fn observes(&self) -> bool {
        self.certificate.spec.observes()
    }

    pub fn adopts(&self) -> bool {
        let policy = self.certificate.spec.adoption_policy;
        matches!(policy, Some(AdoptionPolicy::AdoptOnly | AdoptionPolicy::AdoptOrCreate))
    }

    /// It was deleted, and nothing holds it.
    pub fn is_gone(&self) -> bool {
        self.certificate.metadata.deletion_timestamp.is_some()
            && self.certificate.metadata.finalizers.is_none()
    }

    /// The solver has a ready replica, or none.
    pub fn solver(&mut self, ready: bool) {
        let replica = SolverEndpoint { ip: [10, 77, 1, 2].into(), port: 8080 };
        self.published.solver = if ready { vec![replica] } else { vec![] };
    }

    pub fn content(&self) -> Content {
        self.published.config_map.as_deref().map(published::content_of).unwrap_or_default()
    }

    /// Hosts and paths in the Ingresses.
    pub fn routed(&self) -> BTreeSet<(String, String)> {
        let specs = self.published.ingresses.iter().filter_map(|ingress| ingress.spec.as_ref());
        let rules = specs.flat_map(|spec| spec.rules.iter().flatten());
        rules
            .flat_map(|rule| {
                let paths = rule.http.iter().flat_map(|http| &http.paths);
                paths.map(|path| {
                    (rule.host.clone().unwrap_or_default(), path.path.clone().unwrap_or_default())
                })
            })
            .collect()
    }

    /// Requests reach the solver.
    fn leads_to_the_solver(&self) -> bool {
        let whole = self.published.service.is_some() && !self.published.endpoint_slices.is_empty();
        whole && !self.published.solver.is_empty()
    }

    /// The tokens that somebody outside gets.
    pub fn served(&self) -> BTreeSet<Token> {
        if !self.leads_to_the_solver() {
            return BTreeSet::new();
        }
        let routed = self.routed();
        let leads = |token: &Token, path: &str| routed.contains(&(token.host.clone(), path.to_owned()));
        let stored = self.content().tokens.into_iter();
        stored.filter(|token| leads(token, &token.path) || leads(token, CHALLENGES_PATH)).collect()
    }

    /// Whatever an authority asks a host for is redirected to CPS.
    pub fn redirects(&self, host: &str) -> bool {
        self.leads_to_the_solver()
            && self.routed().contains(&(host.to_owned(), CHALLENGES_PATH.to_owned()))
            && self.content().redirects.iter().any(|redirect| redirect.host == host)
    }
}

/// A certificate like ours: the same common name, other names, and younger.
pub fn another(name: &str, dns_names: &[&str]) -> AkamaiCertificate {
    let mut certificate = fixtures::certificate();
    certificate.metadata.name = Some(name.to_owned());
    certificate.metadata.uid = Some(format!("uid-of-{name}"));
    certificate.spec.dns_names = Some(dns_names.iter().map(|name| (*name).to_owned()).collect());
    certificate
}
