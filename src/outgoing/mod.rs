//! Requests to programs elsewhere: customer agents and webhooks. The addresses of both come from the
//! configuration, but names lead where their owners like, so every address is looked at when it is
//! connected to: this machine's network is not reached by accident or by a trick with names.

mod address;
mod client;
mod retry_after;
mod signature;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use address::{Standing, standing};
pub use client::{Client, Post, Reply};
pub use retry_after::read as read_retry_after;
pub use signature::signature;

/// What a client allows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the name, the connection and TLS.
    pub connect: Duration,
    /// Octets of an answer's body.
    pub answer: usize,
    /// Requests under way at once; others wait, within their own time.
    pub at_once: usize,
}

impl Default for Limits {
    /// Ten seconds to connect, a mebibyte of answer, 64 requests at once: what a small machine bears
    /// when every endpoint is slow.
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(10),
            answer: 1024 * 1024,
            at_once: 64,
        }
    }
}

/// Why nothing was answered.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// Not an address that can be asked.
    #[error("the URL cannot be used: {0}. Write it as https://host/path.")]
    Url(String),
    /// A header or a token holds what HTTP does not allow.
    #[error("{0} holds characters that an HTTP header cannot carry")]
    Header(&'static str),
    /// The name leads to nothing that may be reached.
    #[error(
        "{host} leads to {address}, which is {what}, and is not asked. If that is meant, set `allow_private = true` for it."
    )]
    Refused {
        /// The host of the URL.
        host: String,
        /// Where it leads.
        address: std::net::IpAddr,
        /// What kind of address that is, as in "a private address".
        what: &'static str,
    },
    /// The name is not known.
    #[error("the name {host} leads nowhere: {words}. Check its spelling and the name server.")]
    Name {
        /// The host of the URL.
        host: String,
        /// The system's words.
        words: String,
    },
    /// No connection, or none with TLS.
    #[error("no connection to {host}: {words}")]
    Connect {
        /// The host of the URL.
        host: String,
        /// The reasons, from the outermost to the innermost.
        words: String,
    },
    /// It took too long.
    #[error("{host} did not answer within {} s", .within.as_secs_f64())]
    TimedOut {
        /// The host of the URL.
        host: String,
        /// The time that was given.
        within: Duration,
    },
    /// The answer is too long.
    #[error("{host} answered with more than {limit} octets; the rest was not read")]
    TooLong {
        /// The host of the URL.
        host: String,
        /// Octets that are read at most.
        limit: usize,
    },
    /// The answer broke off, or is not HTTP.
    #[error("the answer of {host} cannot be read: {words}")]
    Broken {
        /// The host of the URL.
        host: String,
        /// The reasons, from the outermost to the innermost.
        words: String,
    },
}

impl OutgoingError {
    /// A stable word for the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            OutgoingError::Url(_) => "url-unusable",
            OutgoingError::Header(_) => "header-unusable",
            OutgoingError::Refused { .. } => "address-refused",
            OutgoingError::Name { .. } => "name-unknown",
            OutgoingError::Connect { .. } => "unreachable",
            OutgoingError::TimedOut { .. } => "timed-out",
            OutgoingError::TooLong { .. } => "answer-too-long",
            OutgoingError::Broken { .. } => "answer-unreadable",
        }
    }
}
