//! Error answers in the problem+json forms of CPS and Edge DNS, with the texts that CPS is known to use.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use uuid::Uuid;

/// An error answer. Its `type` contains the host that the client called, so the gateway fills it in at the very end.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub status: StatusCode,
    kind: Kind,
    title: String,
    detail: Option<String>,
    /// What the gateway adds about the request.
    gateway: Option<Box<Value>>,
    /// Seconds until the next try, and the time of that try.
    retry: Option<Box<(u64, String)>>,
}

#[derive(Debug, Clone)]
enum Kind {
    /// The last segment of `…/cps/v2/error-types/…`.
    Slug(&'static str),
    /// The last segment of `…/authoritative-dns/…`.
    EdgeDns(&'static str),
    /// The whole `type`.
    Literal(&'static str),
}

impl Problem {
    fn slug(status: StatusCode, slug: &'static str, title: impl Into<String>) -> Self {
        Self { status, kind: Kind::Slug(slug), title: title.into(), detail: None, gateway: None, retry: None }
    }

    fn literal(status: StatusCode, kind: &'static str, title: impl Into<String>) -> Self {
        Self { kind: Kind::Literal(kind), ..Self::slug(status, "", title) }
    }

    fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// 404 with the exact title by which clients recognise a removed enrollment.
    pub(crate) fn not_found() -> Self {
        Self::slug(StatusCode::NOT_FOUND, "not-found", "Not Found")
    }

    /// 400 for a body or parameter that breaks a rule.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::slug(StatusCode::BAD_REQUEST, "invalid-request", "Invalid request").detail(detail)
    }

    /// The odd 400 of CPS that packs the real error into the title.
    pub(crate) fn contract(contract: &str) -> Self {
        let title = format!(
            "ApiError(type=Forbidden, title=Invalid Contract, detail=The current contract does not belong to ACG list., source=Contract ID: {contract})"
        );
        Self::literal(StatusCode::BAD_REQUEST, "", title).detail("")
    }

    /// 409: another enrollment has the common name.
    pub(crate) fn duplicate_common_name(name: &str) -> Self {
        Self::slug(StatusCode::CONFLICT, "duplicate-cn", "Duplicate common name")
            .detail(format!("An enrollment with the common name [{name}] already exists."))
    }

    /// 409: the change or enrollment is in a state that does not allow this.
    pub(crate) fn wrong_state(detail: impl Into<String>) -> Self {
        Self::slug(StatusCode::CONFLICT, "invalid-enrollment-state", "Invalid enrollment state")
            .detail(detail)
    }

    /// 409: the network still serves the certificate.
    pub(crate) fn live(names: &[String]) -> Self {
        Self::slug(
            StatusCode::CONFLICT,
            "certificate-live-on-network",
            "Cannot deprovision certificate(s). Certificate(s) are still live.",
        )
        .detail(format!(
            "All Domains Inactive failure. Live certificates found on network: [{}]",
            names.join(", ")
        ))
    }

    pub(crate) fn not_acceptable(offered: &[String]) -> Self {
        Self::slug(StatusCode::NOT_ACCEPTABLE, "not-acceptable", "Not Acceptable")
            .detail(format!("Supported media types: {}", offered.join(", ")))
    }

    pub(crate) fn unsupported_media_type(understood: &[String]) -> Self {
        Self::slug(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported Media Type")
            .detail(format!("Supported media types: {}", understood.join(", ")))
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::slug(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method Not Allowed")
    }

    /// The gateway's 401. `request` is what it reports about the request.
    pub(crate) fn unauthorized(detail: impl Into<String>, request: Value) -> Self {
        let kind = "https://problems.luna.akamaiapis.net/-/pep-authn/deny";
        let problem = Self::literal(StatusCode::UNAUTHORIZED, kind, "Not authorized").detail(detail);
        Self { gateway: Some(Box::new(request)), ..problem }
    }

    /// 429 with `Retry-After` (seconds) and `X-RateLimit-Next` (RFC 3339).
    pub(crate) fn too_many_requests(account: &str, seconds: u64, next: &str) -> Self {
        let title = "HTTP 429 - Too many requests";
        let problem = Self::literal(StatusCode::TOO_MANY_REQUESTS, "Too many Requests", title)
            .detail(format!("You have exhausted your API Request Quota using Account: <{account}>"));
        Self { retry: Some(Box::new((seconds, next.to_owned()))), ..problem }
    }

    /// A 5xx that a test asked for.
    pub(crate) fn server_error(status: StatusCode) -> Self {
        Self::slug(status, "internal-server-error", status.canonical_reason().unwrap_or("Server error"))
            .detail("Fault injected through the control endpoint.")
    }

    /// An error of Edge DNS, which has its own form.
    pub(crate) fn edge_dns(
        status: StatusCode,
        slug: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self::slug(status, "", title).of_edge_dns(slug).detail(detail)
    }

    /// The same error in the form of Edge DNS.
    pub(crate) fn of_edge_dns(self, slug: &'static str) -> Self {
        Self { kind: Kind::EdgeDns(slug), ..self }
    }

    /// The answer for a client that called `https://{host}`.
    pub(crate) fn render(self, host: &str) -> Response {
        let mut body = json!({"title": self.title});
        match &self.kind {
            Kind::Slug(slug) => {
                let kind = format!("https://{host}/cps/v2/error-types/{slug}");
                body["instance"] = format!("{kind}?id={:032x}", rand::random::<u128>()).into();
                body["type"] = kind.into();
            }
            Kind::EdgeDns(slug) => {
                let id = Uuid::new_v4().to_string();
                body["type"] =
                    format!("https://problems.luna.akamaiapis.net/authoritative-dns/{slug}").into();
                body["status"] = self.status.as_u16().into();
                body["instance"] = id.as_str().into();
                body["problemId"] = id.into();
            }
            Kind::Literal(kind) => body["type"] = (*kind).into(),
        }
        if let Some(detail) = self.detail {
            body["detail"] = detail.into();
        }
        if let Some(Value::Object(request)) = self.gateway.map(|request| *request) {
            for (key, value) in request {
                body[key] = value;
            }
            body["status"] = self.status.as_u16().into();
        }
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some((seconds, next)) = self.retry.as_deref() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
            if let Ok(next) = HeaderValue::from_str(next) {
                headers.insert("x-ratelimit-next", next);
            }
        }
        response
    }
}

impl IntoResponse for Problem {
    /// Leaves the body to the gateway, which knows the host.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
