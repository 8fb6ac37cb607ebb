//! The preflight: checks a name before an authority does. May the authority issue for it, and does the name meet the
//! requirements of its way of validation?

use std::collections::BTreeMap;
use std::net::IpAddr;

use futures::{FutureExt, StreamExt, future, stream};

use super::fetch::Location;
use super::forecast::AKAMAI;
use super::{Cause, End, Family, LookupFailure, ProbeFailure, Prober, RedirectProblem};
use crate::dns::{Dns, DnsFailure, challenge_name};
use akacert_core::outside::{Need, Target};

/// The requested path. It is where tokens are, but no token has this name.
const PATH: &str = "/.well-known/acme-challenge/akacert-preflight";

/// Why the validation of a name would fail. The texts are stable. The only remote text in them is names of name
/// servers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreflightFailure {
    /// CAA records allow only other authorities.
    #[error("CAA records at {at} allow none of {}: add `0 {property} \"{}\"` there", issuers.join(", "), first(issuers))]
    Caa {
        /// The name that has the records.
        at: String,
        /// `issue` or `issuewild`.
        property: &'static str,
        /// The authorities of which the records have to allow one.
        issuers: Vec<String>,
    },
    /// CAA records have a critical property that no authority knows.
    #[error("CAA records at {at} have a critical property that no authority knows: remove it")]
    CaaProperty {
        /// The name that has the records.
        at: String,
    },
    /// CAA records allow only other methods of validation.
    #[error(
        "CAA records at {at} do not allow validation by {method}: add it to their parameter validationmethods, or choose \
         another way of validation"
    )]
    CaaMethod {
        /// The name that has the records.
        at: String,
        /// The method's name in the records.
        method: &'static str,
    },
    /// A DNS lookup failed.
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
        /// The kind of record.
        family: Family,
    },
    /// An address does not answer.
    #[error("the {family} record leads to {address}, which {cause} on port 80{}", advice(*others_answer))]
    Astray {
        /// The kind of record that leads there.
        family: Family,
        /// The address that failed.
        address: IpAddr,
        /// How it failed.
        cause: Cause,
        /// Whether another address of the host answers.
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
        /// The address without it.
        address: IpAddr,
        /// The expected target.
        host: String,
    },
    /// It redirects, but not to where the authority has to arrive.
    #[error("{problem}: redirect /.well-known/acme-challenge/* straight to the same path at http://{host}")]
    Redirects {
        /// What is wrong with the redirects.
        problem: RedirectProblem,
        /// The expected target.
        host: String,
    },
    /// The name does not lead to the Akamai network.
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

/// Checks that all addresses answer. The failure names the first that does not, and says whether another address
/// answers.
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
    /// Checks names before an authority does, several at a time. Returns each name with what is wrong with it.
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

    /// Checks one name. A failed lookup of CAA records comes last, because another failure often causes it.
    pub(super) async fn look_ahead(&self, dns: &Dns, target: &Target) -> Result<(), PreflightFailure> {
        let (caa, found) =
            future::join(self.caa_allows(dns, target), self.has_what_is_needed(dns, target)).await;
        match caa {
            Err(forbids) if !matches!(forbids, PreflightFailure::Dns(_)) => Err(forbids),
            caa => found.and(caa),
        }
    }

    /// Checks that CAA records allow the authority, with the method of the name's way.
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

    /// Checks that every public address answers on the authority's port, with any answer.
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

    /// Checks that every public address redirects to the same path at the host, possibly after other redirects.
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

    /// All addresses of a name. Authorities look up both kinds, and some stop if one lookup fails.
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

    /// Checks that the zone exists, that its name servers answer, and that nothing prevents the record.
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
