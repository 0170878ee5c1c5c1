//! What every user agent server must refuse, whatever it is there for (RFC 3261 §8.2).

use rsip::headers::{ContentDisposition, ToTypedHeader};

use super::headers::Headers;
use super::method::Method;
use super::parse::refuse;
use super::text::{Request, Response};
use super::uri::Scheme;

/// The methods that are taken, as Allow says.
pub const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, UPDATE, INFO";

/// The one type of body that requests may have, as Accept says.
pub const ACCEPT: &str = "application/sdp";

/// Looks at all that does not depend on dialog or configuration. `Err`: the response to send; never
/// for an ACK, which gets none.
///
/// In this order (RFC 3261 §8.2): 400 for addresses, Vias or Max-Forwards that cannot be read;
/// 501, 405 or 489 by method; 416 and 400 by Request-URI; 483 for an INVITE that has no hop left;
/// 420 for required extensions; 415 and 406 for bodies that are sent or wanted.
pub fn check_request(request: &Request) -> Result<(), Box<Response>> {
    if request.method == Method::Ack {
        return Ok(());
    }
    check_headers(request)?;
    check_method(request)?;
    check_uri(request)?;
    if request.method == Method::Invite && request.headers.max_forwards() == Ok(Some(0)) {
        return Err(Box::new(request.response(483)));
    }
    if request.method != Method::Cancel {
        check_extensions(request)?;
        check_body(request)?;
    }
    Ok(())
}

fn bad_request(request: &Request, problem: &str) -> Box<Response> {
    Box::new(refuse(400, problem, &request.headers))
}

fn check_headers(request: &Request) -> Result<(), Box<Response>> {
    let headers = &request.headers;
    let checks = [
        headers.from().map(drop),
        headers.to().map(drop),
        headers.max_forwards().map(drop),
        headers.vias().map(drop),
        headers.contacts().map(drop),
        headers.route().map(drop),
        headers.record_route().map(drop),
    ];
    for check in checks {
        check.map_err(|problem| bad_request(request, &problem.to_string()))?;
    }
    Ok(())
}

fn check_method(request: &Request) -> Result<(), Box<Response>> {
    let status = match request.method {
        Method::Invite
        | Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Options
        | Method::Register
        | Method::Update
        | Method::Info => return Ok(()),
        Method::Subscribe | Method::Notify | Method::Publish => 489,
        Method::Prack | Method::Refer | Method::Message => 405,
        Method::Other(_) => 501,
    };
    Err(Box::new(
        request.response(status).with_header("Allow", ALLOW),
    ))
}

fn check_uri(request: &Request) -> Result<(), Box<Response>> {
    match request.uri.parsed() {
        Ok(uri) => match uri.scheme {
            Scheme::Sip | Scheme::Sips | Scheme::Tel if !uri.headers.is_empty() => {
                Err(bad_request(
                    request,
                    "Request-URI: holds headers, which RFC 3261 section 19.1.1 forbids there",
                ))
            }
            Scheme::Sip | Scheme::Sips | Scheme::Tel => Ok(()),
            Scheme::Other => Err(Box::new(request.response(416))),
        },
        Err(problem) => Err(bad_request(request, &format!("Request-URI: {problem}"))),
    }
}

/// No extension is supported, so each one that is required is refused.
fn check_extensions(request: &Request) -> Result<(), Box<Response>> {
    let headers = &request.headers;
    let unsupported: Vec<&str> = headers
        .tokens("Require")
        .chain(headers.tokens("Proxy-Require"))
        .collect();
    if unsupported.is_empty() {
        return Ok(());
    }
    let response = request
        .response(420)
        .with_header("Unsupported", unsupported.join(", "));
    Err(Box::new(response))
}

fn check_body(request: &Request) -> Result<(), Box<Response>> {
    let headers = &request.headers;
    if !request.body.is_empty() && must_be_understood(headers) {
        if headers
            .tokens("Content-Encoding")
            .any(|encoding| !encoding.eq_ignore_ascii_case("identity"))
        {
            let response = request
                .response(415)
                .with_header("Accept-Encoding", "identity");
            return Err(Box::new(response));
        }
        let carries_session = matches!(request.method, Method::Invite | Method::Update);
        if carries_session && !is_sdp_type(headers.value("Content-Type")) {
            let response = request.response(415).with_header("Accept", ACCEPT);
            return Err(Box::new(response));
        }
    }
    let wants_session = request.method == Method::Invite;
    if wants_session && headers.contains("Accept") && !accepts_sdp(headers) {
        return Err(Box::new(
            request.response(406).with_header("Accept", ACCEPT),
        ));
    }
    Ok(())
}

/// Without `handling=optional`, a body that is not understood is a reason to refuse (RFC 3261 §20.11).
fn must_be_understood(headers: &Headers) -> bool {
    let disposition = headers
        .value("Content-Disposition")
        .and_then(|value| ContentDisposition::from(value).typed().ok());
    !disposition.is_some_and(|disposition| {
        disposition.display_params.iter().any(|param| {
            param.0.trim().eq_ignore_ascii_case("handling")
                && param.1.trim().eq_ignore_ascii_case("optional")
        })
    })
}

