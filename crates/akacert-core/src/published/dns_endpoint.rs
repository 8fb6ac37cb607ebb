//! DNSEndpoints of external-dns: as much of the kind as we write, and the one of a certificate as it should be. Pure.
//! Not here: TXT records that we write ourselves (`crate::records`).

use std::collections::{BTreeMap, BTreeSet};

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::objects;
use akacert_api::AkamaiCertificate;
use akacert_api::validation;

/// Time to live of a TXT record, seconds: short, since tokens rotate.
pub const TTL: u32 = 60;

/// What a DNSEndpoint says (external-dns, `externaldns.k8s.io/v1alpha1`).
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "externaldns.k8s.io",
    version = "v1alpha1",
    kind = "DNSEndpoint",
    plural = "dnsendpoints",
    namespaced,
    schema = "disabled",
    derive = "PartialEq"
)]
pub struct DnsEndpointSpec {
    /// The record sets.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
}

/// A record set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Its name.
    pub dns_name: String,
    /// `TXT`.
    pub record_type: String,
    /// Seconds.
    #[serde(rename = "recordTTL")]
    pub record_ttl: u32,
    /// Its values.
    pub targets: Vec<String>,
}

/// The DNSEndpoint that has these records.
pub(super) fn dns_endpoint(
    certificate: &AkamaiCertificate,
    way: &validation::DnsEndpoint,
    records: &BTreeMap<&str, BTreeSet<&str>>,
) -> DNSEndpoint {
    let endpoint = |(name, values): (&&str, &BTreeSet<&str>)| Endpoint {
        dns_name: (*name).to_owned(),
        record_type: "TXT".into(),
        record_ttl: TTL,
        targets: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let name = objects::route_name(certificate, "dns-endpoint", way, 0);
    let mut object =
        DNSEndpoint::new(&name, DnsEndpointSpec { endpoints: records.iter().map(endpoint).collect() });
    object.metadata = objects::owned(certificate, name, way.labels.as_ref());
    object
}
