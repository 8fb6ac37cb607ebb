//! Domain validation: a change shows tokens, waits until it finds them published or the user acknowledges them,
//! replaces them, and asks the authority.

use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use super::driver::Driver;
use crate::authority::{AuthorityError, Authorization, Failures, Method, Order};
use crate::model::{Asked, Change, Domain, Offer, Validation};

/// What ends the wait for published tokens.
enum Outcome {
    /// Ask the authority, with these methods.
    Ask(Vec<(Domain, Method)>),
    /// The tokens have expired; new ones come after a gap.
    Expired,
    /// New tokens come at once.
    Rotate,
}

/// Without a minimum, high speeds would make the checks a flood of requests.
const FASTEST_LOOK: Duration = Duration::from_millis(500);
const NOT_READY: &str = "The domain is not ready for validation.";

/// Tries until every name is validated. `None` means that the change no longer exists.
pub(crate) async fn validate(driver: &Driver<'_>) -> Option<Order> {
    let (context, waits) = (driver.context, &driver.context.config.waits);
    loop {
        let names =
            driver.update(|change| change.domains.iter().map(|d| d.name.clone()).collect::<Vec<_>>())?;
        let mut order = match place(driver, &names).await {
            Ok((order, authorizations)) => {
                publish(driver, authorizations)?;
                order
            }
            Err(error) => {
                tracing::warn!(enrollment = driver.enrollment, %error, "cannot place an order");
                driver.update(|change| {
                    for domain in &mut change.domains {
                        domain.validation = Validation::Preparing;
                        domain.error = Some(format!("Error getting challenges. Error Message: {error}"));
                    }
                })?;
                context.wait(waits.preparation_retry).await;
                continue;
            }
        };
        match wait_for_tokens(driver).await? {
            Outcome::Ask(domains) => {
                let failures = ask(driver, &mut order, &domains).await;
                if failures.is_empty() {
                    driver.update(mark_validated)?;
                    return Some(order);
                }
                tracing::info!(enrollment = driver.enrollment, ?failures, "validation failed");
                driver.update(|change| mark_failed(change, &domains, &failures))?;
                context.wait(waits.failure_retry).await;
            }
            Outcome::Expired => {
                driver.update(mark_expired)?;
                context.wait(waits.rotation_gap).await;
            }
            Outcome::Rotate => {}
        }
    }
}

async fn place(driver: &Driver<'_>, names: &[String]) -> Result<(Order, Vec<Authorization>), AuthorityError> {
    let mut order = driver.context.authority.order(names).await?;
    let authorizations = order.authorizations().await?;
    Ok((order, authorizations))
}

/// Shows the tokens of a new order and offers the input.
fn publish(driver: &Driver<'_>, authorizations: Vec<Authorization>) -> Option<()> {
    let now = Timestamp::now().round(jiff::Unit::Second).unwrap_or_default();
    let expires = now + driver.context.config.token_life;
    driver.update(|change| {
        for authorization in authorizations {
            let Some(domain) = change.domains.iter_mut().find(|d| d.name == authorization.name) else {
                continue;
            };
            domain.requested = now;
            domain.expires = Some(expires);
            (domain.http01, domain.dns01) = (authorization.http01, authorization.dns01);
            domain.validation = match domain.validation {
                _ if authorization.valid => Validation::Validated,
                // The error of the previous tokens stays readable, because CPS shows it nowhere else.
                Validation::Failed => Validation::NotReady,
                Validation::Preparing
                | Validation::AwaitingUser
                | Validation::NotReady
                | Validation::InProgress
                | Validation::Validated
                | Validation::Expired => Validation::AwaitingUser,
            };
            if domain.validation == Validation::AwaitingUser {
                domain.error = None;
            }
        }
        change.offer = Offer::Open;
        change.asked = Asked::default();
    })
}

async fn wait_for_tokens(driver: &Driver<'_>) -> Option<Outcome> {
    let config = &driver.context.config;
    let interval = config.scaled(config.waits.self_check).max(FASTEST_LOOK);
    let expiry = Instant::now() + config.token_life;
    let mut next_look = Instant::now() + interval;
    loop {
        let asked = driver.update(|change| change.asked.clone())?;
        if asked.rotate {
            return Some(Outcome::Rotate);
        }
        if asked.expire || Instant::now() >= expiry {
            return Some(Outcome::Expired);
        }
        if asked.acknowledged {
            return Some(Outcome::Ask(by_acknowledgement(driver).await?));
        }
        tokio::select! {
            () = driver.signal.wake.notified() => {}
            () = sleep_until(expiry) => {}
            () = sleep_until(next_look) => {
                if let Some(ways) = look(driver).await? {
                    return Some(Outcome::Ask(ways));
                }
                next_look = Instant::now() + interval;
            }
        }
    }
}

