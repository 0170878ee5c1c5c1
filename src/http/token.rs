//! Tokens of programs: 256 random bits, of which only a hash is kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::core::snapshot::Token;

/// What every token begins with, so that one that was left somewhere is recognised.
const PREFIX: &str = "rd_";

/// The longest token that is looked at, in octets.
const LONGEST: usize = 256;

/// A new token.
///
/// # Errors
/// The system gives no random numbers.
pub fn new_token() -> Result<String, String> {
    let mut random = [0u8; 32];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random)))
}

/// What the configuration keeps of a token: its SHA-256.
pub fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The token that was presented, among those of the configuration. Every one is compared, each in
/// the same time.
pub fn find<'a>(tokens: &'a [Token], presented: &str) -> Option<&'a Token> {
    if presented.len() > LONGEST {
        return None;
    }
    let digest = digest(presented);
    tokens.iter().fold(None, |found, token| {
        match bool::from(token.sha256.ct_eq(&digest)) {
            true => Some(token),
            false => found,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_digest() {
        let secret = new_token().unwrap();
        assert_eq!(secret.len(), 3 + 43);
        let token = |name: &str, secret: &str| Token {
            name: name.to_owned(),
            sha256: digest(secret),
            scopes: Vec::new(),
            user: None,
            inboxes: None,
        };
        let tokens = [
            token("a", "rd_a"),
            token("crm", &secret),
            token("b", "rd_b"),
        ];
        assert_eq!(find(&tokens, &secret).unwrap().name, "crm");
        for wrong in ["", "rd_", &secret[1..], &secret.repeat(9)] {
            assert!(find(&tokens, wrong).is_none(), "{wrong}");
        }
    }
}