fn is_sdp_type(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|value| {
        let media_type = media_type(value);
        [ACCEPT, "multipart/mixed"]
            .iter()
            .any(|accepted| media_type.eq_ignore_ascii_case(accepted))
    })
}

fn accepts_sdp(headers: &Headers) -> bool {
    headers.list("Accept").any(|range| {
        let range = media_type(range);
        ["application/sdp", "application/*", "*/*"]
            .iter()
            .any(|accepted| range.eq_ignore_ascii_case(accepted))
    })
}

/// `type/subtype` without parameters and white space.
fn media_type(value: &str) -> String {
    let value = value.split(';').next().unwrap_or_default();
    value.chars().filter(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use crate::sip::message::{MAX_REQUEST_URI_OCTETS, Message, ParseError, check_request};

    /// The answer to a request of `method` to `uri` with more header lines and a body of 3 octets.
    fn answer(method: &str, uri: &str, lines: &str) -> Option<(u16, Option<String>)> {
        let lines = lines.replace('\n', "\r\n");
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:b@b>\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\n{lines}\r\nabc"
        );
        let answer = match Message::parse(text.as_bytes()) {
            Ok(Message::Request(request)) => check_request(&request).err(),
            Err(ParseError { answer, .. }) => answer,
            Ok(Message::Response(_)) => None,
        };
        answer.map(|answer| {
            let says = ["Allow", "Accept", "Accept-Encoding", "Unsupported"]
                .iter()
                .find_map(|name| answer.headers.value(name));
            (answer.status, says.map(str::to_owned))
        })
    }

    #[test]
    fn each_thing_that_is_not_taken_has_its_status() {
        let sdp = "Content-Type: application/sdp\n";
        let long = format!("sip:{}", "a".repeat(MAX_REQUEST_URI_OCTETS));
        let allow = Some(super::ALLOW.to_owned());
        let accept = Some("application/sdp".to_owned());
        let to = "sip:+4722334455@h";
        let cases = [
            ("INVITE", to, sdp.to_owned(), None),
            ("INVITE", "tel:+4722334455", sdp.to_owned(), None),
            (
                "INVITE",
                "sips:a@h",
                "c: APPLICATION/SDP ; x=y\n".to_owned(),
                None,
            ),
            ("REFER", to, sdp.to_owned(), Some((405, allow.clone()))),
            ("MESSAGE", to, String::new(), Some((405, allow.clone()))),
            (
                "SUBSCRIBE",
                to,
                "Event: dialog\n".to_owned(),
                Some((489, allow.clone())),
            ),
            ("FETCH", to, String::new(), Some((501, allow.clone()))),
            ("invite", to, sdp.to_owned(), Some((501, allow))),
            (
                "INVITE",
                "urn:service:sos",
                sdp.to_owned(),
                Some((416, None)),
            ),
            ("INVITE", "sip:", sdp.to_owned(), Some((400, None))),
            ("INVITE", &long, sdp.to_owned(), Some((414, None))),
            (
                "INVITE",
                to,
                format!("{sdp}Max-Forwards: 0\n"),
                Some((483, None)),
            ),
            (
                "INVITE",
                to,
                format!("{sdp}Max-Forwards: 256\n"),
                Some((400, None)),
            ),
            (
                "INVITE",
                to,
                format!("{sdp}Require: 100rel\n"),
                Some((420, Some("100rel".to_owned()))),
            ),
            ("CANCEL", to, "Require: 100rel\n".to_owned(), None),
            (
                "INVITE",
                to,
                "c: multipart/related;boundary=x\n".to_owned(),
                Some((415, accept.clone())),
            ),
            ("INVITE", to, String::new(), Some((415, accept.clone()))),
            ("INVITE", to, "l: 0\n".to_owned(), None),
            (
                "INVITE",
                to,
                "c: x/y\nContent-Disposition: icon;handling=optional\n".to_owned(),
                None,
            ),
            (
                "INVITE",
                to,
                "c: x/y\nContent-Disposition: icon;handling=required\n".to_owned(),
                Some((415, accept.clone())),
            ),
            (
                "INVITE",
                to,
                format!("{sdp}e: gzip\n"),
                Some((415, Some("identity".to_owned()))),
            ),
            (
                "INVITE",
                to,
                format!("{sdp}Accept: text/plain\n"),
                Some((406, accept)),
            ),
            (
                "INVITE",
                to,
                format!("{sdp}Accept: text/plain, application/*;q=0.5\n"),
                None,
            ),
            ("BYE", to, "l: 4\n".to_owned(), Some((400, None))),
            ("ACK", to, "l: 4\n".to_owned(), None),
            ("ACK", "nonsense", "Require: x\n".to_owned(), None),
        ];
        for (method, uri, lines, expected) in cases {
            assert_eq!(
                answer(method, uri, &lines),
                expected,
                "{method} {uri:.40} {lines}"
            );
        }
    }
}
