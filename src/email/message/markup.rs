//! HTML as a stream of tags and text, and made well-formed: every tag that is opened is closed, and
//! none but the known ones are left.
//!
//! A browser's rules for broken HTML repeat what was left open, so that some kilobytes of it become
//! gigabytes of tree. What comes out of here is nested to a bounded depth, whatever went in.

/// Elements within elements.
const DEPTH: usize = 100;

/// Elements of letters within each other (`<b><i>…`), which browsers repeat in each paragraph.
const LETTER_DEPTH: usize = 12;

/// Tags that are kept; beyond it, the text alone.
const TAGS: usize = 50_000;

/// Attributes of one tag that are read.
const ATTRIBUTES: usize = 30;

/// Elements that are shown. Of all others the content is, without them.
const SHOWN: &[&str] = &[
    "a",
    "abbr",
    "address",
    "article",
    "aside",
    "b",
    "bdi",
    "bdo",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "font",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "main",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "section",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "wbr",
];

/// Elements whose content is not for reading either.
const HIDDEN: &[&str] = &[
    "script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "noscript",
    "template", "svg", "math", "object", "select", "audio", "video", "canvas", "head",
];

/// Elements that hold nothing.
const VOID: &[&str] = &["br", "hr", "img", "col", "wbr"];

/// Elements of letters (HTML §13.2.4.3, "formatting").
const LETTERS: &[&str] = &[
    "a", "b", "big", "code", "em", "font", "i", "s", "small", "strike", "strong", "tt", "u",
    "span", "mark", "sub", "sup", "q", "cite", "kbd", "samp", "var", "del", "ins",
];

/// One piece.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece<'a> {
    /// With its character references.
    Text(&'a str),
    /// `<name …>`
    Start(String, Vec<(String, String)>),
    /// `</name>`
    End(String),
}

/// The pieces of an HTML text.
pub(super) struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Pieces<'a> {
    pub fn of(html: &'a str) -> Pieces<'a> {
        Pieces { rest: html }
    }

    fn take(&mut self, octets: usize) -> &'a str {
        let (taken, rest) = self
            .rest
            .split_at_checked(octets)
            .unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// Leaves out everything up to and with `end`.
    fn skip_past(&mut self, end: &str) {
        let octets = match self.rest.find(end) {
            Some(place) => place.saturating_add(end.len()),
            None => self.rest.len(),
        };
        self.take(octets);
    }

    fn skip_element(&mut self, name: &str) {
        while let Some(place) = self.rest.find("</") {
            self.take(place.saturating_add(2));
            let here = self.rest.get(..name.len());
            if here.is_some_and(|it| it.eq_ignore_ascii_case(name)) {
                self.skip_past(">");
                return;
            }
        }
        self.rest = "";
    }

    /// What follows `<` or `</` up to the `>` that ends it, quotes considered.
    fn tag(&mut self) -> &'a str {
        let mut quote = None;
        let mut after_equals = false;
        for (place, c) in self.rest.char_indices() {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') if after_equals => quote = Some(c),
                (None, '>') => {
                    let tag = self.take(place);
                    self.take(1);
                    return tag;
                }
                (None, _) => {}
            }
            after_equals = c == '=' || (after_equals && c.is_whitespace());
        }
        let octets = self.rest.len();
        self.take(octets)
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let Some(after) = self.rest.strip_prefix('<') else {
                let end = self.rest.find('<').unwrap_or(self.rest.len());
                return Some(Piece::Text(self.take(end)));
            };
            if after.starts_with("!--") {
                self.take(4);
                self.skip_past("-->");
            } else if after.starts_with(['!', '?']) {
                self.skip_past(">");
            } else if let Some(name) = after.strip_prefix('/') {
                if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
                    self.skip_past(">");
                    continue;
                }
                self.take(2);
                let (name, _) = name_of(self.tag());
                return Some(Piece::End(name));
            } else if after.starts_with(|c: char| c.is_ascii_alphabetic()) {
                self.take(1);
                let (name, attributes) = name_of(self.tag());
                if HIDDEN.contains(&name.as_str()) {
                    self.skip_element(&name);
                    continue;
                }
                return Some(Piece::Start(name, attributes_of(attributes)));
            } else {
                return Some(Piece::Text(self.take(1)));
            }
        }
    }
}

