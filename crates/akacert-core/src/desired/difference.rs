//! PURE: describes what the user has set and CPS has otherwise, and what changing it entails. It never compares what
//! the user has not set.

use akamai_cps_types as cps;

use super::field::{Field, Found};
use super::fields::FIELDS;
use akacert_api::certificate::CertificateSpec;
use akacert_api::status::Risk;

/// A field that the user has set to something other than what CPS has.
#[derive(Clone)]
pub struct Difference {
    /// The field's row in the table.
    pub field: &'static Field,
    /// A description, such as `dnsNames: + api.example.com`.
    pub text: String,
}

/// All such fields. Those that CPS cannot change come first.
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

/// What CPS does when it gets all differences: as much as the worst of the fields entails. `None` if nothing differs.
#[must_use]
pub fn risk(differences: &[Difference]) -> Option<Risk> {
    differences.iter().map(|difference| difference.field.change.risk()).max()
}
