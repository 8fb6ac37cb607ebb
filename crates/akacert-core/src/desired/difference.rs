//! PURE: what the user has set and CPS has otherwise, in words. What the user has not set is never compared.
//! Not here: what follows from a difference (`crate::life`).

use std::collections::BTreeSet;
use std::fmt::Display;

use akamai_cps_types as cps;
use serde::Serialize;
use serde_json::Value;

use super::intent::same;
use super::spelling::Spelled;
use super::{org, person};
use akacert_api::certificate::{
    CertificateSpec, Csr, DnsNameSettings, Geography, Network, OcspStapling, SecureNetwork,
};

/// What the user has set and CPS cannot change, as sentences.
#[must_use]
pub fn immutable_differences(
    spec: &CertificateSpec,
    recorded_contract: Option<&str>,
    found: &cps::Enrollment,
) -> Vec<String> {
    let mut differences = Vec::new();
    if let (Some(wanted), Some(recorded)) = (&spec.contract_id, recorded_contract) {
        let (wanted, recorded) = (cps::ContractId::new(wanted), cps::ContractId::new(recorded));
        if wanted != recorded {
            differences.push(format!(
                "contractId is {wanted}, but the enrollment is under contract {recorded}, which CPS cannot change"
            ));
        }
    }
    let network = spec.network.clone().unwrap_or_default();
    let present = found.network_configuration.secure_network.to_string();
    if let Some(wanted) = network.secure_network.filter(|wanted| wanted.in_cps() != present) {
        differences.push(format!(
            "network.secureNetwork is {wanted:?}, but the enrollment is on {}, which CPS cannot change",
            SecureNetwork::in_api(&present)
        ));
    }
    let present = found.network_configuration.sni_only;
    if let Some(wanted) = network.sni_only.filter(|wanted| *wanted != present) {
        differences.push(format!(
            "network.sniOnly is {wanted}, but the enrollment has {present}, which CPS cannot change"
        ));
    }
    differences
}

/// What else the user has set and CPS has otherwise, such as `dnsNames: + api.example.com`.
#[must_use]
pub fn other_differences(spec: &CertificateSpec, found: &cps::Enrollment) -> Vec<String> {
    let mut differences = Differences::default();
    differences.names(spec, &found.csr);
    differences.network(&spec.network.clone().unwrap_or_default(), &found.network_configuration);
    differences.value("changeManagement", spec.change_management, Some(found.change_management));
    let algorithm = spec.signature_algorithm.map(|algorithm| algorithm.as_str());
    differences.value("signatureAlgorithm", algorithm, found.signature_algorithm.as_deref());
    differences.subject(&spec.csr.clone().unwrap_or_default(), &found.csr);
    differences.part("organization", spec.organization.as_ref().map(org), found.org.as_ref());
    differences.part("adminContact", spec.admin_contact.as_ref().map(person), found.admin_contact.as_ref());
    differences.part("techContact", spec.tech_contact.as_ref().map(person), found.tech_contact.as_ref());
    differences.0
}

#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    /// A value, if the user has set it.
    fn value(&mut self, field: &str, wanted: Option<impl Display>, present: Option<impl Display>) {
        let Some(wanted) = wanted.map(|wanted| wanted.to_string()) else { return };
        let present = present.map(|present| present.to_string()).unwrap_or_default();
        let shown = |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.to_owned() };
        if wanted != present {
            self.0.push(format!("{field}: {} → {}", shown(&present), shown(&wanted)));
        }
    }

    fn names(&mut self, spec: &CertificateSpec, present: &cps::Csr) {
        let wanted: BTreeSet<String> = spec.names().into_iter().map(str::to_ascii_lowercase).collect();
        let present = present.names();
        self.0.extend(wanted.difference(&present).map(|name| format!("dnsNames: + {name}")));
        self.0.extend(present.difference(&wanted).map(|name| format!("dnsNames: - {name}")));
    }

    fn network(&mut self, wanted: &Network, present: &cps::NetworkConfiguration) {
        let geography = wanted.geography.map(|wanted| format!("{wanted:?}"));
        self.value("network.geography", geography, Some(Geography::in_api(&present.geography.to_string())));
        self.value("network.quicEnabled", wanted.quic_enabled, Some(present.quic_enabled));
        self.value(
            "network.mustHaveCiphers",
            wanted.must_have_ciphers.as_deref(),
            present.must_have_ciphers.as_deref(),
        );
        self.value(
            "network.preferredCiphers",
            wanted.preferred_ciphers.as_deref(),
            present.preferred_ciphers.as_deref(),
        );
        let stapling =
            present.ocsp_stapling.as_ref().map(|present| OcspStapling::in_api(&present.to_string()));
        self.value(
            "network.ocspStapling",
            wanted.ocsp_stapling.map(|wanted| format!("{wanted:?}")),
            stapling,
        );
        let versions = wanted.disallowed_tls_versions.as_ref();
        self.value(
            "network.disallowedTlsVersions",
            versions.map(|versions| set(versions.iter().map(|version| version.in_cps()))),
            Some(set(present.disallowed_tls_versions.iter().flatten())),
        );
        if let Some(settings) = &wanted.dns_name_settings {
            self.dns_name_settings(settings, &present.dns_name_settings.clone().unwrap_or_default());
        }
    }

    fn dns_name_settings(&mut self, wanted: &DnsNameSettings, present: &cps::DnsNameSettings) {
        let cloned = Some(present.clone_dns_names);
        self.value("network.dnsNameSettings.cloneDnsNames", Some(wanted.clone_dns_names), cloned);
        // Cloned names are CPS's affair.
        let names = wanted.dns_names.as_ref().filter(|_| !wanted.clone_dns_names);
        self.value(
            "network.dnsNameSettings.dnsNames",
            names.map(|names| set(names.iter().map(|name| name.to_ascii_lowercase()))),
            Some(set(present.dns_names.iter().flatten().map(|name| name.to_ascii_lowercase()))),
        );
    }

    fn subject(&mut self, wanted: &Csr, present: &cps::Csr) {
        let fields = [
            ("csr.country", &wanted.country, &present.c),
            ("csr.state", &wanted.state, &present.st),
            ("csr.city", &wanted.city, &present.l),
            ("csr.organization", &wanted.organization, &present.o),
            ("csr.organizationalUnit", &wanted.organizational_unit, &present.ou),
            ("csr.preferredTrustChain", &wanted.preferred_trust_chain, &present.preferred_trust_chain),
        ];
        for (field, wanted, present) in fields {
            self.value(field, wanted.as_deref(), present.as_deref());
        }
    }

    /// An organization or a person: the fields that differ by name only, since messages go further than `spec` does.
    fn part<T: Serialize>(&mut self, part: &str, wanted: Option<T>, present: Option<&T>) {
        let json =
            |part: Option<&T>| part.and_then(|part| serde_json::to_value(part).ok()).unwrap_or_default();
        let (wanted, present) = (json(wanted.as_ref()), json(present));
        for (field, wanted) in wanted.as_object().into_iter().flatten() {
            if !same(wanted, present.get(field).unwrap_or(&Value::Null)) {
                self.0.push(format!("{part}.{field} differs"));
            }
        }
    }
}

/// A set as one text: in order, without repetition.
fn set(items: impl Iterator<Item = impl Into<String>>) -> String {
    let items: BTreeSet<String> = items.map(Into::into).collect();
    items.into_iter().collect::<Vec<_>>().join(", ")
}
