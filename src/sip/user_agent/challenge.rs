//! The answers to 401 and 407 (RFC 3261 §22).

use crate::core::id::RandomSource;
use crate::sip::digest::Challenge;
use crate::sip::message::{Headers, Request, Response};
use crate::sip::user_agent::event::Credentials;

/// Answers to the challenges of one request. A server that says `stale` with every answer is not
/// followed further than this.
const MAX_ANSWERS: usize = 4;

/// What the challenges to a request were answered with.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    list: Vec<(&'static str, String)>,
    given: usize,
}

impl Answers {
    /// Writes them into a repetition of the request, or into the ACK to its 2xx (RFC 3261 §22.1).
    pub fn push_to(&self, headers: &mut Headers) {
        for (name, value) in &self.list {
            headers.push(name, value);
        }
    }

    /// Adds an answer to the challenge in `response`, for a repetition of `request`. False where
    /// there is none to give: no credentials, another realm, or an answer that was refused already.
    pub fn add(
        &mut self,
        response: &Response,
        credentials: Option<&Credentials>,
        request: &Request,
        random: &mut RandomSource,
    ) -> bool {
        let (header, name) = match response.status {
            401 => ("WWW-Authenticate", "Authorization"),
            407 => ("Proxy-Authenticate", "Proxy-Authorization"),
            _ => return false,
        };
        let Some(credentials) = credentials.filter(|_| self.given < MAX_ANSWERS) else {
            return false;
        };
        let realm = credentials.realm.as_deref();
        let Some(challenge) = Challenge::choose(response.headers.values(header), realm) else {
            return false;
        };
        let was_refused = self.list.iter().any(|(answered, _)| *answered == name);
        if was_refused && !challenge.stale {
            return false;
        }
        let answer = challenge.answer(
            (&credentials.username, &credentials.password),
            (&request.method, request.uri.as_str()),
            1,
            random,
        );
        self.list.retain(|(answered, _)| *answered != name);
        self.list.push((name, answer));
        self.given += 1;
        true
    }
}
