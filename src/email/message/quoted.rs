//! Where a message's own words end and the history below begins; and flowed text (RFC 3676).

/// Lines that are looked at for a beginning of history.
const LINES: usize = 5_000;

/// Octets of the line above a quotation ("On Monday … wrote:"), which may be broken in two.
const ATTRIBUTION: usize = 400;

/// Divides a text into what was written now and the quoted history below it, each trimmed of empty
/// lines at its ends. An answer between quoted lines keeps everything: folding would tear it apart.
/// What is forwarded without a word of one's own is kept in sight too.
pub(super) fn folded(text: &str) -> (String, Option<String>) {
    let lines: Vec<&str> = text.lines().collect();
    let Some(begin) = beginning(&lines) else {
        return (trimmed(&lines), None);
    };
    let (own, history) = lines.split_at(begin);
    let own = trimmed(own);
    if own.is_empty() {
        return (trimmed(&lines), None);
    }
    (own, Some(trimmed(history)))
}

fn trimmed(lines: &[&str]) -> String {
    let text = lines.join("\n");
    let text = text.trim_end();
    let indented = text.trim_start_matches(['\n', '\r']);
    match indented.lines().next().map(str::trim) {
        Some("") => text.trim_start().to_owned(),
        Some(_) | None => indented.to_owned(),
    }
}

/// The line at which the history begins.
fn beginning(lines: &[&str]) -> Option<usize> {
    let looked_at = lines.get(..lines.len().min(LINES)).unwrap_or(lines);
    let separator = looked_at
        .iter()
        .enumerate()
        .position(|(place, line)| is_separator(line) || is_header_block(lines, place));
    let quotation = last_quotation(looked_at);
    match (separator, quotation) {
        (Some(separator), Some(quotation)) => Some(separator.min(quotation)),
        (one, other) => one.or(other),
    }
}

/// `-----Original Message-----` and its translations, as Outlook and its likes write them.
fn is_separator(line: &str) -> bool {
    let line = line.trim();
    let Some(inside) = line.strip_prefix("--") else {
        return line.len() >= 30 && line.chars().all(|c| c == '_');
    };
    let Some(inside) = inside.strip_suffix("--") else {
        return false;
    };
    let words = inside.trim_matches(['-', ' ']).to_lowercase();
    const WORDS: &[&str] = &[
        "original message",
        "original-nachricht",
        "originalnachricht",
        "ursprüngliche nachricht",
        "weitergeleitete nachricht",
        "opprinnelig melding",
        "videresendt melding",
        "ursprungligt meddelande",
        "oprindelig meddelelse",
        "message d'origine",
        "message original",
        "mensaje original",
        "messaggio originale",
        "oorspronkelijk bericht",
        "alkuperäinen viesti",
        "forwarded message",
        "reply message",
    ];
    WORDS.contains(&words.as_str())
}

/// Outlook writes the old header above the old message, with nothing else to mark it: `From:`, then
/// `Sent:` or `Date:` within the next lines, and `To:` or `Subject:`.
fn is_header_block(lines: &[&str], place: usize) -> bool {
    let label = |offset: usize| -> Option<String> {
        let line = lines.get(place.checked_add(offset)?)?;
        let line = line.trim().trim_matches('*');
        let (label, value) = line.split_once(':')?;
        let label = label.trim_matches(['*', ' ', '\u{a0}']).to_lowercase();
        (!value.trim().is_empty()).then_some(label)
    };
    let is = |offset: usize, words: &[&str]| {
        label(offset).is_some_and(|label| words.contains(&label.as_str()))
    };
    const FROM: &[&str] = &[
        "from",
        "von",
        "fra",
        "från",
        "de",
        "da",
        "van",
        "lähettäjä",
        "od",
    ];
    const SENT: &[&str] = &[
        "sent",
        "date",
        "gesendet",
        "datum",
        "sendt",
        "dato",
        "skickat",
        "envoyé",
        "enviado",
        "enviado el",
        "inviato",
        "data",
        "verzonden",
        "lähetetty",
        "wysłano",
    ];
    is(0, FROM) && (1..=2).any(|offset| is(offset, SENT))
}

/// Where the block of `>` lines begins that runs to the end, with the line above that introduces it.
fn last_quotation(lines: &[&str]) -> Option<usize> {
    let is_quoted = |line: &str| line.trim_start().starts_with('>');
    let mut begin = None;
    for (place, line) in lines.iter().enumerate().rev() {
        let empty = line.trim().is_empty();
        match (is_quoted(line), empty) {
            (true, _) => begin = Some(place),
            (false, true) => {}
            (false, false) if begin.is_none() && is_signature_below(lines, place) => {}
            (false, false) => break,
        }
    }
    let begin = begin?;
    Some(attribution(lines, begin).unwrap_or(begin))
}

