//! PURE: from nothing to an enrollment in CPS that is recorded as ours: intent, list, POST, record.
//! Not here: what the enrollment looks like (`crate::desired`).

use akamai_cps_types::{Enrollment, EnrollmentId};
use jiff::Timestamp;

use super::adopting::{self, Claim};
use super::draft::{Draft, Progress};
use super::intent::Intent;
use super::ours::{has_finalizer, undisputed};
use super::{Next, Pause, Snapshot, Step};
use crate::account::Account;
use crate::{desired, published};
use akacert_api::names::ENROLLMENT_ID_ANNOTATION;
use akacert_api::reason::Reason;

/// A list this young serves for a create: CPS itself refuses a common name that was taken in between.
const FRESH_LIST: std::time::Duration = std::time::Duration::from_secs(10);

/// A list this old does not serve for a create. Lists of large contracts take their time, behind a request budget.
const OLD_LIST: std::time::Duration = std::time::Duration::from_secs(300);

/// CPS holds our enrollment, and its ID is recorded.
pub fn enrollment_created(s: &Snapshot<'_>, d: &mut Draft, account: &Account) -> Result<EnrollmentId, Next> {
    let taken = s.memory.enrollment.taken.as_ref().map(|created| created.enrollment);
    match s.recorded_enrollment().or(taken) {
        Some(id) => recorded(s, d, account, id),
        None => Err(to_create(s, d, account).map_or_else(|next| next, Next::Do)),
    }
}

/// CPS holds it, as far as we know.
fn recorded(
    s: &Snapshot<'_>,
    d: &mut Draft,
    account: &Account,
    id: EnrollmentId,
) -> Result<EnrollmentId, Next> {
    if !is_recorded(s) {
        return Err(Next::Do(Step::RecordEnrollment(id)));
    }
    undisputed(s, d, id)?;
    d.status.enrollment_id = i64::try_from(id.0).ok();
    // What was adopted has no intent: its contract is found as it was then.
    let adopted = || desired::contract(s.spec(), &account.defaults, &account.contracts).ok();
    d.status.contract_id =
        s.intent().map(|intent| intent.contract_id).or(d.status.contract_id.take()).or_else(adopted);
    d.done(Progress::EnrollmentCreated, Reason::EnrollmentCreated, format!("CPS has it as enrollment {id}"));
    Ok(id)
}

/// CPS does not hold it: the step that leads to it, or what it waits for.
fn to_create(s: &Snapshot<'_>, d: &mut Draft, account: &Account) -> Result<Step, Next> {
    // What was known of an enrollment that is gone says nothing about the next one.
    (d.status.enrollment_id, d.status.enrollment_generation) = (None, None);
    (d.status.change, d.status.deployments) = (None, None);
    let (contract, body) = wanted(s, d, account)?;
    let hash = desired::body_hash(&body);
    d.not_done(
        Progress::EnrollmentCreated,
        Reason::Creating,
        format!("The enrollment is about to be created under contract {contract}"),
    );
    if let Some(id) = s.spec().enrollment_id.and_then(|id| u64::try_from(id).ok()) {
        d.status.contract_id = Some(contract);
        return Err(adopting::adopted(s, d, account, EnrollmentId(id)));
    }
    let intent = s.intent().filter(|intent| intent.common_name == s.spec().common_name);
    let list = listed(s, intent.as_ref().map_or(&contract, |intent| &intent.contract_id))?;

    if let Some(found) =
        intent.as_ref().and_then(|intent| intended(list, intent, &body, intent.body_hash == hash))
    {
        return Ok(Step::RecordEnrollment(found));
    }
    name_is_free(s, d, account, &contract, list)?;
    let recorded =
        intent.as_ref().is_some_and(|intent| intent.body_hash == hash && intent.contract_id == contract);
    if !recorded || !has_finalizer(s) {
        return Ok(Step::RecordIntent(Box::new(Intent {
            contract_id: contract,
            common_name: s.spec().common_name.clone(),
            body_hash: hash,
            names_hash: desired::names_hash(&body.csr),
            earlier_names: intent.as_ref().map(Intent::names_so_far).unwrap_or_default(),
            time: s.now,
            existing: list.iter().filter_map(Enrollment::enrollment_id).collect(),
        })));
    }
    certain(s, d, &contract)?;
    if is_outdated(s) {
        return Ok(Step::ListEnrollments {
            contract,
            common_name: s.spec().common_name.clone(),
            after: s.now,
        });
    }
    Ok(Step::CreateEnrollment { contract, body: Box::new(body) })
}

/// Nothing in the contract has our common name; or what has it is adopted.
fn name_is_free(
    s: &Snapshot<'_>,
    d: &mut Draft,
    account: &Account,
    contract: &str,
    list: &[Enrollment],
) -> Result<(), Next> {
    match adopting::claim(s, list) {
        Ok(Claim::Create) => {}
        Ok(Claim::Adopt(id)) => {
            d.status.contract_id = Some(contract.to_owned());
            let next = adopting::adopted(s, d, account, id);
            // The list is behind if CPS does not have what it shows. A newer list drops this reading.
            let gone = s.memory.enrollment.reading.as_ref().is_some_and(|reading| reading.value.is_none());
            return Err(if gone { list_again(s, contract) } else { next });
        }
        Err(message) => {
            d.not_done(Progress::EnrollmentCreated, Reason::NotAdoptable, message);
            return Err(list_again(s, contract));
        }
    }
    let Some(foreign) = list.first() else { return Ok(()) };
    let id = foreign.enrollment_id().map_or("without an ID".into(), |id| id.to_string());
    d.not_done(
        Progress::EnrollmentCreated,
        Reason::CommonNameTaken,
        format!(
            "Contract {contract} already has enrollment {id} with the common name {}, and it is not ours: remove it, \
             or choose another common name. Nothing was written to it",
            s.spec().common_name
        ),
    );
    Err(list_again(s, contract))
}

