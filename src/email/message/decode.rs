//! Transfer encodings (RFC 2045 §6) and charsets. Whatever comes is decoded as far as it can be.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mail_parser::decoders::charsets::map::charset_decoder;

use super::fields::western;

/// Takes what many a program writes: without padding, with bits left over.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A body without its transfer encoding, and what was wrong with that.
pub(super) fn transfer(encoding: Option<&str>, body: &[u8]) -> (Vec<u8>, Option<&'static str>) {
    match encoding.map(|it| it.trim().to_ascii_lowercase()).as_deref() {
        Some("base64") => base64(body),
        Some("quoted-printable") => (quoted_printable(body), None),
        Some("7bit" | "8bit" | "binary" | "") | None => (body.to_vec(), None),
        Some(_) => (body.to_vec(), Some("a transfer encoding that is not known")),
    }
}

fn base64(body: &[u8]) -> (Vec<u8>, Option<&'static str>) {
    let written = body.iter().filter(|c| !c.is_ascii_whitespace()).count();
    let mut letters: Vec<u8> = body
        .iter()
        .copied()
        .take_while(|c| *c != b'=')
        .filter(|c| c.is_ascii_alphanumeric() || *c == b'+' || *c == b'/')
        .collect();
    // One letter alone is no octet yet.
    if letters.len() % 4 == 1 {
        letters.pop();
    }
    if letters.len().saturating_mul(2) < written {
        return (body.to_vec(), Some("what is said to be base64 is not"));
    }
    match LENIENT.decode(&letters) {
        Ok(octets) => (octets, None),
        Err(_) => (body.to_vec(), Some("what is said to be base64 is not")),
    }
}

fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(body.len());
    let mut rest = body;
    while !rest.is_empty() {
        let (line, next) = super::fields::line(rest);
        let ended = next > line.len();
        rest = rest.get(next..).unwrap_or_default();
        // Blanks at the end of a line were added on the way.
        let line = line.trim_ascii_end();
        let (line, soft) = match line.strip_suffix(b"=") {
            Some(line) => (line, true),
            None => (line, false),
        };
        let mut place = 0usize;
        while let Some(&c) = line.get(place) {
            let (octet, length) = match (c, escaped(line, place)) {
                (b'=', Some(octet)) => (octet, 3),
                (_, _) => (c, 1),
            };
            octets.push(octet);
            place = place.saturating_add(length);
        }
        if ended && !soft {
            octets.extend_from_slice(b"\r\n");
        }
    }
    octets
}

/// The octet that two hexadecimal digits after `place` stand for.
fn escaped(line: &[u8], place: usize) -> Option<u8> {
    let digits = line.get(place.checked_add(1)?..place.checked_add(3)?)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Octets as text. A charset that is not known, or that the octets contradict, is replaced by UTF-8
/// if they are that, else by Windows-1252. Line ends become `\n`.
pub(super) fn text(charset: Option<&str>, octets: &[u8]) -> String {
    let label = charset.unwrap_or_default().trim().to_ascii_lowercase();
    let unicode = matches!(label.as_str(), "" | "utf-8" | "utf8" | "us-ascii" | "ascii");
    let decoder = match unicode {
        true => None,
        false => charset_decoder(label.as_bytes()),
    };
    let text = match (decoder, std::str::from_utf8(octets)) {
        (Some(decode), _) => decode(octets),
        (None, Ok(text)) => text.to_owned(),
        (None, Err(_)) => western(octets),
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_it_is_found() {
        for body in [
            "aGVsbG8gd29ybGQ=",
            "aGVs\r\nbG8g\n d29y bGQ",
            "aGVsbG8-gd29ybGQ=\r\nfooter",
        ] {
            let (octets, wrong) = transfer(Some(" BASE64 "), body.as_bytes());
            assert_eq!(octets, b"hello world", "{body}");
            assert_eq!(wrong, None);
        }
        let (octets, wrong) = transfer(Some("base64"), b"%%% !!! ---");
        assert_eq!(octets, b"%%% !!! ---");
        assert!(wrong.is_some());
        assert_eq!(transfer(Some("base64"), b"").0, b"");
        assert!(transfer(Some("x-uuencode"), b"begin").1.is_some());
    }

    #[test]
    fn quoted_printable_is_read_as_it_is_found() {
        for (body, octets) in [
            ("bl=C3=A5 =\r\nb=C3=A6r  \r\nx", "blå bær\r\nx"),
            ("100=25 = sure =ZZ", "100% = sure =ZZ"),
            ("end=", "end"),
            ("=C", "=C"),
            ("", ""),
        ] {
            let read = transfer(Some("quoted-printable"), body.as_bytes()).0;
            assert_eq!(String::from_utf8(read).unwrap(), octets, "{body:?}");
        }
    }

    #[test]
    fn charsets_of_the_world_are_read() {
        for (charset, octets, read) in [
            ("utf-8", &b"bl\xc3\xa5"[..], "blå"),
            ("utf-8", b"bl\xe5", "blå"),
            ("us-ascii", b"bl\xe5", "blå"),
            ("nonsense", b"bl\xc3\xa5", "blå"),
            ("", b"bl\xe5", "blå"),
            ("iso-8859-1", b"bl\xe5", "blå"),
            ("ISO-8859-15", b"\xa4 5", "€ 5"),
            ("windows-1251", b"\xcf\xf0\xe8\xe2\xe5\xf2", "Привет"),
            ("koi8-r", b"\xf0\xd2\xc9\xd7\xc5\xd4", "Привет"),
            ("shift_jis", b"\x93\xfa\x96\x7b", "日本"),
            ("iso-2022-jp", b"\x1b$BF|K\\\x1b(B", "日本"),
            ("euc-jp", b"\xc6\xfc\xcb\xdc", "日本"),
            ("gb2312", b"\xd6\xd0\xb9\xfa", "中国"),
            ("gb18030", b"\xd6\xd0\xb9\xfa", "中国"),
            ("big5", b"\xa4\xa4\xb0\xea", "中國"),
            ("euc-kr", b"\xc7\xd1\xb1\xb9", "한국"),
            ("utf-16le", b"h\0i\0", "hi"),
        ] {
            assert_eq!(text(Some(charset), octets), read, "{charset}");
        }
        assert_eq!(text(None, b"\xef\xbb\xbfa\r\nb\rc"), "a\nb\nc");
    }
}
