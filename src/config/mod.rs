//! (owner to write)
pub mod special_days;
pub mod zone;
