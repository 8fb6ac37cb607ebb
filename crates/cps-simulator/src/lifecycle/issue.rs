//! From the start of a change to a certificate: slots, CSR, warnings, validation, and the authority's answer.

use jiff::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

use super::driver::Driver;
use super::validation;
use crate::authority::{AuthorityError, Order};
use crate::model::{ChangeError, Issued, Stage, Step};

/// Tries until the authority has issued.
pub(super) async fn obtain(driver: &Driver<'_>, step: Step) -> Option<()> {
    let waits = &driver.context.config.waits;
    if step == Step::CreateSlotFiles {
        driver.step(Step::CreateSlotFiles, waits.create_slot_files).await?;
        driver.update_both(|enrollment, _| enrollment.slot_assigned = true)?;
        driver.step(Step::GenerateCsr, waits.generate_csr).await?;
        driver.step(Step::PreVerification, waits.pre_verification).await?;
        driver.warn(Stage::PreVerification, Step::ReviewPreVerification).await?;
    }
    loop {
        driver.step(Step::DomainValidation, waits.input_window).await?;
        let mut order = validation::validate(driver).await?;
        driver.step(Step::CheckForCert, waits.check_for_cert).await?;
        match finalise(driver, &mut order).await {
            Ok(issued) => {
                driver.update(|change| change.issued = Some(issued))?;
                return driver.warn(Stage::PostVerification, Step::ReviewCert).await;
            }
            Err(error) => {
                tracing::warn!(enrollment = driver.enrollment, %error, "the order failed");
                let error = ChangeError {
                    code: "check-for-cert-error".into(),
                    description: error.to_string(),
                    timestamp: Timestamp::now(),
                };
                driver.update(|change| change.error = Some(error))?;
                driver.step(Step::CheckForCertError, waits.preparation_retry).await?;
                driver.update(|change| change.error = None)?;
            }
        }
    }
}

async fn finalise(driver: &Driver<'_>, order: &mut Order) -> Result<Issued, AuthorityError> {
    let names = driver
        .update(|change| change.domains.iter().map(|d| d.name.clone()).collect::<Vec<_>>())
        .unwrap_or_default();
    let common_name = driver.update_both(|e, _| e.common_name().to_owned()).unwrap_or_default();
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    // The common name of a subject has at most 64 characters (RFC 5280). A longer name is still among the SANs.
    if common_name.len() <= 64 {
        params.distinguished_name.push(DnType::CommonName, common_name);
    }
    let csr = params.serialize_request(&key)?;
    let pem = order.finalise(&csr).await?;
    Issued::from_chain(&pem, key.serialize_pem()).ok_or(AuthorityError::Invalid)
}
