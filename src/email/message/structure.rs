//! MIME (RFC 2045, 2046): which parts a message has, which of them are its text, which are attached.
//!
//! Every part is visited once, depth first, and everything has a limit. What goes beyond a limit, or
//! cannot be read, becomes an attachment as it came and is told of; nothing vanishes.

use mail_parser::ContentType;

use super::bounce;
use super::fields::{Fields, line, split};
use super::names::{beginning, file_name, one_line};
use super::{Attachment, Bounce, Forwarded, decode, html, quoted};

/// Parts of one message. Each may be a file, of which a message in a conversation has 100.
const PARTS: usize = 100;

/// Parts within parts.
const DEPTH: usize = 20;

/// Messages within messages whose text is shown; deeper ones are attached only.
const FORWARDED_DEPTH: usize = 3;

/// Messages within one message that are shown.
const FORWARDED: usize = 20;

/// Octets of text, and of HTML, that are shown: far more than anybody reads. The rest is in the
/// message as it came.
const TEXT_OCTETS: usize = 500_000;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub bodies: Vec<Body>,
    pub attachments: Vec<Attachment>,
    pub forwarded: Vec<Forwarded>,
    pub bounce: Option<Bounce>,
    pub problems: Vec<String>,
    parts: usize,
}

/// One stretch of what is to be read, in one form or in both.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Body {
    pub plain: Option<String>,
    pub html: Option<String>,
}

/// Where a part stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    depth: usize,
    forwarded: usize,
    parent: Parent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parent {
    Message,
    Mixed,
    Alternative,
    Related,
    Digest,
    Report,
}

/// Reads the parts of a message.
pub(super) fn read(fields: &Fields, body: &[u8]) -> Found {
    let mut found = Found::default();
    let place = Place {
        depth: 0,
        forwarded: 0,
        parent: Parent::Message,
    };
    found.visit(fields, body, place);
    found
}

/// What a part says of itself.
struct Kind {
    main: String,
    sub: String,
    content_type: Option<ContentType<'static>>,
    disposition: Option<ContentType<'static>>,
}

impl Kind {
    fn of(fields: &Fields, parent: Parent) -> Kind {
        let content_type = fields.content_type("content-type");
        let disposition = fields.content_type("content-disposition");
        let (main, sub) = match (&content_type, parent) {
            (Some(it), _) => (
                it.ctype().to_owned(),
                it.subtype().unwrap_or_default().to_owned(),
            ),
            // RFC 2046 §5.1.5
            (None, Parent::Digest) => ("message".to_owned(), "rfc822".to_owned()),
            (None, _) => ("text".to_owned(), "plain".to_owned()),
        };
        Kind {
            main,
            sub,
            content_type,
            disposition,
        }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.content_type.as_ref()?.attribute(name)
    }

    fn file_name(&self) -> Option<String> {
        let named = self.disposition.as_ref();
        let named = named.and_then(|it| it.attribute("filename"));
        file_name(named.or_else(|| self.parameter("name"))?)
    }

    /// A text with a name beside others is a file; alone, it is what is to be read.
    fn is_attached(&self, parent: Parent) -> bool {
        let disposition = self.disposition.as_ref().map(ContentType::ctype);
        let beside_others = match parent {
            Parent::Message | Parent::Alternative | Parent::Digest => false,
            Parent::Mixed | Parent::Related | Parent::Report => true,
        };
        disposition == Some("attachment") || (self.file_name().is_some() && beside_others)
    }

    /// `image/png`; what is no type is told as such.
    fn name(&self) -> String {
        let token = |text: &str| {
            !text.is_empty()
                && text.len() <= 60
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "!#&^_.+-".contains(c))
        };
        match token(&self.main) && token(&self.sub) {
            true => format!("{}/{}", self.main, self.sub),
            false => "application/octet-stream".to_owned(),
        }
    }
}

impl Found {
    fn visit(&mut self, fields: &Fields, body: &[u8], place: Place) {
        self.parts = self.parts.saturating_add(1);
        let kind = Kind::of(fields, place.parent);
        if fields.cut {
            self.problem("a header of it is too long");
        }
        if self.parts > PARTS || place.depth > DEPTH {
            self.problem("it has too many parts");
            self.attach(&kind, fields, body.to_vec(), place);
            return;
        }
        match (kind.main.as_str(), kind.sub.as_str()) {
            ("multipart", _) => self.visit_multipart(&kind, body, place),
            ("message", "rfc822" | "global") => self.visit_message(&kind, fields, body, place),
            ("message", "delivery-status" | "global-delivery-status")
                if place.parent == Parent::Report =>
            {
                let (octets, _) = self.decoded(fields, body);
                bounce::read_status(&mut self.bounce, &decode::text(None, &octets));
            }
            ("text", "rfc822-headers") if place.parent == Parent::Report => {
                let (octets, _) = self.decoded(fields, body);
                bounce::read_original(&mut self.bounce, &split(&octets).0);
            }
            ("text", "plain" | "html") if !kind.is_attached(place.parent) => {
                self.visit_text(&kind, fields, body);
            }
            (_, _) => {
                if let Some(words) = encrypted(&kind) {
                    self.problem(words);
                }
                let (octets, _) = self.decoded(fields, body);
                self.attach(&kind, fields, octets, place);
            }
        }
    }

