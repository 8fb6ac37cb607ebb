//! The client: signs, sends, times, repeats and judges requests. `throttle` interprets hints to wait. `cps` and
//! `edge_dns` give the client its operations.

mod builder;
mod json;
mod throttle;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, header};
use rand::Rng as _;
use tokio::time::Instant;
use url::Url;

use crate::budget::{Budget, Priority, Turns};
use crate::edgegrid::{Credentials, Signer};
use crate::error::Error;
use crate::operation::Operation;
use crate::problem::Problem;
use crate::transport::{self, Answer, Loss};
pub use builder::ClientBuilder;
pub(crate) use json::{parse, to_body};

/// The most times that a read is sent.
const ATTEMPTS: u32 = 3;
/// The longest wait inside a call. A longer one is returned to the caller.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(2);
pub(crate) const FIRST_BACKOFF: Duration = Duration::from_millis(250);

/// One request that went out, and how it ended. For metrics.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CallRecord<'a> {
    /// The operation's name, one of [`crate::operations`].
    pub operation: &'static str,
    /// The flow of the request.
    pub flow: &'a str,
    /// The HTTP status; `None` if there was no answer.
    pub status: Option<u16>,
    /// The time from sending the request to the end of the answer.
    pub duration: Duration,
    /// How long the request waited in the budget.
    pub waited: Duration,
}

impl CallRecord<'static> {
    /// A record for the tests of observers.
    #[must_use]
    pub fn example(operation: &'static str, status: Option<u16>) -> Self {
        Self { operation, flow: "", status, duration: Duration::ZERO, waited: Duration::ZERO }
    }
}

/// Is called after every request that went out, including repeated ones.
pub type Observer = Arc<dyn Fn(&CallRecord<'_>) + Send + Sync>;

/// Is asked right before each request goes out. If it returns false, the request is not sent.
pub type Permit = Arc<dyn Fn() -> bool + Send + Sync>;

/// A client for CPS and Edge DNS with one set of credentials. Clones are cheap, and share connections and budget.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

/// Who a client is for Akamai. Clients with the same host, credentials and account key are equal, and Akamai shows
/// them the same. It does not reveal the credentials.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity([u8; 32]);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

struct Inner {
    identity: Identity,
    http: reqwest::Client,
    signer: Signer,
    base: Url,
    budget: Arc<Budget>,
    turns: Arc<Turns>,
    observer: Option<Observer>,
    permit: Option<Permit>,
    fallback_pause: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.inner.base.as_str()).finish_non_exhaustive()
    }
}

/// A request to send: an operation with its arguments.
pub(crate) struct Call<'a> {
    pub(crate) operation: &'static Operation,
    pub(crate) path: String,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// The budget of its API. Each API has its own limits.
    pub(crate) budget: &'a Budget,
    pub(crate) priority: Priority,
    pub(crate) flow: &'a str,
}

impl Client {
    /// Begins to build a client for these credentials.
    pub fn builder(credentials: Credentials) -> ClientBuilder {
        ClientBuilder::new(credentials)
    }

    /// Who this client is for Akamai.
    pub fn identity(&self) -> Identity {
        self.inner.identity
    }

