//! The steps of a change from its current one to its end, for each kind of change.

use super::context::Context;
use super::driver::{Driver, Signal};
use super::{deployment, issue};
use crate::model::{ChangeKind, Stage, Step};

/// Drives a change to its end.
pub(super) async fn run(context: &Context, enrollment: u64, change: u64, signal: &Signal) {
    // `None` means that somebody has removed the change, which ends its task as well.
    let _ = drive(&Driver { context, enrollment, change, signal }).await;
}

async fn drive(driver: &Driver<'_>) -> Option<()> {
    let (kind, step, issued) = driver.update(|change| (change.kind, change.step, change.issued.is_some()))?;
    match kind {
        ChangeKind::Removal => return remove(driver, step).await,
        _ if issued => {}
        ChangeKind::Network => keep_certificate(driver).await?,
        ChangeKind::NewCertificate
        | ChangeKind::ModifyCertificate
        | ChangeKind::ModifySan
        | ChangeKind::Renewal => issue::obtain(driver, step).await?,
    }
    deployment::deploy(driver, step).await
}

/// Uses the certificate in production for a change of network settings.
async fn keep_certificate(driver: &Driver<'_>) -> Option<()> {
    driver.step(Step::CreateSlotFiles, driver.context.config.waits.create_slot_files).await?;
    let issued = driver.update_both(|e, _| e.production.as_ref().map(|d| d.issued.clone()))??;
    driver.update(|change| change.issued = Some(issued))
}

async fn remove(driver: &Driver<'_>, step: Step) -> Option<()> {
    let wait = driver.context.config.waits.removal;
    if step != Step::AbandonSlots {
        driver.enter_on_schedule(Step::DeprovisionCert).await?;
        driver.step(Step::DeprovisionCert, wait).await?;
        driver.warn(Stage::PostVerification, Step::ReviewCert).await?;
    }
    driver.step(Step::AbandonSlots, wait).await?;
    driver.context.store.lock().enrollments.remove(&driver.enrollment).map(|_| ())
}
