//! Texts that visitors and customers read, and addresses in the web.

use std::net::IpAddr;

use url::{Host, Url};

use crate::config::diagnostic::Findings;
use crate::config::section::Placed;

/// One line of text. What does not fit is a finding.
pub(super) fn line(
    key: &str,
    text: &Placed<String>,
    most: usize,
    findings: &mut Findings,
) -> String {
    if text.value.chars().any(char::is_control) {
        findings.error(&text.place, format!("`{key}` takes one line of text."));
    }
    check_length(key, text, most, findings);
    text.value.trim().to_owned()
}

/// Text of one line or several.
pub(super) fn lines(
    key: &str,
    text: &Placed<String>,
    most: usize,
    findings: &mut Findings,
) -> String {
    let is_strange = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if text.value.chars().any(is_strange) {
        let message = format!("`{key}` holds a control character. Write it as plain text.");
        findings.error(&text.place, message);
    }
    check_length(key, text, most, findings);
    text.value.replace("\r\n", "\n").trim().to_owned()
}

fn check_length(key: &str, text: &Placed<String>, most: usize, findings: &mut Findings) {
    if text.value.trim().is_empty() {
        let message = format!("`{key}` is empty. Write a text, or leave it out.");
        findings.error(&text.place, message);
    }
    let length = text.value.chars().count();
    if length > most {
        let message = format!("`{key}` has {length} characters; it takes {most}.");
        findings.error(&text.place, message);
    }
}

/// A word that stands in what programs send: `[a-z][a-z0-9_-]*`.
pub(super) fn check_word(what: &str, name: &Placed<String>, findings: &mut Findings) {
    /// As long as names of people and things.
    const MOST: usize = 64;
    let word = name.value.as_str();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    let begins = word.starts_with(|c: char| c.is_ascii_lowercase());
    if !begins || !word.chars().all(fits) || word.len() > MOST {
        let message = format!(
            "\"{}\" cannot name {what}: it begins with a letter a to z, and has letters, digits, `-` and `_`, {MOST} at most.",
            word.escape_debug()
        );
        findings.error(&name.place, message);
    }
}

/// `https://example.com`: scheme, host and port of pages, and nothing behind.
pub(super) fn origin(text: &Placed<String>, findings: &mut Findings) -> Option<String> {
    let example = "Write it like https://example.com or http://localhost:3000";
    let written = &text.value;
    let message = match Url::parse(written) {
        _ if written == "*" => {
            "\"*\" is every page. Leave `allowed_origins` out of a chat for that; a form names its pages.".to_owned()
        }
        Ok(url) if is_web(&url) => {
            let origin = url.origin().ascii_serialization();
            if origin == *written || origin == written.to_lowercase() {
                return Some(origin);
            }
            format!("\"{written}\" is not an origin. Write {origin}: scheme, host and port alone.")
        }
        Ok(_) | Err(_) => format!("\"{written}\" is not an origin. {example}."),
    };
    findings.error(&text.place, message);
    None
}

/// The address of a page or a program, with `http` or `https`.
pub(super) fn web_address(
    key: &str,
    text: &Placed<String>,
    findings: &mut Findings,
) -> Option<Url> {
    let example = "Write it like https://example.com/path";
    let written = &text.value;
    let message = match Url::parse(written) {
        Ok(url) if is_web(&url) && (!url.username().is_empty() || url.password().is_some()) => {
            format!("`{key}` holds a user name or a password. Secrets stand in files of their own.")
        }
        Ok(url) if is_web(&url) => return Some(url),
        Ok(_) | Err(_) => {
            format!("`{key}`: \"{written}\" is not an address of the web. {example}.")
        }
    };
    findings.error(&text.place, message);
    None
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

/// True for a host that is plainly in this machine or its own network. Names are looked at when
/// they are connected to.
pub(super) fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => is_private_address(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_private_address(IpAddr::V6(address)),
        None => false,
    }
}

fn is_private_address(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(it) => {
            it.is_loopback() || it.is_private() || it.is_link_local() || it.is_unspecified()
        }
        IpAddr::V6(it) => {
            it.is_loopback()
                || it.is_unique_local()
                || it.is_unicast_link_local()
                || it.is_unspecified()
        }
    }
}
