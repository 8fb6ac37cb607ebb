//! What the self-check accepts and refuses, against real servers on this host.