/// Contract and body of the create, from the certificate and the account's defaults as they are now.
fn wanted(s: &Snapshot<'_>, d: &mut Draft, account: &Account) -> Result<(String, Enrollment), Next> {
    // What could not be published is refused before anything is made in CPS.
    published::may_publish(s.certificate, s.publishing).map_err(|blocked| {
        d.not_done(Progress::EnrollmentCreated, blocked.reason(), blocked.to_string());
        Next::Pause(Pause::UntilEvent)
    })?;
    let contract = desired::contract(s.spec(), &account.defaults, &account.contracts).map_err(|problem| {
        d.not_done(Progress::EnrollmentCreated, Reason::ContractUnknown, problem.to_string());
        Next::Pause(Pause::UntilEvent)
    })?;
    let body = desired::enrollment(s.spec(), &account.defaults).map_err(|missing| {
        d.not_done(Progress::EnrollmentCreated, Reason::ContactsMissing, missing.to_string());
        Next::Pause(Pause::UntilEvent)
    })?;
    Ok((contract, body))
}

/// The contract's enrollments with our common name. After a create whose answer was lost, only a list begun later counts.
fn listed<'a>(s: &'a Snapshot<'_>, contract: &str) -> Result<&'a [Enrollment], Next> {
    match &s.memory.create.list {
        Some(list) => Ok(&list.value),
        None => Err(Next::Do(Step::ListEnrollments {
            contract: contract.to_owned(),
            common_name: s.spec().common_name.clone(),
            after: fresh_enough(s),
        })),
    }
}

fn fresh_enough(s: &Snapshot<'_>) -> Timestamp {
    let recent = s.now.checked_sub(FRESH_LIST).unwrap_or(s.now);
    if s.memory.create.answer_lost().is_some() || s.memory.create.name_taken().is_some() {
        s.now
    } else {
        recent
    }
}

/// The enrollment that an earlier create of ours made: it was not there before, and it is what we intended.
fn intended(
    list: &[Enrollment],
    intent: &Intent,
    body: &Enrollment,
    same_body: bool,
) -> Option<EnrollmentId> {
    list.iter()
        .filter(|listed| match same_body && listed.csr.names() == body.csr.names() {
            true => desired::matches_intent(listed, body),
            // The spec or the account's defaults changed since; the names still tell.
            false => intent.has_names_of(listed),
        })
        .filter_map(Enrollment::enrollment_id)
        .find(|id| !intent.existing.contains(id))
}

/// Nothing is in flight: a create whose answer was lost would have shown in the list by now.
fn certain(s: &Snapshot<'_>, d: &mut Draft, contract: &str) -> Result<(), Next> {
    if let Some(lost) =
        s.memory.create.answer_lost().filter(|lost| !s.is_due(*lost, s.intervals.uncertain_create()))
    {
        d.not_done(
            Progress::EnrollmentCreated,
            Reason::UncertainCreate,
            format!("The answer to the create was lost at {lost:.0}; looking for the enrollment before anything else"),
        );
        let interval = s.intervals.uncertain_create() / 5;
        return Err(again_by_list_age(s, contract, interval));
    }
    if let Some(refused) =
        s.memory.create.name_taken().filter(|refused| !s.is_due(*refused, s.intervals.while_stalled()))
    {
        d.not_done(
            Progress::EnrollmentCreated,
            Reason::CommonNameElsewhere,
            format!(
                "CPS says that the common name {} is taken, but contract {contract} does not list it: look for the \
                 enrollment in the account's other contracts",
                s.spec().common_name
            ),
        );
        return Err(s.pause(s.until(refused, s.intervals.while_stalled())));
    }
    Ok(())
}

/// The list is from before the last create could have shown in it, or just old: an enrollment may have come since.
fn is_outdated(s: &Snapshot<'_>) -> bool {
    let shows = |time: Option<Timestamp>, after| time.and_then(|time| time.checked_add(after).ok());
    let oldest = [
        s.now.checked_sub(OLD_LIST).ok(),
        shows(s.memory.create.answer_lost(), s.intervals.uncertain_create()),
        shows(s.memory.create.name_taken(), s.intervals.while_stalled()),
    ];
    let read_at = s.memory.create.list.as_ref().map(|list| list.at);
    oldest.iter().flatten().any(|oldest| read_at.is_none_or(|read_at| read_at < *oldest))
}

fn list_again(s: &Snapshot<'_>, contract: &str) -> Next {
    again_by_list_age(s, contract, s.intervals.while_stalled())
}

fn again_by_list_age(s: &Snapshot<'_>, contract: &str, interval: std::time::Duration) -> Next {
    let read_at = s.memory.create.list.as_ref().map_or(s.now, |list| list.at);
    let again = s.until(read_at, interval);
    if again.is_zero() {
        Step::ListEnrollments {
            contract: contract.to_owned(),
            common_name: s.spec().common_name.clone(),
            after: s.now,
        }
        .into()
    } else {
        s.pause(again)
    }
}

fn is_recorded(s: &Snapshot<'_>) -> bool {
    has_finalizer(s) && s.annotation(ENROLLMENT_ID_ANNOTATION).is_some_and(|id| !id.is_empty())
}
