//! What publishing does, as tables of cases.
