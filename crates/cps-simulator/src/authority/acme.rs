//! The ACME client (RFC 8555): one account, and one order for each change. Pebble rejects nonces on purpose
//! (`badNonce`), so it retries more often than the library does.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount, NewOrder, OrderStatus,
};
use tokio::sync::{Mutex, RwLock};
use tokio::time::{Instant, sleep};

use super::fetch::Method;
use super::transport::Transport;
use super::{AuthorityError, Authorization, Failures};
use crate::config::AcmeDirectory;
use crate::model::{Challenge, Domain};

/// How often to try again after a rejected nonce; the library itself makes three attempts each time.
const NONCE_TRIES: usize = 5;
const FIRST_POLL: Duration = Duration::from_millis(50);
const SLOWEST_POLL: Duration = Duration::from_secs(2);
const VALIDATION_TIMEOUT: Duration = Duration::from_secs(120);

/// An ACME authority. The first order creates the account.
pub(crate) struct Acme {
    directory: AcmeDirectory,
    account: Mutex<Option<Account>>,
    gate: Gate,
}

/// Pebble 2.10 deadlocks when one client reads an authorization while another places an order: the read holds the
/// authorization and wants the store, the order holds the store and wants every authorization. So the simulator
/// places orders under the write lock, and reads authorizations under the read lock.
type Gate = Arc<RwLock<()>>;

impl Acme {
    pub(crate) fn new(directory: AcmeDirectory) -> Self {
        Self { directory, account: Mutex::new(None), gate: Gate::default() }
    }

    async fn account(&self) -> Result<Account, Error> {
        let mut account = self.account.lock().await;
        if let Some(account) = &*account {
            return Ok(account.clone());
        }
        let builder = Account::builder_with_http(Box::new(Transport::new(&self.directory)?));
        let terms = NewAccount { contact: &[], terms_of_service_agreed: true, only_return_existing: false };
        let (created, _) = builder.create(&terms, self.directory.url.clone(), None).await?;
        *account = Some(created.clone());
        Ok(created)
    }

    pub(crate) async fn order(&self, names: &[String]) -> Result<AcmeOrder, AuthorityError> {
        let account = self.account().await?;
        let identifiers: Vec<_> = names.iter().cloned().map(Identifier::Dns).collect();
        let mut tries = 0;
        loop {
            let placed = {
                let _alone = self.gate.write().await;
                account.new_order(&NewOrder::new(&identifiers)).await
            };
            match placed {
                Ok(order) => {
                    let (gate, thumbprint) = (self.gate.clone(), account.key_thumbprint().to_owned());
                    return Ok(AcmeOrder { order, thumbprint, gate });
                }
                Err(error) if is_bad_nonce(&error) && tries < NONCE_TRIES => tries += 1,
                Err(error) => {
                    // After a restart the authority no longer knows the account.
                    *self.account.lock().await = None;
                    return Err(error.into());
                }
            }
        }
    }
}

