//! PURE: from a certificate and its account's defaults to the enrollment that CPS is asked for, and how that compares
//! with what CPS has. Only what the user has set is compared. Not here: when to compare (`crate::next`).

use std::collections::BTreeSet;

use akamai_cps::types as cps;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::api::account::Defaults;
use crate::api::certificate::{
    CertificateSpec, Contact, Csr, Geography, Network, OcspStapling, Organization, SecureNetwork, TlsVersion,
};

/// What a create needs and neither the certificate nor its account says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("CPS needs {}: set it in the certificate's spec, or in the account's spec.defaults", .fields.join(", "))]
pub struct Missing {
    /// The fields, as they are called in `spec`.
    pub fields: Vec<&'static str>,
}

/// Why there is no contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContractProblem {
    /// None is chosen, and the credentials see several, or none.
    #[error("no contract is chosen, and the account's credentials see {}: set spec.contractId, or the account's default", list(.0))]
    NotChosen(Vec<String>),
    /// The chosen one is not among those that the credentials see.
    #[error("contract {chosen} is none of those that the account's credentials see ({}): correct spec.contractId, or the account's default", list(.visible))]
    Unknown {
        /// The chosen one.
        chosen: String,
        /// Those to choose from.
        visible: Vec<String>,
    },
}

fn list(contracts: &[String]) -> String {
    if contracts.is_empty() { "none".into() } else { contracts.join(", ") }
}

/// The contract of a certificate, without the `ctr_` prefix: its own, else the account's default, else the only one.
///
/// # Errors
/// [`ContractProblem`], with the contracts to choose from.
pub fn contract(
    spec: &CertificateSpec,
    defaults: &Defaults,
    visible: &[String],
) -> Result<String, ContractProblem> {
    let chosen = spec.contract_id.as_ref().or(defaults.contract_id.as_ref());
    match (chosen, visible) {
        (Some(chosen), _) => {
            let chosen = cps::ContractId::new(chosen).to_string();
            // Credentials without the contracts grant see none, and may use those that they know of.
            if visible.is_empty() || visible.contains(&chosen) {
                Ok(chosen)
            } else {
                Err(ContractProblem::Unknown { chosen, visible: visible.to_vec() })
            }
        }
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(ContractProblem::NotChosen(visible.to_vec())),
    }
}

/// The body of a create: a domain-validated Let's Encrypt enrollment. The account's defaults fill what the certificate
/// leaves open; what both leave open is left to CPS.
///
/// # Errors
/// [`Missing`], with everything that CPS needs and nobody says.
pub fn enrollment(spec: &CertificateSpec, defaults: &Defaults) -> Result<cps::Enrollment, Missing> {
    let organization = spec.organization.as_ref().or(defaults.organization.as_ref());
    let admin = spec.admin_contact.as_ref().or(defaults.admin_contact.as_ref());
    let tech = spec.tech_contact.as_ref().or(defaults.tech_contact.as_ref());
    let network = network(spec.network.as_ref(), defaults.network.as_ref());
    let (Some(organization), Some(admin), Some(tech), Some(secure)) =
        (organization, admin, tech, network.secure_network)
    else {
        let needed = [
            ("organization", organization.is_none()),
            ("adminContact", admin.is_none()),
            ("techContact", tech.is_none()),
            ("network.secureNetwork", network.secure_network.is_none()),
        ];
        return Err(Missing {
            fields: needed.iter().filter(|(_, missing)| *missing).map(|(field, _)| *field).collect(),
        });
    };
    let csr = csr(spec, organization);
    let mut body = cps::Enrollment::domain_validated(csr, configuration(&network, secure));
    body.certificate_chain_type = Some("default".into());
    body.change_management = spec.change_management.unwrap_or(false);
    body.signature_algorithm = spec.signature_algorithm.map(|_| "SHA-256".into());
    body.org = Some(org(organization));
    body.admin_contact = Some(person(admin));
    body.tech_contact = Some(person(tech));
    Ok(body)
}

