//! A call from its arrival to its end (owner: engine).