fn is_bad_nonce(error: &Error) -> bool {
    matches!(error, Error::Api(problem)
        if problem.r#type.as_deref() == Some("urn:ietf:params:acme:error:badNonce"))
}

pub(crate) struct AcmeOrder {
    order: instant_acme::Order,
    thumbprint: String,
    gate: Gate,
}

impl AcmeOrder {
    pub(crate) async fn authorizations(&mut self) -> Result<Vec<Authorization>, AuthorityError> {
        let mut tries = 0;
        loop {
            match self.try_authorizations().await {
                Err(error) if is_bad_nonce(&error) && tries < NONCE_TRIES => tries += 1,
                result => return Ok(result?),
            }
        }
    }

    async fn try_authorizations(&mut self) -> Result<Vec<Authorization>, Error> {
        let mut found = Vec::new();
        let mut authorizations = self.order.authorizations();
        loop {
            let _shared = self.gate.read().await;
            let Some(authorization) = authorizations.next().await else { break };
            let authorization = authorization?;
            let challenge = |kind: ChallengeType| {
                let offered = authorization.challenges.iter().find(|challenge| challenge.r#type == kind)?;
                Some(Challenge::new(offered.token.clone(), &self.thumbprint, kind == ChallengeType::Dns01))
            };
            found.push(Authorization {
                name: authorization.identifier().to_string(),
                valid: authorization.status == AuthorizationStatus::Valid,
                http01: challenge(ChallengeType::Http01),
                dns01: challenge(ChallengeType::Dns01),
            });
        }
        Ok(found)
    }

    pub(crate) async fn validate(
        &mut self,
        domains: &[(Domain, Method)],
    ) -> Result<Failures, AuthorityError> {
        let (mut tries, mut ready) = (0, HashSet::new());
        loop {
            match self.set_ready(domains, &mut ready).await {
                Err(error) if is_bad_nonce(&error) && tries < NONCE_TRIES => tries += 1,
                result => break result?,
            }
        }
        let status = self.poll(|status| status != OrderStatus::Pending).await?;
        if status == OrderStatus::Invalid { self.failures().await } else { Ok(Vec::new()) }
    }

    /// Requests the validation of each name once. `ready` remembers across retries which names are requested.
    async fn set_ready(
        &mut self,
        domains: &[(Domain, Method)],
        ready: &mut HashSet<String>,
    ) -> Result<(), Error> {
        let mut authorizations = self.order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            let name = authorization.identifier().to_string();
            let method = domains.iter().find(|(domain, _)| domain.name == name).map(|(_, method)| *method);
            let kind = match method {
                Some(Method::Dns01) => ChallengeType::Dns01,
                _ => ChallengeType::Http01,
            };
            if authorization.status == AuthorizationStatus::Pending
                && !ready.contains(&name)
                && let Some(mut challenge) = authorization.challenge(kind)
            {
                challenge.set_ready().await?;
                ready.insert(name);
            }
        }
        Ok(())
    }

    /// Waits for a status of the order. It ignores `Retry-After`, which protects public authorities and would slow down
    /// tests.
    async fn poll(&mut self, awaited: impl Fn(OrderStatus) -> bool) -> Result<OrderStatus, AuthorityError> {
        let deadline = Instant::now() + VALIDATION_TIMEOUT;
        let mut wait = FIRST_POLL;
        while Instant::now() < deadline {
            match self.order.refresh().await {
                Ok(state) if awaited(state.status) => return Ok(state.status),
                Ok(_) => {}
                Err(error) if is_bad_nonce(&error) => continue,
                Err(error) => return Err(error.into()),
            }
            sleep(wait).await;
            wait = (wait * 3 / 2).min(SLOWEST_POLL);
        }
        Err(AuthorityError::Timeout)
    }

    async fn failures(&mut self) -> Result<Failures, AuthorityError> {
        let mut failures = Vec::new();
        let mut authorizations = self.order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            let mut tries = 0;
            let _shared = self.gate.read().await;
            while let Err(error) = authorization.refresh().await {
                if !is_bad_nonce(&error) || tries == NONCE_TRIES {
                    return Err(error.into());
                }
                tries += 1;
            }
            if authorization.status == AuthorizationStatus::Invalid {
                let problem = authorization.challenges.iter().find_map(|c| c.error.as_ref());
                let reason = problem.and_then(|problem| problem.detail.clone());
                let reason = reason.unwrap_or_else(|| "The authority refused the challenge.".into());
                failures.push((authorization.identifier().to_string(), reason));
            }
        }
        Ok(failures)
    }

    pub(crate) async fn finalise(&mut self, csr: &[u8]) -> Result<String, AuthorityError> {
        let mut tries = 0;
        while let Err(error) = self.order.finalize_csr(csr).await {
            if !is_bad_nonce(&error) || tries == NONCE_TRIES {
                return Err(error.into());
            }
            tries += 1;
        }
        if self.poll(|status| status != OrderStatus::Processing).await? != OrderStatus::Valid {
            return Err(AuthorityError::Invalid);
        }
        let mut tries = 0;
        loop {
            match self.order.certificate().await {
                Ok(Some(chain)) => return Ok(chain),
                Ok(None) => return Err(AuthorityError::Invalid),
                Err(error) if is_bad_nonce(&error) && tries < NONCE_TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
}
