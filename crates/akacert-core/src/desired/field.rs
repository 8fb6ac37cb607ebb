//! PURE: one field that `spec` and CPS share: how to compare it, describe it, put it into a body, and export it.

use std::collections::BTreeSet;

use akamai_cps_types as cps;
use serde_json::Value;

use akacert_api::certificate::CertificateSpec;
use akacert_api::status::Risk;

/// One row of the table of fields.
pub struct Field {
    /// The path in `spec`.
    pub spec: &'static str,
    /// The path in an enrollment of CPS.
    pub cps: &'static str,
    /// What CPS does when it changes.
    pub change: Change,
    /// When two values count as equal.
    pub compared: Compared,
    /// Who else may see the value.
    pub shown: Shown,
    /// How to read and write it.
    pub shape: Shape,
}

/// What CPS does when a field changes (CPS, "Update an enrollment").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// CPS saves it.
    MetadataOnly,
    /// CPS deploys the same certificate again.
    Redeploy,
    /// CPS orders another certificate.
    Reissue,
    /// CPS cannot change it. In messages, this text (such as `is on`) comes before the enrollment's value.
    Impossible(&'static str),
}

impl Change {
    /// The risk that `status.plan` shows.
    #[must_use]
    pub fn risk(self) -> Risk {
        match self {
            Self::MetadataOnly => Risk::MetadataOnly,
            Self::Redeploy => Risk::Redeploy,
            Self::Reissue => Risk::Reissue,
            Self::Impossible(_) => Risk::Refused,
        }
    }
}

/// When two texts count as equal. An absent and an empty text always do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// If all characters are the same.
    Exactly,
    /// If they differ only by case, as names may.
    WithoutCase,
    /// If they differ only by the prefix `ctr_`. A contract that is not recorded counts as equal.
    AsContract,
}

impl Compared {
    fn normal(self, text: &str) -> String {
        match self {
            Self::Exactly => text.to_owned(),
            Self::WithoutCase => text.to_ascii_lowercase(),
            Self::AsContract => cps::ContractId::new(text).to_string(),
        }
    }

    fn set<'a>(self, items: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
        items.into_iter().map(|item| self.normal(item)).collect()
    }
}

/// Who may see a value, apart from those who can read `spec` or CPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Everybody: messages show it, and `akacert export` writes it into manifests for Git.
    Exported,
    /// Everybody who reads messages.
    Told,
    /// Nobody: it is about a person or an organization, and more people read messages than `spec`.
    Withheld,
}

/// An enrollment, and what the operator has recorded about it.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    /// The contract, which CPS does not report.
    pub contract: Option<&'a str>,
    /// The enrollment, as CPS has it.
    pub enrollment: &'a cps::Enrollment,
}

impl<'a> From<&'a cps::Enrollment> for Found<'a> {
    fn from(enrollment: &'a cps::Enrollment) -> Self {
        Self { contract: None, enrollment }
    }
}

/// How to read and write a field. `None` means that the user has not set it.
pub enum Shape {
    /// True or false.
    Flag {
        /// Reads what the user has set.
        wanted: fn(&CertificateSpec) -> Option<bool>,
        /// Reads what CPS has.
        present: fn(&cps::Enrollment) -> bool,
        /// Writes the value into a body.
        put: fn(&mut cps::Enrollment, bool),
    },
    /// A text, spelt as CPS spells it.
    Text {
        /// Reads what the user has set.
        wanted: fn(&CertificateSpec) -> Option<&str>,
        /// Reads what CPS has.
        present: for<'a> fn(&Found<'a>) -> Option<&'a str>,
        /// Writes the value into a body.
        put: fn(&mut cps::Enrollment, &str),
        /// Translates the value into the API's spelling, if the API has one.
        in_api: fn(&str) -> Option<String>,
    },
    /// A list in which neither order nor repetition matters.
    Set {
        /// Reads what the user has set.
        wanted: fn(&CertificateSpec) -> Option<Vec<&str>>,
        /// Reads what CPS has.
        present: fn(&cps::Enrollment) -> Option<&Vec<String>>,
        /// Writes the value into a body.
        put: fn(&mut cps::Enrollment, Vec<String>),
    },
    /// The names of the certificate: a set that always includes the common name. Differences list each name.
    Names,
}

impl Field {
    /// Whether CPS can change it.
    #[must_use]
    pub fn can_change(&self) -> bool {
        self.change.risk() != Risk::Refused
    }