    fn visit_text(&mut self, kind: &Kind, fields: &Fields, body: &[u8]) {
        let (octets, _) = self.decoded(fields, body);
        let is_html = kind.sub == "html";
        let mut text = decode::text(kind.parameter("charset"), &octets);
        if text.len() > TEXT_OCTETS {
            text = beginning(&text, TEXT_OCTETS).to_owned();
            self.problem("its text is too long to be shown whole");
        }
        let flowed = kind.parameter("format").map(str::to_ascii_lowercase);
        if !is_html && flowed.as_deref() == Some("flowed") {
            let space = kind.parameter("delsp").map(str::to_ascii_lowercase);
            text = quoted::unflowed(&text, space.as_deref() == Some("yes"));
        }
        self.bodies.push(match is_html {
            true => Body {
                plain: None,
                html: Some(text),
            },
            false => Body {
                plain: Some(text),
                html: None,
            },
        });
    }

    fn visit_multipart(&mut self, kind: &Kind, body: &[u8], place: Place) {
        let parts = match kind.parameter("boundary") {
            Some(boundary) if !boundary.is_empty() => split_parts(body, boundary.as_bytes()),
            Some(_) | None => Vec::new(),
        };
        if parts.is_empty() {
            self.problem("its parts cannot be told apart");
            let text = decode::text(None, body);
            self.bodies.push(Body {
                plain: Some(beginning(&text, TEXT_OCTETS).to_owned()),
                html: None,
            });
            return;
        }
        if let Some(words) = encrypted(kind) {
            self.problem(words);
        }
        let parent = match kind.sub.as_str() {
            "alternative" => Parent::Alternative,
            "related" => Parent::Related,
            "digest" => Parent::Digest,
            "report" => Parent::Report,
            _ => Parent::Mixed,
        };
        if parent == Parent::Report {
            let delivery = kind.parameter("report-type").map(str::to_ascii_lowercase);
            if delivery.as_deref() == Some("delivery-status") {
                self.bounce.get_or_insert_default();
            }
        }
        let place = Place {
            depth: place.depth.saturating_add(1),
            parent,
            ..place
        };
        let before = std::mem::take(&mut self.bodies);
        let mut children = Vec::new();
        for part in parts {
            let (fields, body) = split(part);
            self.visit(&fields, body, place);
            children.push(std::mem::take(&mut self.bodies));
        }
        self.bodies = before;
        match parent {
            Parent::Alternative => self.bodies.extend(best_of(children)),
            Parent::Message | Parent::Mixed | Parent::Related | Parent::Digest | Parent::Report => {
                self.bodies.extend(children.into_iter().flatten())
            }
        }
    }

    fn visit_message(&mut self, kind: &Kind, fields: &Fields, body: &[u8], place: Place) {
        let (octets, _) = self.decoded(fields, body);
        let (inner, inner_body) = split(&octets);
        if place.parent == Parent::Report {
            bounce::read_original(&mut self.bounce, &inner);
        }
        let subject = inner.text("subject", 200);
        let name = kind
            .file_name()
            .or_else(|| file_name(&format!("{}.eml", subject.as_deref()?)))
            .unwrap_or_else(|| "message.eml".to_owned());
        let deeper = place.forwarded < FORWARDED_DEPTH && self.forwarded.len() < FORWARDED;
        if deeper && place.parent != Parent::Report {
            let mut within = Found {
                parts: self.parts,
                ..Found::default()
            };
            let inside = Place {
                depth: place.depth.saturating_add(1),
                forwarded: place.forwarded.saturating_add(1),
                parent: Parent::Message,
            };
            within.visit(&inner, inner_body, inside);
            self.parts = within.parts;
            let (text, _) = within.text_and_html();
            self.forwarded.push(Forwarded {
                subject,
                from: inner.parties("from").into_iter().next(),
                date: inner.date(),
                text,
            });
            self.forwarded.append(&mut within.forwarded);
            self.forwarded.truncate(FORWARDED);
            // What is attached to it is of use without opening it in another program.
            self.attachments.append(&mut within.attachments);
            for problem in within.problems {
                self.problem(&problem);
            }
        }
        self.attachments.push(Attachment {
            name,
            content_type: "message/rfc822".to_owned(),
            content_id: None,
            inline: false,
            octets,
        });
    }

    fn attach(&mut self, kind: &Kind, fields: &Fields, octets: Vec<u8>, place: Place) {
        let content_type = kind.name();
        let number = self.attachments.len().saturating_add(1);
        let name = kind
            .file_name()
            .unwrap_or_else(|| format!("part-{number}{}", ending(&content_type)));
        let content_id = fields.raw("content-id");
        let content_id = content_id.map(|id| one_line(id.trim_matches(['<', '>']), 200));
        let disposition = kind.disposition.as_ref().map(ContentType::ctype);
        let shown = disposition == Some("inline") || place.parent == Parent::Related;
        self.attachments.push(Attachment {
            name,
            inline: shown && content_id.is_some() && kind.main == "image",
            content_type,
            content_id,
            octets,
        });
    }

