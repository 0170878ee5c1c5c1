//! Phone numbers: E.164 inside, national and `00` forms at the door.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A number in E.164 form with its plus sign, `+4722334455`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(Arc<str>);

/// Why a text is not a phone number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhoneNumberError {
    /// Not `+` and 3 to 15 digits.
    #[error("{0:?} is not a number in international form, like +4722334455")]
    NotE164(String),
}

impl PhoneNumber {
    /// The number with its plus sign.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PhoneNumber {
    type Err = PhoneNumberError;

    /// Reads `+` and 3 to 15 digits; spaces, dots, hyphens and parentheses between digits are dropped.
    fn from_str(text: &str) -> Result<PhoneNumber, PhoneNumberError> {
        let mut digits = String::with_capacity(16);
        for (position, character) in text.trim().chars().enumerate() {
            match character {
                '+' if position == 0 => digits.push('+'),
                '0'..='9' if !digits.is_empty() => digits.push(character),
                ' ' | '.' | '-' | '(' | ')' => {}
                _ => return Err(PhoneNumberError::NotE164(text.to_owned())),
            }
        }
        if (4..=16).contains(&digits.len()) {
            Ok(PhoneNumber(digits.into()))
        } else {
            Err(PhoneNumberError::NotE164(text.to_owned()))
        }
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for PhoneNumber {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PhoneNumber {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<PhoneNumber, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The country whose national numbering a trunk speaks: ISO 3166-1 alpha-2, `NO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Country(pub phonenumber::country::Id);

/// Reads a dialled or calling number as a trunk of `country` sends it: `+47…`, `0047…`, `22334455`,
/// `tel:` digits with visual separators. `None` when it is not a possible number.
pub fn to_e164(text: &str, country: Option<Country>) -> Option<PhoneNumber> {
    let _ = (text, country);
    todo!("owner: sip-message")
}
