//! SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966). Any other URI is kept as its text.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use super::host::{Host, HostPortError, parse_host_port, write_host_port};
use super::params::Params;

/// What stands before the first colon of a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// None of these: the URI is its text, and has no other parts.
    Other,
}

/// A URI taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Uri {
    /// The scheme.
    pub scheme: Scheme,
    /// The user part, unescaped; the number of a tel URI as written.
    pub user: Option<String>,
    /// The password, escaped as written.
    pub password: Option<String>,
    /// The host; an empty name in a tel URI.
    pub host: Host,
    /// The port, where one is written.
    pub port: Option<u16>,
    /// Parameters, escaped as written.
    pub params: Params,
    /// Headers, name and value, escaped as written.
    pub headers: Vec<(String, String)>,
    /// The user part as it was written, where that had escapes.
    escaped_user: Option<Box<str>>,
    /// The whole text of a URI of another scheme.
    other: Option<Box<str>>,
}

/// Why a text is not a URI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// No scheme before a colon.
    #[error("{0:?} has no scheme such as sip:")]
    NoScheme(String),
    /// White space, a control character, `<`, `>` or `"` inside.
    #[error("{0:?} holds a character that no URI may hold")]
    Character(String),
    /// The number of a tel URI is none, or the escapes of a user part are not UTF-8.
    #[error("{0:?} has a user part that cannot be read")]
    User(String),
    /// No host, or one that is neither a name nor an address.
    #[error("{0:?} has no host name or address")]
    Host(String),
    /// The port is not a number up to 65535.
    #[error("{0:?} has a port that is not a number up to 65535")]
    Port(String),
    /// A parameter without a name.
    #[error("{0:?} has a parameter without a name")]
    Param(String),
}

impl Uri {
    /// A `sip:` URI.
    pub fn sip(user: Option<&str>, host: Host, port: Option<u16>) -> Uri {
        Uri {
            scheme: Scheme::Sip,
            user: user.map(str::to_owned),
            password: None,
            host,
            port,
            params: Params::new(),
            headers: Vec::new(),
            escaped_user: None,
            other: None,
        }
    }

    /// A `sip:` URI of a socket address.
    pub fn of_address(user: Option<&str>, address: SocketAddr) -> Uri {
        Uri::sip(user, Host::Ip(address.ip()), Some(address.port()))
    }

    /// The same with one more parameter.
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Uri {
        self.params.set(name, value);
        self
    }

    /// The address and port that it names literally; 5060 (5061 for `sips:`) where no port stands.
    pub fn socket_address(&self) -> Option<SocketAddr> {
        let Host::Ip(address) = self.host else {
            return None;
        };
        let default = if self.scheme == Scheme::Sips {
            5061
        } else {
            5060
        };
        Some(SocketAddr::new(address, self.port.unwrap_or(default)))
    }

    /// Whether both name the same resource (RFC 3261 §19.1.4). URIs of other schemes are compared
    /// as texts.
    pub fn equivalent(&self, other: &Uri) -> bool {
        match (self.scheme, other.scheme) {
            (Scheme::Other, Scheme::Other) => self.other == other.other,
            (Scheme::Tel, Scheme::Tel) => {
                self.tel_digits() == other.tel_digits()
                    && self.params_match(other, &["phone-context"])
            }
            (a, b) if a == b => {
                self.user_key() == other.user_key()
                    && opt_unescaped(&self.password) == opt_unescaped(&other.password)
                    && self.host.equivalent(&other.host)
                    && self.port == other.port
                    && self.params_match(other, &["user", "ttl", "method", "maddr", "transport"])
                    && self.headers_match(other)
            }
            _ => false,
        }
    }

    /// The number of a tel URI without its visual separators.
    fn tel_digits(&self) -> String {
        self.user
            .iter()
            .flat_map(|user| user.chars())
            .filter(|character| !matches!(character, '-' | '.' | '(' | ')'))
            .map(|character| character.to_ascii_lowercase())
            .collect()
    }

