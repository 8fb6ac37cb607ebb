//! All enrollments, and the numbers that CPS has given out.

use std::collections::BTreeMap;

use super::enrollment::Enrollment;

#[derive(Debug, Clone)]
pub(crate) struct State {
    pub last_id: u64,
    pub enrollments: BTreeMap<u64, Enrollment>,
}

impl Default for State {
    fn default() -> Self {
        Self { last_id: 10_000, enrollments: BTreeMap::new() }
    }
}

impl State {
    /// The next number. Enrollments and changes share one sequence, so no two of them are equal.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The enrollment of a change, and the position of the change in it.
    pub(crate) fn change_mut(&mut self, enrollment: u64, change: u64) -> Option<(&mut Enrollment, usize)> {
        let enrollment = self.enrollments.get_mut(&enrollment)?;
        let index = enrollment.changes.iter().position(|c| c.id == change)?;
        Some((enrollment, index))
    }

    /// The body with which `dcv.akamai.com` answers a request for `token`.
    pub(crate) fn token_body(&self, token: &str) -> Option<String> {
        self.enrollments
            .values()
            .flat_map(|e| e.changes.iter().flat_map(|c| &c.domains))
            .filter_map(|domain| domain.http01.as_ref())
            .find(|challenge| challenge.token == token)
            .map(|challenge| challenge.response.clone())
    }
}
