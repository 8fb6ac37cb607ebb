//! Sends one GET to one address that the caller has checked. It follows no redirect, uses no proxy, and resolves no
//! name.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::header::{HOST, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Url};

use super::failure::Cause;

/// The answer of an address.
pub(super) enum Answer {
    /// Status 200 with this body.
    Body(Vec<u8>),
    /// A redirect; `None` if it has no target.
    Redirect(Option<String>),
}

/// What to request: everything but the address.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) host: String,
    https: bool,
    port: u16,
    /// Path and query.
    path: String,
}

impl Location {
    pub(super) fn http(host: &str, path: &str, port: u16) -> Self {
        Self { host: host.to_owned(), https: false, port, path: path.to_owned() }
    }

    /// The target of a redirect. The authority follows redirects only to a host name, by http on port 80 or https on
    /// port 443.
    pub(super) fn redirect(&self, to: &str, http_port: u16, https_port: u16) -> Option<Self> {
        let url = Url::parse(&self.url(&self.host)).ok()?.join(to).ok()?;
        // An address has no DNS record to check, and a name without a dot does not exist on the Internet.
        let host = url.domain()?.trim_end_matches('.').to_owned();
        if !host.contains('.') {
            return None;
        }
        let https = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let port = if https { https_port } else { http_port };
        if url.port().is_some_and(|explicit| explicit != port) {
            return None;
        }
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        Some(Self { host, https, port, path: format!("{}{query}", url.path()) })
    }

    fn url(&self, host: &str) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{host}:{}{}", self.port, self.path)
    }

    /// As browsers and the authority send it: without the scheme's default port.
    fn host_header(&self) -> String {
        match (self.https, self.port) {
            (false, 80) | (true, 443) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }
}

/// Sends GET requests.
#[derive(Clone)]
pub(super) struct Fetcher {
    plain: Client,
    connect_timeout: Duration,
    timeout: Duration,
    max_body: usize,
}

impl Fetcher {
    pub(super) fn new(
        connect_timeout: Duration,
        timeout: Duration,
        max_body: usize,
    ) -> Result<Self, reqwest::Error> {
        let plain = client(connect_timeout, timeout).build()?;
        Ok(Self { plain, connect_timeout, timeout, max_body })
    }

    /// Sends one GET to exactly this address.
    pub(super) async fn get(&self, location: &Location, address: IpAddr) -> Result<Answer, Cause> {
        let address = SocketAddr::new(address, location.port);
        let request = if location.https {
            // The TLS handshake needs the name, so a separate client pins the name to the address.
            let pinned = client(self.connect_timeout, self.timeout)
                .resolve(&location.host, address)
                .build()
                .map_err(|_| Cause::Unreachable)?;
            pinned.get(location.url(&location.host))
        } else {
            let ip = match address {
                SocketAddr::V4(v4) => v4.ip().to_string(),
                SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
            };
            self.plain.get(location.url(&ip)).header(HOST, location.host_header())
        };
        let response = request.send().await.map_err(|error| cause(&error))?;
        match response.status().as_u16() {
            200 => self.body(response).await.map(Answer::Body),
            301 | 302 | 303 | 307 | 308 => {
                let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).map(str::to_owned);
                Ok(Answer::Redirect(to))
            }
            status => Err(Cause::Status(status)),
        }
    }

    async fn body(&self, mut response: reqwest::Response) -> Result<Vec<u8>, Cause> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| cause(&error))? {
            if body.len() + chunk.len() > self.max_body {
                return Err(Cause::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// This client does not verify the certificates of https redirects. The authority does not verify them either,
/// because the host has no valid one yet (RFC 8555, section 8.3, and Let's Encrypt's documentation of HTTP-01).
fn client(connect_timeout: Duration, timeout: Duration) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("akacert/", env!("CARGO_PKG_VERSION"), " (self-check)"))
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .tls_danger_accept_invalid_certs(true)
        .no_proxy()
        .http1_only()
        .pool_max_idle_per_host(0)
        .connect_timeout(connect_timeout)
        .timeout(timeout)
}

fn cause(error: &reqwest::Error) -> Cause {
    if error.is_timeout() { Cause::Timeout } else { Cause::Unreachable }
}
