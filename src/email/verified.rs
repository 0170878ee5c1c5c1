//! Whether a mail was written by whom it says: what the mail server found out, read from its
//! Authentication-Results (RFC 8601). Pure.
//!
//! Whoever sends a mail can write such a field into it. What the mail server itself wrote stands above
//! all that came from outside, so only these count: fields above the first `Received`, which the
//! server wrote after it had taken the mail; where there are none, the first one below, if no
//! `Received` of another house stands between. Servers must remove fields with their own name that
//! came from outside (RFC 8601 §5); a forged one below theirs is not looked at even where they do not.

use super::message::{Party, ReceivedMail};

/// Octets of one such field that are read.
const FIELD_OCTETS: usize = 8_000;

/// Results in one field that are read.
const RESULTS: usize = 50;

/// One method's result with its properties.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    method: String,
    result: String,
    /// `header.from` → `example.com`, in small letters.
    properties: Vec<(String, String)>,
}

impl Finding {
    fn property(&self, name: &str) -> Option<&str> {
        let found = self.properties.iter().find(|(it, _)| it == name);
        found.map(|(_, value)| value.as_str())
    }

    fn passed(&self) -> bool {
        self.result == "pass"
    }
}

/// The sender, if a server of ours vouches for the address in `From`: DMARC passed; or, where it says
/// nothing of DMARC, a DKIM signature or SPF of the very domain or one above it. `servers` are the
/// names (authserv-id) that are trusted; without one, nobody is verified.
pub fn verified_sender<'a>(mail: &'a ReceivedMail, servers: &[String]) -> Option<&'a Party> {
    let [sender] = &mail.from[..] else {
        return None;
    };
    if mail.fields().all("from").count() != 1 {
        return None;
    }
    let findings = findings(mail, servers);
    let domain = sender.domain();
    let mut dmarc = findings.iter().filter(|it| it.method == "dmarc").peekable();
    let verified = if dmarc.peek().is_some() {
        dmarc.all(|it| it.passed() && it.property("header.from").is_none_or(|it| it == domain))
    } else {
        findings.iter().filter(|it| it.passed()).any(|it| {
            let signer = match it.method.as_str() {
                "dkim" => it.property("header.d").or_else(|| {
                    let identity = it.property("header.i")?;
                    identity.rsplit_once('@').map(|(_, domain)| domain)
                }),
                "spf" => it
                    .property("smtp.mailfrom")
                    .map(|it| it.rsplit_once('@').map_or(it, |(_, domain)| domain)),
                _ => None,
            };
            signer.is_some_and(|signer| is_aligned(domain, signer))
        })
    };
    verified.then_some(sender)
}

/// The domain itself, or one above it: who owns `example.com` owns `mail.example.com`, but not the
/// other way round.
fn is_aligned(domain: &str, signer: &str) -> bool {
    let above = domain
        .strip_suffix(signer)
        .is_some_and(|rest| rest.ends_with('.'));
    signer.contains('.') && (domain == signer || above)
}

