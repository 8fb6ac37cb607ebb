//! PURE: when to check a certificate at rest from outside: whether the next renewal would find its names ready, and
//! whether visitors get the deployed certificate. Neither changes `Ready`.

use std::time::Duration;

use super::draft::Draft;
use super::memory::Forecast;
use super::{Next, Pause, Snapshot, Step};
use crate::outside::Target;
use crate::published::{Blocked, Kind};
use akacert_api::certificate::SecureNetwork;
use akacert_api::reason::Reason;
use akacert_api::status::{DeploymentStatus, condition};
use akacert_api::way::Way;

/// A failed check is repeated after this share of the interval.
const AGAIN: u32 = 24;

/// Sets the condition `RenewalReady`, and `Served` if the user asks for it. Returns when to check again.
pub fn up_to_date(s: &Snapshot<'_>, d: &mut Draft, production: &DeploymentStatus) -> Result<Pause, Next> {
    let serves = s.spec().probe.is_some();
    if !serves {
        d.without(condition::SERVED);
    }
    let known = s.memory.forecast.as_ref().filter(|known| {
        let as_asked = known.names.values().all(|name| name.served.is_some() == serves);
        let names = s.spec().names();
        as_asked
            && known.fingerprint == production.fingerprint
            && known.names.len() == names.len()
            && names.iter().all(|name| known.names.contains_key(*name))
    });
    let mut due =
        s.forecast_times.after(known.map_or(s.forecast_times.started, |known| known.at), s.intervals.seed);
    if let Some(known) = known {
        let ready = renewal_ready(s, d, known);
        let served = !serves || served(d, known);
        if !(ready && served) {
            due = due.min(known.at.checked_add(s.forecast_times.interval / AGAIN).unwrap_or(due));
        }
    } else if d.has_failed(condition::RENEWAL_READY) {
        // After a restart, the cause is no longer known.
        due = due.min(s.forecast_times.started.checked_add(s.forecast_times.interval / AGAIN).unwrap_or(due));
    }
    let again = s.until(due, Duration::ZERO);
    if again.is_zero() {
        let fingerprint = production.fingerprint.clone();
        return Err(Next::Do(Step::Forecast { targets: Target::all(s.spec()), fingerprint, served: serves }));
    }
    Ok(Pause::Until(due))
}

fn renewal_ready(s: &Snapshot<'_>, d: &mut Draft, known: &Forecast) -> bool {
    let type_ = condition::RENEWAL_READY;
    if known.names.values().all(|name| name.automatic) {
        let mut message = "CPS validates every name by itself, since each is CNAMEd to Akamai".to_owned();
        let network = s.spec().network.as_ref().and_then(|network| network.secure_network);
        if network != Some(SecureNetwork::EnhancedTLS) {
            message.push_str("; on Standard TLS the property needs the behaviour AutoDomainValidation");
        }
        d.beside(type_, true, Reason::AutoValidated, message);
        return true;
    }
    let mut failures: Vec<String> = known
        .names
        .iter()
        .filter_map(|(name, forecast)| Some(format!("{name}: {}", forecast.failure.as_ref()?)))
        .collect();
    for class in &s.published.missing_ingress_classes {
        failures.push(format!("there is no IngressClass `{class}`: create it, or correct className"));
    }
    let missing = s.published.missing_kinds.iter();
    failures.extend(
        missing
            .filter(|kind| s.spec().ways().any(|(_, way)| needs(way, **kind)))
            .map(|kind| Blocked::KindMissing { kind: *kind }.to_string()),
    );
    failures.extend(s.route_trouble().map(|trouble| trouble.message));
    if failures.is_empty() {
        d.beside(type_, true, Reason::RenewalReady, "Every name is as the next renewal needs it".to_owned());
        return true;
    }
    d.beside(type_, false, Reason::RenewalWouldFail, failures.join("; "));
    false
}

/// Whether a renewal needs a kind that clusters may lack.
fn needs(way: Way<'_>, kind: Kind) -> bool {
    match kind {
        Kind::HttpRoute => way.gateway().is_some(),
        Kind::DnsEndpoint => matches!(way, Way::DnsEndpoint(_)),
        Kind::ConfigMap
        | Kind::EndpointSlice
        | Kind::Service
        | Kind::Ingress
        | Kind::Snippets
        | Kind::Handoff => false,
    }
}

fn served(d: &mut Draft, known: &Forecast) -> bool {
    let found = || known.names.iter().filter_map(|(name, forecast)| Some((name, forecast.served.as_ref()?)));
    let failures: Vec<String> =
        found().filter_map(|(name, served)| Some(format!("{name}: {}", served.failure.as_ref()?))).collect();
    let plain: Vec<&str> =
        found().filter(|(_, served)| served.plain_http).map(|(name, _)| name.as_str()).collect();
    let (status, reason, message) = match (failures.is_empty(), plain.is_empty()) {
        (false, _) => (false, Reason::NotServed, failures.join("; ")),
        (true, false) => (
            true,
            Reason::PlainHttp,
            format!(
                "Every name is served with the deployed certificate, but plain HTTP is not redirected to HTTPS: {}",
                plain.join(", ")
            ),
        ),
        (true, true) => {
            (true, Reason::Served, "Every name is served with the deployed certificate".to_owned())
        }
    };
    d.beside(condition::SERVED, status, reason, message);
    status
}