    /// The budget for the calls of CPS.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.inner.budget
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.inner.turns
    }

    /// Sends a call. A read is repeated a few times if that can help within seconds. A write is sent once.
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Answer, Error> {
        let operation = call.operation.name;
        let url = self.url(&call);
        let mut backoff = FIRST_BACKOFF;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let may_repeat = call.operation.method == Method::GET && attempt < ATTEMPTS;
            let budget = call.budget;
            let queued = Instant::now();
            budget
                .acquire_unless_paused(call.priority, call.flow, LONGEST_WAIT)
                .await
                .map_err(|paused| Error::Throttled { operation, retry_after: paused.remaining })?;

            let waited = queued.elapsed();
            let result = self.attempt(&call, url.clone(), waited).await?;
            if let Ok(answer) = &result
                && let Some(not_now) = throttle::not_now(answer, jiff::Timestamp::now())
            {
                let wait = not_now.wait.unwrap_or(self.inner.fallback_pause);
                budget.pause_until(Instant::now() + wait);
                if may_repeat && wait <= LONGEST_WAIT {
                    continue;
                }
                if call.operation.method == Method::GET || not_now.refused {
                    // Include the budget's jitter, so that the caller does not come back too early.
                    let retry_after = budget.paused_for().unwrap_or(wait);
                    return Err(Error::Throttled { operation, retry_after });
                }
            }
            let helps = match &result {
                Ok(answer) => answer.status.is_server_error(),
                Err(loss) => loss.may_pass,
            };
            if helps && may_repeat {
                tokio::time::sleep(jittered(backoff)).await;
                backoff = (backoff * 2).min(LONGEST_WAIT);
                continue;
            }
            return judge(call.operation, result);
        }
    }

    /// Signs and sends once. The inner result is the answer, or how it was lost.
    async fn attempt(
        &self,
        call: &Call<'_>,
        url: Url,
        waited: Duration,
    ) -> Result<Result<Answer, Loss>, Error> {
        let Inner { http, signer, observer, permit, .. } = &*self.inner;
        let invalid = |reason: String| {
            let reason = format!("{reason}; check the credentials for characters that cannot be sent");
            Error::InvalidRequest { operation: call.operation.name, reason }
        };

        let mut request =
            http.request(call.operation.method.clone(), url).header(header::ACCEPT, call.operation.accept);
        if let Some(content_type) = call.operation.content_type {
            request = request.header(header::CONTENT_TYPE, content_type).body(call.body.clone());
        }
        let mut request = request.build().map_err(|error| invalid(transport::reason(&error)))?;
        let authorization = sign(signer, &request, &call.body).map_err(|error| invalid(error.to_string()))?;
        request.headers_mut().insert(header::AUTHORIZATION, authorization);

        if permit.as_ref().is_some_and(|permit| !permit()) {
            return Err(Error::NotPermitted { operation: call.operation.name });
        }
        let sent = Instant::now();
        let result =
            transport::read(http.execute(request).await, |text| signer.credentials().redact(text)).await;
        let status = result.as_ref().ok().map(|answer| answer.status.as_u16());
        let duration = sent.elapsed();
        tracing::debug!(
            operation = call.operation.name,
            flow = call.flow,
            ?status,
            ?duration,
            "called Akamai"
        );
        if let Some(observer) = observer {
            let (operation, flow) = (call.operation.name, call.flow);
            observer(&CallRecord { operation, flow, status, duration, waited });
        }
        Ok(result)
    }

    fn url(&self, call: &Call<'_>) -> Url {
        let mut url = self.inner.base.clone();
        url.set_path(&call.path);
        let account_key = self.inner.signer.credentials().account_key.as_deref();
        let account_key = account_key.map(|key| ("accountSwitchKey", key));
        let query: Vec<_> =
            call.query.iter().map(|(name, value)| (*name, value.as_str())).chain(account_key).collect();
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }
}

/// Signs exactly what will be sent: reqwest takes `Host` and the request line from this URL. Each attempt has its own
/// timestamp and nonce.
fn sign(
    signer: &Signer,
    request: &reqwest::Request,
    body: &[u8],
) -> Result<HeaderValue, Box<dyn std::error::Error + Send + Sync>> {
    let parts = http::Request::builder()
        .method(request.method())
        .uri(request.url().as_str())
        .body(())?
        .into_parts()
        .0;
    let nonce = uuid::Uuid::new_v4().to_string();
    Ok(signer.sign(&parts, body, jiff::Timestamp::now(), &nonce)?)
}

/// The meaning of a final result. If the answer to a write does not tell, the outcome is unknown.
fn judge(operation: &'static Operation, result: Result<Answer, Loss>) -> Result<Answer, Error> {
    let name = operation.name;
    let is_read = operation.method == Method::GET;
    match result {
        Ok(answer) if answer.status.is_success() => Ok(answer),
        Ok(answer) => {
            let (status, problem) = (answer.status.as_u16(), Problem::parse(&answer.body));
            if answer.status.is_server_error() && !is_read {
                let said = problem.summary().unwrap_or_else(|| "no explanation".to_owned());
                let reason = format!("HTTP {status}: {said}");
                return Err(Error::OutcomeUnknown { operation: name, status: Some(status), reason });
            }
            Err(Error::Api { operation: name, status, problem: Box::new(problem) })
        }
        Err(Loss { reason, sent: true, .. }) if !is_read => {
            Err(Error::OutcomeUnknown { operation: name, status: None, reason })
        }
        Err(Loss { reason, .. }) => Err(Error::Unreachable { operation: name, reason }),
    }
}

/// A random time between half of the wait and all of it.
pub(crate) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.5..1.0))
}
