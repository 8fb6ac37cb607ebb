//! PURE: describes how `spec` and CPS differ, and what an update entails. It never compares fields that the user has not
//! set.

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

/// What CPS does with an update of all these fields. The field with the worst effect decides. `None` if nothing differs.
#[must_use]
pub fn risk(differences: &[Difference]) -> Option<Risk> {
    differences.iter().map(|difference| difference.field.change.risk()).max()
}
