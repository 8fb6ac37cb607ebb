//! The certificate at rest, after the sequence: it stays as it is and costs nothing, and what changes outside is told.
//! Not here: what is left published (`ways`).

use std::time::Duration;

use super::world::{Outside, World};
use akacert_api::condition_set;
use akacert_api::reason::Reason;
use akacert_api::status::condition;

/// Whoever looks from outside each day has looked after as long.
const A_DAY: Duration = Duration::from_secs(25 * 3600);

/// What looks bad from outside is looked at again after an hour.
const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);

impl World {
    pub(super) fn rests(&mut self) {
        let (status, calls) = (self.status(), self.calls());
        self.pass(Duration::from_secs(24 * 3600));
        assert_eq!((self.status(), self.calls()), (status, calls), "not settled: {self:?}");

        self.outside = if self.setting.leads_elsewhere { Outside::Elsewhere } else { Outside::AtAkamai };
        self.pass(A_DAY);
        self.check_told();
        assert_eq!(self.calls(), calls, "a look from outside costs calls: {self:?}");
        if self.outside == Outside::Elsewhere {
            self.outside = Outside::AsNeeded;
            self.pass(TWO_HOURS);
            self.check_told();
        }
    }

    /// The status tells how the names look from outside, and the certificate is Ready all the same.
    fn check_told(&self) {
        let (renewal, served) = match self.outside {
            Outside::AsNeeded => (Reason::RenewalReady, Reason::Served),
            Outside::AtAkamai => (Reason::AutoValidated, Reason::PlainHttp),
            Outside::Elsewhere => (Reason::RenewalWouldFail, Reason::NotServed),
        };
        let status = self.status();
        let told = |type_| condition_set::find(&status.conditions, type_).map(|told| told.reason.as_str());
        assert_eq!(told(condition::RENEWAL_READY), Some(renewal.as_str()), "{self:?}");
        let served = self.setting.probes.then_some(served.as_str());
        assert_eq!(told(condition::SERVED), served, "{self:?}");
        assert!(self.is_ready(), "not Ready for what is outside: {self:?}");
    }
}
