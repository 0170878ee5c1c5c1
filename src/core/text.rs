//! What comes from outside as text, made safe to keep and to show: bounded, and without characters
//! that end a line of a header or of a log, or that turn the direction of what stands around them.

/// The longest subject, in characters: far more than any list shows.
pub const LONGEST_SUBJECT: usize = 300;

/// The longest name of a person or of a field, in characters.
pub const LONGEST_NAME: usize = 200;

/// The longest mail address (RFC 5321 §4.5.3.1.3).
pub const LONGEST_ADDRESS: usize = 254;

/// The longest part of a mail address before its `@`, in octets (RFC 5321 §4.5.3.1.1).
const LONGEST_LOCAL_PART: usize = 64;

/// The largest text of a message, in octets: a long book chapter. What is beyond is cut off; mail is
/// kept whole beside it.
pub const LARGEST_TEXT: usize = 256 * 1024;

/// The first words of a message, in characters, as lists show them.
pub const LONGEST_PREVIEW: usize = 140;

/// One line: control characters, line ends of every kind and marks that turn the direction of text
/// become a single space or nothing, white space around it is gone, and it has at most `limit`
/// characters.
pub fn clean_line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    let mut characters = 0;
    let mut space = false;
    for c in text.chars() {
        if is_hidden(c) {
            continue;
        }
        if c.is_control() || c.is_whitespace() {
            space = characters > 0;
            continue;
        }
        if characters + usize::from(space) >= limit {
            break;
        }
        if space {
            line.push(' ');
            characters += 1;
            space = false;
        }
        line.push(c);
        characters += 1;
    }
    line
}

/// Many lines: `\r\n` and `\r` become `\n`, control characters other than tabs are gone, and so is
/// white space at its end; it has at most `limit` octets.
pub fn clean_text(text: &str, limit: usize) -> String {
    let mut clean = String::with_capacity(text.len().min(limit));
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let c = match c {
            '\r' if characters.peek() == Some(&'\n') => continue,
            '\r' | '\u{2028}' | '\u{2029}' => '\n',
            '\n' | '\t' => c,
            c if c.is_control() => continue,
            c => c,
        };
        if clean.len() + c.len_utf8() > limit {
            break;
        }
        clean.push(c);
    }
    clean.truncate(clean.trim_end().len());
    clean
}

/// The first words of a text, on one line.
pub fn first_words(text: &str) -> String {
    clean_line(text, LONGEST_PREVIEW)
}

/// A mail address as it is compared: in lower case, without white space. `None`: it cannot be one.
pub fn clean_address(address: &str) -> Option<String> {
    let address = address.trim();
    let (local, domain) = address.rsplit_once('@')?;
    let bad = |c: char| c.is_control() || c.is_whitespace() || is_hidden(c) || "<>,;\"".contains(c);
    let short = address.chars().count() <= LONGEST_ADDRESS;
    let whole = !local.is_empty() && !domain.is_empty() && short && !address.contains(bad);
    whole.then(|| address.to_lowercase())
}

/// Whether a text is shaped like a mail address that a mail server would take and a header can hold: no
/// spaces, no quotes, one `@`, a domain of several labels. Whether it exists shows when mail is sent.
pub fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !"()<>[]:;@\\,\"".contains(c);
    let is_label = |label: &str| {
        let is_inside = |c: char| c.is_alphanumeric() || c == '-';
        !label.is_empty()
            && label.chars().all(is_inside)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= LONGEST_ADDRESS
        && (1..=LONGEST_LOCAL_PART).contains(&local.len())
        && local.chars().all(is_plain)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && domain.contains('.')
        && domain.split('.').all(is_label)
}

/// Text as it may stand in HTML, also between quotes.
pub fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Characters that nobody sees, and that change what is seen.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_no_header_and_turns_nothing_around() {
        for (text, line) in [
            ("Invoice 17", "Invoice 17"),
            (
                "Hi\r\nBcc: everybody@example.com",
                "Hi Bcc: everybody@example.com",
            ),
            ("  a \t\n b\u{0}\u{7f} ", "a b"),
            ("\u{202e}fdp.exe\u{2066}", "fdp.exe"),
            ("one\u{2028}two\u{85}three", "one two three"),
            ("\u{1b}[31mred", "[31mred"),
            ("\u{feff}", ""),
            ("👩‍👧 æøå", "👩‍👧 æøå"),
        ] {
            assert_eq!(clean_line(text, 100), line, "{text:?}");
        }
    }

    #[test]
    fn a_line_has_no_more_characters_than_allowed() {
        assert_eq!(clean_line("ææææ", 3), "æææ");
        assert_eq!(
            clean_line("ab cd", 3),
            "ab",
            "no space is left at the end of what is cut"
        );
        assert_eq!(clean_line("ab", 0), "");
    }

    #[test]
    fn a_text_keeps_its_lines_and_loses_what_cannot_be_seen() {
        assert_eq!(
            clean_text("a\r\nb\rc\n\td\u{0}\u{8}\n\n", 100),
            "a\nb\nc\n\td"
        );
        assert_eq!(
            clean_text("ææ", 3),
            "æ",
            "no character is cut in the middle"
        );
    }

    #[test]
    fn an_address_is_compared_in_lower_case_and_hides_no_header() {
        assert_eq!(
            clean_address(" Kari@Example.COM "),
            Some("kari@example.com".to_owned())
        );
        for bad in [
            "",
            "kari",
            "@example.com",
            "kari@",
            "a@b\r\nBcc: c@d",
            "a b@c",
            "<a@b>",
            "a@b,c@d",
        ] {
            assert_eq!(clean_address(bad), None, "{bad:?}");
        }
        assert_eq!(clean_address(&format!("{}@b", "a".repeat(300))), None);
    }

    proptest::proptest! {
        #[test]
        fn what_is_clean_stays_as_it_is(text in ".{0,200}", limit in 0usize..60) {
            let line = clean_line(&text, limit);
            proptest::prop_assert!(line.chars().count() <= limit);
            proptest::prop_assert!(!line.chars().any(char::is_control));
            proptest::prop_assert_eq!(clean_line(&line, limit), line);
            let text = clean_text(&text, limit);
            proptest::prop_assert!(text.len() <= limit);
            proptest::prop_assert_eq!(clean_text(&text, limit), text);
        }
    }

    #[test]
    fn what_is_no_mail_address_is_told_apart() {
        let long = format!("{}@example.com", "x".repeat(65));
        for (text, expected) in [
            ("a@b.no", true),
            ("kari.nordmann+x@post.example.com", true),
            ("kåre@blåbær.no", true),
            ("a@b", false),
            ("@b.no", false),
            ("a b@c.no", false),
            ("a@b@c.no", false),
            ("a@-b.no", false),
            ("a@b-.no", false),
            ("a@b..no", false),
            (".a@b.no", false),
            ("a..a@b.no", false),
            ("a@b.no\r\nBcc: x@y.no", false),
            ("<a@b.no>", false),
            (long.as_str(), false),
        ] {
            assert_eq!(is_address(text), expected, "{text:?}");
        }
    }

    #[test]
    fn text_in_html_ends_neither_an_element_nor_an_attribute() {
        assert_eq!(
            escape_html("<a href=\"x\" title='y'>&amp;"),
            "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;"
        );
    }
}
