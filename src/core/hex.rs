//! Octets as hexadecimal digits.

use std::fmt::Write;

/// Two lower-case digits for each octet.
pub fn hex(octets: &[u8]) -> String {
    let mut digits = String::with_capacity(octets.len().saturating_mul(2));
    for octet in octets {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{octet:02x}");
    }
    digits
}

/// The octets of so many digits, or `None` where there are more or fewer, or other characters.
pub fn octets<const COUNT: usize>(digits: &str) -> Option<[u8; COUNT]> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let octets: Option<Vec<u8>> = pairs.iter().map(octet).collect();
    octets?.try_into().ok()
}

fn octet([high, low]: &[u8; 2]) -> Option<u8> {
    let digit = |character: u8| char::from(character).to_digit(16);
    let value = digit(*high)? * 16 + digit(*low)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_read_as_they_were_written() {
        assert_eq!(hex(&[0, 0xab, 0x1f]), "00ab1f");
        assert_eq!(octets("00ab1f"), Some([0, 0xab, 0x1f]));
        assert_eq!(octets("00AB1F"), Some([0, 0xab, 0x1f]));
        for wrong in [
            "", "00ab", "00ab1", "00ab1f0", "00ab1f00", "+0ab1f", "00ab1g", "00æ1f",
        ] {
            assert_eq!(octets::<3>(wrong), None, "{wrong}");
        }
    }
}
