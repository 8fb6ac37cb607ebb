//! PURE: one field that `spec` and CPS share: how it is compared, told, put into a body and exported.
//! Not here: which fields there are (`super::fields`).

use std::collections::BTreeSet;

use akamai_cps_types as cps;
use serde_json::Value;

use akacert_api::certificate::CertificateSpec;
use akacert_api::status::Risk;

/// One row of the table of fields.
pub struct Field {
    /// Where it is in `spec`.
    pub spec: &'static str,
    /// Where it is in an enrollment of CPS.
    pub cps: &'static str,
    /// What a change of it makes CPS do.
    pub change: Change,
    /// When two values are the same.
    pub compared: Compared,
    /// Who else may read its value.
    pub shown: Shown,
    /// How it is read and written.
    pub shape: Shape,
}

/// What a change of a field makes CPS do (CPS, "Update an enrollment").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// CPS saves it.
    MetadataOnly,
    /// CPS deploys the same certificate anew.
    Redeploy,
    /// CPS orders another certificate.
    Reissue,
    /// CPS cannot change it. The words lead to what the enrollment has, such as `is on`.
    Impossible(&'static str),
}

impl Change {
    /// The risk that a plan shows.
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

/// When two texts are the same. Nothing and the empty text always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Character by character.
    Exactly,
    /// Whatever their case: names.
    WithoutCase,
    /// With or without the prefix `ctr_`. A contract that is not recorded is not compared.
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

/// Who may read a value, apart from those who read `spec` or CPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Everybody: it is in messages, and `akacert export` writes it into manifests for Git.
    Exported,
    /// Whoever reads messages.
    Told,
    /// Nobody: it is about a person or an organization, and messages go further than `spec` does.
    Withheld,
}

/// An enrollment, and what is recorded beside it.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    /// Its contract, which CPS does not tell.
    pub contract: Option<&'a str>,
    /// As CPS has it.
    pub enrollment: &'a cps::Enrollment,
}

impl<'a> From<&'a cps::Enrollment> for Found<'a> {
    fn from(enrollment: &'a cps::Enrollment) -> Self {
        Self { contract: None, enrollment }
    }
}

/// How a field is read and written. What the user has not set is `None`.
pub enum Shape {
    /// True or false.
    Flag {
        /// What the user has set.
        wanted: fn(&CertificateSpec) -> Option<bool>,
        /// What CPS has.
        present: fn(&cps::Enrollment) -> bool,
        /// Writes it.
        put: fn(&mut cps::Enrollment, bool),
    },
    /// A text, in CPS's words.
    Text {
        /// What the user has set.
        wanted: fn(&CertificateSpec) -> Option<&str>,
        /// What CPS has.
        present: for<'a> fn(&Found<'a>) -> Option<&'a str>,
        /// Writes it.
        put: fn(&mut cps::Enrollment, &str),
        /// As the API spells it, where it has a word for it.
        in_api: fn(&str) -> Option<String>,
    },
    /// A list in which neither order nor repetition counts.
    Set {
        /// What the user has set.
        wanted: fn(&CertificateSpec) -> Option<Vec<&str>>,
        /// What CPS has.
        present: fn(&cps::Enrollment) -> Option<&Vec<String>>,
        /// Writes it.
        put: fn(&mut cps::Enrollment, Vec<String>),
    },
    /// The names of the certificate: a set, told name by name. A common name is always one of them.
    Names,
}

impl Field {
    /// Whether CPS can change it.
    #[must_use]
    pub fn can_change(&self) -> bool {
        self.change.risk() != Risk::Refused
    }

    /// What the user has set and CPS has otherwise, in words.
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
        // Which of them is the common name is told by a field of its own.
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

    /// Puts what the user has set into a body, and says whether that is anything.
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

    /// What CPS has, as the user would write it into `spec`; nothing where the API has no word for it.
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
