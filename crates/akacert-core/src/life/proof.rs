//! What CPS asks for, sorted by who publishes it. Not here: from which challenges (`super::offered`).

use crate::published::{Record, Token};

/// What CPS asks for, by the ways of the names: tokens that the solver serves, tokens that are served elsewhere, and TXT
/// records with one value each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proof {
    /// Served by the solver.
    pub tokens: Vec<Token>,
    /// Served by CPS itself, behind a redirect, or by somebody else.
    pub elsewhere: Vec<Token>,
    /// TXT records.
    pub records: Vec<Record>,
}

impl Proof {
    /// Every token, wherever it is served.
    #[must_use]
    pub fn all_tokens(&self) -> Vec<Token> {
        self.tokens.iter().chain(&self.elsewhere).cloned().collect()
    }

    /// Whether what was known of this holds for another: for what is left of it once some names are validated.
    #[must_use]
    pub fn covers(&self, other: &Proof) -> bool {
        let known = self.all_tokens();
        other.all_tokens().iter().all(|token| known.contains(token))
            && other.records.iter().all(|record| self.records.contains(record))
    }
}
