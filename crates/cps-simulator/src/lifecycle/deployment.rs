//! From the certificate to production: staging, change management, schedule, live check.

use jiff::{SignedDuration, Timestamp};

use super::driver::Driver;
use crate::model::{Deployment, Enrollment, Offer, Schedule, Step};

/// CPS pushes what waits on staging this long before the live certificate expires.
const AUTOMATIC_PUSH: SignedDuration = SignedDuration::from_hours(7 * 24);

pub(super) async fn deploy(driver: &Driver<'_>, step: Step) -> Option<()> {
    let waits = &driver.context.config.waits;
    // A change that was loaded from a dump does not ask a second time.
    let agreed = matches!(step, Step::LiveCheck | Step::DeployProduction)
        || step == Step::AckChangeManagement && driver.update(|change| change.asked.acknowledged)?;
    if !agreed {
        driver.step(Step::DeployStaging, waits.staging).await?;
        driver.update_both(|enrollment, index| enrollment.staging = deployment(enrollment, index))?;
        if driver.update_both(|enrollment, _| enrollment.body["changeManagement"] == true)? {
            wait_for_acknowledgement(driver).await?;
        }
    }
    // A deployment that has begun no longer heeds the schedule.
    if step != Step::DeployProduction {
        driver.enter_on_schedule(Step::LiveCheck).await?;
        driver.step(Step::LiveCheck, waits.live_check).await?;
        driver.enter_on_schedule(Step::DeployProduction).await?;
    }
    driver.step(Step::DeployProduction, waits.production).await?;
    driver.update_both(|enrollment, index| {
        enrollment.production = deployment(enrollment, index);
        enrollment.changes[index].finished = true;
    })?;
    driver.step(Step::Complete, waits.complete_visible).await?;
    driver.update_both(|enrollment, _| enrollment.changes.retain(|change| change.id != driver.change))
}

/// With change management the certificate stays on staging until the user agrees. Shortly before the live one
/// expires, CPS continues without an acknowledgement, unless a schedule sets the time.
async fn wait_for_acknowledgement(driver: &Driver<'_>) -> Option<()> {
    driver.offer(Step::AckChangeManagement)?;
    let expiry = driver.update_both(|e, _| e.production.as_ref().map(|live| live.issued.not_after))?;
    let push = expiry.and_then(|expiry| expiry.checked_sub(AUTOMATIC_PUSH).ok());
    loop {
        let now = Timestamp::now();
        let (done, scheduled) = driver.update(|change| {
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
        driver.woken_or(push.filter(|_| !scheduled)).await;
    }
}

/// What a change deploys; `None` before the authority has issued.
fn deployment(enrollment: &Enrollment, index: usize) -> Option<Deployment> {
    Some(Deployment {
        issued: enrollment.changes[index].issued.clone()?,
        network: enrollment.body.get("networkConfiguration").cloned().unwrap_or_default(),
        names: enrollment.names(),
    })
}
