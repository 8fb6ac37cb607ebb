//! PURE: how close a certificate is to its end, as a share of its lifetime, because authorities shorten lifetimes
//! from year to year.

use jiff::{SignedDuration, Timestamp};

use akacert_api::status::DeploymentStatus;

/// When this share of the lifetime is left, a missing renewal is late. CPS begins it when a fifth is left.
const LATE: i32 = 6;
/// When this share of the lifetime is left, the certificate is no longer Ready, so that somebody looks.
const SOON: i32 = 20;

/// When the renewal of a certificate becomes late.
#[must_use]
pub fn late(certificate: &DeploymentStatus) -> Timestamp {
    before_end(certificate, LATE)
}

/// When a certificate begins to count as about to expire.
#[must_use]
pub fn soon(certificate: &DeploymentStatus) -> Timestamp {
    before_end(certificate, SOON)
}

fn before_end(certificate: &DeploymentStatus, share: i32) -> Timestamp {
    let (begin, end) = (certificate.not_before.0, certificate.not_after.0);
    let life = end.duration_since(begin).max(SignedDuration::ZERO);
    end.checked_sub(life / share).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    #[test]
    fn a_certificate_of_ninety_days_is_late_fifteen_days_and_soon_to_expire_four_and_a_half_days_before_its_end()
     {
        let time = |text: &str| Time(text.parse().unwrap());
        let certificate = DeploymentStatus {
            serial_number: "1".into(),
            fingerprint: "2".into(),
            issuer: "CN=R11".into(),
            not_before: time("2026-01-01T00:00:00Z"),
            not_after: time("2026-04-01T00:00:00Z"),
            dns_names: vec![],
            key_algorithm: "RSA".into(),
            signature_algorithm: "SHA256-RSA".into(),
        };
        assert_eq!(late(&certificate).to_string(), "2026-03-17T00:00:00Z");
        assert_eq!(soon(&certificate).to_string(), "2026-03-27T12:00:00Z");
    }
}
