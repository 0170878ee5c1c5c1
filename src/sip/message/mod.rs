//! (owner to write)
