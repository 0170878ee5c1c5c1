//! Messages in a stream (RFC 3261 §18.3): one after the other, with keep-alives between
//! (RFC 5626 §3.5.1).

use bytes::Bytes;

use super::header_name::Name;
use super::parse::{self, Lines, MAX_MESSAGE_OCTETS, ParseError};
use super::text::Message;

/// The longest body that is skipped to keep a connection whose message was too large, in octets.
/// Whoever announces more than this is not talking SIP.
const MAX_SKIPPED_OCTETS: u64 = 16 * 1024 * 1024;

/// Cuts a stream of octets into messages. What comes out does not depend on how the octets were cut
/// when they arrived.
#[derive(Debug, Default)]
pub struct StreamReader {
    buffer: Vec<u8>,
    /// What of the buffer was handed out already.
    consumed: usize,
    state: State,
}

/// One piece of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A message. `Err`: its end was found, so that the connection can go on.
    Message(Result<Message, ParseError>),
    /// CRLF CRLF: to be answered with CRLF.
    KeepAlive,
}

/// No message can be found in what follows: the connection is to be closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the end of a message cannot be found: {0}")]
pub struct Unframable(String);

#[derive(Debug, Default)]
enum State {
    /// Looking for the end of a head; the first octets of it were searched.
    #[default]
    Head,
    Searching {
        searched: usize,
    },
    /// The whole message is that long.
    Body {
        total: usize,
    },
    /// What is left of a body that is too large.
    Skipping {
        left: u64,
    },
    Unframable(Unframable),
}

impl StreamReader {
    /// At the beginning of a connection.
    pub fn new() -> StreamReader {
        StreamReader::default()
    }

    /// Takes octets that arrived. Call [`StreamReader::next_frame`] until it has none before the next
    /// octets; the buffer then holds less than one message.
    pub fn push(&mut self, octets: &[u8]) {
        if self.consumed > 0 {
            self.buffer.drain(..self.consumed.min(self.buffer.len()));
            self.consumed = 0;
        }
        self.buffer.extend_from_slice(octets);
    }

    /// The next piece that is there as a whole. After an error there are no more.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Unframable> {
        loop {
            match &self.state {
                State::Head => {
                    let rest = self.rest();
                    if rest.is_empty() {
                        return Ok(None);
                    }
                    if rest.starts_with(b"\r\n\r\n") {
                        self.consumed += 4;
                        return Ok(Some(Frame::KeepAlive));
                    }
                    if b"\r\n\r\n".starts_with(rest) {
                        return Ok(None);
                    }
                    if matches!(rest.first(), Some(b'\r' | b'\n')) {
                        self.consumed += 1;
                    } else {
                        self.state = State::Searching { searched: 0 };
                    }
                }
                State::Searching { searched } => {
                    let searched = *searched;
                    let rest = self.rest();
                    match head_end(rest, searched) {
                        Some(end) => {
                            if let Some(frame) = self.head_found(end)? {
                                return Ok(Some(frame));
                            }
                        }
                        None if rest.len() > MAX_MESSAGE_OCTETS => {
                            let problem = format!("no empty line in {} octets", rest.len());
                            return Err(self.fail(problem));
                        }
                        None => {
                            self.state = State::Searching {
                                searched: rest.len(),
                            };
                            return Ok(None);
                        }
                    }
                }
                State::Body { total } => {
                    let total = *total;
                    let Some(octets) = self.rest().get(..total) else {
                        return Ok(None);
                    };
                    let message = parse::parse(Bytes::copy_from_slice(octets));
                    self.consumed += total;
                    self.state = State::Head;
                    return Ok(Some(Frame::Message(message)));
                }
                State::Skipping { left } => {
                    let left = *left;
                    let here = self.rest().len();
                    let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(here);
                    self.consumed += skipped;
                    let left = left.saturating_sub(skipped as u64);
                    if left > 0 {
                        self.state = State::Skipping { left };
                        return Ok(None);
                    }
                    self.state = State::Head;
                }
                State::Unframable(error) => return Err(error.clone()),
            }
        }
    }

    /// True where nothing has come since the last piece that was handed out.
    pub fn is_between_messages(&self) -> bool {
        matches!(self.state, State::Head) && self.rest().is_empty()
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.consumed..).unwrap_or_default()
    }

    fn fail(&mut self, problem: String) -> Unframable {
        let error = Unframable(problem);
        self.state = State::Unframable(error.clone());
        self.buffer = Vec::new();
        self.consumed = 0;
        error
    }

    /// The head ends at `end`: how long is the body?
    fn head_found(&mut self, end: usize) -> Result<Option<Frame>, Unframable> {
        let head = self.rest().get(..end).unwrap_or_default();
        let length = match body_length(head) {
            Ok(length) => length,
            Err(problem) => {
                let refused = parse::refuse_head(head, 400, problem.clone());
                let error = self.fail(problem);
                return match refused.answer {
                    Some(_) => Ok(Some(Frame::Message(Err(refused)))),
                    None => Err(error),
                };
            }
        };
        let total = (end as u64).saturating_add(length);
        if total <= MAX_MESSAGE_OCTETS as u64 {
            self.state = State::Body {
                total: usize::try_from(total).unwrap_or(end),
            };
            return Ok(None);
        }
        let problem = format!("{total} octets are more than {MAX_MESSAGE_OCTETS}");
        let too_large =
            parse::refuse_head(self.rest().get(..end).unwrap_or_default(), 513, problem);
        if length > MAX_SKIPPED_OCTETS {
            self.fail(format!("Content-Length is {length}"));
        } else {
            self.consumed += end;
            self.state = State::Skipping { left: length };
        }
        Ok(Some(Frame::Message(Err(too_large))))
    }
}

/// Where the head ends, its empty line included. The first `searched` octets have no end in them.
fn head_end(octets: &[u8], searched: usize) -> Option<usize> {
    // The end may have begun just before what was searched last.
    let mut at = searched.saturating_sub(2);
    loop {
        let feed = at + memchr::memchr(b'\n', octets.get(at..)?)?;
        match octets.get(feed + 1..)? {
            [b'\n', ..] => return Some(feed + 2),
            [b'\r', b'\n', ..] => return Some(feed + 3),
            _ => at = feed + 1,
        }
    }
}

/// What Content-Length says. Without it there is no body, unless there is a Content-Type: then where
/// the body ends cannot be known.
fn body_length(head: &[u8]) -> Result<u64, String> {
    let first_end = memchr::memchr(b'\n', head).map_or(head.len(), |feed| feed + 1);
    let mut lengths = Vec::new();
    let mut typed = false;
    for line in Lines::new(head, first_end) {
        match Name::of(head.get(line.name).unwrap_or_default()) {
            Name::ContentLength => {
                let value = head.get(line.value).unwrap_or_default();
                lengths.push(std::str::from_utf8(value).unwrap_or("?"));
            }
            Name::ContentType => typed = true,
            _ => {}
        }
    }
    match parse::content_length(lengths.into_iter())? {
        Some(length) => Ok(length),
        None if typed => Err("a body without Content-Length".to_owned()),
        None => Ok(0),
    }
}
