//! PURE: the table of the fields that `spec` and CPS share, one row each. Sending, comparing, describing, exporting
//! and documenting are loops over this table.

use akamai_cps_types as cps;

use super::field::{Change, Compared, Field, Shape, Shown};
use super::spelling::Spelled;
use akacert_api::certificate::{Geography, OcspStapling, SecureNetwork, TlsVersion};

use Change::{Impossible, MetadataOnly, Redeploy, Reissue};
use Compared::{AsContract, Exactly, WithoutCase};
use Shown::{Exported, Told, Withheld};

/// A text, optional or not.
trait Text {
    fn text(&self) -> Option<&str>;
}

impl Text for String {
    fn text(&self) -> Option<&str> {
        Some(self)
    }
}

impl Text for Option<String> {
    fn text(&self) -> Option<&str> {
        self.as_deref()
    }
}

/// For a text that the API and CPS spell alike.
fn alike(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A network field that is true or false.
macro_rules! network_flag {
    ($spec:literal $wanted:ident, $cps:literal $present:ident, $change:expr) => {
        Field {
            spec: $spec,
            cps: $cps,
            change: $change,
            compared: Exactly,
            shown: Exported,
            shape: Shape::Flag {
                wanted: |spec| spec.network.as_ref()?.$wanted,
                present: |found| found.network_configuration.$present,
                put: |body, flag| body.network_configuration.$present = flag,
            },
        }
    };
}

/// A network field whose values the API spells its own way.
macro_rules! network_word {
    ($spec:literal $wanted:ident, $cps:literal |$found:ident| $present:expr, $change:expr, $words:ty, $put:expr) => {
        Field {
            spec: $spec,
            cps: $cps,
            change: $change,
            compared: Exactly,
            shown: Exported,
            shape: Shape::Text {
                wanted: |spec| Some(spec.network.as_ref()?.$wanted?.in_cps()),
                present: |found| {
                    let $found = &found.enrollment.network_configuration;
                    $present
                },
                put: $put,
                in_api: <$words as Spelled>::in_api,
            },
        }
    };
}

/// A text in a part of `spec`, and in a part of an enrollment that may be absent.
macro_rules! text {
    (
        $spec:literal $wanted_part:ident.$wanted:ident, $cps:literal $present_part:ident.$present:ident,
        $change:expr, $shown:expr
    ) => {
        Field {
            spec: $spec,
            cps: $cps,
            change: $change,
            compared: Exactly,
            shown: $shown,
            shape: Shape::Text {
                wanted: |spec| spec.$wanted_part.as_ref()?.$wanted.text(),
                present: |found| found.enrollment.$present_part.part()?.$present.text(),
                put: |body, text| body.$present_part.part_mut().$present = Some(text.to_owned()),
                in_api: alike,
            },
        }
    };
}

/// A part of an enrollment that contains texts.
trait Part {
    type Is;
    fn part(&self) -> Option<&Self::Is>;
    fn part_mut(&mut self) -> &mut Self::Is;
}

impl<T: Default> Part for Option<T> {
    type Is = T;
    fn part(&self) -> Option<&T> {
        self.as_ref()
    }
    fn part_mut(&mut self) -> &mut T {
        self.get_or_insert_default()
    }
}

macro_rules! always_there {
    ($($part:ty),+) => {
        $(impl Part for $part {
            type Is = Self;
            fn part(&self) -> Option<&Self> {
                Some(self)
            }
            fn part_mut(&mut self) -> &mut Self {
                self
            }
        })+
    };
}
always_there!(cps::Csr, cps::NetworkConfiguration);

macro_rules! subject {
    ($spec:literal $wanted:ident, $cps:literal $present:ident) => {
        text!($spec csr.$wanted, $cps csr.$present, Reissue, Told)
    };
}

macro_rules! organization {
    ($spec:literal, $cps:literal, $field:ident) => {
        text!($spec organization.$field, $cps org.$field, MetadataOnly, Withheld)
    };
}

/// `spec` and CPS use the same names for the fields of contacts.
macro_rules! contact {
    ($path:literal, $contact:ident.$field:ident) => {
        text!($path $contact.$field, $path $contact.$field, MetadataOnly, Withheld)
    };
}

/// Every field that `spec` and CPS share, in the order in which messages list differences.
pub static FIELDS: &[Field] = &[
    Field {
        spec: "contractId",
        cps: "",
        change: Impossible("is under contract"),
        compared: AsContract,
        shown: Exported,
        shape: Shape::Text {
            wanted: |spec| spec.contract_id.as_deref(),
            present: |found| found.contract,
            // A create passes it in its query.
            put: |_, _| {},
            in_api: alike,
        },
    },
    Field {
        spec: "commonName",
        cps: "csr.cn",
        change: Impossible("has"),
        compared: WithoutCase,
        shown: Exported,
        shape: Shape::Text {
            wanted: |spec| Some(&spec.common_name),
            present: |found| Some(&found.enrollment.csr.cn),
            put: |body, name| body.csr.cn = name.to_owned(),
            in_api: alike,
        },
    },
    network_word!(
        "network.secureNetwork" secure_network, "networkConfiguration.secureNetwork" |found| Some(found.secure_network.as_str()),
        Impossible("is on"), SecureNetwork, |body, word| body.network_configuration.secure_network = word.into()
    ),
    network_flag!("network.sniOnly" sni_only, "networkConfiguration.sniOnly" sni_only, Impossible("has")),
    Field {
        spec: "dnsNames",
        cps: "csr.sans",
        change: Reissue,
        compared: WithoutCase,
        shown: Exported,
        shape: Shape::Names,
    },
    network_word!(
        "network.geography" geography, "networkConfiguration.geography" |found| Some(found.geography.as_str()),
        Redeploy, Geography, |body, word| body.network_configuration.geography = word.into()
    ),
    network_flag!("network.quicEnabled" quic_enabled, "networkConfiguration.quicEnabled" quic_enabled, Redeploy),
    text!(
        "network.mustHaveCiphers" network.must_have_ciphers,
        "networkConfiguration.mustHaveCiphers" network_configuration.must_have_ciphers, Redeploy, Exported
    ),
    text!(
        "network.preferredCiphers" network.preferred_ciphers,
        "networkConfiguration.preferredCiphers" network_configuration.preferred_ciphers, Redeploy, Exported
    ),
    network_word!(
        "network.ocspStapling" ocsp_stapling, "networkConfiguration.ocspStapling" |found| found.ocsp_stapling.as_ref().map(cps::OcspStapling::as_str),
        Redeploy, OcspStapling, |body, word| body.network_configuration.ocsp_stapling = Some(word.into())
    ),
    Field {
        spec: "network.disallowedTlsVersions",
        cps: "networkConfiguration.disallowedTlsVersions",
        change: Redeploy,
        compared: Exactly,
        shown: Told,
        shape: Shape::Set {
            wanted: |spec| {
                let versions = spec.network.as_ref()?.disallowed_tls_versions.as_ref()?;
                Some(versions.iter().map(|version| TlsVersion::in_cps(*version)).collect())
            },
            present: |found| found.network_configuration.disallowed_tls_versions.as_ref(),
            put: |body, versions| body.network_configuration.disallowed_tls_versions = Some(versions),
        },
    },
    Field {
        spec: "network.dnsNameSettings.cloneDnsNames",
        cps: "networkConfiguration.dnsNameSettings.cloneDnsNames",
        change: Redeploy,
        compared: Exactly,
        shown: Told,
        shape: Shape::Flag {
            wanted: |spec| Some(spec.network.as_ref()?.dns_name_settings.as_ref()?.clone_dns_names),
            present: |found| {
                let settings = found.network_configuration.dns_name_settings.as_ref();
                settings.is_some_and(|settings| settings.clone_dns_names)
            },
            put: |body, flag| {
                body.network_configuration.dns_name_settings.get_or_insert_default().clone_dns_names = flag;
            },
        },
    },
    Field {
        spec: "network.dnsNameSettings.dnsNames",
        cps: "networkConfiguration.dnsNameSettings.dnsNames",
        change: Redeploy,
        compared: WithoutCase,
        shown: Told,
        shape: Shape::Set {
            wanted: |spec| {
                let settings = spec.network.as_ref()?.dns_name_settings.as_ref()?;
                // If CPS clones the names, it manages them.
                let names = settings.dns_names.as_ref().filter(|_| !settings.clone_dns_names)?;
                Some(names.iter().map(String::as_str).collect())
            },
            present: |found| found.network_configuration.dns_name_settings.as_ref()?.dns_names.as_ref(),
            put: |body, names| {
                body.network_configuration.dns_name_settings.get_or_insert_default().dns_names = Some(names);
            },
        },
    },
    Field {
        spec: "changeManagement",
        cps: "changeManagement",
        change: MetadataOnly,
        compared: Exactly,
        shown: Exported,
        shape: Shape::Flag {
            wanted: |spec| spec.change_management,
            present: |found| found.change_management,
            put: |body, flag| body.change_management = flag,
        },
    },
    Field {
        spec: "signatureAlgorithm",
        cps: "signatureAlgorithm",
        change: Reissue,
        compared: Exactly,
        shown: Told,
        shape: Shape::Text {
            wanted: |spec| spec.signature_algorithm.map(|algorithm| algorithm.as_str()),
            present: |found| found.enrollment.signature_algorithm.as_deref(),
            put: |body, text| body.signature_algorithm = Some(text.to_owned()),
            in_api: alike,
        },
    },
    subject!("csr.country" country, "csr.c" c),
    subject!("csr.state" state, "csr.st" st),
    subject!("csr.city" city, "csr.l" l),
    subject!("csr.organization" organization, "csr.o" o),
    subject!("csr.organizationalUnit" organizational_unit, "csr.ou" ou),
    subject!("csr.preferredTrustChain" preferred_trust_chain, "csr.preferredTrustChain" preferred_trust_chain),
    organization!("organization.addressLineOne", "org.addressLineOne", address_line_one),
    organization!("organization.addressLineTwo", "org.addressLineTwo", address_line_two),
    organization!("organization.city", "org.city", city),
    organization!("organization.country", "org.country", country),
    organization!("organization.name", "org.name", name),
    organization!("organization.phone", "org.phone", phone),
    organization!("organization.postalCode", "org.postalCode", postal_code),
    organization!("organization.region", "org.region", region),
    contact!("adminContact.addressLineOne", admin_contact.address_line_one),
    contact!("adminContact.addressLineTwo", admin_contact.address_line_two),
    contact!("adminContact.city", admin_contact.city),
    contact!("adminContact.country", admin_contact.country),
    contact!("adminContact.email", admin_contact.email),
    contact!("adminContact.firstName", admin_contact.first_name),
    contact!("adminContact.lastName", admin_contact.last_name),
    contact!("adminContact.organizationName", admin_contact.organization_name),
    contact!("adminContact.phone", admin_contact.phone),
    contact!("adminContact.postalCode", admin_contact.postal_code),
    contact!("adminContact.region", admin_contact.region),
    contact!("adminContact.title", admin_contact.title),
    contact!("techContact.addressLineOne", tech_contact.address_line_one),
    contact!("techContact.addressLineTwo", tech_contact.address_line_two),
    contact!("techContact.city", tech_contact.city),
    contact!("techContact.country", tech_contact.country),
    contact!("techContact.email", tech_contact.email),
    contact!("techContact.firstName", tech_contact.first_name),
    contact!("techContact.lastName", tech_contact.last_name),
    contact!("techContact.organizationName", tech_contact.organization_name),
    contact!("techContact.phone", tech_contact.phone),
    contact!("techContact.postalCode", tech_contact.postal_code),
    contact!("techContact.region", tech_contact.region),
    contact!("techContact.title", tech_contact.title),
];
