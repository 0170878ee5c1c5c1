//! The session description in a body: what types are taken, and what is answered to others
//! (RFC 3261 §8.2.3, RFC 5621).

use std::ops::Range;

use bytes::Bytes;

use crate::sip::message::{ACCEPT, Headers, Request, Response};
use crate::sip::user_agent::event::Body;

/// Parts of one multipart body that are looked at; carriers send two or three.
const MAX_PARTS: usize = 16;

/// The offer or answer in a request, or the 415 that its body calls for.
pub(super) fn of_request(request: &Request) -> Result<Option<Body>, Box<Response>> {
    session_description(&request.headers, &request.body)
        .map_err(|Unsupported| Box::new(request.response(415).with_header("Accept", ACCEPT)))
}

/// The offer or answer in a message whose other bodies are of no interest.
pub(super) fn of_message(headers: &Headers, body: &Bytes) -> Option<Body> {
    session_description(headers, body).ok().flatten()
}

/// A body that is not understood and may not be skipped.
#[derive(Debug, PartialEq, Eq)]
struct Unsupported;

fn session_description(headers: &Headers, body: &Bytes) -> Result<Option<Body>, Unsupported> {
    if body.is_empty() {
        return Ok(None);
    }
    let content_type = headers.value("Content-Type").unwrap_or(ACCEPT);
    let found = read(content_type, headers.value("Content-Encoding"), body);
    if found.is_err() && is_optional(headers.value("Content-Disposition")) {
        return Ok(None);
    }
    found.map(Some)
}

fn read(content_type: &str, encoding: Option<&str>, body: &Bytes) -> Result<Body, Unsupported> {
    if encoding.is_some_and(|encoding| !encoding.trim().eq_ignore_ascii_case("identity")) {
        return Err(Unsupported);
    }
    let media_type = media_type(content_type);
    if media_type.eq_ignore_ascii_case(ACCEPT) {
        return Ok(Body::sdp(body.clone()));
    }
    if media_type.eq_ignore_ascii_case("multipart/mixed") {
        return multipart(content_type, body);
    }
    Err(Unsupported)
}

/// The one session description among the parts.
fn multipart(content_type: &str, body: &Bytes) -> Result<Body, Unsupported> {
    let boundary = parameter(content_type, "boundary").ok_or(Unsupported)?;
    let mut descriptions = parts(body, &boundary).into_iter().filter_map(|part| {
        let (head, content) = split_part(body.get(part.clone())?);
        let content_type = part_header(head, "content-type")?;
        let encoded = part_header(head, "content-encoding")
            .is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity"));
        let is_description = media_type(&content_type).eq_ignore_ascii_case(ACCEPT) && !encoded;
        is_description.then(|| body.slice(part.start + content.start..part.start + content.end))
    });
    match (descriptions.next(), descriptions.next()) {
        (Some(bytes), None) => Ok(Body::sdp(bytes)),
        (Some(_), Some(_)) | (None, _) => Err(Unsupported),
    }
}

/// Where each part lies, its header lines included (RFC 2046 §5.1.1).
fn parts(body: &[u8], boundary: &str) -> Vec<Range<usize>> {
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut start = None;
    let mut at = 0;
    while parts.len() < MAX_PARTS {
        let line_end = body[at..].iter().position(|octet| *octet == b'\n');
        let next = line_end.map_or(body.len(), |end| at + end + 1);
        let line = body[at..next].trim_ascii_end();
        let rest = line.strip_prefix(delimiter.as_bytes());
        if let Some(rest) = rest.filter(|rest| rest.is_empty() || *rest == b"--") {
            if let Some(start) = start {
                parts.push(start..without_line_end(body, start, at));
            }
            start = rest.is_empty().then_some(next);
        }
        if next == body.len() {
            break;
        }
        at = next;
    }
    parts
}

/// The line end before a delimiter belongs to the delimiter.
fn without_line_end(body: &[u8], start: usize, end: usize) -> usize {
    let part = &body[start..end];
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    let part = part.strip_suffix(b"\r").unwrap_or(part);
    start + part.len()
}

