//! The pure core of the operator: decides what to do next for a certificate, and what to remember of the answers.
//!
//! Everything here is a pure function of its arguments. The dependencies of this crate make I/O impossible. Its lints
//! refuse the clock, randomness, files, threads and the environment. Start reading at [`life`].

pub mod account;
pub mod allowed;
pub mod deployed;
pub mod desired;
pub mod events;
pub mod life;
pub mod outside;
pub mod published;
pub mod rivals;
pub mod warnings;
pub mod window;
