//! PURE: decides which of two resources an enrollment belongs to. A resource that has recorded it wins. If both have,
//! the older one does.

use akamai_cps_types::EnrollmentId;
use kube::ResourceExt;

use akacert_api::AkamaiCertificate;
use akacert_api::names::ENROLLMENT_ID_ANNOTATION;

/// The resource among `others` with a better claim to the enrollment than `certificate`, as `namespace/name`.
pub fn rival<'a>(
    certificate: &AkamaiCertificate,
    id: EnrollmentId,
    others: impl Iterator<Item = &'a AkamaiCertificate>,
) -> Option<String> {
    // An enrollment has one common name, so a resource with another one can only have copied the ID.
    let same_name = |other: &&AkamaiCertificate| {
        other.spec.common_name.eq_ignore_ascii_case(&certificate.spec.common_name)
    };
    let claims = |other: &&AkamaiCertificate| {
        let manages = other.uid() != certificate.uid() && !other.spec.observes();
        manages && strength(other, id) > strength(certificate, id)
    };
    let other = others.filter(same_name).filter(claims).max_by_key(|other| strength(other, id))?;
    Some(format!("{}/{}", other.namespace().unwrap_or_default(), other.name_any()))
}

/// Recorded comes before named, old before young. The UID decides between equals.
fn strength(certificate: &AkamaiCertificate, id: EnrollmentId) -> Option<impl Ord + use<>> {
    let recorded =
        certificate.annotations().get(ENROLLMENT_ID_ANNOTATION).is_some_and(|known| *known == id.to_string());
    let named = certificate.spec.enrollment_id.and_then(|named| u64::try_from(named).ok()) == Some(id.0);
    let age = std::cmp::Reverse(certificate.creation_timestamp().map(|time| time.0));
    (recorded || named).then(|| (recorded, age, certificate.uid()))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::life::fixtures;

    fn certificate(
        name: &str,
        annotation: Option<&str>,
        named: Option<i64>,
        created: i64,
    ) -> AkamaiCertificate {
        let mut certificate = fixtures::certificate();
        certificate.metadata.name = Some(name.into());
        certificate.metadata.uid = Some(format!("uid of {name}"));
        certificate.metadata.creation_timestamp = Some(Time(Timestamp::from_second(created).unwrap()));
        let annotations = certificate.metadata.annotations.get_or_insert_default();
        annotations.extend(annotation.map(|id| (ENROLLMENT_ID_ANNOTATION.to_owned(), id.to_owned())));
        certificate.spec.enrollment_id = named;
        certificate
    }

    #[test]
    fn whoever_has_recorded_it_keeps_it_and_age_decides_between_two_that_have() {
        let old = certificate("old", None, Some(7), 1);
        let recorded = certificate("recorded", Some("7"), None, 2);
        let copied = certificate("copied", Some("7"), None, 3);
        let other = certificate("other", Some("8"), None, 0);
        let all = [old, recorded, copied, other];
        let rivals: Vec<Option<String>> =
            all[..3].iter().map(|certificate| rival(certificate, EnrollmentId(7), all.iter())).collect();
        let recorded = Some("shop/recorded".to_owned());
        assert_eq!(rivals, [recorded.clone(), None, recorded]);
    }

    #[test]
    fn whoever_only_observes_is_in_nobodys_way() {
        let mut observer = certificate("observer", Some("7"), None, 1);
        observer.spec.management_policy = Some(akacert_api::policy::ManagementPolicy::Observe);
        let manager = certificate("manager", Some("7"), None, 2);
        assert_eq!(rival(&manager, EnrollmentId(7), [observer.clone()].iter()), None);
        let adopter = certificate("adopter", None, None, 3);
        assert_eq!(rival(&adopter, EnrollmentId(7), [observer].iter()), None);
    }
}
