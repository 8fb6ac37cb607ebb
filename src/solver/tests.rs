//! What the solver answers, over real sockets.
