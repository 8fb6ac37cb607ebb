//! PURE: from a certificate and its account's defaults to the enrollment that CPS is asked for.
//!
//! [`intent`] recognises that enrollment again in CPS; [`difference`] tells what the user has set otherwise
//! since, [`update`] puts it into what CPS has.
//! Not here: when to create or to compare (`crate::life`).

pub mod difference;
pub mod intent;
pub mod spelling;
#[cfg(test)]
mod tests;
pub mod update;

use akamai_cps_types as cps;

use akacert_api::account::Defaults;
use akacert_api::certificate::{CertificateSpec, Contact, Geography, Network, Organization, SecureNetwork};
pub use difference::{immutable_differences, other_differences};
pub use intent::{body_hash, matches_intent, names_hash};
use spelling::Spelled;
pub use update::{plan_hash, risk, updated};

/// What a create needs and neither the certificate nor its account says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("CPS needs {}: set that in the certificate's spec, or in the account's spec.defaults", .fields.join(", "))]
pub struct Missing {
    /// The fields, as they are called in `spec`.
    pub fields: Vec<&'static str>,
}

/// Why there is no contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContractProblem {
    /// None is chosen, and the credentials see several, or none.
    #[error(
        "no contract is chosen, and the account's credentials see {}: set spec.contractId, or the account's default",
        list(.0)
    )]
    NotChosen(Vec<String>),
    /// The chosen one is not among those that the credentials see.
    #[error(
        "contract {chosen} is none of those that the account's credentials see ({}): correct spec.contractId, or the \
         account's default",
        list(.visible)
    )]
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
    body.signature_algorithm = spec.signature_algorithm.map(|algorithm| algorithm.as_str().into());
    body.org = Some(org(organization));
    body.admin_contact = Some(person(admin));
    body.tech_contact = Some(person(tech));
    Ok(body)
}

/// The certificate's own fields win, one by one.
fn network(own: Option<&Network>, default: Option<&Network>) -> Network {
    let (own, mut default) = (own.cloned().unwrap_or_default(), default.cloned().unwrap_or_default());
    if own.sni_only == Some(false) {
        // CPS refuses it on certificates with an address of their own; the certificate did not ask for it.
        default.dns_name_settings = None;
    }
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
    let mut configuration =
        cps::NetworkConfiguration::new(geography.in_cps(), secure.in_cps(), network.sni_only.unwrap_or(true));
    configuration.quic_enabled = network.quic_enabled.unwrap_or(false);
    configuration.must_have_ciphers.clone_from(&network.must_have_ciphers);
    configuration.preferred_ciphers.clone_from(&network.preferred_ciphers);
    configuration.ocsp_stapling = network.ocsp_stapling.map(|stapling| stapling.in_cps().into());
    configuration.disallowed_tls_versions = network
        .disallowed_tls_versions
        .as_ref()
        .map(|versions| versions.iter().map(|version| version.in_cps().to_owned()).collect());
    configuration.dns_name_settings =
        network.dns_name_settings.as_ref().map(|settings| cps::DnsNameSettings {
            clone_dns_names: settings.clone_dns_names,
            // CPS fills them in when it clones them.
            dns_names: settings.dns_names.clone().filter(|_| !settings.clone_dns_names),
            ..cps::DnsNameSettings::default()
        });
    configuration
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
