//! From octets to a message.
//!
//! The octets are walked once: the first line, then each header line by name and value. Values are
//! read when somebody asks for them; what is read here is what a message cannot be handled without.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;

use bytes::Bytes;

use super::header_name::Name;
use super::headers::{Headers, Span};
use super::method::Method;
use super::scan;
use super::text::{Message, Request, Response};
use super::uri::RequestUri;

/// The longest message that is taken, in octets: what fits in a UDP datagram, so that a message that
/// came over TCP can go on over UDP.
pub const MAX_MESSAGE_OCTETS: usize = 65_535;

/// The longest Request-URI that is taken, in octets. Ones in use are under 300.
pub const MAX_REQUEST_URI_OCTETS: usize = 4_096;

/// Why octets are not a message, and what to answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct ParseError {
    /// What was wrong, and where.
    pub problem: String,
    /// The response that the RFC wants. `None`: silence, because it was a response or an ACK, or
    /// because it cannot be told where an answer would go.
    pub answer: Option<Box<Response>>,
}

impl ParseError {
    pub(super) fn silent(problem: impl Into<String>) -> ParseError {
        ParseError {
            problem: problem.into(),
            answer: None,
        }
    }
}

/// Where one header line stands. `value` spans its continuation lines.
pub(super) struct RawLine {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
    folded: bool,
}

/// Walks the lines of a head, beginning after the first line.
pub(super) struct Lines<'a> {
    octets: &'a [u8],
    at: usize,
    /// Where the body begins, once the empty line (or the end) was reached.
    pub(super) body_at: Option<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(octets: &'a [u8], at: usize) -> Lines<'a> {
        Lines {
            octets,
            at,
            body_at: None,
        }
    }
}

impl Iterator for Lines<'_> {
    type Item = RawLine;

    /// Lines that are not `name: value` are left out: a receiver must not stumble over what it does
    /// not need (RFC 3261 §8.2.2).
    fn next(&mut self) -> Option<RawLine> {
        while self.body_at.is_none() {
            let start = self.at;
            let (mut end, mut next) = line_end(self.octets, start);
            if end == start {
                self.body_at = Some(next);
                return None;
            }
            let mut folded = false;
            while matches!(self.octets.get(next), Some(b' ' | b'\t')) {
                folded = true;
                (end, next) = line_end(self.octets, next);
            }
            self.at = next;
            let line = self.octets.get(start..end).unwrap_or_default();
            if let Some(colon) = line.iter().position(|octet| *octet == b':') {
                let name = trimmed(self.octets, start..start + colon);
                let value = trimmed(self.octets, start + colon + 1..end);
                let octets_of_name = self.octets.get(name.clone()).unwrap_or_default();
                if !octets_of_name.is_empty() && octets_of_name.iter().all(|o| scan::is_token(*o)) {
                    let stray_return = || {
                        let value = self.octets.get(value.clone()).unwrap_or_default();
                        value.contains(&b'\r')
                    };
                    let folded = folded || stray_return();
                    return Some(RawLine {
                        name,
                        value,
                        folded,
                    });
                }
            }
        }
        None
    }
}

/// Where the line that begins at `start` ends, and where the next one begins. A line feed alone is
/// taken as a line end too.
fn line_end(octets: &[u8], start: usize) -> (usize, usize) {
    let rest = octets.get(start..).unwrap_or_default();
    match memchr::memchr(b'\n', rest) {
        None => (octets.len(), octets.len()),
        Some(0) => (start, start + 1),
        Some(feed) => {
            let end = start + feed;
            match octets.get(end - 1) {
                Some(b'\r') => (end - 1, end + 1),
                _ => (end, end + 1),
            }
        }
    }
}

fn trimmed(octets: &[u8], mut range: Range<usize>) -> Range<usize> {
    let blank = |at: usize| matches!(octets.get(at), Some(b' ' | b'\t' | b'\r' | b'\n'));
    while range.start < range.end && blank(range.start) {
        range.start += 1;
    }
    while range.start < range.end && blank(range.end - 1) {
        range.end -= 1;
    }
    range
}

/// What the first line says.
enum FirstLine {
    Request { method: Method, uri: RequestUri },
    Response { status: u16, reason: String },
}

/// What is wrong with a first line. A status: worth an answer, if it was a request.
struct FirstLineError {
    problem: String,
    method: Option<Method>,
    status: Option<u16>,
}

/// Reads a message that came alone.
pub(super) fn parse_datagram(octets: Bytes) -> Result<Message, ParseError> {
    let begin = octets
        .iter()
        .position(|octet| !matches!(octet, b'\r' | b'\n'))
        .ok_or_else(|| ParseError::silent("no message, only line ends"))?;
    parse(octets.slice(begin..))
}

