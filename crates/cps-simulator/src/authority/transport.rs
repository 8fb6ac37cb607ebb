//! The HTTP client under the ACME client. The library's own client delays small writes (Nagle), which costs 40 ms per
//! request, and never times out.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use crate::config::AcmeDirectory;

/// An HTTP client that trusts the directory's CA, or the system's roots if no CA is configured.
pub(super) struct Transport(reqwest::Client);

impl Transport {
    pub(super) fn new(directory: &AcmeDirectory) -> Result<Self, Error> {
        let mut builder = reqwest::Client::builder().timeout(Duration::from_secs(30)).no_proxy();
        if let Some(path) = &directory.ca {
            let pem = std::fs::read(path).map_err(|error| Error::Other(error.into()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(other)?;
            builder = builder.tls_certs_only(certificates);
        }
        Ok(Self(builder.build().map_err(other)?))
    }
}

fn other(error: reqwest::Error) -> Error {
    Error::Other(error.into())
}

impl HttpClient for Transport {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(never) => match never {},
            };
            let request = reqwest::Request::try_from(Request::from_parts(parts, body)).map_err(other)?;
            let response = client.execute(request).await.map_err(other)?;
            Ok(BytesResponse::from(http::Response::<reqwest::Body>::from(response)))
        })
    }
}
