//! Requests and responses.

use std::fmt;

use bytes::Bytes;

use super::headers::Headers;
use super::method::Method;
use super::parse::{self, ParseError};
use super::status::reason_phrase;
use super::uri::RequestUri;

/// A SIP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Asks for something.
    Request(Request),
    /// Answers.
    Response(Response),
}

/// A request (RFC 3261 §7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// Whom it is asked of.
    pub uri: RequestUri,
    /// Header lines. A Content-Length here is never sent: the body's own length is.
    pub headers: Headers,
    /// The body, octet by octet as it came.
    pub body: Bytes,
}

/// A response (RFC 3261 §7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 100 to 699.
    pub status: u16,
    /// The reason phrase.
    pub reason: String,
    /// Header lines. A Content-Length here is never sent: the body's own length is.
    pub headers: Headers,
    /// The body, octet by octet as it came.
    pub body: Bytes,
}

impl Message {
    /// Reads a datagram: one message and nothing else. What follows the body that Content-Length
    /// announces is ignored; without Content-Length the body reaches to the end (RFC 3261 §18.3).
    ///
    /// A message that is accepted has a top Via, From, To, Call-ID and CSeq that can be told apart
    /// from others: Via and CSeq can be read, none of them but Via comes twice, and the method of
    /// CSeq is the request's.
    pub fn parse(datagram: &[u8]) -> Result<Message, ParseError> {
        parse::parse_datagram(Bytes::copy_from_slice(datagram))
    }

    /// As it goes over the wire.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Message::Request(request) => request.to_bytes(),
            Message::Response(response) => response.to_bytes(),
        }
    }

    /// The header lines.
    pub fn headers(&self) -> &Headers {
        match self {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }
}

impl Request {
    /// A request without header lines and body.
    pub fn new(method: Method, uri: impl Into<RequestUri>) -> Request {
        Request {
            method,
            uri: uri.into(),
            headers: Headers::new(),
            body: Bytes::new(),
        }
    }

    /// The same with one more header line at the end.
    pub fn with_header(mut self, name: &str, value: impl fmt::Display) -> Request {
        self.headers.push(name, value);
        self
    }

    /// The same with a body and its Content-Type.
    pub fn with_body(mut self, content_type: &str, body: impl Into<Bytes>) -> Request {
        self.headers.replace("Content-Type", content_type);
        self.body = body.into();
        self
    }

    /// A response to this request (RFC 3261 §8.2.6): Via, From, To, Call-ID and CSeq are copied, and
    /// Timestamp into a 100. No tag is added to To.
    pub fn response(&self, status: u16) -> Response {
        let mut response = Response::new(status);
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            response.headers.copy(&self.headers, name);
        }
        if status == 100 {
            response.headers.copy(&self.headers, "Timestamp");
        }
        response
    }

    /// As it goes over the wire.
    pub fn to_bytes(&self) -> Bytes {
        let method = self.method.as_str();
        let uri = self.uri.as_str();
        let first_line = [method, " ", uri, " SIP/2.0\r\n"];
        write_message(&first_line, &self.headers, &self.body)
    }
}

impl Response {
    /// A response without header lines and body, with the reason phrase of its status.
    pub fn new(status: u16) -> Response {
        Response {
            status,
            reason: reason_phrase(status).to_owned(),
            headers: Headers::new(),
            body: Bytes::new(),
        }
    }

    /// The same with another reason phrase.
    pub fn with_reason(mut self, reason: &str) -> Response {
        self.reason = reason.replace(['\r', '\n'], " ");
        self
    }

    /// The same with one more header line at the end.
    pub fn with_header(mut self, name: &str, value: impl fmt::Display) -> Response {
        self.headers.push(name, value);
        self
    }

    /// The same with a body and its Content-Type.
    pub fn with_body(mut self, content_type: &str, body: impl Into<Bytes>) -> Response {
        self.headers.replace("Content-Type", content_type);
        self.body = body.into();
        self
    }

    /// True below 200.
    pub fn is_provisional(&self) -> bool {
        self.status < 200
    }

    /// True from 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// As it goes over the wire.
    pub fn to_bytes(&self) -> Bytes {
        let status = self.status.to_string();
        let first_line = ["SIP/2.0 ", &status, " ", &self.reason, "\r\n"];
        write_message(&first_line, &self.headers, &self.body)
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Message {
        Message::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Message {
        Message::Response(response)
    }
}

fn write_message(first_line: &[&str], headers: &Headers, body: &[u8]) -> Bytes {
    // Content-Length, its line end and the empty line take less than 32 octets.
    let size = first_line.iter().map(|part| part.len()).sum::<usize>() + headers.size() + 32;
    let mut out = Vec::with_capacity(size + body.len());
    for part in first_line {
        out.extend_from_slice(part.as_bytes());
    }
    headers.write_to(&mut out);
    out.extend_from_slice(b"Content-Length: ");
    out.extend_from_slice(body.len().to_string().as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
    Bytes::from(out)
}