fn pending(change: &mut Change) -> Vec<Domain> {
    change.domains.iter().filter(|d| d.validation != Validation::Validated).cloned().collect()
}

/// Trusts the user that everything is published. For DNS-01 it needs a TXT record that DNS already has.
async fn by_acknowledgement(driver: &Driver<'_>) -> Option<Vec<(Domain, Method)>> {
    let domains = driver.update(pending)?;
    let has_txt = join_all(domains.iter().map(async |domain| match (&domain.http01, &domain.dns01) {
        (None, _) => true,
        (_, Some(challenge)) => driver.context.fetcher.has_txt(domain, challenge).await,
        _ => false,
    }))
    .await;
    let method = |txt| if txt { Method::Dns01 } else { Method::Http01 };
    Some(domains.into_iter().zip(has_txt).map(|(domain, txt)| (domain, method(txt))).collect())
}

/// CPS's own check. It returns the methods if every name is ready. Otherwise it returns the inner `None`, and the
/// change shows the reasons.
async fn look(driver: &Driver<'_>) -> Option<Option<Vec<(Domain, Method)>>> {
    let domains = driver.update(pending)?;
    let found = join_all(domains.iter().map(|domain| driver.context.fetcher.look(domain))).await;
    driver.update(|change| {
        for (domain, found) in domains.iter().zip(&found) {
            let shown = change.domains.iter_mut().find(|shown| shown.name == domain.name);
            if let (Some(shown), Err(reason)) = (shown, found) {
                tracing::debug!(name = domain.name, reason, "not ready");
                shown.validation = Validation::NotReady;
                shown.error.get_or_insert_with(|| NOT_READY.into());
            }
        }
    })?;
    Some(domains.into_iter().zip(found).map(|(domain, found)| Some((domain, found.ok()?))).collect())
}

/// Asks the authority. An empty result means that all names are validated.
async fn ask(driver: &Driver<'_>, order: &mut Order, domains: &[(Domain, Method)]) -> Failures {
    driver.update(|change| {
        change.offer = Offer::None;
        for domain in change.domains.iter_mut().filter(|d| d.validation != Validation::Validated) {
            domain.validation = Validation::InProgress;
            domain.error = None;
        }
    });
    let names: Vec<_> = domains.iter().map(|(domain, _)| domain.name.as_str()).collect();
    if let Some(name) = driver.context.on_demand.faults.failed_authorization(&names) {
        return vec![(name, "Fault injected through the control endpoint.".into())];
    }
    match order.validate(domains, &driver.context.fetcher).await {
        Ok(failures) => failures,
        Err(error) => names.iter().map(|name| ((*name).to_owned(), error.to_string())).collect(),
    }
}

fn mark_validated(change: &mut Change) {
    change.offer = Offer::None;
    for domain in &mut change.domains {
        domain.validation = Validation::Validated;
        domain.error = None;
        domain.validated.get_or_insert_with(Timestamp::now);
    }
}

/// Shows the authority's reason at the name, and at the challenge that the authority tried.
fn mark_failed(change: &mut Change, asked: &[(Domain, Method)], failures: &Failures) {
    change.offer = Offer::Closed;
    for domain in &mut change.domains {
        match failures.iter().find(|(name, _)| *name == domain.name) {
            Some((_, reason)) => {
                domain.validation = Validation::Failed;
                domain.error = Some(reason.clone());
                let way = asked.iter().find(|(asked, _)| asked.name == domain.name).map(|(_, way)| *way);
                let challenge = match way {
                    Some(Method::Dns01) => domain.dns01.as_mut(),
                    _ => domain.http01.as_mut(),
                };
                if let Some(challenge) = challenge {
                    challenge.error = Some(reason.clone());
                }
            }
            None => domain.validation = Validation::AwaitingUser,
        }
    }
}

fn mark_expired(change: &mut Change) {
    change.offer = Offer::Closed;
    for domain in change.domains.iter_mut().filter(|d| d.validation != Validation::Validated) {
        domain.validation = Validation::Expired;
        domain.error = Some("Expired authorization".into());
    }
}
