//! Addresses as From, To, Contact and Route hold them: a display name, a URI, parameters.

use std::fmt;
use std::str::FromStr;

use super::params::Params;
use super::scan;
use super::uri::{Uri, UriError};

/// `"Anna Berg" <sip:anna@example.com>;tag=1` or `sip:anna@example.com;tag=1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameAddr {
    /// The display name without quotes and escapes; `None` where there is none, or an empty one.
    pub display_name: Option<String>,
    /// The URI.
    pub uri: Uri,
    /// The parameters of the header, not those of the URI.
    pub params: Params,
}

/// The value of Contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// `*`, alone: in a REGISTER, all bindings.
    Star,
    /// Addresses; none where there is no Contact.
    List(Vec<NameAddr>),
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameAddrError {
    /// A quote or angle bracket without its partner, or something between that belongs nowhere.
    #[error("{0:?} is not an address like \"Name\" <sip:user@host>")]
    Form(String),
    /// The URI cannot be read.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// A parameter cannot be read.
    #[error("parameter {0:?} cannot be read")]
    Param(String),
}

impl NameAddr {
    /// The URI alone.
    pub fn new(uri: Uri) -> NameAddr {
        NameAddr {
            display_name: None,
            uri,
            params: Params::new(),
        }
    }

    /// The tag of a From or To.
    pub fn tag(&self) -> Option<&str> {
        self.params.value("tag")
    }

    /// The same with another tag.
    pub fn with_tag(mut self, tag: &str) -> NameAddr {
        self.params.set("tag", Some(tag));
        self
    }

    /// The same with another display name.
    pub fn with_display_name(mut self, name: Option<&str>) -> NameAddr {
        self.display_name = name.filter(|name| !name.is_empty()).map(str::to_owned);
        self
    }
}

impl FromStr for NameAddr {
    type Err = NameAddrError;

    /// A display name without quotes may hold more than the tokens of RFC 3261: phones send commas,
    /// parentheses and letters beyond ASCII, and what is meant is plain.
    fn from_str(text: &str) -> Result<NameAddr, NameAddrError> {
        let text = scan::trim(text);
        let form = || NameAddrError::Form(text.to_owned());
        let (display_name, rest) = if text.starts_with('"') {
            let length = scan::quoted_length(text).ok_or_else(form)?;
            let (name, rest) = text.split_at_checked(length).ok_or_else(form)?;
            let name = scan::unquote(name).ok_or_else(form)?;
            let rest = scan::trim(rest);
            if !rest.starts_with('<') {
                return Err(form());
            }
            (Some(name), rest)
        } else {
            match text.find('<') {
                None => return NameAddr::parse_bare(text),
                Some(at) => {
                    let (name, rest) = text.split_at_checked(at).ok_or_else(form)?;
                    let name = scan::trim(name);
                    if name.contains(';') {
                        return NameAddr::parse_bare(text);
                    }
                    if name.contains('"') {
                        return Err(form());
                    }
                    (Some(name.to_owned()), rest)
                }
            }
        };
        let (uri, rest) = rest
            .strip_prefix('<')
            .and_then(|rest| rest.split_once('>'))
            .ok_or_else(form)?;
        let rest = scan::trim(rest);
        let params = match rest.strip_prefix(';') {
            Some(params) => params,
            None if rest.is_empty() => "",
            None => return Err(form()),
        };
        Ok(NameAddr {
            display_name: display_name.filter(|name| !name.is_empty()),
            uri: scan::trim(uri).parse()?,
            params: read_params(params)?,
        })
    }
}

impl NameAddr {
    /// Without angle brackets: parameters are the header's, and the URI may hold no `?` or `,`
    /// (RFC 3261 §20.10).
    fn parse_bare(text: &str) -> Result<NameAddr, NameAddrError> {
        let (uri, params) = match text.split_once(';') {
            None => (text, ""),
            Some((uri, params)) => (scan::trim(uri), params),
        };
        if uri.contains(['?', ',']) {
            return Err(NameAddrError::Form(text.to_owned()));
        }
        Ok(NameAddr {
            display_name: None,
            uri: uri.parse()?,
            params: read_params(params)?,
        })
    }
}

fn read_params(text: &str) -> Result<Params, NameAddrError> {
    Params::parse_of_header(text).map_err(|part| NameAddrError::Param(part.to_owned()))
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.display_name {
            scan::write_quoted(f, name)?;
            f.write_str(" ")?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}