/// The certificate's own fields win, one by one.
fn network(own: Option<&Network>, default: Option<&Network>) -> Network {
    let (own, default) = (own.cloned().unwrap_or_default(), default.cloned().unwrap_or_default());
    Network {
        secure_network: own.secure_network.or(default.secure_network),
        geography: own.geography.or(default.geography),
        sni_only: own.sni_only.or(default.sni_only),
        quic_enabled: own.quic_enabled.or(default.quic_enabled),
        must_have_ciphers: own.must_have_ciphers.or(default.must_have_ciphers),
        preferred_ciphers: own.preferred_ciphers.or(default.preferred_ciphers),
        disallowed_tls_versions: own.disallowed_tls_versions.or(default.disallowed_tls_versions),
        ocsp_stapling: own.ocsp_stapling.or(default.ocsp_stapling),
        dns_name_settings: own.dns_name_settings.or(default.dns_name_settings),
    }
}

fn configuration(network: &Network, secure: SecureNetwork) -> cps::NetworkConfiguration {
    let geography = network.geography.unwrap_or(Geography::Core);
    let mut configuration = cps::NetworkConfiguration::new(
        geography_word(geography),
        secure_word(secure),
        network.sni_only.unwrap_or(true),
    );
    configuration.quic_enabled = network.quic_enabled.unwrap_or(false);
    configuration.must_have_ciphers.clone_from(&network.must_have_ciphers);
    configuration.preferred_ciphers.clone_from(&network.preferred_ciphers);
    configuration.ocsp_stapling = network.ocsp_stapling.map(|stapling| stapling_word(stapling).into());
    configuration.disallowed_tls_versions = network
        .disallowed_tls_versions
        .as_ref()
        .map(|versions| versions.iter().map(|version| tls_word(*version).into()).collect());
    configuration.dns_name_settings =
        network.dns_name_settings.as_ref().map(|settings| cps::DnsNameSettings {
            clone_dns_names: settings.clone_dns_names,
            dns_names: settings.dns_names.clone(),
            ..cps::DnsNameSettings::default()
        });
    configuration
}

fn geography_word(geography: Geography) -> &'static str {
    match geography {
        Geography::Core => "core",
        Geography::ChinaAndCore => "china+core",
        Geography::RussiaAndCore => "russia+core",
    }
}

fn secure_word(secure: SecureNetwork) -> &'static str {
    match secure {
        SecureNetwork::StandardTLS => "standard-tls",
        SecureNetwork::EnhancedTLS => "enhanced-tls",
    }
}

fn stapling_word(stapling: OcspStapling) -> &'static str {
    match stapling {
        OcspStapling::On => "on",
        OcspStapling::Off => "off",
        OcspStapling::NotSet => "not-set",
    }
}

fn tls_word(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::TLSv1 => "TLSv1",
        TlsVersion::TLSv1_1 => "TLSv1_1",
        TlsVersion::TLSv1_2 => "TLSv1_2",
        TlsVersion::TLSv1_3 => "TLSv1_3",
    }
}

fn csr(spec: &CertificateSpec, organization: &Organization) -> cps::Csr {
    let sans: Vec<String> = spec.names().into_iter().skip(1).map(str::to_owned).collect();
    let subject = spec.csr.clone().unwrap_or_default();
    cps::Csr {
        cn: spec.common_name.clone(),
        sans: (!sans.is_empty()).then_some(sans),
        c: subject.country.or_else(|| organization.country.clone()),
        st: subject.state.or_else(|| organization.region.clone()),
        l: subject.city.or_else(|| organization.city.clone()),
        o: subject.organization.or_else(|| Some(organization.name.clone())),
        ou: subject.organizational_unit,
        preferred_trust_chain: subject.preferred_trust_chain,
        ..cps::Csr::default()
    }
}

fn org(organization: &Organization) -> cps::Organization {
    let from = organization.clone();
    cps::Organization {
        name: Some(from.name),
        phone: from.phone,
        address_line_one: from.address_line_one,
        address_line_two: from.address_line_two,
        city: from.city,
        region: from.region,
        postal_code: from.postal_code,
        country: from.country,
        ..cps::Organization::default()
    }
}

