//! The data that CPS sends and accepts. The types tolerate additions: an unknown enum value is kept as text, unknown
//! fields are kept in `extra`, and null counts as absent. This crate makes no calls.

mod challenge;
mod change;
mod change_management;
mod contact;
mod deployment;
mod enrollment;
mod id;
mod network;
pub mod tolerant;
mod warnings;

pub use challenge::{Challenge, ChallengeType, DomainValidation, DvChallenges, ValidationRecord};
pub use change::{
    AllowedInput, AllowedInputType, Change, ChangeError, ChangeState, DeploymentSchedule, StatusInfo,
};
pub use change_management::{
    ChangeManagementInfo, PendingCertificate, PendingNetworkConfiguration, PendingState, ValidationMessage,
    ValidationResult,
};
pub use contact::{Contact, Organization};
pub use deployment::{DeployedCertificate, DeployedNetworkConfiguration, Deployment, Deployments};
pub use enrollment::{
    CertificateType, ChangeType, Csr, Enrollment, EnrollmentList, EnrollmentStatus, PendingChange,
    RegistrationAuthority, ThirdParty, ValidationType,
};
pub use id::{ChangeId, ContractId, EnrollmentId, last_segment};
pub use network::{
    AuthenticationOptions, ClientMutualAuthentication, DnsNameSettings, Geography, NetworkConfiguration,
    OcspOption, OcspStapling, SecureNetwork,
};
pub use warnings::Warnings;

/// Fields that this client does not know. They are kept so that a read-modify-write loses nothing.
pub type Extra = serde_json::Map<String, serde_json::Value>;
