//! Checks a certificate's names from the user's machine: each challenge path that CPS waits for, port 80, and the
//! served certificate.

use std::net::SocketAddr;
use std::time::Duration;

use akacert_api::AkamaiCertificate;
use akacert_core::outside::{NameForecast, Need, Target};
use akacert_outside::probe::{ProbeSettings, Prober};
use anyhow::{Context, Result};
use futures::future::join_all;
use serde::Serialize;

/// The longest wait for an answer, redirects included.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the checks of one name found.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub name: String,
    pub looks: Vec<Look>,
}

/// One check of a name.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Look {
    /// What was checked.
    pub what: &'static str,
    pub seen: String,
    /// Whether the result is as it should be.
    pub fine: bool,
}

impl Look {
    pub fn new(what: &'static str, seen: impl Into<String>, fine: bool) -> Self {
        Self { what, seen: seen.into(), fine }
    }
}

/// Checks all names of a certificate. If `edge` is set, served certificates are read from there and not from where
/// the names lead.
///
/// # Errors
/// The system's resolver configuration cannot be read.
pub async fn probe(certificate: &AkamaiCertificate, edge: Option<SocketAddr>) -> Result<Vec<Finding>> {
    let status = certificate.status.as_ref();
    let production = status.and_then(|status| status.deployments.as_ref()?.production.as_ref());
    let everywhere = ["0.0.0.0/0".parse()?, "::/0".parse()?];
    let settings = ProbeSettings { allowed: everywhere.to_vec(), edge, ..ProbeSettings::default() };
    let prober = Prober::new(settings).context("names cannot be resolved here")?;
    let dns = prober.dns().context("names cannot be resolved here")?;
    let targets = Target::all(&certificate.spec);
    let fingerprint = production.map(|production| production.fingerprint.as_str());
    let mut forecasts = prober.forecast(&dns, &targets, fingerprint).await;
    let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
    let looked = targets.into_iter().map(|Target { name, need }| {
        let paths: Vec<&str> = status
            .into_iter()
            .flat_map(|status| &status.domains)
            .filter(|domain| domain.name == name && domain.state != "VALIDATED")
            .flat_map(|domain| &domain.challenges)
            .filter(|challenge| challenge.challenge_type == "http-01" && need != Need::Dns)
            .map(|challenge| challenge.path.as_str())
            .collect();
        let (http, forecast) = (&http, forecasts.remove(&name));
        async move {
            let mut looks = Vec::new();
            for path in paths {
                let (seen, fine) = challenge(http, path).await;
                looks.push(Look::new("challenge", format!("{path} {seen}"), fine));
            }
            looks.extend(forecast.iter().flat_map(|forecast| of_forecast(forecast, &need)));
            Finding { name, looks }
        }
    });
    Ok(join_all(looked).await)
}

/// Whether the token is served. The body is a key authorization, which begins with the token (RFC 8555, section 8.1).
async fn challenge(http: &reqwest::Client, path: &str) -> (String, bool) {
    let token = path.rsplit('/').next().unwrap_or_default();
    let answer = async {
        let answer = http.get(path).send().await?;
        Ok::<_, reqwest::Error>((answer.status(), answer.text().await?))
    };
    match answer.await {
        Err(error) if error.is_timeout() => ("did not answer in time".into(), false),
        Err(_) => ("cannot be reached".into(), false),
        Ok((status, body)) if status.is_success() && body.starts_with(&format!("{token}.")) => {
            ("serves the token".into(), true)
        }
        Ok((status, _)) if status.is_success() => ("serves something else".into(), false),
        Ok((status, _)) => (format!("answers {status}"), false),
    }
}

fn of_forecast(forecast: &NameForecast, need: &Need) -> Vec<Look> {
    let (what, fine) = match need {
        Need::Http => ("port 80", "answers"),
        Need::Redirect { .. } => ("redirect", "leads to CPS"),
        Need::Dns => ("zone", "its name servers answer"),
        Need::Edge => ("CNAME", "leads to Akamai"),
    };
    let mut looks = vec![match (&forecast.failure, forecast.automatic) {
        (None, true) => Look::new(what, "CNAMEd to Akamai: CPS validates it by itself", true),
        (None, false) => Look::new(what, fine, true),
        (Some(failure), _) => Look::new(what, failure, false),
    }];
    if let Some(served) = &forecast.served {
        looks.push(match &served.failure {
            None => Look::new("certificate", "the deployed one is served", true),
            Some(failure) => Look::new("certificate", failure, false),
        });
        if served.plain_http {
            looks.push(Look::new("plain HTTP", "is answered without a redirect to HTTPS", false));
        }
    }
    looks
}

#[cfg(test)]
mod tests {
    use super::*;
    use akacert_core::outside::Served;

    #[test]
    fn what_a_name_shows_is_said_in_words_and_judged() {
        let forecast = |automatic, failure: Option<&str>, served| NameForecast {
            automatic,
            failure: failure.map(str::to_owned),
            served,
        };
        let served = |failure: Option<&str>, plain_http| {
            Some(Served { failure: failure.map(str::to_owned), plain_http })
        };
        let table = [
            (forecast(false, None, None), vec![("port 80", "answers", true)]),
            (forecast(false, Some("no address"), None), vec![("port 80", "no address", false)]),
            (
                forecast(true, None, served(None, false)),
                vec![
                    ("port 80", "CNAMEd to Akamai: CPS validates it by itself", true),
                    ("certificate", "the deployed one is served", true),
                ],
            ),
            (
                forecast(false, None, served(Some("another one"), true)),
                vec![
                    ("port 80", "answers", true),
                    ("certificate", "another one", false),
                    ("plain HTTP", "is answered without a redirect to HTTPS", false),
                ],
            ),
        ];
        for (forecast, expected) in table {
            let seen = of_forecast(&forecast, &Need::Http);
            let seen: Vec<_> = seen.iter().map(|look| (look.what, look.seen.as_str(), look.fine)).collect();
            assert_eq!(seen, expected);
        }
    }
}
