//! A time zone as the snapshot holds it: a table of transitions and a rule for what comes after.

/// A time zone: which offset from UTC is in force at which instant.
///
/// Built by the loader (`config::zone`), from whichever zone database it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// The IANA name, `Europe/Oslo`.
    pub name: String,
}