/// A signature may follow the quotation; it begins with the line `-- ` (RFC 3676 §4.3).
fn is_signature_below(lines: &[&str], place: usize) -> bool {
    const SIGNATURE_LINES: usize = 12;
    let from = place.saturating_sub(SIGNATURE_LINES);
    let near = lines.get(from..=place).unwrap_or_default();
    near.contains(&"-- ") && lines.len().saturating_sub(place) <= SIGNATURE_LINES
}

/// "On Monday, Anna wrote:", in any language: the one or two lines above a quotation that end in a
/// colon.
fn attribution(lines: &[&str], quotation: usize) -> Option<usize> {
    let above = lines.get(..quotation)?;
    let last = above.iter().rposition(|line| !line.trim().is_empty())?;
    let line = above.get(last)?.trim();
    if !line.ends_with(':') || line.len() > ATTRIBUTION || quotation.saturating_sub(last) > 3 {
        return None;
    }
    let has_digit = |line: &str| line.chars().any(|c| c.is_ascii_digit());
    let before = last.checked_sub(1).and_then(|it| above.get(it));
    match before {
        Some(before) if !has_digit(line) && has_digit(before) && before.len() < ATTRIBUTION => {
            Some(last.saturating_sub(1))
        }
        Some(_) | None => Some(last),
    }
}

/// Joins lines that a program broke (RFC 3676 §4): those that end in a blank go on in the next one of
/// the same depth of quotation.
pub(super) fn unflowed(text: &str, delete_space: bool) -> String {
    let mut lines: Vec<(usize, String, bool)> = Vec::new();
    for line in text.lines() {
        let depth = line.chars().take_while(|c| *c == '>').count();
        let content = line.get(depth..).unwrap_or_default();
        let content = content.strip_prefix(' ').unwrap_or(content);
        let signature = content == "-- ";
        let flows = content.ends_with(' ') && !signature;
        let content = match (flows, delete_space) {
            (true, true) => content.strip_suffix(' ').unwrap_or(content),
            (true, false) | (false, _) => content,
        };
        match lines.last_mut() {
            Some((last_depth, last, open)) if *open && *last_depth == depth && !signature => {
                last.push_str(content);
                *open = flows;
            }
            Some(_) | None => lines.push((depth, content.to_owned(), flows)),
        }
    }
    let lines = lines.into_iter().map(|(depth, content, _)| match depth {
        0 => content,
        _ => format!("{} {content}", ">".repeat(depth)),
    });
    lines.collect::<Vec<String>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_below_an_answer_is_folded() {
        for (text, own, history) in [
            (
                "Yes, please.\n\nOn Mon, 23 Nov 2026 at 10:00, Anna <anna@x> wrote:\n> Shall we?\n> Anna\n",
                "Yes, please.",
                "On Mon, 23 Nov 2026 at 10:00, Anna <anna@x> wrote:\n> Shall we?\n> Anna",
            ),
            (
                "Ja.\n\nAm 23.11.2026 um 10:00 schrieb Anna Berg\n<anna@example.com>:\n\n> Sollen wir?\n\n-- \nKåre\n",
                "Ja.",
                "Am 23.11.2026 um 10:00 schrieb Anna Berg\n<anna@example.com>:\n\n> Sollen wir?\n\n-- \nKåre",
            ),
            (
                "Fine.\n\n-----Original Message-----\nFrom: Anna\nSent: Monday\n\nShall we?",
                "Fine.",
                "-----Original Message-----\nFrom: Anna\nSent: Monday\n\nShall we?",
            ),
            (
                "Greit.\n\nFra: Anna Berg <anna@x>\nSendt: mandag 23. november\nTil: Kåre\nEmne: Møte\n\nSkal vi?",
                "Greit.",
                "Fra: Anna Berg <anna@x>\nSendt: mandag 23. november\nTil: Kåre\nEmne: Møte\n\nSkal vi?",
            ),
            (
                "Ok\n________________________________\nFrom: Anna\n\nHello",
                "Ok",
                "________________________________\nFrom: Anna\n\nHello",
            ),
        ] {
            assert_eq!(folded(text), (own.to_owned(), Some(history.to_owned())));
        }
    }

    #[test]
    fn what_is_no_history_stays_in_sight() {
        for text in [
            "",
            "Hello\n\nworld",
            "> Shall we?\nYes.\n> When?\nNow.",
            "> only what another wrote",
            "From: the start of a sentence\nwe go on.",
            "Dashes -- are fine\n--\nKåre",
            "-----Original Message-----\nFrom: x\n\nforwarded without a word",
            "The list:\n\n- one\n- two",
        ] {
            let (own, history) = folded(text);
            assert_eq!(own, text.trim_end(), "{text}");
            assert_eq!(history, None, "{text}");
        }
    }

    #[test]
    fn flowed_lines_are_joined() {
        assert_eq!(
            unflowed(
                "This is \none line.\nThis another.\n> quoted \n> too\n-- \nKåre",
                false
            ),
            "This is one line.\nThis another.\n> quoted too\n-- \nKåre"
        );
        assert_eq!(unflowed("日本 \n語", true), "日本語");
        assert_eq!(unflowed("> a \nb", false), "> a \nb");
    }
}
