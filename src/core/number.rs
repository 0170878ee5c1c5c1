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
/// a whole tel URI, or its digits with visual separators (RFC 3966 §5.1.1). `None` when it is not a
/// possible number: too short or too long (112 and other short numbers have no E.164 form), with
/// letters, or national where no country is known.
///
/// National numbers are read from tables that are loaded at the first one, which takes some
/// milliseconds.
pub fn to_e164(text: &str, country: Option<Country>) -> Option<PhoneNumber> {
    let text = text.trim();
    let text = match text.get(..4) {
        Some(scheme) if scheme.eq_ignore_ascii_case("tel:") => text.get(4..)?,
        _ => text,
    };
    let (number, params) = text.split_once(';').unwrap_or((text, ""));
    let digits = dialled_digits(number)?;
    if let Some(international) = digits.strip_prefix('+') {
        return international_number(international);
    }
    if let Some(context) = global_context(params) {
        return international_number(&(context + &digits));
    }
    let national = country.and_then(|country| national_number(&digits, country));
    national.or_else(|| international_number(digits.strip_prefix("00")?))
}

/// The digits, with a leading plus sign where there is one; separators are dropped.
fn dialled_digits(text: &str) -> Option<String> {
    let mut digits = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '+' if digits.is_empty() => digits.push('+'),
            '0'..='9' => digits.push(character),
            ' ' | '.' | '-' | '(' | ')' | '/' => {}
            _ => return None,
        }
    }
    Some(digits)
}

/// `;phone-context=+47` says where a local number belongs (RFC 3966 §5.1.5).
fn global_context(params: &str) -> Option<String> {
    let context = params.split(';').find_map(|param| {
        let (name, value) = param.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("phone-context")
            .then(|| value.trim())
    })?;
    dialled_digits(context)?
        .strip_prefix('+')
        .map(str::to_owned)
}

/// The shortest and longest numbers in use, country code included (ITU-T E.164 §6.2.1; the shortest
/// are those of small islands).
const E164_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

fn international_number(digits: &str) -> Option<PhoneNumber> {
    if digits.starts_with('0') || !E164_DIGITS.contains(&digits.len()) {
        return None;
    }
    Some(PhoneNumber(format!("+{digits}").into()))
}

/// Only lengths are looked at, since the ranges that are in use change faster than any table.
fn national_number(digits: &str, country: Country) -> Option<PhoneNumber> {
    let parsed = phonenumber::parse(Some(country.0), digits).ok()?;
    let number = parsed.format().mode(phonenumber::Mode::E164).to_string();
    let number = number.strip_prefix('+')?;
    if parsed.code().source() == phonenumber::country::Source::Idd {
        return international_number(number);
    }
    let code = parsed.code().value();
    let length = number.strip_prefix(&code.to_string())?.len();
    if is_possible_length(country, length) {
        international_number(number)
    } else {
        None
    }
}

/// Whether any kind of number that the world can dial is that long, without the country code.
fn is_possible_length(country: Country, length: usize) -> bool {
    let Some(table) = phonenumber::metadata::DATABASE.by_id(country.0.as_ref()) else {
        return false;
    };
    let kinds = table.descriptors();
    [
        kinds.fixed_line(),
        kinds.mobile(),
        kinds.toll_free(),
        kinds.premium_rate(),
        kinds.shared_cost(),
        kinds.personal_number(),
        kinds.voip(),
        kinds.uan(),
    ]
    .into_iter()
    .flatten()
    .flat_map(|kind| kind.possible_length())
    .any(|possible| usize::from(*possible) == length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use phonenumber::country::Id;

    #[test]
    fn trunks_send_numbers_in_many_forms() {
        let (norway, germany, states, britain, italy, australia) =
            (Id::NO, Id::DE, Id::US, Id::GB, Id::IT, Id::AU);
        let cases = [
            ("+4722334455", None, Some("+4722334455")),
            ("+4722334455", Some(germany), Some("+4722334455")),
            ("004722334455", None, Some("+4722334455")),
            ("004722334455", Some(norway), Some("+4722334455")),
            ("004722334455", Some(states), Some("+4722334455")),
            ("01149301234567", Some(states), Some("+49301234567")),
            ("001147223344 55", Some(australia), Some("+4722334455")),
            ("22334455", Some(norway), Some("+4722334455")),
            ("22000001", Some(norway), Some("+4722000001")),
            ("22334455", None, None),
            ("030 1234567", Some(germany), Some("+49301234567")),
            ("(212) 555-0123", Some(states), Some("+12125550123")),
            ("12125550123", Some(states), Some("+12125550123")),
            ("020 7946 0000", Some(britain), Some("+442079460000")),
            ("06 698 12345", Some(italy), Some("+390669812345")),
            ("tel:+47-22-33-44-55", None, Some("+4722334455")),
            (
                "TEL:22-33-44-55;phone-context=+47",
                None,
                Some("+4722334455"),
            ),
            (
                "tel:22334455;phone-context=example.com",
                Some(norway),
                Some("+4722334455"),
            ),
            (
                "+4722334455;npdi;rn=+4791",
                Some(norway),
                Some("+4722334455"),
            ),
            ("112", Some(norway), None),
            ("110", Some(germany), None),
            ("911", Some(states), None),
            ("+112", None, None),
            ("00112", None, None),
            ("anonymous", Some(norway), None),
            ("acct4711", Some(norway), None),
            ("*21*22334455#", Some(norway), None),
            ("+0722334455", None, None),
            ("+1234567890123456", None, None),
            ("", Some(norway), None),
            ("+", None, None),
        ];
        for (text, country, expected) in cases {
            let number = to_e164(text, country.map(Country));
            assert_eq!(
                number.as_ref().map(PhoneNumber::as_str),
                expected,
                "{text} in {country:?}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_number_or_none(text in "\\PC{0,24}", digits in "[+0-9 ]{0,20}") {
            for country in [None, Some(Country(Id::NO)), Some(Country(Id::US)), Some(Country(Id::IT))] {
                for text in [&text, &digits] {
                    if let Some(number) = to_e164(text, country) {
                        proptest::prop_assert_eq!(to_e164(number.as_str(), None), Some(number));
                    }
                }
            }
        }
    }
}
