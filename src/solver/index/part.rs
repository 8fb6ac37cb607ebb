//! What one ConfigMap says about one host, in as little memory as possible: a fleet has hundreds of thousands of
//! tokens.
//!
//! The body of a token is the last segment of its path, a dot, and the thumbprint of the ACME account key (RFC 8555,
//! section 8.1). So the index does not keep bodies. It builds them from the path and the thumbprint, which the tokens
//! of a ConfigMap share.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use super::normalised;
use akacert_core::published::{CHALLENGES_PATH, Content, Redirection, Token};

#[derive(Debug, PartialEq)]
pub(super) struct Part {
    source: Arc<str>,
    /// Ordered by path, each path once.
    answers: Box<[Answer]>,
    /// The host that challenges are redirected to.
    redirect: Option<Arc<str>>,
}

/// A path, without the prefix that all challenges share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path<'a> {
    is_challenge: bool,
    rest: &'a str,
}

#[derive(Debug, PartialEq)]
struct Answer {
    is_challenge: bool,
    rest: Box<str>,
    body: Body,
}

#[derive(Debug, PartialEq)]
enum Body {
    /// The rest of the path, a dot, and this thumbprint.
    KeyAuthorization {
        thumbprint: Arc<str>,
    },
    Verbatim(Box<str>),
}

impl<'a> Path<'a> {
    pub(super) fn of(path: &'a str) -> Self {
        match path.strip_prefix(CHALLENGES_PATH).and_then(|rest| rest.strip_prefix('/')) {
            Some(rest) => Self { is_challenge: true, rest },
            None => Self { is_challenge: false, rest: path },
        }
    }

    pub(super) fn is_challenge(self) -> bool {
        self.is_challenge
    }
}

impl Answer {
    fn new(path: &str, body: String, shared: &mut Shared) -> Self {
        let Path { is_challenge, rest } = Path::of(path);
        let thumbprint = body.strip_prefix(rest).and_then(|body| body.strip_prefix('.'));
        let body = match thumbprint {
            Some(thumbprint) => Body::KeyAuthorization { thumbprint: shared.get(thumbprint) },
            None => Body::Verbatim(body.into()),
        };
        Self { is_challenge, rest: rest.into(), body }
    }

    fn path(&self) -> Path<'_> {
        Path { is_challenge: self.is_challenge, rest: &self.rest }
    }

    fn body(&self) -> Bytes {
        match &self.body {
            Body::KeyAuthorization { thumbprint } => [&self.rest, ".", thumbprint].concat().into(),
            Body::Verbatim(body) => Bytes::copy_from_slice(body.as_bytes()),
        }
    }
}

impl Part {
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn answer(&self, path: Path<'_>) -> Option<Bytes> {
        let place = self.answers.binary_search_by(|answer| answer.path().cmp(&path)).ok()?;
        self.answers.get(place).map(Answer::body)
    }

    pub(super) fn redirect(&self) -> Option<&Arc<str>> {
        self.redirect.as_ref()
    }

    pub(super) fn has_tokens(&self) -> bool {
        !self.answers.is_empty()
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = Path<'_>> {
        self.answers.iter().map(Answer::path)
    }
}

/// Interns strings.
#[derive(Default)]
struct Shared(HashSet<Arc<str>>);

impl Shared {
    fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.0.insert(new.clone());
        new
    }
}

/// The answers of one host: bodies by path, and the host that other challenges redirect to.
type Said = (BTreeMap<String, String>, Option<Arc<str>>);

/// Splits a ConfigMap by host. If it has two values for one URL or host, the one that sorts last counts.
pub(super) fn parts(source: &Arc<str>, content: Content) -> Vec<(String, Part)> {
    let mut shared = Shared::default();
    let mut hosts: BTreeMap<String, Said> = BTreeMap::new();
    for Token { host, path, body } in content.tokens {
        hosts.entry(normalised(&host).into_owned()).or_default().0.insert(path, body);
    }
    for Redirection { host, to } in content.redirects {
        hosts.entry(normalised(&host).into_owned()).or_default().1 = Some(shared.get(&to));
    }
    let mut part = |bodies: BTreeMap<String, String>, redirect| {
        let mut answers: Box<[Answer]> =
            bodies.into_iter().map(|(path, body)| Answer::new(&path, body, &mut shared)).collect();
        answers.sort_unstable_by(|one, other| one.path().cmp(&other.path()));
        Part { source: source.clone(), answers, redirect }
    };
    hosts.into_iter().map(|(host, (bodies, redirect))| (host, part(bodies, redirect))).collect()
}
