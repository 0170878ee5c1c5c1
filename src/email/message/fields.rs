//! The fields of a header (RFC 5322 §2.2), each found by its name and read as what it holds.

use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::parsers::MessageStream;
use mail_parser::{Addr, Address, ContentType, HeaderValue};

use super::names::{beginning, one_line};
use super::{MESSAGE_ID_OCTETS, Party};
use crate::core::time::Wall;

/// Octets of one header that are read: real ones, with every signature and every server on the way,
/// are under 64 kB.
const HEADER_OCTETS: usize = 256 * 1024;

/// Fields of one header that are read.
const FIELDS: usize = 1_000;

/// Addresses of one field that are read.
const ADDRESSES: usize = 200;

/// Identifiers of one field that are read: the last ones, which are the nearest.
const IDS: usize = 100;

/// Characters of a person's name that are kept.
const NAME: usize = 120;

/// The fields of one header, in the order written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fields {
    fields: Vec<(String, String)>,
    /// Not everything was read.
    pub cut: bool,
}

/// Splits a message or a part into header and body at the first empty line.
pub(crate) fn split(octets: &[u8]) -> (Fields, &[u8]) {
    let mut fields = Fields::default();
    let mut place = 0usize;
    let mut field: Vec<u8> = Vec::new();
    loop {
        let rest = octets.get(place..).unwrap_or_default();
        if rest.is_empty() {
            break;
        }
        let (line, next) = line(rest);
        place = place.saturating_add(next);
        if line.is_empty() {
            break;
        }
        if place > HEADER_OCTETS {
            fields.cut = true;
            continue;
        }
        if line.first().is_some_and(|c| *c == b' ' || *c == b'\t') {
            field.extend_from_slice(b"\r\n");
        } else {
            fields.push(&std::mem::take(&mut field));
        }
        field.extend_from_slice(line);
    }
    fields.push(&field);
    (fields, octets.get(place..).unwrap_or_default())
}

/// The first line without its end, and where the next one begins.
pub(crate) fn line(octets: &[u8]) -> (&[u8], usize) {
    let (line, next) = match memchr::memchr(b'\n', octets) {
        Some(end) => (octets.get(..end).unwrap_or_default(), end.saturating_add(1)),
        None => (octets, octets.len()),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), next)
}

impl Fields {
    fn push(&mut self, field: &[u8]) {
        let Some(colon) = memchr::memchr(b':', field) else {
            return;
        };
        let (name, value) = field.split_at(colon);
        let name = name.trim_ascii_end();
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return;
        }
        if self.fields.len() >= FIELDS {
            self.cut = true;
            return;
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        self.fields
            .push((name, text(value.get(1..).unwrap_or_default())));
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Every field with its value as it was written, from the top.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The values of all fields of that name, given in small letters.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.iter()
            .filter(move |(it, _)| *it == name)
            .map(|(_, value)| value)
    }

    /// The value of the first field of that name, unfolded, undecoded.
    pub fn raw(&self, name: &str) -> Option<String> {
        self.all(name).next().map(|value| one_line(value, 2_000))
    }

    /// Free text with its encoded words (RFC 2047), on one line.
    pub fn text(&self, name: &str, longest: usize) -> Option<String> {
        let value = ended(self.all(name).next()?);
        match MessageStream::new(value.as_bytes()).parse_unstructured() {
            HeaderValue::Text(text) => Some(one_line(&text, longest)),
            _ => None,
        }
    }

    /// Identifiers (RFC 5322 §3.6.4) without their angle brackets, of all fields of that name.
    pub fn ids(&self, name: &str) -> Vec<String> {
        let mut ids = Vec::new();
        for value in self.all(name) {
            ids.extend(ids_of(value));
        }
        let surplus = ids.len().saturating_sub(IDS);
        ids.drain(..surplus);
        ids
    }

    /// The people of all fields of that name, groups resolved.
    pub fn parties(&self, name: &str) -> Vec<Party> {
        let mut parties = Vec::new();
        for value in self.all(name) {
            let value = ended(value);
            let HeaderValue::Address(address) =
                MessageStream::new(value.as_bytes()).parse_address()
            else {
                continue;
            };
            match &address {
                Address::List(list) => parties.extend(list.iter().filter_map(party)),
                Address::Group(groups) => {
                    let all = groups.iter().flat_map(|group| &group.addresses);
                    parties.extend(all.filter_map(party));
                }
            }
            parties.truncate(ADDRESSES);
        }
        parties
    }

    /// When, by `Date`.
    pub fn date(&self) -> Option<Wall> {
        let value = ended(self.all("date").next()?);
        match MessageStream::new(value.as_bytes()).parse_date() {
            HeaderValue::DateTime(date) if date.is_valid() => {
                Some(Wall::from_seconds(date.to_timestamp()))
            }
            _ => None,
        }
    }

    /// A type and its parameters (RFC 2045 §5.1, RFC 2183, RFC 2231).
    pub fn content_type(&self, name: &str) -> Option<ContentType<'static>> {
        let value = ended(self.all(name).next()?);
        match MessageStream::new(value.as_bytes()).parse_content_type() {
            HeaderValue::ContentType(it) => Some(ContentType {
                c_type: it.c_type.to_ascii_lowercase().into(),
                c_subtype: it.c_subtype.map(|it| it.to_ascii_lowercase().into()),
                attributes: it.attributes.map(|all| {
                    let owned = all.into_iter().map(|it| mail_parser::Attribute {
                        name: it.name.into_owned().into(),
                        value: it.value.into_owned().into(),
                    });
                    owned.collect()
                }),
            }),
            _ => None,
        }
    }
}

