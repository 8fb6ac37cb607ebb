//! What can be known of a name before an authority sees it: whether it may issue at all, and whether it would find the
//! name as the way of validation needs it. Not here: when this is looked at, and what follows from it (`akacert_core::life`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use futures::{FutureExt, StreamExt, future, stream};

use super::fetch::Location;
use super::outlook::AKAMAI;
use super::{Cause, End, Family, LookupFailure, ProbeFailure, Prober, RedirectProblem};
use crate::dns::{Dns, DnsFailure, challenge_name};
use akacert_core::outside::{Need, Target};

/// What is asked for: below where every token lies, and none of them.
const PATH: &str = "/.well-known/acme-challenge/akacert-preflight";

/// Why a name would not be validated. Stable texts, nothing that a remote side sent but the names of name servers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreflightFailure {
    /// CAA records are for other authorities.
    #[error("CAA records at {at} allow none of {}: add `0 {property} \"{}\"` there", issuers.join(", "), first(issuers))]
    Caa {
        /// Where the records are.
        at: String,
        /// `issue` or `issuewild`.
        property: &'static str,
        /// The authorities, of which one is needed.
        issuers: Vec<String>,
    },
    /// CAA records hold what no authority understands.
    #[error("CAA records at {at} have a critical property that no authority knows: remove it")]
    CaaProperty {
        /// Where the records are.
        at: String,
    },
    /// CAA records are for other ways of validation.
    #[error(
        "CAA records at {at} do not allow validation by {method}: add it to their parameter validationmethods, or choose \
         another way of validation"
    )]
    CaaMethod {
        /// Where the records are.
        at: String,
        /// The way, as the records call it.
        method: &'static str,
    },
    /// DNS does not answer as it should.
    #[error(transparent)]
    Dns(#[from] DnsFailure),
    /// The name has no usable addresses.
    #[error(transparent)]
    Address(#[from] ProbeFailure),
    /// One kind of address cannot be looked up.
    #[error(
        "the {family} records of the name cannot be looked up, though {} records can: see that its name servers answer \
         for {family}, even if there are none", other(*family)
    )]
    HalfResolved {
        /// The kind.
        family: Family,
    },
    /// An address does not answer.
    #[error("the {family} record leads to {address}, which {cause} on port 80{}", advice(*others_answer))]
    Astray {
        /// The kind of record that leads there.
        family: Family,
        /// The address.
        address: IpAddr,
        /// What it did.
        cause: Cause,
        /// The host has another address, which answers.
        others_answer: bool,
    },
    /// An address does not have the standing redirect.
    #[error(
        "the {family} record leads to {address}, which does not redirect /.well-known/acme-challenge/* to the same path \
         at http://{host}: set up that redirect there, ahead of any other"
    )]
    NotRedirected {
        /// The kind of record that leads there.
        family: Family,
        /// The address.
        address: IpAddr,
        /// Where to.
        host: String,
    },
    /// It redirects, but not so that the authority arrives.
    #[error("{problem}: redirect /.well-known/acme-challenge/* straight to the same path at http://{host}")]
    Redirects {
        /// How.
        problem: RedirectProblem,
        /// Where to.
        host: String,
    },
    /// It is not on the Akamai network.
    #[error(
        "the name is no CNAME that leads to an edge hostname ({}): create it, or choose another way of validation",
        AKAMAI.join(", ")
    )]
    NotAtEdge,
}

fn first(issuers: &[String]) -> &str {
    issuers.first().map_or("", String::as_str)
}

fn other(family: Family) -> Family {
    match family {
        Family::A => Family::Aaaa,
        Family::Aaaa => Family::A,
    }
}

fn advice(others_answer: bool) -> &'static str {
    if others_answer {
        ", otherwise than the host's other addresses: correct or remove that record"
    } else {
        ": see that it leads to where the name is served, and that no firewall is in between"
    }
}

/// The addresses of a host answer all; the first that does not is told, and whether another does.
fn alike(answers: &[(IpAddr, Option<Cause>)]) -> Result<(), PreflightFailure> {
    let silent = |cause: Cause| matches!(cause, Cause::Unreachable | Cause::Timeout);
    let failed = |(address, cause): &(IpAddr, Option<Cause>)| {
        cause.filter(|cause| silent(*cause)).map(|cause| (*address, cause))
    };
    let others_answer = answers.iter().any(|answer| failed(answer).is_none());
    match answers.iter().find_map(failed) {
        Some((address, cause)) => {
            Err(PreflightFailure::Astray { family: Family::of(address), address, cause, others_answer })
        }
        None => Ok(()),
    }
}

impl Prober {
    /// Looks at names before an authority does, several at a time. The answer has each name, with what is wrong with it.
    pub async fn preflight(
        &self,
        dns: &Dns,
        targets: &[Target],
    ) -> BTreeMap<String, Option<PreflightFailure>> {
        // Boxed: the compiler cannot prove the closure's future Send for every lifetime of a target.
        let looks: Vec<_> = targets
            .iter()
            .map(|target| {
                async move { (target.name.clone(), self.look_ahead(dns, target).await.err()) }.boxed()
            })
            .collect();
        stream::iter(looks).buffer_unordered(self.settings.concurrency.max(1)).collect().await
    }