/// The refusal of a message of which only the head is looked at.
pub(super) fn refuse_head(head: &[u8], status: u16, problem: String) -> ParseError {
    let (first, headers, _) = read_head(&Bytes::copy_from_slice(head));
    match first {
        Ok(FirstLine::Request { method, .. }) => refusal(problem, Some(status), &method, &headers),
        _ => ParseError::silent(problem),
    }
}

/// Reads a message that begins with its first line and has all of its octets.
pub(super) fn parse(octets: Bytes) -> Result<Message, ParseError> {
    let (first, headers, body_at) = read_head(&octets);
    let first = match first {
        Ok(first) => first,
        Err(FirstLineError {
            problem,
            method,
            status,
        }) => {
            let method = method.unwrap_or(Method::Options);
            return Err(refusal(problem, status, &method, &headers));
        }
    };
    let body = match body_of(&octets, body_at, &headers) {
        Ok(body) => body,
        Err(problem) => return Err(malformed(problem, &first, &headers)),
    };
    if let Err(problem) = check_identity(&first, &headers) {
        return Err(malformed(problem, &first, &headers));
    }
    Ok(match first {
        FirstLine::Request { method, uri } => Message::Request(Request {
            method,
            uri,
            headers,
            body,
        }),
        FirstLine::Response { status, reason } => Message::Response(Response {
            status,
            reason,
            headers,
            body,
        }),
    })
}

/// The first line, the header lines, and where the body begins.
fn read_head(octets: &Bytes) -> (Result<FirstLine, FirstLineError>, Headers, usize) {
    let (end, next) = line_end(octets, 0);
    let first = first_line(octets.get(..end).unwrap_or_default());
    let mut headers = Headers::of_received(octets.clone());
    let mut lines = Lines::new(octets, next);
    for line in lines.by_ref() {
        let name = Span::received(line.name.start, line.name.end);
        if line.folded {
            let value = octets.get(line.value).unwrap_or_default();
            headers.push_unfolded(name, &unfolded(value));
        } else {
            headers.push_received(name, Span::received(line.value.start, line.value.end));
        }
    }
    (first, headers, lines.body_at.unwrap_or(octets.len()))
}

/// What a message is matched to its transaction and dialog by must be there once and be readable.
fn check_identity(first: &FirstLine, headers: &Headers) -> Result<(), String> {
    headers.top_via().map_err(|problem| problem.to_string())?;
    let mut counts = [
        ("From", Name::From, 0),
        ("To", Name::To, 0),
        ("Call-ID", Name::CallId, 0),
        ("CSeq", Name::CSeq, 0),
        ("Max-Forwards", Name::MaxForwards, 0),
    ];
    for name in headers.names() {
        for (_, counted, count) in &mut counts {
            *count += usize::from(*counted == name);
        }
    }
    for (text, name, count) in counts {
        match count {
            0 if name != Name::MaxForwards => return Err(format!("{text}: missing")),
            0 | 1 => {}
            _ => return Err(format!("{text}: more than one")),
        }
    }
    headers.call_id().map_err(|problem| problem.to_string())?;
    let cseq = headers.cseq().map_err(|problem| problem.to_string())?;
    match first {
        FirstLine::Request { method, .. } if *method != cseq.method => Err(format!(
            "CSeq: method {} in a request of method {method}",
            cseq.method
        )),
        _ => Ok(()),
    }
}

/// The body: as long as Content-Length says, or all that is left.
fn body_of(octets: &Bytes, body_at: usize, headers: &Headers) -> Result<Bytes, String> {
    let left = octets.len().saturating_sub(body_at);
    let length = match content_length(headers.values("Content-Length"))? {
        None => left,
        Some(length) if length <= left as u64 => usize::try_from(length).unwrap_or(left),
        Some(length) => {
            return Err(format!(
                "Content-Length: {length} announced, {left} octets came"
            ));
        }
    };
    Ok(octets.slice(body_at..body_at + length))
}

/// The one length that all values agree on; `None` where there is no value.
pub(super) fn content_length<'a>(
    values: impl Iterator<Item = &'a str>,
) -> Result<Option<u64>, String> {
    let mut length = None;
    for value in values {
        let digits = !value.is_empty() && value.bytes().all(|octet| octet.is_ascii_digit());
        let one = value.parse::<u64>().ok().filter(|_| digits);
        let Some(one) = one else {
            return Err(format!("Content-Length: {value:?} is not a number"));
        };
        if length.is_some_and(|other| other != one) {
            return Err("Content-Length: more than one, and they differ".to_owned());
        }
        length = Some(one);
    }
    Ok(length)
}

fn first_line(octets: &[u8]) -> Result<FirstLine, FirstLineError> {
    if octets
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"))
    {
        status_line(octets).map_err(|problem| FirstLineError {
            problem,
            method: None,
            status: None,
        })
    } else {
        request_line(octets)
    }
}

