//! (owner to write)
pub mod hours;