/// The header lines of a part, and where its content lies in it.
fn split_part(part: &[u8]) -> (&[u8], Range<usize>) {
    let mut at = 0;
    while let Some(end) = part[at..].iter().position(|octet| *octet == b'\n') {
        let next = at + end + 1;
        if part[at..next].trim_ascii().is_empty() {
            return (&part[..at], next..part.len());
        }
        at = next;
    }
    (part, part.len()..part.len())
}

fn part_header(head: &[u8], name: &str) -> Option<String> {
    head.split(|octet| *octet == b'\n').find_map(|line| {
        let (found, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
        found
            .trim()
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })
}

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// A parameter of a header value, without its quotes.
fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|parameter| {
        let (found, value) = parameter.split_once('=')?;
        found
            .trim()
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().trim_matches('"').to_owned())
            .filter(|value| !value.is_empty())
    })
}

fn is_optional(disposition: Option<&str>) -> bool {
    disposition
        .and_then(|disposition| parameter(disposition, "handling"))
        .is_some_and(|handling| handling.eq_ignore_ascii_case("optional"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(content_type: &str, body: &str) -> Result<Body, Unsupported> {
        let body = Bytes::from(body.replace('\n', "\r\n"));
        read(content_type, None, &body)
    }

    fn text(body: Result<Body, Unsupported>) -> Option<String> {
        let body = body.ok()?;
        assert_eq!(body.content_type, ACCEPT);
        Some(String::from_utf8(body.bytes.to_vec()).unwrap())
    }

    #[test]
    fn a_session_description_is_taken_whatever_the_case_of_its_type() {
        for content_type in [
            "application/sdp",
            "Application/SDP",
            "application/sdp ; charset=utf-8",
        ] {
            let body = text(read_text(content_type, "v=0\n"));
            assert_eq!(body.as_deref(), Some("v=0\r\n"), "{content_type}");
        }
    }

    #[test]
    fn other_types_and_encodings_are_not_understood() {
        for content_type in ["text/plain", "application/sdpx", "multipart/mixed", ""] {
            assert_eq!(read_text(content_type, "v=0\n"), Err(Unsupported));
        }
        let body = Bytes::from("v=0");
        assert_eq!(read(ACCEPT, Some("gzip"), &body), Err(Unsupported));
        assert!(read(ACCEPT, Some(" identity "), &body).is_ok());
    }

    #[test]
    fn the_one_session_description_among_several_parts_is_taken_byte_for_byte() {
        let content_type = r#"multipart/mixed; boundary="unique-1""#;
        let parts = "preamble\n--unique-1\nContent-Type: application/SDP\n\nv=0\n--unique-10\n\
            s=-\n\n--unique-1\nContent-Type: application/ISUP;version=nxv3\n\
            Content-Disposition: signal;handling=optional\n\n\u{1}\u{0}\n--unique-1--\nepilogue";
        assert_eq!(
            text(read_text(content_type, parts)).as_deref(),
            Some("v=0\r\n--unique-10\r\ns=-\r\n")
        );
    }

    #[test]
    fn several_session_descriptions_or_none_are_not_understood() {
        let part = "--b\nContent-Type: application/sdp\n\nv=0\n";
        let other = "--b\nContent-Type: text/plain\n\nhello\n";
        let content_type = "multipart/mixed;boundary=b";
        for parts in [
            format!("{part}{part}--b--"),
            format!("{other}--b--"),
            "--b--".to_owned(),
            "no boundary at all".to_owned(),
        ] {
            assert_eq!(read_text(content_type, &parts), Err(Unsupported), "{parts}");
        }
        assert!(read_text(content_type, &format!("{other}{part}--b--")).is_ok());
    }

    #[test]
    fn a_last_part_without_its_end_is_not_taken() {
        let part = "--b\nContent-Type: application/sdp\n\nv=0\n";
        assert_eq!(
            read_text("multipart/mixed;boundary=b", part),
            Err(Unsupported)
        );
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_it_panic(body: Vec<u8>, boundary in "[a-z]{0,2}") {
            let mut octets = body.clone();
            octets.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            octets.extend_from_slice(&body);
            octets.extend_from_slice(format!("\n--{boundary}--").as_bytes());
            let _ = read(&format!("multipart/mixed;boundary={boundary}"), None, &octets.into());
        }
    }
}