fn findings(mail: &ReceivedMail, servers: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut arrived = false;
    for (name, value) in mail.fields().iter() {
        match name {
            "received" => {
                arrived = true;
                if !findings.is_empty() || !is_ours(value, servers) {
                    break;
                }
            }
            "authentication-results" => {
                let read = read(value)
                    .filter(|(server, _)| servers.iter().any(|it| it.eq_ignore_ascii_case(server)));
                if let Some((_, read)) = read {
                    findings.extend(read);
                    if arrived {
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    findings
}

/// True if a server of ours wrote this `Received`: it is `by` one of the same domain, or by an address
/// or a bare name, as machines within one house write.
fn is_ours(received: &str, servers: &[String]) -> bool {
    let words: Vec<String> = words(received).collect();
    let by = words.iter().position(|it| it == "by");
    let Some(by) = by.and_then(|place| words.get(place.saturating_add(1))) else {
        return false;
    };
    let local = !by.contains('.') || by.parse::<std::net::IpAddr>().is_ok();
    local
        || servers.iter().any(|server| {
            let server = server.to_ascii_lowercase();
            let house = match server.split_once('.') {
                Some((_, house)) if house.contains('.') => house.to_owned(),
                Some(_) | None => server.clone(),
            };
            *by == server || *by == house || by.ends_with(&format!(".{house}"))
        })
}

/// Words in small letters, without comments.
fn words(value: &str) -> impl Iterator<Item = String> {
    let plain = without_comments(value).to_ascii_lowercase();
    let words: Vec<String> = plain.split_whitespace().map(str::to_owned).collect();
    words.into_iter()
}

/// Reads one field: the server's name, and what it found.
fn read(value: &str) -> Option<(String, Vec<Finding>)> {
    if value.len() > FIELD_OCTETS {
        return None;
    }
    let plain = without_comments(value);
    let mut parts = pieces(&plain).into_iter();
    let server = parts.next()?;
    let server = server
        .split_whitespace()
        .next()?
        .trim_matches('"')
        .to_owned();
    if server.contains('=') {
        return None;
    }
    let findings = parts.take(RESULTS).filter_map(|part| finding(&part));
    Some((server, findings.collect()))
}

/// `dkim=pass header.d=example.com reason="good"`
fn finding(part: &str) -> Option<Finding> {
    // Blanks may stand around the signs.
    let part = part.replace(" =", "=").replace("= ", "=");
    let mut pairs = part.split_whitespace().filter_map(|it| it.split_once('='));
    let (method, result) = pairs.next()?;
    let method = method.split('/').next().unwrap_or(method);
    let properties = pairs.map(|(name, value)| {
        let value = value.trim_matches('"').to_ascii_lowercase();
        (name.to_ascii_lowercase(), value)
    });
    Some(Finding {
        method: method.to_ascii_lowercase(),
        result: result.to_ascii_lowercase(),
        properties: properties.collect(),
    })
}

/// Comments and what is quoted with blanks in it can say anything: both are left out.
fn without_comments(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for c in value.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if depth > 0 || quoted => escaped = true,
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth = depth.saturating_add(1),
            ')' if !quoted => {
                depth = depth.saturating_sub(1);
                out.push(' ');
            }
            c if depth > 0 => {
                let _ = c;
            }
            c if quoted && (c.is_whitespace() || "=;".contains(c)) => out.push('_'),
            c if c.is_whitespace() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn pieces(plain: &str) -> Vec<String> {
    plain.split(';').map(|it| it.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::message::read as read_mail;
    use super::*;

    fn verified(fields: &str) -> bool {
        let raw = format!("{fields}\nSubject: x\n\nHello").replace('\n', "\r\n");
        let servers = ["mx.example.org".to_owned()];
        verified_sender(&read_mail(raw.as_bytes()), &servers).is_some()
    }

    #[test]
    fn what_a_named_server_found_counts() {
        for (fields, expected) in [
            ("From: a@x.no", false),
            (
                "Authentication-Results: mx.example.org; dmarc=pass header.from=x.no\nFrom: a@x.no",
                true,
            ),
            (
                "Authentication-Results: MX.example.org 1; dmarc=pass (p=reject) header.from=X.NO\nFrom: a@x.no",
                true,
            ),
            (
                "Authentication-Results: mx.example.org;\n dkim=pass header.d=x.no header.s=s;\n spf=fail\nFrom: a@x.no",
                true,
            ),
            (
                "Authentication-Results: mx.example.org; dkim=pass header.i=@x.no\nFrom: a@x.no",
                true,
            ),
            (
                "Authentication-Results: mx.example.org; dkim=pass header.d=x.no\nFrom: a@mail.x.no",
                true,
            ),
            (
                "Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=b@x.no\nFrom: a@x.no",
                true,
            ),
            (
                "Authentication-Results: mx.example.org; spf = pass smtp.mailfrom = x.no\nFrom: a@x.no",
                true,
            ),
            // Others, or not the sender's own.
            (
                "Authentication-Results: mx.other.org; dmarc=pass header.from=x.no\nFrom: a@x.no",
                false,
            ),
            (
                "Authentication-Results: mx.example.org.evil.org; dmarc=pass\nFrom: a@x.no",
                false,
            ),
            (
                "Authentication-Results: mx.example.org; dmarc=fail header.from=x.no\nFrom: a@x.no",
                false,
            ),
            (
                "Authentication-Results: mx.example.org; dmarc=fail; dkim=pass header.d=x.no\nFrom: a@x.no",
                false,
            ),
            (
                "Authentication-Results: mx.example.org; dmarc=pass header.from=y.no\nFrom: a@x.no",
                false,
            ),
            (
                "Authentication-Results: mx.example.org; dkim=pass header.d=y.no\nFrom: a@x.no",
                false,
            ),
            (
                "Authentication-Results: mx.example.org; dkim=pass header.d=a.x.no\nFrom: a@x.no",
                false,
            ),
            (
                "Authentication-Results: mx.example.org; dkim=pass header.d=no\nFrom: a@x.no",
                false,
            ),
            (
                "Authentication-Results: mx.example.org; dkim=pass header.d=x.no\nFrom: a@evilx.no",
                false,
            ),
            (
                "Authentication-Results: mx.example.org; spf=pass smtp.helo=x.no\nFrom: a@x.no",
                false,
            ),
            (
                "Authentication-Results: mx.example.org; none\nFrom: a@x.no",
                false,
            ),
            (
                "Authentication-Results: mx.example.org\nFrom: a@x.no",
                false,
            ),
            (
                "Authentication-Results: mx.example.org; iprev=pass\nFrom: a@x.no",
                false,
            ),
            // Two senders are none.
            (
                "Authentication-Results: mx.example.org; dmarc=pass\nFrom: a@x.no, b@y.no",
                false,
            ),
            (
                "Authentication-Results: mx.example.org; dmarc=pass\nFrom: a@x.no\nFrom: b@y.no",
                false,
            ),
            // Words in comments and quotes are no results.
            (
                "Authentication-Results: mx.example.org; spf=fail (dmarc=pass; dkim=pass header.d=x.no)\nFrom: a@x.no",
                false,
            ),
            (
                "Authentication-Results: mx.example.org; spf=fail reason=\"; dmarc=pass header.from=x.no\"\nFrom: a@x.no",
                false,
            ),
            (
                "Authentication-Results: mx.example.org; spf=fail (\\); dmarc=pass)\nFrom: a@x.no",
                false,
            ),
            (
                "Authentication-Results: (mx.example.org) other; dmarc=pass\nFrom: a@x.no",
                false,
            ),
        ] {
            assert_eq!(verified(fields), expected, "{fields}");
        }
        let mail = read_mail(
            b"Authentication-Results: mx.example.org; dmarc=pass\r\nFrom: a@x.no\r\n\r\nx",
        );
        assert!(verified_sender(&mail, &[]).is_none());
    }

    #[test]
    fn what_the_sender_wrote_into_the_mail_does_not_count() {
        let good = "Authentication-Results: mx.example.org; dmarc=pass header.from=x.no";
        let bad = "Authentication-Results: mx.example.org; dmarc=fail header.from=x.no; dkim=none";
        let none = "Authentication-Results: mx.example.org; spf=none";
        let ours = "Received: from out.x.no by mx.example.org with ESMTPS; Mon, 1 Jan 2026";
        let inner = "Received: by store7 (Dovecot) with LMTP id x";
        let theirs = "Received: from pc by out.x.no with ESMTP";
        let from = "From: a@x.no";
        for (fields, expected) in [
            // Above the server's own line, as milters write.
            (vec![good, ours, theirs, from], true),
            (vec![none, good, ours, theirs, from], true),
            // Below it, as Gmail writes.
            (vec![inner, ours, good, theirs, from], true),
            // Below another house's line.
            (vec![ours, theirs, good, from], false),
            (vec![theirs, good, from], false),
            // Below the server's own.
            (vec![bad, ours, good, from], false),
            (vec![none, ours, good, from], false),
            (vec![ours, none, good, from], false),
            (vec![ours, bad, good, ours, from], false),
            (vec![good, bad, ours, from], false),
        ] {
            let text = fields.join("\n");
            assert_eq!(verified(&text), expected, "{text}");
        }
    }
}
