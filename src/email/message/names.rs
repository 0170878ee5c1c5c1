//! Names that a stranger chose, made fit for one line and for a file.

/// Characters of a file's name, at most: what every file system and every browser takes, also when
/// each is four octets.
const FILE_NAME: usize = 60;

/// Makes one line of any text: line ends and other control characters become blanks, characters that
/// turn the direction of writing are left out, blanks are drawn together, and what is beyond
/// `longest` characters is cut off.
pub fn one_line(text: &str, longest: usize) -> String {
    let mut line = String::new();
    let mut length = 0usize;
    for word in text.split(|c: char| c.is_control() || c.is_whitespace()) {
        let word: String = word.chars().filter(|c| !is_invisible(*c)).collect();
        if word.is_empty() {
            continue;
        }
        let blank = usize::from(!line.is_empty());
        let room = longest.saturating_sub(length.saturating_add(blank));
        if room == 0 {
            break;
        }
        if blank == 1 {
            line.push(' ');
        }
        let taken: String = word.chars().take(room).collect();
        length = length
            .saturating_add(blank)
            .saturating_add(taken.chars().count());
        line.push_str(&taken);
    }
    line
}

/// Makes a file's name of any text: no path, no control characters, nothing that shells and Windows
/// treat in a way of their own, none that turns the direction of writing (`exe.gpj` for `jpg.exe`).
/// `None` if nothing is left.
pub fn file_name(text: &str) -> Option<String> {
    let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !is_invisible(*c) && !"<>:\"|?*`$".contains(*c))
        .collect();
    let kept = kept.trim_matches([' ', '.']);
    if kept.is_empty() {
        return None;
    }
    Some(shortened(kept))
}

/// The beginning of a text, of at most so many octets, cut between characters.
pub(crate) fn beginning(text: &str, octets: usize) -> &str {
    let mut end = octets.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

/// The name with its end, without the middle.
fn shortened(name: &str) -> String {
    let length = name.chars().count();
    if length <= FILE_NAME {
        return name.to_owned();
    }
    let ending = match name.rsplit_once('.') {
        Some((_, ending)) if ending.chars().count() <= 10 => format!(".{ending}"),
        Some(_) | None => String::new(),
    };
    let room = FILE_NAME.saturating_sub(ending.chars().count());
    let beginning: String = name.chars().take(room).collect();
    format!("{}{ending}", beginning.trim_end())
}

/// Characters that show nothing and change what is read: directions (Unicode TR 9), joiners, marks of
/// byte order, and separators of lines.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{061c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_line_whatever_it_holds() {
        for (text, line) in [
            ("Re: hello", "Re: hello"),
            ("a\r\nBcc: all@example.com", "a Bcc: all@example.com"),
            ("  much \t room\u{a0}here ", "much room here"),
            ("bell\u{7}\u{0}\u{1b}[31m", "bell [31m"),
            ("turned \u{202e}gpj.exe", "turned gpj.exe"),
            ("lines\u{2028}and\u{2029}paragraphs", "lines and paragraphs"),
            ("\u{85}next", "next"),
            ("", ""),
        ] {
            assert_eq!(one_line(text, 80), line, "{text:?}");
        }
        assert_eq!(one_line("ååååå åååå", 7), "ååååå å");
        assert_eq!(one_line("ååååå åååå", 6), "ååååå");
    }

    #[test]
    fn a_file_has_a_name_without_a_path() {
        for (text, name) in [
            ("offer.pdf", Some("offer.pdf")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\Users\\x\\offer.pdf", Some("offer.pdf")),
            ("/", None),
            ("..", None),
            ("", None),
            (".bashrc", Some("bashrc")),
            ("a\r\nX: y.txt", Some("a  X y.txt")),
            ("nul\0l.txt", Some("null.txt")),
            ("innocent\u{202e}gpj.exe", Some("innocentgpj.exe")),
            ("<img src=x>.png", Some("img src=x.png")),
            ("økonomi 2026.xlsx", Some("økonomi 2026.xlsx")),
        ] {
            assert_eq!(file_name(text).as_deref(), name, "{text:?}");
        }
        let long = file_name(&format!("{}.docx", "x".repeat(500))).unwrap();
        assert_eq!(long.chars().count(), FILE_NAME);
        assert!(long.ends_with(".docx"));
        let long = file_name(&"ø.".repeat(500)).unwrap();
        assert!(long.len() <= FILE_NAME * 4, "{long}");
    }
}
