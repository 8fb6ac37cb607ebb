//! The life of a change, in the steps of the real thing. One task drives one change; it ends when the
//! change is finished or gone. Waiting for challenges is in `validation`.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use x509_parser::pem::Pem;

use crate::authority::{AuthorityError, Order};
use crate::shared::{Shared, Signal, lock};
use crate::state::{
    Asked, Change, ChangeError, ChangeKind, Deployment, Enrollment, Issued, Offer, Schedule, Step,
};
use crate::validation;
use crate::warnings::Stage;

/// So long before the live certificate expires, what waits on staging is pushed.
const AUTOMATIC_PUSH: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Drives a change to its end, from the step it is in.
pub(crate) async fn run(shared: &Arc<Shared>, enrollment: u64, change: u64, signal: &Signal) {
    let driver = Driver { shared, enrollment, change, signal };
    // `None` says that the change was taken away meanwhile, which ends its task as well.
    let _ = driver.run().await;
}

/// One change and what is needed to move it.
pub(crate) struct Driver<'a> {
    pub shared: &'a Arc<Shared>,
    pub enrollment: u64,
    pub change: u64,
    pub signal: &'a Signal,
}

impl Driver<'_> {
    pub(crate) fn update<T>(&self, edit: impl FnOnce(&mut Change) -> T) -> Option<T> {
        self.shared.update(self.enrollment, self.change, edit)
    }

    /// Edits the enrollment and the change together.
    fn update_both<T>(&self, edit: impl FnOnce(&mut Enrollment, usize) -> T) -> Option<T> {
        let mut state = lock(&self.shared.state);
        let (enrollment, index) = state.change_mut(self.enrollment, self.change)?;
        Some(edit(enrollment, index))
    }

    async fn step(&self, step: Step, wait: Duration) -> Option<()> {
        self.update(|change| change.step = step)?;
        tracing::info!(enrollment = self.enrollment, change = self.change, ?step, "change moved");
        self.shared.wait(wait).await;
        Some(())
    }

    async fn run(&self) -> Option<()> {
        let (kind, step, issued) =
            self.update(|change| (change.kind, change.step, change.issued.is_some()))?;
        match kind {
            ChangeKind::Removal => return self.remove(step).await,
            _ if issued => {}
            ChangeKind::Network => {
                self.step(Step::CreateSlotFiles, self.shared.config.waits.create_slot_files).await?;
                let issued = self.update_both(|e, _| e.production.as_ref().map(|d| d.issued.clone()))??;
                self.update(|change| change.issued = Some(issued))?;
            }
            _ => self.obtain(step).await?,
        }
        self.deploy(step).await
    }

    /// From the start to an issued certificate.
    async fn obtain(&self, step: Step) -> Option<()> {
        let waits = &self.shared.config.waits;
        if step == Step::CreateSlotFiles {
            self.step(Step::CreateSlotFiles, waits.create_slot_files).await?;
            self.update_both(|enrollment, _| enrollment.slot_assigned = true)?;
            self.step(Step::GenerateCsr, waits.generate_csr).await?;
            self.step(Step::PreVerification, waits.pre_verification).await?;
            self.warn(Stage::PreVerification, Step::ReviewPreVerification).await?;
        }
        loop {
            self.step(Step::DomainValidation, waits.input_window).await?;
            let mut order = validation::validate(self).await?;
            self.step(Step::CheckForCert, waits.check_for_cert).await?;
            match self.finalise(&mut order).await {
                Ok(issued) => {
                    self.update(|change| change.issued = Some(issued))?;
                    return self.warn(Stage::PostVerification, Step::ReviewCert).await;
                }
                Err(error) => {
                    tracing::warn!(enrollment = self.enrollment, %error, "the order failed");
                    let error = ChangeError {
                        code: "check-for-cert-error".into(),
                        description: error.to_string(),
                        timestamp: Timestamp::now(),
                    };
                    self.update(|change| change.error = Some(error))?;
                    self.step(Step::CheckForCertError, waits.preparation_retry).await?;
                    self.update(|change| change.error = None)?;
                }
            }
        }
    }

    async fn finalise(&self, order: &mut Order) -> Result<Issued, AuthorityError> {
        let names = self
            .update(|change| change.domains.iter().map(|d| d.name.clone()).collect::<Vec<_>>())
            .unwrap_or_default();
        let common_name = self.update_both(|e, _| e.common_name().to_owned()).unwrap_or_default();
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        // The subject's common name is limited to 64 characters (RFC 5280); the name is a SAN anyway.
        if common_name.len() <= 64 {
            params.distinguished_name.push(DnType::CommonName, common_name);
        }
        let csr = params.serialize_request(&key)?;
        let pem = order.finalise(&csr).await?;
        split_chain(&pem, key.serialize_pem()).ok_or(AuthorityError::Invalid)
    }

    /// Staging, live check, production, done.
    async fn deploy(&self, step: Step) -> Option<()> {
        let waits = &self.shared.config.waits;
        // A change that was loaded from a dump does not ask a second time.
        let agreed = match step {
            Step::LiveCheck | Step::DeployProduction => true,
            Step::AckChangeManagement => self.update(|change| change.asked.acknowledged)?,
            _ => false,
        };
        if !agreed {
            self.step(Step::DeployStaging, waits.staging).await?;
            self.update_both(|enrollment, index| enrollment.staging = deployment(enrollment, index))?;
            if self.update_both(|enrollment, _| enrollment.body["changeManagement"] == true)? {
                self.wait_for_acknowledgement().await?;
            }
        }
        // What has begun does not mind the schedule any more.
        if step != Step::DeployProduction {
            self.enter_on_schedule(Step::LiveCheck).await?;
            self.step(Step::LiveCheck, waits.live_check).await?;
            self.enter_on_schedule(Step::DeployProduction).await?;
        }
        self.step(Step::DeployProduction, waits.production).await?;
        self.update_both(|enrollment, index| {
            enrollment.production = deployment(enrollment, index);
            enrollment.changes[index].finished = true;
        })?;
        self.step(Step::Complete, waits.complete_visible).await?;
        let change = self.change;
        self.update_both(|enrollment, _| enrollment.changes.retain(|c| c.id != change))
    }

    /// With change management the certificate stays on staging until the user agrees. Shortly before the live one expires
    /// CPS goes on without, unless a schedule says when.
    async fn wait_for_acknowledgement(&self) -> Option<()> {
        self.offer(Step::AckChangeManagement)?;
        let expiry = self.update_both(|e, _| e.production.as_ref().map(|live| live.issued.not_after))?;
        let push = expiry.and_then(|expiry| expiry.checked_sub(AUTOMATIC_PUSH).ok());
        loop {
            let now = Timestamp::now();
            let (done, scheduled) = self.update(|change| {
                let scheduled = change.schedule != Schedule::default();
                let pushed = !scheduled && push.is_some_and(|push| push <= now);
                if pushed {
                    change.offer = Offer::None;
                }
                (change.asked.acknowledged || pushed, scheduled)
            })?;
            if done {
                return Some(());
            }
            self.woken_or(push.filter(|_| !scheduled)).await;
        }
    }

    /// Moves to a step as soon as the schedule allows it. Whoever has missed the end of a schedule waits for another one.
    async fn enter_on_schedule(&self, step: Step) -> Option<()> {
        loop {
            let now = Timestamp::now();
            let (entered, not_before) = self.update(|change| {
                let allowed = change.schedule.allows(now);
                if allowed {
                    change.step = step;
                }
                (allowed, change.schedule.not_before)
            })?;
            if entered {
                return Some(());
            }
            self.woken_or(not_before.filter(|time| *time > now)).await;
        }
    }

    /// Ends when the change was edited, and at a time if there is one.
    async fn woken_or(&self, time: Option<Timestamp>) {
        let woken = self.signal.wake.notified();
        match time {
            Some(time) => {
                let _ = tokio::time::timeout(until(time), woken).await;
            }
            None => woken.await,
        }
    }

    /// Stops where somebody has added a warning, until it is acknowledged.
    async fn warn(&self, stage: Stage, step: Step) -> Option<()> {
        let common_name = self.update_both(|enrollment, _| enrollment.common_name().to_owned())?;
        let Some(shown) = self.shared.warnings.meet(&common_name, stage) else { return Some(()) };
        self.update(|change| change.warnings = Some(shown))?;
        self.pause(step).await?;
        self.update(|change| change.warnings = None)
    }

    /// Offers the input of a step.
    fn offer(&self, step: Step) -> Option<()> {
        self.update(|change| {
            change.step = step;
            change.offer = Offer::Open;
            change.asked = Asked::default();
        })
    }

    /// Offers the input of a step, until it is acknowledged.
    async fn pause(&self, step: Step) -> Option<()> {
        self.offer(step)?;
        while !self.update(|change| change.asked.acknowledged)? {
            self.signal.wake.notified().await;
        }
        Some(())
    }

    async fn remove(&self, step: Step) -> Option<()> {
        let waits = &self.shared.config.waits;
        if step != Step::AbandonSlots {
            self.enter_on_schedule(Step::DeprovisionCert).await?;
            self.step(Step::DeprovisionCert, waits.removal).await?;
            self.warn(Stage::PostVerification, Step::ReviewCert).await?;
        }
        self.step(Step::AbandonSlots, waits.removal).await?;
        lock(&self.shared.state).enrollments.remove(&self.enrollment).map(|_| ())
    }
}

fn until(time: Timestamp) -> Duration {
    Duration::try_from(time.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
}

fn deployment(enrollment: &Enrollment, index: usize) -> Option<Deployment> {
    Some(Deployment {
        issued: enrollment.changes[index].issued.clone()?,
        network: enrollment.body.get("networkConfiguration").cloned().unwrap_or_default(),
        names: enrollment.names(),
    })
}

/// Splits a PEM chain into the leaf and what follows it.
pub(crate) fn split_chain(pem: &str, key: String) -> Option<Issued> {
    const END: &str = "-----END CERTIFICATE-----";
    let end = pem.find(END)? + END.len();
    let (certificate, chain) = pem.split_at(end);
    let parsed = Pem::iter_from_buffer(certificate.as_bytes()).next()?.ok()?;
    let not_after = parsed.parse_x509().ok()?.validity().not_after.timestamp();
    Some(Issued {
        certificate: certificate.trim().to_owned(),
        chain: chain.trim().to_owned(),
        key,
        not_after: Timestamp::from_second(not_after).ok()?,
    })
}