    fn decoded(&mut self, fields: &Fields, body: &[u8]) -> (Vec<u8>, bool) {
        let encoding = fields.raw("content-transfer-encoding");
        let (octets, wrong) = decode::transfer(encoding.as_deref(), body);
        if let Some(words) = wrong {
            self.problem(words);
        }
        (octets, wrong.is_none())
    }

    /// Told once each.
    fn problem(&mut self, words: &str) {
        if !self.problems.iter().any(|it| it == words) {
            self.problems.push(words.to_owned());
        }
    }

    /// All that is to be read, as text, and as HTML where any of it is.
    pub fn text_and_html(&self) -> (String, Option<String>) {
        let texts = self
            .bodies
            .iter()
            .map(|body| match (&body.plain, &body.html) {
                (Some(plain), _) if !plain.trim().is_empty() => plain.clone(),
                (_, Some(html)) => html::text_of(html),
                (Some(_) | None, None) => String::new(),
            });
        let texts: Vec<String> = texts.filter(|text| !text.trim().is_empty()).collect();
        let html = self.bodies.iter().any(|body| body.html.is_some());
        let html = html.then(|| {
            let parts = self
                .bodies
                .iter()
                .map(|body| match (&body.html, &body.plain) {
                    (Some(html), _) => html.clone(),
                    (None, Some(plain)) => html::of_text(plain),
                    (None, None) => String::new(),
                });
            parts.collect::<Vec<String>>().join("\n")
        });
        (texts.join("\n\n"), html)
    }
}

/// Of several forms of the same: the first text, and the last HTML, which is the best (RFC 2046 §5.1.4).
fn best_of(children: Vec<Vec<Body>>) -> Option<Body> {
    let join = |bodies: &[Body], form: fn(&Body) -> &Option<String>| -> Option<String> {
        let texts: Vec<&str> = bodies.iter().filter_map(|it| form(it).as_deref()).collect();
        (!texts.is_empty()).then(|| texts.join("\n"))
    };
    let plain = children.iter().find_map(|it| join(it, |body| &body.plain));
    let html = children
        .iter()
        .rev()
        .find_map(|it| join(it, |body| &body.html));
    (plain.is_some() || html.is_some()).then_some(Body { plain, html })
}

/// Words about a part that only its receiver's key opens.
fn encrypted(kind: &Kind) -> Option<&'static str> {
    match (kind.main.as_str(), kind.sub.as_str()) {
        ("multipart", "encrypted") => Some("it is encrypted (OpenPGP)"),
        ("application", "pkcs7-mime" | "x-pkcs7-mime")
            if kind.parameter("smime-type") != Some("signed-data") =>
        {
            Some("it is encrypted (S/MIME)")
        }
        (_, _) => None,
    }
}

/// How the names of common kinds of file end.
fn ending(content_type: &str) -> &'static str {
    match content_type {
        "image/jpeg" => ".jpg",
        "image/png" => ".png",
        "image/gif" => ".gif",
        "image/webp" => ".webp",
        "application/pdf" => ".pdf",
        "text/plain" => ".txt",
        "text/html" => ".html",
        "text/csv" => ".csv",
        "text/calendar" => ".ics",
        "text/vcard" | "text/x-vcard" => ".vcf",
        "application/pgp-signature" => ".asc",
        "application/pkcs7-signature" | "application/x-pkcs7-signature" => ".p7s",
        _ => "",
    }
}

/// The parts between lines of `--boundary` (RFC 2046 §5.1.1). The line's end before a boundary belongs
/// to it. A last boundary that is missing is taken to stand at the end.
fn split_parts<'a>(body: &'a [u8], boundary: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut begun: Option<usize> = None;
    let mut place = 0usize;
    while let Some(rest) = body.get(place..).filter(|rest| !rest.is_empty()) {
        let (line, next) = line(rest);
        let after = place.saturating_add(next);
        if let Some(last) = is_boundary(line, boundary) {
            if let Some(begin) = begun {
                parts.push(without_last_line_end(
                    body.get(begin..place).unwrap_or_default(),
                ));
            }
            begun = (!last).then_some(after);
            if last || parts.len() > PARTS {
                break;
            }
        }
        place = after;
    }
    if let Some(begin) = begun {
        parts.push(body.get(begin..).unwrap_or_default());
    }
    parts
}

/// `Some(true)` for the last one.
fn is_boundary(line: &[u8], boundary: &[u8]) -> Option<bool> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
    match rest.trim_ascii_end() {
        b"" => Some(false),
        b"--" => Some(true),
        _ => None,
    }
}

fn without_last_line_end(octets: &[u8]) -> &[u8] {
    let octets = octets.strip_suffix(b"\n").unwrap_or(octets);
    octets.strip_suffix(b"\r").unwrap_or(octets)
}
