//! The reference from a certificate to its account.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A reference to an account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct AccountRef {
    /// `AkamaiAccount` (in the certificate's namespace) or `ClusterAkamaiAccount`.
    pub kind: AccountKind,
    /// Name of the account.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// The kinds of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum AccountKind {
    /// An account in the certificate's namespace, where its Secret is too.
    AkamaiAccount,
    /// An account for many namespaces, whose Secret is in the operator's namespace.
    ClusterAkamaiAccount,
}

impl AccountKind {
    /// The name of the kind.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AccountKind::AkamaiAccount => "AkamaiAccount",
            AccountKind::ClusterAkamaiAccount => "ClusterAkamaiAccount",
        }
    }
}