fn person(contact: &Contact) -> cps::Contact {
    let from = contact.clone();
    cps::Contact {
        first_name: Some(from.first_name),
        last_name: Some(from.last_name),
        title: from.title,
        organization_name: from.organization_name,
        email: Some(from.email),
        phone: Some(from.phone),
        address_line_one: from.address_line_one,
        address_line_two: from.address_line_two,
        city: from.city,
        region: from.region,
        postal_code: from.postal_code,
        country: from.country,
        ..cps::Contact::default()
    }
}

/// SHA-256 of a body, hexadecimal. The same body always has the same hash: fields are written in one order.
#[must_use]
pub fn body_hash(body: &cps::Enrollment) -> String {
    let json = serde_json::to_value(body).map(|value| value.to_string()).unwrap_or_default();
    HEXLOWER.encode(&Sha256::digest(json.as_bytes()))
}

/// Whether an enrollment of CPS is what a create of this body makes: every field that was sent has its value. What
/// CPS adds or normalises is no difference.
#[must_use]
pub fn matches_intent(found: &cps::Enrollment, sent: &cps::Enrollment) -> bool {
    let (mut found, mut sent) = (found.clone(), sent.clone());
    if found.csr.names() != sent.csr.names() || !found.has_common_name(&sent.csr.cn) {
        return false;
    }
    for body in [&mut found, &mut sent] {
        body.csr.sans = None;
        body.csr.cn.make_ascii_lowercase();
    }
    match (serde_json::to_value(&sent), serde_json::to_value(&found)) {
        (Ok(sent), Ok(found)) => contains(&found, &sent),
        _ => false,
    }
}

/// Every value of `part` is in `whole`. An empty text, null and an absent field are the same.
fn contains(whole: &serde_json::Value, part: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, value)| contains(whole.get(key).unwrap_or(&Value::Null), value))
        }
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len() && part.iter().all(|item| whole.contains(item))
        }
        (whole, part) => is_empty(whole) && is_empty(part) || whole == part,
    }
}

