//! Visitors of forms and chats: known again by a cookie, of which only a hash is kept.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::core::hex::hex;

/// The name of the cookie.
pub const VISITOR_COOKIE: &str = "ringdesk_visitor";

/// How long a visitor is known again, in seconds: a year.
const COOKIE_SECONDS: u32 = 31_536_000;

/// Hexadecimal digits of a token: 128 bits that cannot be guessed.
const DIGITS: usize = 32;

/// A visitor's secret. It prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Visitor(String);

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Visitor(***)")
    }
}

impl Visitor {
    /// A new one; `None` where the system has no randomness.
    pub fn new() -> Option<Visitor> {
        let mut random = [0u8; DIGITS / 2];
        getrandom::fill(&mut random).ok()?;
        Some(Visitor(hex(&random)))
    }

    /// Reads a token that came from outside.
    pub fn read(text: &str) -> Option<Visitor> {
        let is_token = text.len() == DIGITS
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        is_token.then(|| Visitor(text.to_owned()))
    }

    /// The visitor in a Cookie header (RFC 6265 §4.2).
    pub fn from_cookies(header: &str) -> Option<Visitor> {
        header.split(';').find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == VISITOR_COOKIE).then(|| Visitor::read(value))?
        })
    }

    /// What is kept: SHA-256 in hexadecimal digits.
    pub fn key(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }

    /// The secret itself, for a page that may not keep cookies of ours.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// The Set-Cookie header. Over HTTPS it is sent from pages of other sites too, which show our
    /// chats and forms; browsers accept that from secure origins only.
    pub fn set_cookie(&self, secure: bool) -> String {
        let site = if secure {
            "SameSite=None; Secure"
        } else {
            "SameSite=Lax"
        };
        format!(
            "{VISITOR_COOKIE}={}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; {site}",
            self.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_is_known_again_by_the_cookie_and_nothing_else_is_one() {
        let visitor = Visitor::new().unwrap();
        let header = format!("a=b; {VISITOR_COOKIE}={}; c=d", visitor.secret());
        assert_eq!(Visitor::from_cookies(&header), Some(visitor.clone()));
        assert_eq!(visitor.key().len(), 64);
        assert_ne!(visitor.key(), Visitor::new().unwrap().key());
        for bad in [
            "",
            "x",
            "ringdesk_visitor=",
            "ringdesk_visitor=ABCDEF",
            "ringdesk_visitor=../../../../../../../../etc/pass",
        ] {
            assert_eq!(Visitor::from_cookies(bad), None, "{bad}");
        }
        assert!(!format!("{visitor:?}").contains(visitor.secret()));
    }
}
