//! PURE: what the user has set and CPS has otherwise, in words, and what it entails. What the user has not set is never
//! compared. Not here: what follows from a difference (`crate::life`).

use akamai_cps_types as cps;

use super::field::{Field, Found};
use super::fields::FIELDS;
use akacert_api::certificate::CertificateSpec;
use akacert_api::status::Risk;

/// A field that the user has set and CPS has otherwise.
#[derive(Clone)]
pub struct Difference {
    /// Its row.
    pub field: &'static Field,
    /// What differs, such as `dnsNames: + api.example.com`.
    pub text: String,
}

/// All that the user has set and CPS has otherwise: first what CPS cannot change.
#[must_use]
pub fn differences(
    spec: &CertificateSpec,
    recorded_contract: Option<&str>,
    found: &cps::Enrollment,
) -> Vec<Difference> {
    let found = Found { contract: recorded_contract, enrollment: found };
    let told = |field: &'static Field| {
        field.differences(spec, &found).into_iter().map(move |text| Difference { field, text })
    };
    let mut differences: Vec<Difference> = FIELDS.iter().flat_map(told).collect();
    differences.sort_by_key(|difference| difference.field.can_change());
    differences
}

/// What CPS does when it is given all that differs: what the worst of the fields entails. Nothing where nothing differs.
#[must_use]
pub fn risk(differences: &[Difference]) -> Option<Risk> {
    differences.iter().map(|difference| difference.field.change.risk()).max()
}
