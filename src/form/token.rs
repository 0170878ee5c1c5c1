//! Tokens that say when a form was shown: signed, so that a program cannot make one that is older.

use std::io;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::core::hex::hex;
use crate::core::time::Wall;

/// How long a page may stay open before it is asked to be sent again.
const VALID: Duration = Duration::from_secs(24 * 3600);

/// Hexadecimal digits of a signature: 128 of its bits.
const SIGNATURE_DIGITS: usize = 32;

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The form was shown so long ago, and no longer than is reasonable.
    Ago(Duration),
    /// There is no token, it is of another form, too old, or from before the daemon's last start.
    Unknown,
}

/// Makes tokens and reads them. The key lives as long as the daemon.
pub(super) struct Tokens([u8; 32]);

impl Tokens {
    pub fn new() -> io::Result<Tokens> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        Ok(Tokens(key))
    }

    /// A token for a form that is shown at `now`.
    pub fn make(&self, form: &str, now: Wall) -> String {
        let millis = now.as_millis();
        format!("{millis}.{}", self.sign(form, millis))
    }

    /// When the form was shown that came back with `token`.
    pub fn read(&self, form: &str, token: &str, now: Wall) -> Shown {
        let Some((millis, signature)) = token.split_once('.') else {
            return Shown::Unknown;
        };
        let Ok(millis) = millis.parse::<i64>() else {
            return Shown::Unknown;
        };
        let expected = self.sign(form, millis);
        let is_ours = subtle::ConstantTimeEq::ct_eq(expected.as_bytes(), signature.as_bytes());
        let shown = Wall::from_millis(millis);
        let ago = now.since(shown);
        if bool::from(is_ours) && shown <= now && ago <= VALID {
            Shown::Ago(ago)
        } else {
            Shown::Unknown
        }
    }

    fn sign(&self, form: &str, millis: i64) -> String {
        // A key of any length is taken, so there is no other case.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return String::new();
        };
        mac.update(&millis.to_be_bytes());
        mac.update(form.as_bytes());
        let mut signature = hex(&mac.finalize().into_bytes());
        signature.truncate(SIGNATURE_DIGITS);
        signature
    }
}

/// A key that names one submission, for pages: 128 random bits. Empty where the system has none, which
/// is as if there were no key.
pub(super) fn submission_key() -> String {
    let mut random = [0; 16];
    match getrandom::fill(&mut random) {
        Ok(()) => hex(&random),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_tells_how_long_ago_its_form_was_shown_and_nothing_else_does() {
        let tokens = Tokens::new().unwrap();
        let shown = Wall::from_millis(1_800_000_000_000);
        let later = |seconds: i64| Wall::from_millis(1_800_000_000_000 + seconds * 1_000);
        let token = tokens.make("contact", shown);
        let ago = |seconds| Shown::Ago(Duration::from_secs(seconds));
        assert_eq!(tokens.read("contact", &token, later(0)), ago(0));
        assert_eq!(tokens.read("contact", &token, later(7)), ago(7));
        assert_eq!(tokens.read("contact", &token, later(86_400)), ago(86_400));
        let older = token.replacen("18", "17", 1);
        let other = Tokens::new().unwrap().make("contact", shown);
        let unsigned = token.split_once('.').unwrap().0.to_owned() + ".";
        for (form, token, now) in [
            ("contact", &token, later(86_401)),
            ("contact", &token, later(-1)),
            ("support", &token, later(7)),
            ("contact", &older, later(7)),
            ("contact", &other, later(7)),
            ("contact", &unsigned, later(7)),
            ("contact", &String::new(), later(7)),
            ("contact", &"..".to_owned(), later(7)),
            ("contact", &format!("{}.", i64::MIN), later(7)),
        ] {
            assert_eq!(tokens.read(form, token, now), Shown::Unknown, "{token}");
        }
    }
}