fn is_empty(value: &serde_json::Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

/// What the user has set and CPS cannot change, as sentences.
#[must_use]
pub fn immutable_differences(
    spec: &CertificateSpec,
    recorded_contract: Option<&str>,
    found: &cps::Enrollment,
) -> Vec<String> {
    let mut differences = Vec::new();
    if let (Some(wanted), Some(recorded)) = (&spec.contract_id, recorded_contract) {
        let wanted = cps::ContractId::new(wanted).to_string();
        if wanted != recorded {
            differences.push(format!("contractId is {wanted}, but the enrollment is under contract {recorded}, which CPS cannot change"));
        }
    }
    let network = spec.network.clone().unwrap_or_default();
    let configuration = &found.network_configuration;
    if let Some(wanted) = network.secure_network.map(secure_word) {
        let present = configuration.secure_network.to_string();
        if wanted != present {
            differences.push(format!("network.secureNetwork is {wanted}, but the enrollment is on {present}, which CPS cannot change"));
        }
    }
    if let Some(wanted) = network.sni_only.filter(|wanted| *wanted != configuration.sni_only) {
        let present = configuration.sni_only;
        differences.push(format!(
            "network.sniOnly is {wanted}, but the enrollment has {present}, which CPS cannot change"
        ));
    }
    differences
}

/// What else the user has set and CPS has otherwise, such as `dnsNames: + api.example.com`.
#[must_use]
pub fn other_differences(spec: &CertificateSpec, found: &cps::Enrollment) -> Vec<String> {
    let mut differences = names_differences(spec, found);
    let mut differ = |field: &str, wanted: Option<String>, present: Option<String>| {
        if let Some(wanted) = wanted.filter(|wanted| Some(wanted) != present.as_ref()) {
            let present = present.unwrap_or_else(|| "nothing".into());
            differences.push(format!("{field}: {present} → {wanted}"));
        }
    };
    let network = spec.network.clone().unwrap_or_default();
    let configuration = &found.network_configuration;
    let geography = network.geography.map(|geography| geography_word(geography).to_owned());
    differ("network.geography", geography, Some(configuration.geography.to_string()));
    differ("network.quicEnabled", text(network.quic_enabled), Some(configuration.quic_enabled.to_string()));
    differ("network.mustHaveCiphers", network.must_have_ciphers, configuration.must_have_ciphers.clone());
    differ("network.preferredCiphers", network.preferred_ciphers, configuration.preferred_ciphers.clone());
    let stapling = network.ocsp_stapling.map(|stapling| stapling_word(stapling).to_owned());
    differ("network.ocspStapling", stapling, configuration.ocsp_stapling.as_ref().map(ToString::to_string));
    let versions = network
        .disallowed_tls_versions
        .map(|versions| sorted(versions.iter().map(|version| tls_word(*version))));
    let present = configuration.disallowed_tls_versions.iter().flatten().map(String::as_str);
    differ("network.disallowedTlsVersions", versions, Some(sorted(present)));
    differ("changeManagement", text(spec.change_management), Some(found.change_management.to_string()));
    differ(
        "signatureAlgorithm",
        spec.signature_algorithm.map(|_| "SHA-256".into()),
        found.signature_algorithm.clone(),
    );
    if let Some(settings) = &network.dns_name_settings {
        let present = configuration.dns_name_settings.clone().unwrap_or_default();
        let cloned = Some(present.clone_dns_names.to_string());
        differ("network.dnsNameSettings.cloneDnsNames", Some(settings.clone_dns_names.to_string()), cloned);
        if !settings.clone_dns_names {
            let wanted = settings.dns_names.as_ref().map(|names| sorted(names.iter().map(String::as_str)));
            let present = sorted(present.dns_names.iter().flatten().map(String::as_str));
            differ("network.dnsNameSettings.dnsNames", wanted, Some(present));
        }
    }
    subject_differences(spec.csr.as_ref(), &found.csr, &mut differ);
    differences.extend(parts_differences(spec, found));
    differences
}

fn names_differences(spec: &CertificateSpec, found: &cps::Enrollment) -> Vec<String> {
    let wanted: BTreeSet<String> = spec.names().into_iter().map(str::to_ascii_lowercase).collect();
    let present = found.csr.names();
    let added = wanted.difference(&present).map(|name| format!("dnsNames: + {name}"));
    let removed = present.difference(&wanted).map(|name| format!("dnsNames: - {name}"));
    added.chain(removed).collect()
}

fn subject_differences(
    wanted: Option<&Csr>,
    present: &cps::Csr,
    differ: &mut impl FnMut(&str, Option<String>, Option<String>),
) {
    let wanted = wanted.cloned().unwrap_or_default();
    differ("csr.country", wanted.country, present.c.clone());
    differ("csr.state", wanted.state, present.st.clone());
    differ("csr.city", wanted.city, present.l.clone());
    differ("csr.organization", wanted.organization, present.o.clone());
    differ("csr.organizationalUnit", wanted.organizational_unit, present.ou.clone());
    differ("csr.preferredTrustChain", wanted.preferred_trust_chain, present.preferred_trust_chain.clone());
}

/// Organization and contacts, each as a whole.
fn parts_differences(spec: &CertificateSpec, found: &cps::Enrollment) -> Vec<String> {
    let json = |part: Option<serde_json::Value>| part.unwrap_or_default();
    let pairs = [
        (
            "organization",
            spec.organization.as_ref().map(|part| serde_json::to_value(org(part))),
            found.org.as_ref().map(serde_json::to_value),
        ),
        (
            "adminContact",
            spec.admin_contact.as_ref().map(|part| serde_json::to_value(person(part))),
            found.admin_contact.as_ref().map(serde_json::to_value),
        ),
        (
            "techContact",
            spec.tech_contact.as_ref().map(|part| serde_json::to_value(person(part))),
            found.tech_contact.as_ref().map(serde_json::to_value),
        ),
    ];
    pairs
        .into_iter()
        .filter_map(|(field, wanted, present)| {
            let wanted = wanted?.ok()?;
            let present = json(present.and_then(Result::ok));
            (!contains(&present, &wanted)).then(|| format!("{field} differs"))
        })
        .collect()
}

fn text(value: Option<bool>) -> Option<String> {
    value.map(|value| value.to_string())
}

fn sorted<'a>(items: impl Iterator<Item = &'a str>) -> String {
    items.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}
