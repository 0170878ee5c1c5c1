//! Scanning of header values: white space, quoted strings, elements of lists (RFC 3261 §25.1).

/// True for the characters of a `token`.
pub(super) const fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
        )
}

/// True where `text` is a non-empty `token`.
pub(super) fn all_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token)
}

/// Without the white space at both ends.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

/// The position of the first `separator` that stands outside quoted strings and angle brackets.
pub(super) fn find_outside(text: &str, separator: u8) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    let mut bracketed = false;
    for (at, octet) in text.bytes().enumerate() {
        if quoted {
            match octet {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
        } else if octet == separator && !bracketed {
            return Some(at);
        } else {
            match octet {
                b'"' if !bracketed => quoted = true,
                b'<' => bracketed = true,
                b'>' => bracketed = false,
                _ => {}
            }
        }
    }
    None
}

/// The parts between the separators that stand outside quoted strings and angle brackets, trimmed;
/// empty parts are left out.
#[derive(Clone, Debug)]
pub(super) struct Split<'a> {
    rest: Option<&'a str>,
    separator: u8,
}

impl<'a> Split<'a> {
    pub(super) fn new(text: &'a str, separator: u8) -> Split<'a> {
        Split {
            rest: Some(text),
            separator,
        }
    }
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let rest = self.rest?;
            let part = match find_outside(rest, self.separator) {
                Some(at) => {
                    self.rest = rest.get(at + 1..);
                    rest.get(..at).unwrap_or_default()
                }
                None => {
                    self.rest = None;
                    rest
                }
            };
            let part = trim(part);
            if !part.is_empty() {
                return Some(part);
            }
        }
    }
}

/// The length of the quoted string that `text` begins with, both quotes included.
pub(super) fn quoted_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            b'"' if at == 0 => {}
            _ if at == 0 => return None,
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The text between the quotes of a quoted string, escapes taken away. `None` where `text` is not
/// one quoted string and nothing else.
pub(super) fn unquote(text: &str) -> Option<String> {
    if quoted_length(text)? != text.len() {
        return None;
    }
    let inner = text.get(1..text.len() - 1)?;
    let mut plain = String::with_capacity(inner.len());
    let mut escaped = false;
    for character in inner.chars() {
        if character == '\\' && !escaped {
            escaped = true;
        } else {
            plain.push(character);
            escaped = false;
        }
    }
    Some(plain)
}

/// Writes `text` as a quoted string. Line ends become spaces, since none may stand in one.
pub(super) fn write_quoted(f: &mut impl std::fmt::Write, text: &str) -> std::fmt::Result {
    f.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                f.write_char('\\')?;
                f.write_char(character)?;
            }
            '\r' | '\n' => f.write_char(' ')?,
            _ => f.write_char(character)?,
        }
    }
    f.write_char('"')
}

/// Digits alone as a number that fits; leading zeros are allowed.
pub(super) fn digits(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_elements_keep_their_quotes_and_brackets() {
        let split: Vec<&str> =
            Split::new(r#" "a, \" b" <sip:x,y@h>;q=1 ,, tel:1 ,"#, b',').collect();
        assert_eq!(split, [r#""a, \" b" <sip:x,y@h>;q=1"#, "tel:1"]);
    }

    #[test]
    fn quoted_strings_lose_quotes_and_escapes() {
        assert_eq!(unquote(r#""J \\\" R""#).as_deref(), Some(r#"J \" R"#));
        assert_eq!(unquote(r#""open"#), None);
        assert_eq!(unquote(r#""a"b"#), None);
        assert_eq!(unquote("plain"), None);
        let mut text = String::new();
        write_quoted(&mut text, "a\"b\\c\r\nd").expect("a String takes all");
        assert_eq!(text, r#""a\"b\\c  d""#);
    }
}
