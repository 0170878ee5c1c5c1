//! Header lines: kept as they came, in their order, read when asked for.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use bytes::Bytes;

use super::header_name::Name;
use super::method::Method;
use super::name_addr::{Contacts, NameAddr};
use super::scan::{self, Split};
use super::via::Via;

/// The header lines of a message.
///
/// Lines that came from the wire point into the octets that were received; lines that were added
/// stand in a buffer of their own. Lookups take the long name (any case) and find the compact form
/// too. A value that is not UTF-8 is as good as absent for every lookup but [`Headers::lines`].
#[derive(Clone, Default)]
pub struct Headers {
    received: Bytes,
    added: Vec<u8>,
    lines: Vec<Line>,
}

/// Why the value of a header cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{header}: {problem}")]
pub struct HeaderError {
    /// The header's long name.
    pub header: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

/// The value of CSeq.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// The sequence number, below 2³¹.
    pub number: u32,
    /// The method, which in a request is the request's.
    pub method: Method,
}

#[derive(Clone, Copy)]
struct Line {
    name: Name,
    name_at: Span,
    value_at: Span,
}

/// Where octets stand: in `received`, or in `added`.
#[derive(Clone, Copy)]
pub(super) struct Span {
    start: u32,
    length: u32,
    added: bool,
}

impl Span {
    /// A place in the received octets. Messages are far shorter than 4 GiB.
    pub(super) fn received(start: usize, end: usize) -> Span {
        Span {
            start: u32::try_from(start).unwrap_or(u32::MAX),
            length: u32::try_from(end.saturating_sub(start)).unwrap_or(u32::MAX),
            added: false,
        }
    }
}

impl Headers {
    /// None.
    pub fn new() -> Headers {
        Headers::default()
    }

