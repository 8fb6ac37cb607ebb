//! What the operator may do to an enrollment without asking, and what it waits for. Absent policies are the careful
//! ones, and the operator never writes them into `spec`.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::without_description;

/// What happens to the enrollment when its resource is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
pub enum DeletionPolicy {
    /// The enrollment stays in CPS.
    Retain,
    /// The operator removes the enrollment from CPS.
    Delete,
}

/// Whether the operator manages the enrollment or only observes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
pub enum ManagementPolicy {
    /// The operator creates the enrollment, and keeps it as `spec` says.
    Manage,
    /// The operator writes nothing to CPS, and publishes nothing.
    Observe,
}

/// What to do with an existing enrollment of the same common name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
pub enum AdoptionPolicy {
    /// Report that the common name is taken.
    CreateOnly,
    /// Adopt it. If there is none, do nothing.
    AdoptOnly,
    /// Adopt it. If there is none, create one.
    AdoptOrCreate,
}

/// Whether a change of `spec` waits for an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
pub enum UpdatePolicy {
    /// The operator carries it out at once.
    Auto,
    /// It waits for the annotation `akacert.io/approve-plan`, unless it concerns only contacts and the like.
    RequireApproval,
}

/// What happens to a change that CPS is working on when `spec` changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
pub enum PendingChangePolicy {
    /// The operator waits for its end.
    Wait,
    /// The operator cancels it, and CPS validates the names again.
    Replace,
}

/// Whether to order a new certificate while CPS is about to renew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
pub enum RenewalWindowPolicy {
    /// Wait for the renewal.
    Wait,
    /// Order it nevertheless (`renewal-date-check-override`).
    Override,
}

/// What to do when somebody else has changed the enrollment in CPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
pub enum DriftPolicy {
    /// Undo the change.
    Correct,
    /// Report the change, and leave it in place.
    Report,
}

/// What to do when somebody else has removed the enrollment from CPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
pub enum RecreatePolicy {
    /// Wait until a human decides.
    Never,
    /// Create another enrollment.
    Recreate,
}

/// Which warnings of CPS are acknowledged without asking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WarningsPolicy {
    /// IDs of warnings as `status.change.warnings` shows them, or `All`. A warning without an ID is only acknowledged by
    /// `All` or by the annotation `akacert.io/approve-warnings`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), inner(length(min = 1, max = 128)))]
    pub acknowledge: Vec<String>,
}

/// Where pipelines read what is deployed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Handoff {
    /// Name of a ConfigMap in this namespace. It is created by the operator; one that exists is never overwritten.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub config_map_name: String,
}

/// Enables the check of which certificate the names are served with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServedProbe {}

/// How a certificate goes from staging to production.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentPolicy {
    /// `Manual` (as when absent): by the annotation `akacert.io/approve-deployment` with the ID of the change. `Auto`:
    /// once the certificate on staging was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approve: Option<Approve>,
    /// When changes may go to production. Absent: at any time. A window that would open only when the live certificate is
    /// about to expire is not waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<DeploymentWindow>,
}

/// Hours of some days in which changes may go to production. It becomes the deployment schedule of each change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.from < self.to")
    .message("the window must close later on the same day than it opens: a window over midnight is not supported"))]
pub struct DeploymentWindow {
    /// Days of the week.
    #[schemars(length(min = 1, max = 7), extend("x-kubernetes-list-type" = "set"))]
    pub days: Vec<Day>,
    /// When it opens, as HH:MM.
    #[schemars(regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub from: String,
    /// When it closes, as HH:MM.
    #[schemars(regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub to: String,
    /// The time zone of these hours by its IANA name, such as Europe/Zurich.
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
#[allow(missing_docs, reason = "days")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// Who lets a certificate go from staging to production.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
pub enum Approve {
    /// A human.
    Manual,
    /// The operator, once it has verified the certificate on staging.
    Auto,
}
