//! PURE: builds the enrollment to request from CPS, from a certificate and its account's defaults.
//!
//! [`fields`] is the table of what `spec` and CPS share; everything else here is a loop over it. [`intent`]
//! recognises our enrollment in CPS. [`difference`] describes where it differs from `spec`, and [`update`] writes
//! `spec` into it. [`mod@exported`] writes an enrollment as `spec`. [`mod@reference`] renders the handbook's page.

pub mod difference;
pub mod exported;
pub mod field;
pub mod fields;
pub mod intent;
pub mod reference;
mod spelling;
#[cfg(test)]
mod tests;
pub mod update;

use akamai_cps_types as cps;

use akacert_api::account::Defaults;
use akacert_api::certificate::{CertificateSpec, Csr, Geography, Network, Organization};
pub use difference::{Difference, differences, risk};
pub use exported::exported;
pub use field::Found;
pub use fields::FIELDS;
pub use intent::{body_hash, matches_intent, names_hash};
use spelling::Spelled;
pub use update::{plan_hash, updated};

/// What a create needs, and neither the certificate nor its account has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("CPS needs {}: set that in the certificate's spec, or in the account's spec.defaults", .fields.join(", "))]
pub struct Missing {
    /// The fields, by their names in `spec`.
    pub fields: Vec<&'static str>,
}

/// Why no contract can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContractProblem {
    /// Neither chooses one, and the credentials see several or none.
    #[error(
        "no contract is chosen, and the account's credentials see {}: set spec.contractId, or the account's default",
        list(.0)
    )]
    NotChosen(Vec<String>),
    /// The credentials cannot see the chosen contract.
    #[error(
        "contract {chosen} is none of those that the account's credentials see ({}): correct spec.contractId, or the \
         account's default",
        list(.visible)
    )]
    Unknown {
        /// The chosen contract.
        chosen: String,
        /// The contracts that the credentials can see.
        visible: Vec<String>,
    },
}

fn list(contracts: &[String]) -> String {
    if contracts.is_empty() { "none".into() } else { contracts.join(", ") }
}

/// The contract of a certificate, without the prefix `ctr_`: its own, else the account's default, else the only one.
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
            // Credentials without the contracts grant see none, but can use one that is named.
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

/// The body of a create, for a domain-validated enrollment with Let's Encrypt. Where the certificate sets nothing,
/// the account's defaults apply, and otherwise CPS's.
///
/// # Errors
/// [`Missing`], with everything that CPS needs and nobody has set.
pub fn enrollment(spec: &CertificateSpec, defaults: &Defaults) -> Result<cps::Enrollment, Missing> {
    let organization = spec.organization.as_ref().or(defaults.organization.as_ref());
    let admin = spec.admin_contact.as_ref().or(defaults.admin_contact.as_ref());
    let tech = spec.tech_contact.as_ref().or(defaults.tech_contact.as_ref());
    let networks = [&spec.network, &defaults.network];
    let secure_network = networks.into_iter().flatten().find_map(|network| network.secure_network);
    let (Some(organization), Some(admin), Some(tech), Some(secure_network)) =
        (organization, admin, tech, secure_network)
    else {
        let needed = [
            ("organization", organization.is_none()),
            ("adminContact", admin.is_none()),
            ("techContact", tech.is_none()),
            ("network.secureNetwork", secure_network.is_none()),
        ];
        return Err(Missing {
            fields: needed.iter().filter(|(_, missing)| *missing).map(|(field, _)| *field).collect(),
        });
    };
    let otherwise = CertificateSpec {
        organization: Some(organization.clone()),
        admin_contact: Some(admin.clone()),
        tech_contact: Some(tech.clone()),
        network: network_defaults(spec, defaults),
        csr: Some(subject(organization)),
        ..spec.clone()
    };
    let network = cps::NetworkConfiguration::new(Geography::Core.in_cps(), secure_network.in_cps(), true);
    let mut body = cps::Enrollment::domain_validated(cps::Csr::default(), network);
    body.certificate_chain_type = Some("default".into());
    for field in FIELDS {
        if !field.put(spec, &mut body) {
            field.put(&otherwise, &mut body);
        }
    }
    // CPS adds the common name itself.
    let others = body.csr.sans.take().into_iter().flatten().filter(|name| *name != body.csr.cn);
    body.csr.sans = Some(others.collect::<Vec<_>>()).filter(|names| !names.is_empty());
    Ok(body)
}

/// The account's network defaults that fit the certificate. Each field that the certificate sets wins.
fn network_defaults(spec: &CertificateSpec, defaults: &Defaults) -> Option<Network> {
    let mut network = defaults.network.clone()?;
    let own = spec.network.clone().unwrap_or_default();
    if own.dns_name_settings.is_some() || own.sni_only == Some(false) {
        // These settings apply as a whole, and CPS refuses them on certificates with their own IP address.
        network.dns_name_settings = None;
    }
    Some(network)
}

/// The subject for a certificate that sets none.
fn subject(organization: &Organization) -> Csr {
    Csr {
        country: organization.country.clone(),
        state: organization.region.clone(),
        city: organization.city.clone(),
        organization: Some(organization.name.clone()),
        ..Csr::default()
    }
}
