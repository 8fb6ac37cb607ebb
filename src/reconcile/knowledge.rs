//! What the operator knows of each certificate between two looks: what it read from CPS, and what it wrote itself and
//! has not come back from the API server yet. Losing it costs some calls, nothing else.
//! Not here: what follows from it (`akacert_core::life`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::ResourceExt;

use akacert_api::AkamaiCertificate;
use akacert_core::life::Step;
use akacert_core::life::snapshot::Memory;

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

    /// Forgets everything that the next look would not use anyway.
    pub fn rest(&mut self) {
        let (generation, watched) = (self.memory.generation, self.memory.last_look());
        // The next look from outside is a day away.
        let forecast = self.memory.forecast.take();
        // What could not be handed off is not tried at every look.
        let failure = self.memory.failure.take().filter(|failure| failure.step == Step::HAND_OFF);
        // Nor is a name that is not as its new way needs it looked at again at once.
        let preflight = self.memory.preflight.take().filter(|preflight| preflight.failed > 0);
        self.memory = Memory { generation, watched, forecast, failure, preflight, ..Memory::default() };
    }

    /// Forgets what was read for another generation of `spec`.
    pub fn for_generation(&mut self, generation: i64) {
        let memory = &mut self.memory;
        if memory.generation != generation {
            memory.generation = generation;
            memory.list = None;
            memory.duplicate = None;
            memory.enrollment = None;
            memory.deployments = None;
            memory.failure = None;
            memory.preflight = None;
            memory.probe = None;
            memory.records = None;
            memory.updates.clear();
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
