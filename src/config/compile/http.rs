//! `[http]`, and `[email]` as far as mail is taken in

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use super::{text, uri};
use crate::config::diagnostic::Findings;
use crate::config::files::Files;
use crate::config::section::Placed;
use crate::config::tree::{EmailSettingsEntry, HttpEntry, Tree};
use crate::core::snapshot::{EmailSettings, HttpSettings, Kind, LmtpListen};

/// Where HTTP is taken where nothing is said: for this machine alone.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// A working day and the way home.
const DEFAULT_SESSION: Duration = Duration::from_secs(12 * 3600);

pub(super) fn http(entry: &HttpEntry, findings: &mut Findings) -> HttpSettings {
    let listen = match &entry.listen {
        None => DEFAULT_LISTEN,
        Some(written) => listen(written, findings),
    };
    let url = entry
        .public_url
        .as_ref()
        .and_then(|written| public_url(written, findings));
    let is_encrypted = url.as_ref().is_some_and(|url| url.starts_with("https://"));
    if !listen.ip().is_loopback() && !is_encrypted {
        let place = entry.listen.as_ref().map_or(&entry.place, |it| &it.place);
        let message = "others than this machine reach HTTP here, and nothing encrypts it: passwords and messages can be read on the way. Put a proxy with TLS before it, and write its address: public_url = \"https://desk.example.com\".";
        findings.warning(place, message);
    }
    HttpSettings {
        listen,
        public_url: url.unwrap_or_else(|| format!("http://{listen}")),
        trusted_proxies: match &entry.trusted_proxies {
            Some(written) => networks(written, findings),
            None if listen.ip().is_loopback() => [
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(Ipv6Addr::LOCALHOST),
            ]
            .map(IpNet::from)
            .to_vec(),
            None => Vec::new(),
        },
        session: entry.session.unwrap_or(DEFAULT_SESSION),
    }
}

fn listen(written: &Placed<String>, findings: &mut Findings) -> SocketAddr {
    match SocketAddr::from_str(&written.value) {
        Ok(listen) => listen,
        Err(_) => {
            let message = format!(
                "\"{}\" is not an address and a port of this machine. Write it like listen = \"127.0.0.1:8080\"; 0.0.0.0 is every IPv4 address of the machine. TLS is the task of a proxy before it.",
                written.value
            );
            findings.error(&written.place, message);
            DEFAULT_LISTEN
        }
    }
}

fn public_url(written: &Placed<String>, findings: &mut Findings) -> Option<String> {
    let url = text::web_address("public_url", written, findings)?;
    if url.query().is_some() || url.fragment().is_some() || !matches!(url.path(), "" | "/") {
        let message = format!(
            "`public_url` has something behind its host. Write {}: Ringdesk has a host of its own.",
            url.origin().ascii_serialization()
        );
        findings.error(&written.place, message);
    }
    Some(url.origin().ascii_serialization())
}

fn networks(written: &[Placed<String>], findings: &mut Findings) -> Vec<IpNet> {
    let read = written
        .iter()
        .filter_map(|text| match uri::network(&text.value) {
            Ok(network) => Some(network),
            Err(problem) => {
                let problem = problem.replace("; the carrier lists them", "");
                findings.error(&text.place, problem);
                None
            }
        });
    read.collect()
}

/// What needs `[http]` and stands in a configuration without it.
pub(super) fn check_needed(tree: &Tree, is_any_unread: bool, findings: &mut Findings) {
    if tree.http.is_some() || is_any_unread {
        return;
    }
    let advice = "Add [http], which takes HTTP at 127.0.0.1:8080 where nothing else is said";
    for channel in &tree.channels {
        let kind = channel.kind();
        if matches!(kind, Kind::Form | Kind::Chat) {
            let message =
                format!("a {kind} is reached over HTTP, and there is no [http]. {advice}.");
            findings.error(&channel.name.place, message);
        }
    }
    for token in &tree.tokens {
        let message = format!("a token is for the API, and there is no [http]. {advice}.");
        findings.error(&token.name.place, message);
    }
}

pub(super) fn email(
    entry: &EmailSettingsEntry,
    files: &Files,
    findings: &mut Findings,
) -> EmailSettings {
    EmailSettings {
        lmtp: entry
            .lmtp
            .as_ref()
            .and_then(|written| lmtp(written, files, findings)),
        largest: entry
            .largest
            .unwrap_or_else(|| EmailSettings::default().largest),
    }
}

fn lmtp(written: &Placed<String>, files: &Files, findings: &mut Findings) -> Option<LmtpListen> {
    if let Some(path) = written
        .value
        .strip_prefix("unix:")
        .filter(|it| !it.is_empty())
    {
        let path = files.path(path);
        let octets = path.as_os_str().as_bytes().len();
        let most = LmtpListen::LONGEST_PATH;
        if octets > most {
            let message = format!(
                "the path of the socket, {}, has {octets} octets; {most} are the most. Write a shorter one, as in lmtp = \"unix:/run/ringdesk/lmtp\".",
                path.display()
            );
            findings.error(&written.place, message);
        }
        return Some(LmtpListen::Path(path));
    }
    match SocketAddr::from_str(&written.value) {
        Ok(address) => {
            if !address.ip().is_loopback() {
                let message = "whoever reaches this address can hand in mail, for LMTP asks nobody who it is. Write 127.0.0.1, or a Unix socket.";
                findings.warning(&written.place, message);
            }
            Some(LmtpListen::Address(address))
        }
        Err(_) => {
            let message = format!(
                "\"{}\" is nowhere to take mail. Write lmtp = \"unix:../data/lmtp\" or lmtp = \"127.0.0.1:2424\".",
                written.value
            );
            findings.error(&written.place, message);
            None
        }
    }
}