    /// An escaped reserved character is not the same as the character itself.
    fn user_key(&self) -> Option<Cow<'_, str>> {
        match (self.written_user(), &self.user) {
            (Some(written), _) => Some(Cow::Owned(normal_escapes(written))),
            (None, Some(user)) => Some(Cow::Owned(normal_escapes(&escape_user(user)))),
            (None, None) => None,
        }
    }

    fn params_match(&self, other: &Uri, significant: &[&str]) -> bool {
        let one_way = |a: &Uri, b: &Uri| {
            a.params
                .iter()
                .all(|(name, value)| match b.params.get(name) {
                    Some(theirs) => match (value, theirs) {
                        (Some(x), Some(y)) => same_escaped(x, y),
                        (None, None) => true,
                        _ => false,
                    },
                    None => !significant
                        .iter()
                        .any(|known| known.eq_ignore_ascii_case(name)),
                })
        };
        one_way(self, other) && one_way(other, self)
    }

    fn headers_match(&self, other: &Uri) -> bool {
        self.headers.len() == other.headers.len()
            && self.headers.iter().all(|(name, value)| {
                other.headers.iter().any(|(their_name, their_value)| {
                    same_escaped(name, their_name) && same_escaped(value, their_value)
                })
            })
    }

    /// The user part as it came, unless it was changed since.
    fn written_user(&self) -> Option<&str> {
        self.escaped_user
            .as_deref()
            .filter(|written| unescape(written).as_deref() == self.user.as_deref())
    }

    fn parse_sip(scheme: Scheme, text: &str, rest: &str) -> Result<Uri, UriError> {
        let mut uri = Uri::sip(None, Host::Name(String::new()), None);
        uri.scheme = scheme;
        let rest = match rest.split_once('@') {
            None => rest,
            Some((userinfo, rest)) => {
                let (user, password) = match userinfo.split_once(':') {
                    None => (userinfo, None),
                    Some((user, password)) => (user, Some(password)),
                };
                let plain = unescape(user).ok_or_else(|| UriError::User(text.to_owned()))?;
                uri.escaped_user = user.contains('%').then(|| user.into());
                // Some carriers write an empty user part for a caller who is not shown.
                uri.user = Some(plain.into_owned()).filter(|user| !user.is_empty());
                uri.password = password.map(str::to_owned);
                rest
            }
        };
        let (rest, headers) = match rest.split_once('?') {
            None => (rest, None),
            Some((rest, headers)) => (rest, Some(headers)),
        };
        let (host_port, params) = match rest.split_once(';') {
            None => (rest, None),
            Some((host_port, params)) => (host_port, Some(params)),
        };
        (uri.host, uri.port) = parse_host_port(host_port).map_err(|problem| match problem {
            HostPortError::Host => UriError::Host(text.to_owned()),
            HostPortError::Port => UriError::Port(text.to_owned()),
        })?;
        if let Some(params) = params {
            uri.params =
                Params::parse_of_uri(params).map_err(|_| UriError::Param(text.to_owned()))?;
        }
        uri.headers = headers
            .into_iter()
            .flat_map(|headers| headers.split('&'))
            .filter(|header| !header.is_empty())
            .map(|header| match header.split_once('=') {
                None => (header.to_owned(), String::new()),
                Some((name, value)) => (name.to_owned(), value.to_owned()),
            })
            .collect();
        Ok(uri)
    }

    fn parse_tel(text: &str, rest: &str) -> Result<Uri, UriError> {
        let (number, params) = match rest.split_once(';') {
            None => (rest, None),
            Some((number, params)) => (number, Some(params)),
        };
        let allowed = |octet: u8| {
            octet.is_ascii_hexdigit()
                || matches!(
                    octet,
                    b'+' | b'-' | b'.' | b'(' | b')' | b'*' | b'#' | b'p' | b'w'
                )
        };
        if number.is_empty() || !number.bytes().all(allowed) {
            return Err(UriError::User(text.to_owned()));
        }
        let mut uri = Uri::sip(Some(number), Host::Name(String::new()), None);
        uri.scheme = Scheme::Tel;
        if let Some(params) = params {
            uri.params =
                Params::parse_of_uri(params).map_err(|_| UriError::Param(text.to_owned()))?;
        }
        Ok(uri)
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Uri, UriError> {
        if text
            .bytes()
            .any(|octet| octet <= b' ' || matches!(octet, b'<' | b'>' | b'"' | 0x7f))
        {
            return Err(UriError::Character(text.to_owned()));
        }
        let (scheme, rest) = text
            .split_once(':')
            .filter(|(scheme, _)| is_scheme(scheme))
            .ok_or_else(|| UriError::NoScheme(text.to_owned()))?;
        if scheme.eq_ignore_ascii_case("sip") {
            Uri::parse_sip(Scheme::Sip, text, rest)
        } else if scheme.eq_ignore_ascii_case("sips") {
            Uri::parse_sip(Scheme::Sips, text, rest)
        } else if scheme.eq_ignore_ascii_case("tel") {
            Uri::parse_tel(text, rest)
        } else {
            let mut uri = Uri::sip(None, Host::Name(String::new()), None);
            uri.scheme = Scheme::Other;
            uri.other = Some(text.into());
            Ok(uri)
        }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Scheme::Sip => f.write_str("sip:")?,
            Scheme::Sips => f.write_str("sips:")?,
            Scheme::Tel => {
                write!(f, "tel:{}", self.user.as_deref().unwrap_or_default())?;
                return self.params.write_in_uri(f);
            }
            Scheme::Other => return f.write_str(self.other.as_deref().unwrap_or_default()),
        }
        if let Some(user) = &self.user {
            match self.written_user() {
                Some(written) => f.write_str(written)?,
                None => f.write_str(&escape_user(user))?,
            }
            if let Some(password) = &self.password {
                write!(f, ":{password}")?;
            }
            f.write_str("@")?;
        }
        write_host_port(f, &self.host, self.port)?;
        self.params.write_in_uri(f)?;
        for (index, (name, value)) in self.headers.iter().enumerate() {
            write!(f, "{}{name}={value}", if index == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

/// The Request-URI: its text as it came, taken apart when asked for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RequestUri(std::sync::Arc<str>);

impl RequestUri {
    /// The text, for the parser, which has looked for what no Request-URI may hold.
    pub(super) fn of_text(text: &str) -> RequestUri {
        RequestUri(text.into())
    }

    /// As it stands in the request line.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Taken apart.
    pub fn parsed(&self) -> Result<Uri, UriError> {
        self.0.parse()
    }
}

impl From<Uri> for RequestUri {
    fn from(uri: Uri) -> RequestUri {
        RequestUri::from(&uri)
    }
}

impl From<&Uri> for RequestUri {
    fn from(uri: &Uri) -> RequestUri {
        RequestUri(uri.to_string().into())
    }
}

impl fmt::Display for RequestUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RequestUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.'))
}

/// Escapes taken away; `None` where one is broken or the result is not UTF-8.
fn unescape(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        if octet == b'%' {
            let high = char::from(octets.next()?).to_digit(16)?;
            let low = char::from(octets.next()?).to_digit(16)?;
            plain.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            plain.push(octet);
        }
    }
    String::from_utf8(plain).ok().map(Cow::Owned)
}

/// A user part fit for a URI: `unreserved` and `user-unreserved` stay, all else is escaped.
fn escape_user(user: &str) -> Cow<'_, str> {
    let stays = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&octet);
    if user.bytes().all(stays) {
        return Cow::Borrowed(user);
    }
    let mut text = String::with_capacity(user.len() + 8);
    for octet in user.bytes() {
        if stays(octet) {
            text.push(char::from(octet));
        } else {
            push_escape(&mut text, octet);
        }
    }
    Cow::Owned(text)
}

fn push_escape(text: &mut String, octet: u8) {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    text.push('%');
    text.push(HEX[usize::from(octet >> 4)]);
    text.push(HEX[usize::from(octet & 15)]);
}

/// The same text with every escape that is not of a reserved character undone, and the rest in
/// upper case (RFC 3261 §19.1.4).
fn normal_escapes(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        normal.push_str(before);
        let octet = after
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match octet {
            Some(octet) => {
                if octet.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&octet) {
                    normal.push(char::from(octet));
                } else {
                    push_escape(&mut normal, octet);
                }
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                normal.push('%');
                rest = after;
            }
        }
    }
    normal.push_str(rest);
    normal
}

fn same_escaped(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || normal_escapes(a).eq_ignore_ascii_case(&normal_escapes(b))
}

fn opt_unescaped(text: &Option<String>) -> Option<String> {
    text.as_deref().map(normal_escapes)
}
