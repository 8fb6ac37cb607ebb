//! The state behind its lock: the one place that all parts of a running simulator read and edit.

use std::sync::{Mutex, MutexGuard};

use super::change::Change;
use super::enrollment::Enrollment;
use super::state::State;
use crate::lock::lock;

#[derive(Default)]
pub(crate) struct Store(Mutex<State>);

impl Store {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Edits a change. `None` means that the change no longer exists.
    pub(crate) fn update<T>(
        &self,
        enrollment: u64,
        change: u64,
        edit: impl FnOnce(&mut Change) -> T,
    ) -> Option<T> {
        self.update_both(enrollment, change, |enrollment, index| edit(&mut enrollment.changes[index]))
    }

    /// Edits an enrollment together with one of its changes, whose position it passes to `edit`.
    pub(crate) fn update_both<T>(
        &self,
        enrollment: u64,
        change: u64,
        edit: impl FnOnce(&mut Enrollment, usize) -> T,
    ) -> Option<T> {
        let mut state = self.lock();
        let (enrollment, index) = state.change_mut(enrollment, change)?;
        Some(edit(enrollment, index))
    }
}
