//! What the operator keeps of each certificate between two looks: what it read from CPS, and its own last write,
//! which the watch may not have shown yet. Losing this costs some calls and nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::ResourceExt;

use akacert_api::AkamaiCertificate;
use akacert_core::life::memory::Memory;

#[derive(Default)]
pub struct Known {
    /// The resource, as the API server returned it for our last write.
    pub written: Option<Arc<AkamaiCertificate>>,
    /// What was read from CPS.
    pub memory: Memory,
}

impl Known {
    /// The newer of the watch's version and that of our last write.
    #[must_use]
    pub fn newest(&self, watched: Arc<AkamaiCertificate>) -> Arc<AkamaiCertificate> {
        match &self.written {
            Some(written) if version(written) > version(&watched) => written.clone(),
            _ => watched,
        }
    }
}

/// The resource versions of one resource compare as numbers (Kubernetes API conventions, since 1.35).
fn version(certificate: &AkamaiCertificate) -> u128 {
    certificate.resource_version().and_then(|version| version.parse().ok()).unwrap_or_default()
}

/// By the UID of the certificate.
#[derive(Default)]
pub struct Knowledge {
    by_uid: Mutex<HashMap<String, Known>>,
}

impl Knowledge {
    /// Takes what is known of a certificate out of the map. The controller never reconciles one certificate twice at
    /// a time.
    #[must_use]
    pub fn take(&self, uid: &str) -> Known {
        self.by_uid.lock().unwrap_or_else(PoisonError::into_inner).remove(uid).unwrap_or_default()
    }

    pub fn put(&self, uid: &str, known: Known) {
        self.by_uid.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.to_owned(), known);
    }

    /// Drops certificates that no longer exist.
    pub fn retain(&self, exists: impl Fn(&str) -> bool) {
        self.by_uid.lock().unwrap_or_else(PoisonError::into_inner).retain(|uid, _| exists(uid));
    }
}