/// The identifiers in a text, without their angle brackets.
pub(crate) fn ids_of(value: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for (place, _) in value.match_indices('<') {
        let rest = value.get(place.saturating_add(1)..).unwrap_or_default();
        // A field of nothing but signs would be read over and over otherwise.
        let near = beginning(rest, MESSAGE_ID_OCTETS.saturating_mul(2));
        let Some((id, _)) = near.split_once('>').filter(|(id, _)| !id.contains('<')) else {
            continue;
        };
        // An identifier that was folded in its middle is one nevertheless.
        let id: String = id.split_ascii_whitespace().collect();
        if !id.is_empty()
            && id.len() <= MESSAGE_ID_OCTETS
            && !id.contains(',')
            && id.chars().all(|c| !c.is_control())
        {
            ids.push(id);
        }
    }
    ids
}

/// The library reads a value up to the line's end, which must be there.
fn ended(value: &str) -> String {
    format!("{value}\r\n")
}

/// RFC 6532 says UTF-8; what is not is old, and most of that was written by Windows.
fn text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => western(value),
    }
}

/// Reads octets as Windows-1252, in which every octet is a letter.
pub(crate) fn western(octets: &[u8]) -> String {
    match charset_decoder(b"windows-1252") {
        Some(decode) => decode(octets),
        None => String::from_utf8_lossy(octets).into_owned(),
    }
}

fn party(addr: &Addr<'_>) -> Option<Party> {
    let address = addr.address.as_deref()?.trim();
    let name = one_line(addr.name.as_deref().unwrap_or_default(), NAME);
    Party::new(address, &name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Fields {
        split(text.replace('\n', "\r\n").as_bytes()).0
    }

    #[test]
    fn a_header_ends_at_the_first_empty_line_whichever_line_ends_it_uses() {
        for (octets, body) in [
            (&b"A: 1\r\nB: 2\r\n\r\nbody\r\n"[..], &b"body\r\n"[..]),
            (b"A: 1\nB: 2\n\nbody", b"body"),
            (b"A: 1\nB: 2\n\r\n\nbody", b"\nbody"),
            (b"A: 1\nB: 2", b""),
            (b"A: 1\nB: 2\n", b""),
        ] {
            let (fields, rest) = split(octets);
            assert_eq!(rest, body, "{octets:?}");
            let all: Vec<_> = fields.iter().collect();
            assert_eq!(all, [("a", " 1"), ("b", " 2")], "{octets:?}");
        }
        assert_eq!(split(b"\r\nbody").1, b"body");
        assert!(split(b"").0.is_empty());
    }

    #[test]
    fn folded_encoded_and_raw_values_are_read() {
        let fields = fields(
            "Subject: =?utf-8?q?Bl=C3=A5b=C3=A6r?=\n =?utf-8?b?c3lsdGV0w7h5?=\n\
             From: =?iso-8859-1?Q?K=E5re?= Berg <kare@example.com>, two@example.com\n\
             To: team: a@example.com, \"B, C\" <b@example.com>;\n\
             Date: Wed, 02 Dec 2026 10:40:00 +0100\n\
             References: <one@x>\n <two@x> rubbish\n <three@\n x>\n",
        );
        assert_eq!(fields.text("subject", 200).unwrap(), "Blåbærsyltetøy");
        let from = fields.parties("from");
        assert_eq!(from[0].name.as_deref(), Some("Kåre Berg"));
        assert_eq!(from[0].address, "kare@example.com");
        assert_eq!(from.len(), 2);
        let to: Vec<_> = fields
            .parties("to")
            .into_iter()
            .map(|it| it.address)
            .collect();
        assert_eq!(to, ["a@example.com", "b@example.com"]);
        assert_eq!(fields.date(), Some(Wall::from_seconds(1_796_204_400)));
        assert_eq!(fields.ids("references"), ["one@x", "two@x", "three@x"]);
    }

    #[test]
    fn letters_of_old_programs_are_read_as_windows_wrote_them() {
        let (fields, _) = split(b"Subject: Bl\xe5b\xe6r\r\n\r\n");
        assert_eq!(fields.text("subject", 200).unwrap(), "Blåbær");
    }

    #[test]
    fn a_name_and_a_subject_make_no_line_of_their_own() {
        let fields = fields(
            "Subject: =?utf-8?q?x=0D=0ABcc:_all@example.com?=\n\
             From: =?utf-8?q?x=0D=0ABcc:_all@example.com?= <a@example.com>\n",
        );
        assert_eq!(
            fields.text("subject", 200).unwrap(),
            "x Bcc: all@example.com"
        );
        let from = fields.parties("from");
        assert_eq!(from[0].name.as_deref(), Some("x Bcc: all@example.com"));
    }

    #[test]
    fn a_header_without_end_is_cut() {
        let long = format!("A: 1\r\n{}", "B: x\r\n".repeat(100_000));
        let (fields, body) = split(long.as_bytes());
        assert!(fields.cut);
        assert_eq!(fields.fields.len(), FIELDS);
        assert_eq!(body, b"");
        let (fields, _) = split(format!("A:{}", "\r\n x".repeat(200_000)).as_bytes());
        assert!(fields.cut);
    }
}