    /// Describes how the user's value differs from that of CPS.
    pub(super) fn differences(&self, spec: &CertificateSpec, found: &Found<'_>) -> Vec<String> {
        let told = match &self.shape {
            Shape::Flag { wanted, present, .. } => wanted(spec)
                .map(|wanted| (wanted, present(found.enrollment)))
                .filter(|(wanted, present)| wanted != present)
                .map(|(wanted, present)| self.told(&wanted.to_string(), &present.to_string())),
            Shape::Text { wanted, present, in_api, .. } => {
                let present = present(found);
                let comparable = present.is_some() || self.compared != Compared::AsContract;
                let normal = |text| self.compared.normal(text);
                let shown = |text: &str| in_api(text).unwrap_or_else(|| text.to_owned());
                wanted(spec)
                    .filter(|_| comparable)
                    .map(|wanted| (normal(wanted), normal(present.unwrap_or_default())))
                    .filter(|(wanted, present)| wanted != present)
                    .map(|(wanted, present)| self.told(&shown(&wanted), &shown(&present)))
            }
            Shape::Set { wanted, present, .. } => wanted(spec)
                .map(|wanted| {
                    let present = present(found.enrollment).into_iter().flatten().map(String::as_str);
                    (self.compared.set(wanted), self.compared.set(present))
                })
                .filter(|(wanted, present)| wanted != present)
                .map(|(wanted, present)| self.told(&listed(wanted), &listed(present))),
            Shape::Names => return self.names(spec, &found.enrollment.csr),
        };
        told.into_iter().collect()
    }

    fn names(&self, spec: &CertificateSpec, csr: &cps::Csr) -> Vec<String> {
        // Another field covers which of them is the common name.
        let common_names = [spec.common_name.as_str(), csr.cn.as_str()];
        let wanted = self.compared.set(spec.names().into_iter().chain(common_names));
        let present = self.compared.set(csr.sans.iter().flatten().map(String::as_str).chain(common_names));
        let more = wanted.difference(&present).map(|name| format!("{}: + {name}", self.spec));
        more.chain(present.difference(&wanted).map(|name| format!("{}: - {name}", self.spec))).collect()
    }

    fn told(&self, wanted: &str, present: &str) -> String {
        let shown = |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.to_owned() };
        let (field, wanted, present) = (self.spec, shown(wanted), shown(present));
        if let Change::Impossible(has) = self.change {
            return format!(
                "{field} is {wanted}, but the enrollment {has} {present}, which CPS cannot change"
            );
        }
        if self.shown == Shown::Withheld {
            return format!("{field} differs");
        }
        format!("{field}: {present} → {wanted}")
    }

    /// Writes what the user has set into a body. Returns whether the user has set anything.
    pub(super) fn put(&self, spec: &CertificateSpec, body: &mut cps::Enrollment) -> bool {
        match &self.shape {
            Shape::Flag { wanted, put, .. } => wanted(spec).map(|wanted| put(body, wanted)).is_some(),
            Shape::Text { wanted, put, .. } => wanted(spec).map(|wanted| put(body, wanted)).is_some(),
            Shape::Set { wanted, put, .. } => wanted(spec).map(|wanted| put(body, owned(wanted))).is_some(),
            Shape::Names => {
                body.csr.sans = Some(owned(spec.names()));
                true
            }
        }
    }

    /// What CPS has, as a user would write it in `spec`. `None` if the API cannot express it.
    #[must_use]
    pub fn in_spec(&self, found: &Found<'_>) -> Option<Value> {
        match &self.shape {
            Shape::Flag { present, .. } => Some(present(found.enrollment).into()),
            Shape::Text { present, in_api, .. } => {
                let text = self.compared.normal(present(found)?);
                in_api(&text).filter(|text| !text.is_empty()).map(Value::from)
            }
            Shape::Set { present, .. } => present(found.enrollment).cloned().map(Value::from),
            Shape::Names => {
                let mut names = found.enrollment.csr.names();
                names.remove(&self.compared.normal(&found.enrollment.csr.cn));
                (!names.is_empty()).then(|| names.into_iter().collect())
            }
        }
    }
}

fn owned(items: Vec<&str>) -> Vec<String> {
    items.into_iter().map(str::to_owned).collect()
}

fn listed(set: BTreeSet<String>) -> String {
    set.into_iter().collect::<Vec<_>>().join(", ")
}
