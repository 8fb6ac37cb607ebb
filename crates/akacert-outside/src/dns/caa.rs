//! Which authorities may issue certificates for a name, by its CAA records (RFC 8659, RFC 8657).

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use hickory_proto::rr::rdata::CAA;
use hickory_proto::rr::{RData, RecordType};

use super::{CLIMBING, Dns, DnsFailure, absolute, base, climb, written};

/// The properties that authorities know. Only two of them say who may issue.
const KNOWN: [&str; 6] = ["issue", "issuewild", "iodef", "issuemail", "contactemail", "contactphone"];

/// Which authorities may issue certificates for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaaAnswer {
    /// The name at which the relevant records were found, in lower case and without the trailing dot. `None` if there
    /// are no records.
    pub at: Option<String>,
    /// The property that has to name the authority: `issue` or `issuewild`.
    pub property: &'static str,
    /// A critical property that no authority knows forbids issuing.
    pub unknown_property: bool,
    /// `None`: every authority may issue.
    permits: Option<Vec<Permit>>,
}

/// Permits one authority.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Permit {
    issuer: String,
    /// Only with these methods (`validationmethods`).
    methods: Option<BTreeSet<String>>,
}

impl CaaAnswer {
    /// Whether one of these authorities may issue, with any method.
    #[must_use]
    pub fn allows(&self, issuers: &[String]) -> bool {
        self.permits.as_ref().is_none_or(|permits| permits.iter().any(|permit| permit.is_for(issuers)))
    }

    /// Whether one of these authorities may issue after validation with a method such as `http-01`.
    #[must_use]
    pub fn allows_method(&self, issuers: &[String], method: &str) -> bool {
        let by = |permit: &Permit| permit.methods.as_ref().is_none_or(|methods| methods.contains(method));
        self.permits
            .as_ref()
            .is_none_or(|permits| permits.iter().any(|permit| permit.is_for(issuers) && by(permit)))
    }
}

impl Permit {
    fn is_for(&self, issuers: &[String]) -> bool {
        issuers.iter().any(|issuer| issuer.eq_ignore_ascii_case(&self.issuer))
    }
}

impl Dns {
    /// Which authorities may issue certificates for a name, or for the wildcard below it. The records of the name
    /// count (wherever its CNAMEs lead), or those of the nearest name above that has some.
    ///
    /// # Errors
    /// A lookup failed.
    pub async fn caa(&self, name: &str, wildcard: bool) -> Result<CaaAnswer, DnsFailure> {
        let name = absolute(base(name))?;
        let asked = stream::iter(climb(&name))
            .map(|above| async move { (self.ask(&above, RecordType::CAA).await, above) });
        let mut asked = std::pin::pin!(asked.buffered(CLIMBING));
        while let Some((found, above)) = asked.next().await {
            let found = found.map_err(|_| DnsFailure::CaaUnknown { at: written(&above) })?;
            let records: Vec<CAA> = found
                .into_iter()
                .filter_map(|(_, data)| if let RData::CAA(record) = data { Some(record) } else { None })
                .collect();
            if !records.is_empty() {
                return Ok(judge(&records, written(&above), wildcard));
            }
        }
        Ok(CaaAnswer { at: None, property: "issue", unknown_property: false, permits: None })
    }
}

/// `issuewild` applies only to wildcards, and replaces `issue` there.
fn property(records: &[CAA], wildcard: bool) -> &'static str {
    let wild = records.iter().any(|record| record.tag.eq_ignore_ascii_case("issuewild"));
    if wildcard && wild { "issuewild" } else { "issue" }
}

fn judge(records: &[CAA], at: String, wildcard: bool) -> CaaAnswer {
    let property = property(records, wildcard);
    // An unknown critical property forbids issuing. Some software set the lowest bit by mistake, so it counts as
    // critical too.
    let critical = |record: &CAA| record.issuer_critical || record.reserved_flags & 1 != 0;
    let unknown = |record: &CAA| !KNOWN.iter().any(|tag| record.tag.eq_ignore_ascii_case(tag));
    let forbidden = records.iter().any(|record| critical(record) && unknown(record));
    let counting: Vec<&CAA> =
        records.iter().filter(|record| record.tag.eq_ignore_ascii_case(property)).collect();
    let permits = if forbidden {
        Some(Vec::new())
    } else if counting.is_empty() {
        None
    } else {
        Some(counting.into_iter().filter_map(|record| permit(&record.value)).collect())
    };
    CaaAnswer { at: Some(at), property, unknown_property: forbidden, permits }
}

/// Reads a value such as `letsencrypt.org; validationmethods=http-01,dns-01`. `None` if it names no authority, or is
/// malformed.
fn permit(value: &[u8]) -> Option<Permit> {
    let value = std::str::from_utf8(value).ok()?;
    let mut parts = value.split(';').map(str::trim);
    let issuer = parts.next().filter(|issuer| !issuer.is_empty() && issuer.chars().all(is_of_a_name))?;
    let mut methods = None;
    for parameter in parts.filter(|parameter| !parameter.is_empty()) {
        let (tag, value) = parameter.split_once('=')?;
        if tag.trim().eq_ignore_ascii_case("validationmethods") {
            methods = Some(value.split(',').map(|method| method.trim().to_ascii_lowercase()).collect());
        }
    }
    Some(Permit { issuer: issuer.to_ascii_lowercase(), methods })
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.')
}