fn name_of(tag: &str) -> (String, &str) {
    let end = tag
        .find(|c: char| c.is_whitespace() || c == '/')
        .unwrap_or(tag.len());
    let (name, rest) = tag.split_at_checked(end).unwrap_or((tag, ""));
    (name.to_ascii_lowercase(), rest)
}

fn attributes_of(mut rest: &str) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    while attributes.len() < ATTRIBUTES {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if rest.is_empty() {
            break;
        }
        let end = rest.find(|c: char| c.is_whitespace() || c == '=' || c == '/');
        let end = end.unwrap_or(rest.len()).max(1);
        let (name, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let after = after.trim_start();
        let (value, after) = match after.strip_prefix('=') {
            Some(value) => value_of(value.trim_start()),
            None => ("", after),
        };
        if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            attributes.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        rest = after;
    }
    attributes
}

fn value_of(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(inside) = text.strip_prefix(quote) {
            return inside.split_once(quote).unwrap_or((inside, ""));
        }
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// The same HTML with known elements only, each closed, nested to a bounded depth.
pub(super) fn well_formed(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut open: Vec<String> = Vec::new();
    let mut tags = 0usize;
    for piece in Pieces::of(html) {
        match piece {
            Piece::Text(text) => push_escaped(&mut out, text),
            Piece::Start(name, attributes) => {
                let letters = open
                    .iter()
                    .filter(|it| LETTERS.contains(&it.as_str()))
                    .count();
                let too_deep = open.len() >= DEPTH
                    || (LETTERS.contains(&name.as_str()) && letters >= LETTER_DEPTH);
                if !SHOWN.contains(&name.as_str()) || too_deep || tags >= TAGS {
                    continue;
                }
                tags = tags.saturating_add(1);
                push_tag(&mut out, &name, &attributes);
                if !VOID.contains(&name.as_str()) {
                    open.push(name);
                }
            }
            Piece::End(name) => {
                if let Some(place) = open.iter().rposition(|it| *it == name) {
                    for closed in open.drain(place..).rev() {
                        out.push_str(&format!("</{closed}>"));
                    }
                }
            }
        }
    }
    for closed in open.iter().rev() {
        out.push_str(&format!("</{closed}>"));
    }
    out
}

fn push_tag(out: &mut String, name: &str, attributes: &[(String, String)]) {
    out.push('<');
    out.push_str(name);
    for (name, value) in attributes {
        let value = value.replace('"', "&quot;").replace('<', "&lt;");
        out.push_str(&format!(" {name}=\"{value}\""));
    }
    out.push('>');
}

fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_html_becomes_well_formed() {
        for (html, whole) in [
            ("<p>one<p>two", "<p>one<p>two</p></p>"),
            ("<b><i>x</b></i>", "<b><i>x</i></b>"),
            ("</div>x</p>", "x"),
            ("a < b > c <3", "a &lt; b &gt; c &lt;3"),
            (
                "<a href=x title='a\"b'>l</a>",
                "<a href=\"x\" title=\"a&quot;b\">l</a>",
            ),
            ("<img src=\"a>b\" alt>", "<img src=\"a>b\" alt=\"\">"),
            ("<!-- <b> --><!doctype html><?php x ?>y<!-- z", "y"),
            ("<script>if (a</b) x()</scr</SCRIPT >y", "y"),
            ("<style>b{}</style><form><input>x</form>", "x"),
            (
                "<custom>x</custom><P CLASS=a>y</P>",
                "x<p class=\"a\">y</p>",
            ),
            ("<b", "<b></b>"),
            ("<a href=\"unended", "<a href=\"unended\"></a>"),
            ("&lt;b&gt;", "&lt;b&gt;"),
            ("<br/><hr />", "<br><hr>"),
        ] {
            assert_eq!(well_formed(html), whole, "{html}");
        }
    }

    #[test]
    fn what_browsers_would_repeat_without_end_is_bounded() {
        let mut html = String::from("<p>");
        for number in 0..5_000 {
            html.push_str(&format!("<b x={number}>"));
        }
        html.push_str(&"</p><p>a".repeat(5_000));
        let whole = well_formed(&html);
        assert_eq!(whole.matches("<b ").count(), LETTER_DEPTH);
        let deep = well_formed(&"<div>".repeat(100_000));
        assert_eq!(deep.matches("<div>").count(), DEPTH);
    }
}
