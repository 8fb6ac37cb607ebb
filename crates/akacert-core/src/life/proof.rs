//! What CPS asks for, sorted by who publishes it.

use crate::published::{Record, Token};

/// What to publish, by the ways of the names: tokens that the solver serves, tokens that are served elsewhere, and
/// TXT records with one value each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proof {
    /// Tokens that the solver serves.
    pub tokens: Vec<Token>,
    /// Tokens that CPS itself serves behind a redirect, or that somebody else serves.
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

    /// Whether what is known about this proof also holds for another. It does if the other only lacks names that are
    /// validated by now.
    #[must_use]
    pub fn covers(&self, other: &Proof) -> bool {
        let known = self.all_tokens();
        other.all_tokens().iter().all(|token| known.contains(token))
            && other.records.iter().all(|record| self.records.contains(record))
    }
}
