//! The signature of a request: `v1=` and the HMAC-SHA256 (RFC 2104) of timestamp, dot and body, in
//! hexadecimal. The timestamp is signed with the body, so that an old request cannot be sent again
//! later by whoever saw it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::core::hex::hex;
use crate::core::snapshot::Secret;

/// The value of `Ringdesk-Signature` for a body that is sent at `timestamp` (seconds since 1970).
pub fn signature(Secret(secret): &Secret, timestamp: i64, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        unreachable!("HMAC takes keys of any length (RFC 2104 §3)");
    };
    mac.update(format!("{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1={}", hex(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `printf '1800000000.{"a":1}' | openssl dgst -sha256 -hmac whsec`.
    #[test]
    fn it_is_what_other_programs_compute() {
        let secret = Secret("whsec".to_owned());
        let signed = signature(&secret, 1_800_000_000, br#"{"a":1}"#);
        assert_eq!(
            signed,
            "v1=adf19a16865985b0891b0e7e4f6770e17d6bdd6462d897848f5adb661c4381bb"
        );
        assert_ne!(signed, signature(&secret, 1_800_000_001, br#"{"a":1}"#));
        assert_ne!(signed, signature(&secret, 1_800_000_000, br#"{"a":2}"#));
        let other = Secret("whsed".to_owned());
        assert_ne!(signed, signature(&other, 1_800_000_000, br#"{"a":1}"#));
    }
}