    /// That CAA records could not be looked up counts least: it often follows from what else is wrong.
    pub(super) async fn look_ahead(&self, dns: &Dns, target: &Target) -> Result<(), PreflightFailure> {
        let (caa, found) =
            future::join(self.caa_allows(dns, target), self.has_what_is_needed(dns, target)).await;
        match caa {
            Err(forbids) if !matches!(forbids, PreflightFailure::Dns(_)) => Err(forbids),
            caa => found.and(caa),
        }
    }

    /// CAA records allow the authority, by the way of validation that is taken.
    pub(super) async fn caa_allows(&self, dns: &Dns, target: &Target) -> Result<(), PreflightFailure> {
        let asked = dns.caa(&target.name, target.is_wildcard());
        let unknown = |_| DnsFailure::CaaUnknown { at: target.name.clone() };
        let found = tokio::time::timeout(self.settings.preflight_timeout, asked).await.map_err(unknown)??;
        let (issuers, method) = (&self.settings.caa_issuers, target.method());
        if found.allows_method(issuers, method) {
            return Ok(());
        }
        let at = found.at.clone().unwrap_or_default();
        Err(if found.unknown_property {
            PreflightFailure::CaaProperty { at }
        } else if found.allows(issuers) {
            PreflightFailure::CaaMethod { at, method }
        } else {
            PreflightFailure::Caa { at, property: found.property, issuers: issuers.clone() }
        })
    }

    async fn has_what_is_needed(&self, dns: &Dns, target: &Target) -> Result<(), PreflightFailure> {
        match &target.need {
            Need::Http => self.answers(&target.name).await,
            Need::Redirect { host } => self.redirects(&target.name, host).await,
            Need::Dns => self.takes_a_record(dns, &target.name).await,
            Need::Edge => {
                let asked = self.is_at_akamai(&target.name);
                match tokio::time::timeout(self.settings.preflight_timeout, asked).await {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(PreflightFailure::NotAtEdge),
                    Err(_) => Err(ProbeFailure::Unresolved.into()),
                }
            }
        }
    }

    /// Every public address answers on the port that the authority connects to, whatever it says.
    async fn answers(&self, name: &str) -> Result<(), PreflightFailure> {
        let location = Location::http(name, PATH, self.settings.http_port);
        let asked = self.both_kinds(name).await?.into_iter().map(|address| {
            let location = &location;
            async move {
                let asked = self.fetcher.get(location, address);
                let timely = tokio::time::timeout(self.settings.preflight_timeout, asked).await;
                (address, timely.unwrap_or(Err(Cause::Timeout)).err())
            }
        });
        alike(&future::join_all(asked).await)
    }

    /// Every public address redirects to the same path at the host, possibly after other redirects.
    async fn redirects(&self, name: &str, host: &str) -> Result<(), PreflightFailure> {
        let wanted = Location::http(host, PATH, self.settings.http_port);
        let asked = self.both_kinds(name).await?.into_iter().map(|address| {
            let wanted = &wanted;
            async move {
                let first = Location::http(name, PATH, self.settings.http_port);
                let chain = self.follow(first, address, Some(wanted));
                let timely = tokio::time::timeout(self.settings.preflight_timeout, chain).await;
                let late = || Err(ProbeFailure::Public { address, cause: Cause::Timeout });
                (address, timely.unwrap_or_else(|_| late()))
            }
        });
        let answers = future::join_all(asked).await;
        let cause = |answer: &Result<End, ProbeFailure>| match answer {
            Err(ProbeFailure::Public { cause, .. }) => Some(*cause),
            _ => None,
        };
        alike(&answers.iter().map(|(address, answer)| (*address, cause(answer))).collect::<Vec<_>>())?;
        for (address, answer) in answers {
            let host = host.to_owned();
            return Err(match answer {
                Ok(End::Reached) => continue,
                Err(ProbeFailure::Redirect(problem)) => PreflightFailure::Redirects { problem, host },
                Ok(End::Body { .. }) | Err(_) => {
                    PreflightFailure::NotRedirected { family: Family::of(address), address, host }
                }
            });
        }
        Ok(())
    }

    /// All addresses of a name. Authorities ask for both kinds, and some do not go on if one cannot be looked up.
    async fn both_kinds(&self, name: &str) -> Result<Vec<IpAddr>, PreflightFailure> {
        let lookup = |family| async move {
            let asked = self.resolver.records(name, family);
            let timely = tokio::time::timeout(self.settings.preflight_timeout, asked).await;
            timely.unwrap_or(Err(LookupFailure::Failed))
        };
        match future::join(lookup(Family::A), lookup(Family::Aaaa)).await {
            (Ok(v4), Ok(v6)) => Ok(self.usable(v4.into_iter().chain(v6).collect())?),
            (Ok(_), Err(_)) => Err(PreflightFailure::HalfResolved { family: Family::Aaaa }),
            (Err(_), Ok(_)) => Err(PreflightFailure::HalfResolved { family: Family::A }),
            (Err(_), Err(_)) => Err(ProbeFailure::Unresolved.into()),
        }
    }

    /// The zone is there, its name servers answer, and nothing is in the way of the record.
    async fn takes_a_record(&self, dns: &Dns, name: &str) -> Result<(), PreflightFailure> {
        let record = challenge_name(name);
        let zone = tokio::time::timeout(self.settings.preflight_timeout, dns.zone(&record)).await;
        let found = zone.map_err(|_| DnsFailure::Unresolved)??.txt(&record).await?;
        match found.broken() {
            Some(failure) => Err(failure.clone().into()),
            None => Ok(()),
        }
    }
}
