//! Parameters of URIs and of header values: `;name=value`, in their order.

use std::fmt;

use super::scan::{self, Split};

/// One parameter. `quoted`: the value stood, or must stand, in quotes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Param {
    name: Box<str>,
    value: Option<Box<str>>,
    quoted: bool,
}

/// Parameters in the order written. Names are looked up without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Params(Vec<Param>);

impl Params {
    /// None.
    pub fn new() -> Params {
        Params::default()
    }

    /// `None`: absent; `Some(None)`: there without a value.
    pub fn get(&self, name: &str) -> Option<Option<&str>> {
        self.0
            .iter()
            .find(|param| param.name.eq_ignore_ascii_case(name))
            .map(|param| param.value.as_deref())
    }

    /// The value (unquoted), where there is one.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.get(name).flatten()
    }

    /// True where the parameter is there, with or without a value.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets the parameter: in its place where it was there, else at the end.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let quoted = value.is_some_and(|value| !plain_value(value));
        let value = value.map(Box::from);
        match self
            .0
            .iter_mut()
            .find(|param| param.name.eq_ignore_ascii_case(name))
        {
            Some(param) => {
                param.value = value;
                param.quoted = quoted;
            }
            None => self.0.push(Param {
                name: name.into(),
                value,
                quoted,
            }),
        }
    }

    /// Takes the parameter away, if it was there.
    pub fn remove(&mut self, name: &str) {
        self.0
            .retain(|param| !param.name.eq_ignore_ascii_case(name));
    }

    /// Each name with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0
            .iter()
            .map(|param| (&*param.name, param.value.as_deref()))
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads what follows the first `;` of a header value. `Err`: the part that is none.
    pub(super) fn parse_of_header(text: &str) -> Result<Params, &str> {
        let mut params = Vec::new();
        for part in Split::new(text, b';') {
            let (name, value) = match part.split_once('=') {
                None => (part, None),
                Some((name, value)) => (scan::trim(name), Some(scan::trim(value))),
            };
            if name.is_empty() || name.contains([' ', '\t', '"', '<', '>', ',']) {
                return Err(part);
            }
            let quoted = value.is_some_and(|value| value.starts_with('"'));
            let value: Option<Box<str>> = match value {
                Some(value) if quoted => Some(scan::unquote(value).ok_or(part)?.into()),
                Some(value) if value.contains(['"', ' ', '\t']) => return Err(part),
                Some(value) => Some(value.into()),
                None => None,
            };
            params.push(Param {
                name: name.into(),
                value,
                quoted,
            });
        }
        Ok(Params(params))
    }

    /// Reads what follows the first `;` of a URI, up to its headers. Escapes stay as they are.
    pub(super) fn parse_of_uri(text: &str) -> Result<Params, &str> {
        let mut params = Vec::new();
        for part in text.split(';').filter(|part| !part.is_empty()) {
            let (name, value) = match part.split_once('=') {
                None => (part, None),
                Some((name, value)) => (name, Some(value)),
            };
            if name.is_empty() {
                return Err(part);
            }
            params.push(Param {
                name: name.into(),
                value: value.map(Box::from),
                quoted: false,
            });
        }
        Ok(Params(params))
    }

    /// Writes them as parameters of a URI, where nothing can be quoted.
    pub(super) fn write_in_uri(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.iter() {
            f.write_str(";")?;
            f.write_str(name)?;
            if let Some(value) = value {
                f.write_str("=")?;
                for character in value.chars() {
                    if character.is_ascii_control() || " \"<>;?@,".contains(character) {
                        write!(f, "%{:02X}", u32::from(character))?;
                    } else {
                        f.write_fmt(format_args!("{character}"))?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The parameters of a challenge or of credentials (RFC 3261 §20.7), names and values unquoted;
/// `None` where one cannot be read.
pub(crate) fn auth_params(text: &str) -> Option<Vec<(String, String)>> {
    Split::new(text, b',')
        .map(|part| {
            let (name, value) = part.split_once('=')?;
            let (name, value) = (scan::trim(name), scan::trim(value));
            let value = if value.starts_with('"') {
                scan::unquote(value)?
            } else {
                value.to_owned()
            };
            scan::all_token(name).then(|| (name.to_owned(), value))
        })
        .collect()
}

/// True where a value needs no quotes: a token, a host or an address (RFC 3261 `gen-value`).
fn plain_value(value: &str) -> bool {
    !value.is_empty()
        && value
            .bytes()
            .all(|octet| scan::is_token(octet) || matches!(octet, b':' | b'[' | b']'))
}

impl fmt::Display for Params {
    /// As parameters of a header value, each with its `;`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for param in &self.0 {
            f.write_str(";")?;
            f.write_str(&param.name)?;
            if let Some(value) = &param.value {
                f.write_str("=")?;
                if param.quoted {
                    scan::write_quoted(f, value)?;
                } else {
                    f.write_str(value)?;
                }
            }
        }
        Ok(())
    }
}
