//! What the operator knows of each certificate between two looks: what it read from CPS, and what it wrote itself and
//! has not come back from the API server yet. Losing it costs some calls, nothing else.
//! Not here: what follows from it (`akacert_core::life`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::ResourceExt;

use akacert_api::AkamaiCertificate;
use akacert_core::life::memory::Memory;

/// What is known of one certificate.
#[derive(Default)]
pub struct Known {
    /// The resource as the API server answered to our last write.
    pub written: Option<Arc<AkamaiCertificate>>,
    /// What was read from CPS.
    pub memory: Memory,
}

impl Known {
    /// The newer of what the watch delivered and what our last write was answered with.
    #[must_use]
    pub fn newest(&self, watched: Arc<AkamaiCertificate>) -> Arc<AkamaiCertificate> {
        match &self.written {
            Some(written) if version(written) > version(&watched) => written.clone(),
            _ => watched,
        }
    }
}

/// Resource versions of one resource can be compared as numbers (Kubernetes API conventions, since 1.35).
fn version(certificate: &AkamaiCertificate) -> u128 {
    certificate.resource_version().and_then(|version| version.parse().ok()).unwrap_or_default()
}

/// What is known of all certificates, by UID.
#[derive(Default)]
pub struct Knowledge {
    by_uid: Mutex<HashMap<String, Known>>,
}

impl Knowledge {
    /// Takes out what is known of a certificate. The controller never looks at one certificate twice at a time.
    #[must_use]
    pub fn take(&self, uid: &str) -> Known {
        self.by_uid.lock().unwrap_or_else(PoisonError::into_inner).remove(uid).unwrap_or_default()
    }

    /// Puts back what is known of a certificate.
    pub fn put(&self, uid: &str, known: Known) {
        self.by_uid.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.to_owned(), known);
    }

    /// Forgets certificates that do not exist any more.
    pub fn retain(&self, exists: impl Fn(&str) -> bool) {
        self.by_uid.lock().unwrap_or_else(PoisonError::into_inner).retain(|uid, _| exists(uid));
    }
}
