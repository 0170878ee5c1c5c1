//! The answer to a 401 or 407 (RFC 3261 §22).

use crate::core::id::RandomSource;
use crate::sip::message::{Headers, Request, Response};
use crate::sip::user_agent::event::Credentials;

/// A header that answers a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authorization {
    name: &'static str,
    value: String,
}

impl Authorization {
    pub fn push_to(&self, headers: &mut Headers) {
        headers.push(self.name, &self.value);
    }
}

/// The first challenge in `response` that these credentials fit, answered for a repetition of
/// `request`.
pub(super) fn answer(
    response: &Response,
    credentials: &Credentials,
    request: &Request,
    random: &mut RandomSource,
) -> Option<Authorization> {
    let (challenge, name) = match response.status {
        401 => ("WWW-Authenticate", "Authorization"),
        407 => ("Proxy-Authenticate", "Proxy-Authorization"),
        _ => return None,
    };
    None
}