fn status_line(octets: &[u8]) -> Result<FirstLine, String> {
    let text = String::from_utf8_lossy(octets);
    let problem = || format!("first line {text:?}: not SIP/2.0, three digits and a reason");
    let mut parts = text.splitn(3, ' ');
    let version = parts.next().unwrap_or_default();
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(problem());
    }
    let code = parts.next().unwrap_or_default();
    let status = scan::digits(code)
        .filter(|status| code.len() == 3 && (100..700).contains(status))
        .and_then(|status| u16::try_from(status).ok())
        .ok_or_else(problem)?;
    let reason = parts.next().unwrap_or_default();
    Ok(FirstLine::Response {
        status,
        reason: reason.replace(['\r', '\n'], " "),
    })
}

fn request_line(octets: &[u8]) -> Result<FirstLine, FirstLineError> {
    let text = String::from_utf8_lossy(octets);
    let silent = || FirstLineError {
        problem: format!("first line {text:?}: not a SIP request or response"),
        method: None,
        status: None,
    };
    let (method, rest) = text.split_once(' ').ok_or_else(silent)?;
    if !scan::all_token(method) {
        return Err(silent());
    }
    let (uri, version) = rest
        .trim_end()
        .rsplit_once([' ', '\t'])
        .ok_or_else(silent)?;
    let method = Method::from_name(method);
    let refused = |method: Method, status: u16, problem: String| FirstLineError {
        problem,
        method: Some(method),
        status: Some(status),
    };
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        let is_sip = version
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("SIP/"));
        return Err(if is_sip {
            refused(method, 505, format!("version {version}, not SIP/2.0"))
        } else {
            silent()
        });
    }
    if uri.len() > MAX_REQUEST_URI_OCTETS {
        let problem = format!("Request-URI: {} octets", uri.len());
        return Err(refused(method, 414, problem));
    }
    let foreign = |character: char| {
        character.is_ascii_control()
            || matches!(
                character,
                ' ' | '<' | '>' | '"' | char::REPLACEMENT_CHARACTER
            )
    };
    if uri.is_empty() || uri.contains(foreign) || rest.len() != rest.trim_end().len() {
        let problem = format!("first line {text:?}: not a method, a URI and SIP/2.0");
        return Err(refused(method, 400, problem));
    }
    Ok(FirstLine::Request {
        uri: RequestUri::of_text(uri),
        method,
    })
}

fn malformed(problem: String, first: &FirstLine, headers: &Headers) -> ParseError {
    match first {
        FirstLine::Request { method, .. } => refusal(problem, Some(400), method, headers),
        FirstLine::Response { .. } => ParseError::silent(problem),
    }
}

/// An error with the answer to a request, if it has a Via that says where answers go.
fn refusal(problem: String, status: Option<u16>, method: &Method, headers: &Headers) -> ParseError {
    let answer = match status {
        Some(status) if *method != Method::Ack && headers.top_via().is_ok() => {
            let mut answer = refuse(status, &problem, headers);
            tag_to(&mut answer);
            Some(Box::new(answer))
        }
        _ => None,
    };
    ParseError { problem, answer }
}

/// A response to whoever sent `headers`; a 400 says in its reason phrase what was wrong.
pub(super) fn refuse(status: u16, problem: &str, headers: &Headers) -> Response {
    let mut response = Response::new(status);
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        response.headers.copy(headers, name);
    }
    if status == 400 {
        let shown: String = problem
            .chars()
            .filter(|character| !character.is_control())
            .take(MAX_REASON_CHARACTERS)
            .collect();
        response.reason = format!("Bad Request - {shown}");
    }
    response
}

/// A final response has a tag in To. This one is made without a transaction, so a repeated request
/// must get the same tag again (RFC 3261 §8.2.7): it is made from what the request is known by.
fn tag_to(answer: &mut Response) {
    let headers = &answer.headers;
    let mut hasher = DefaultHasher::new();
    for name in ["Via", "From", "Call-ID", "CSeq"] {
        headers.value(name).hash(&mut hasher);
    }
    if let (None, Some(to)) = (headers.to_tag(), headers.value("To")) {
        let tagged = format!("{to};tag={:016x}", hasher.finish());
        answer.headers.replace("To", tagged);
    }
}

/// How much of a problem a reason phrase quotes, so that an answer stays far smaller than what it
/// answers.
const MAX_REASON_CHARACTERS: usize = 120;

/// Line ends and the white space around them become one space (RFC 3261 §7.3.1).
fn unfolded(value: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(value.len());
    for line in value.split(|octet| matches!(octet, b'\r' | b'\n')) {
        let text = trimmed(line, 0..line.len());
        let text = line.get(text).unwrap_or_default();
        if !out.is_empty() && !text.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(text);
    }
    out
}
