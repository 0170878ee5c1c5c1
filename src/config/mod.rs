//! (owner to write)
pub mod zone;