    /// The first value of that name; `None` where there is none, or where it is not UTF-8.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.lines_of(name)
            .next()
            .and_then(|line| self.text(line.value_at))
    }

    /// The values of that name, one a line.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines_of(name)
            .filter_map(|line| self.text(line.value_at))
    }

    /// The elements of that name's lines, which commas separate outside quotes and angle brackets.
    pub fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.values(name).flat_map(|value| Split::new(value, b','))
    }

    /// The elements of a list of tokens, such as Require.
    pub fn tokens<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.list(name)
    }

    /// True where a list of tokens has that element, in any case.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.tokens(name)
            .any(|element| element.eq_ignore_ascii_case(token))
    }

    /// True where there is a line of that name, whatever its value.
    pub fn contains(&self, name: &str) -> bool {
        self.count(name) > 0
    }

    /// How many lines have that name.
    pub fn count(&self, name: &str) -> usize {
        self.lines_of(name).count()
    }

    /// Every line in its order: name as written, octets of the value.
    pub fn lines(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lines.iter().map(|line| {
            (
                self.text(line.name_at).unwrap_or_default(),
                self.octets(line.value_at),
            )
        })
    }

    /// Adds a line at the end. Line ends in the value become spaces.
    pub fn push(&mut self, name: &str, value: impl fmt::Display) {
        let line = self.add(name, value);
        self.lines.push(line);
    }

    /// Adds a line before all others of that name (RFC 3261 §18.1.1 for Via), or at the front.
    pub fn push_first(&mut self, name: &str, value: impl fmt::Display) {
        let line = self.add(name, value);
        let at = self.position(name).unwrap_or(0);
        self.lines.insert(at, line);
    }

    /// Sets the one line of that name: in the place of the first one, or at the end. Others go.
    pub fn replace(&mut self, name: &str, value: impl fmt::Display) {
        let line = self.add(name, value);
        match self.position(name) {
            None => self.lines.push(line),
            Some(at) => {
                self.remove(name);
                self.lines.insert(at, line);
            }
        }
    }

    /// Takes all lines of that name away.
    pub fn remove(&mut self, name: &str) {
        let known = Name::of(name.as_bytes());
        let mut lines = std::mem::take(&mut self.lines);
        lines.retain(|line| !self.is_named(line, known, name));
        self.lines = lines;
    }

    /// Adds the lines of that name which `other` has, unchanged and in their order.
    pub fn copy(&mut self, other: &Headers, name: &str) {
        for line in other.lines_of(name) {
            self.copy_line(other, line);
        }
    }

    /// The first Via.
    pub fn top_via(&self) -> Result<Via, HeaderError> {
        let text = self.list("Via").next().ok_or_else(|| missing("Via"))?;
        read("Via", text)
    }

    /// Puts `via` in the place of the first one.
    pub fn replace_top_via(&mut self, via: &Via) {
        let Some(at) = self.position("Via") else {
            return self.push_first("Via", via);
        };
        let first_line = self.lines.get(at).and_then(|line| self.text(line.value_at));
        let others = first_line.and_then(|value| {
            Some(
                value
                    .get(scan::find_outside(value, b',')? + 1..)?
                    .to_owned(),
            )
        });
        let line = match others {
            Some(others) => self.add("Via", format_args!("{via}, {}", scan::trim(&others))),
            None => self.add("Via", via),
        };
        if let Some(place) = self.lines.get_mut(at) {
            *place = line;
        }
    }

    /// All Vias, ours first.
    pub fn vias(&self) -> Result<Vec<Via>, HeaderError> {
        self.list("Via").map(|text| read("Via", text)).collect()
    }

    /// From.
    pub fn from(&self) -> Result<NameAddr, HeaderError> {
        read("From", self.needed("From")?)
    }

    /// To.
    pub fn to(&self) -> Result<NameAddr, HeaderError> {
        read("To", self.needed("To")?)
    }

    /// The tag of From, read without its address.
    pub fn from_tag(&self) -> Option<&str> {
        tag_of(self.value("From")?)
    }

    /// The tag of To, read without its address.
    pub fn to_tag(&self) -> Option<&str> {
        tag_of(self.value("To")?)
    }

    /// Contact. No line: an empty list.
    pub fn contacts(&self) -> Result<Contacts, HeaderError> {
        let mut list = Vec::new();
        let mut star = false;
        for text in self.list("Contact") {
            if text == "*" {
                star = true;
            } else {
                list.push(read("Contact", text)?);
            }
        }
        match (star, list.is_empty()) {
            (true, true) => Ok(Contacts::Star),
            (true, false) => Err(HeaderError {
                header: "Contact",
                problem: "* stands beside addresses".to_owned(),
            }),
            (false, _) => Ok(Contacts::List(list)),
        }
    }

    /// Call-ID.
    pub fn call_id(&self) -> Result<&str, HeaderError> {
        self.needed("Call-ID")
    }

    /// CSeq.
    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        let text = self.needed("CSeq")?;
        let problem = || HeaderError {
            header: "CSeq",
            problem: format!("{text:?} is not a number below 2147483648 and a method"),
        };
        let (number, method) = text.split_once([' ', '\t']).ok_or_else(problem)?;
        let number = scan::digits(number)
            .filter(|number| *number < 1 << 31)
            .ok_or_else(problem)?;
        let method = scan::trim(method);
        if !scan::all_token(method) {
            return Err(problem());
        }
        Ok(CSeq {
            number,
            method: Method::from_name(method),
        })
    }

    /// Max-Forwards, 0 to 255; `None` where it is absent, as from elements of RFC 2543.
    pub fn max_forwards(&self) -> Result<Option<u32>, HeaderError> {
        match self.number("Max-Forwards")? {
            Some(hops) if hops > 255 => Err(HeaderError {
                header: "Max-Forwards",
                problem: format!("{hops} is more than 255"),
            }),
            hops => Ok(hops),
        }
    }

    /// Expires, in seconds.
    pub fn expires(&self) -> Result<Option<u32>, HeaderError> {
        self.number("Expires")
    }

    /// The seconds of Retry-After, without its comment and parameters.
    pub fn retry_after(&self) -> Option<u32> {
        let text = self.value("Retry-After")?;
        scan::digits(scan::trim(text.split(['(', ';']).next()?))
    }

    /// Route, in its order.
    pub fn route(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.list("Route").map(|text| read("Route", text)).collect()
    }

    /// Record-Route, in its order.
    pub fn record_route(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.list("Record-Route")
            .map(|text| read("Record-Route", text))
            .collect()
    }

    /// The name of each line, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = Name> {
        self.lines.iter().map(|line| line.name)
    }

    /// Lines of a message from the wire; the spans are those of `received`.
    pub(super) fn of_received(received: Bytes) -> Headers {
        Headers {
            received,
            added: Vec::new(),
            lines: Vec::with_capacity(LINES_EXPECTED),
        }
    }

    /// Adds a received line whose value is one piece.
    pub(super) fn push_received(&mut self, name: Span, value: Span) {
        let line = Line {
            name: Name::of(self.octets(name)),
            name_at: name,
            value_at: value,
        };
        self.lines.push(line);
    }

    /// Adds a received line whose value was put together anew.
    pub(super) fn push_unfolded(&mut self, name: Span, value: &[u8]) {
        let start = self.added.len();
        self.added.extend_from_slice(value);
        let line = Line {
            name: Name::of(self.octets(name)),
            name_at: name,
            value_at: self.added_since(start),
        };
        self.lines.push(line);
    }

    /// Writes all lines but Content-Length, each with its line end.
    pub(super) fn write_to(&self, out: &mut Vec<u8>) {
        for line in &self.lines {
            if line.name != Name::ContentLength {
                out.extend_from_slice(self.octets(line.name_at));
                out.extend_from_slice(b": ");
                out.extend_from_slice(self.octets(line.value_at));
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// About how many octets [`Headers::write_to`] writes.
    pub(super) fn size(&self) -> usize {
        self.lines
            .iter()
            .map(|line| (line.name_at.length as usize) + (line.value_at.length as usize) + 4)
            .sum()
    }

    fn lines_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Line> {
        let known = Name::of(name.as_bytes());
        self.lines
            .iter()
            .filter(move |line| self.is_named(line, known, name))
    }

    fn is_named(&self, line: &Line, known: Name, name: &str) -> bool {
        line.name == known
            && (known != Name::Unknown
                || self
                    .octets(line.name_at)
                    .eq_ignore_ascii_case(name.as_bytes()))
    }

    fn position(&self, name: &str) -> Option<usize> {
        let known = Name::of(name.as_bytes());
        self.lines
            .iter()
            .position(|line| self.is_named(line, known, name))
    }

    fn octets(&self, span: Span) -> &[u8] {
        let buffer: &[u8] = if span.added {
            &self.added
        } else {
            &self.received
        };
        let start = span.start as usize;
        buffer
            .get(start..start.saturating_add(span.length as usize))
            .unwrap_or_default()
    }

    fn text(&self, span: Span) -> Option<&str> {
        std::str::from_utf8(self.octets(span)).ok()
    }

    fn add(&mut self, name: &str, value: impl fmt::Display) -> Line {
        let start = self.added.len();
        self.added.extend_from_slice(name.as_bytes());
        let name_at = self.added_since(start);
        let start = self.added.len();
        // Formatting into memory fails only where a Display implementation does, and then what it
        // wrote so far is the value.
        let _ = write!(Appending(&mut self.added), "{value}");
        Line {
            name: Name::of(name.as_bytes()),
            name_at,
            value_at: self.added_since(start),
        }
    }

    fn added_since(&self, start: usize) -> Span {
        Span {
            added: true,
            ..Span::received(start, self.added.len())
        }
    }

    fn copy_line(&mut self, other: &Headers, line: &Line) {
        if self.received.is_empty() && self.lines.is_empty() {
            self.received = other.received.clone();
        }
        let same_octets = self.received.as_ptr() == other.received.as_ptr()
            && self.received.len() == other.received.len();
        let mut place = |span: Span| {
            if !span.added && same_octets {
                return span;
            }
            let start = self.added.len();
            self.added.extend_from_slice(other.octets(span));
            self.added_since(start)
        };
        let copied = Line {
            name: line.name,
            name_at: place(line.name_at),
            value_at: place(line.value_at),
        };
        self.lines.push(copied);
    }

    fn needed(&self, name: &'static str) -> Result<&str, HeaderError> {
        match self.value(name) {
            Some("") | None => Err(missing(name)),
            Some(value) => Ok(value),
        }
    }

    fn number(&self, name: &'static str) -> Result<Option<u32>, HeaderError> {
        match self.value(name) {
            None => Ok(None),
            Some(text) => match scan::digits(text) {
                Some(number) => Ok(Some(number)),
                None => Err(HeaderError {
                    header: name,
                    problem: format!("{text:?} is not a number"),
                }),
            },
        }
    }
}

/// Room for the lines of nearly all messages without growing.
const LINES_EXPECTED: usize = 24;

/// Appends text, with line ends as spaces: no value can begin another line.
struct Appending<'a>(&'a mut Vec<u8>);

impl fmt::Write for Appending<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let octets = text.bytes();
        self.0.extend(octets.map(|octet| match octet {
            b'\r' | b'\n' => b' ',
            octet => octet,
        }));
        Ok(())
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.lines()
                    .map(|(name, value)| (name, String::from_utf8_lossy(value))),
            )
            .finish()
    }
}

impl PartialEq for Headers {
    /// The same lines in the same order, names as written.
    fn eq(&self, other: &Headers) -> bool {
        self.lines().eq(other.lines())
    }
}

impl Eq for Headers {}

fn missing(header: &'static str) -> HeaderError {
    HeaderError {
        header,
        problem: "missing, or not text".to_owned(),
    }
}

fn read<T: FromStr>(header: &'static str, text: &str) -> Result<T, HeaderError>
where
    T::Err: fmt::Display,
{
    text.parse().map_err(|problem: T::Err| HeaderError {
        header,
        problem: problem.to_string(),
    })
}

/// The tag parameter of an address, found without reading the rest.
fn tag_of(address: &str) -> Option<&str> {
    Split::new(address, b';').skip(1).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        scan::trim(name)
            .eq_ignore_ascii_case("tag")
            .then(|| scan::trim(value))
    })
}
