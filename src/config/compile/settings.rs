//! Settings: `[sip]`, `[media]`, `[store]`, `[smtp]`, and those of HTTP and routing as a whole.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use lettre::message::Mailbox;

use super::{http, uri};
use crate::config::diagnostic::Findings;
use crate::config::files::{Files, Password};
use crate::config::section::Placed;
use crate::config::tree::{LoginEntry, MailLoginEntry, SipEntry, SmtpEntry, Text, Tree};
use crate::core::snapshot::{
    Listen, MailLogin, MediaSettings, Protocol, Secret, Settings, SipSettings, SmtpSecurity,
    SmtpSettings, StoreSettings,
};

/// How long SIGTERM lets running calls go on where nothing is said.
const DEFAULT_DRAIN: Duration = Duration::from_secs(60);

/// Five hundred pairs: 250 calls between a trunk and one phone each.
const DEFAULT_PORTS: RangeInclusive<u16> = 16384..=17383;

/// The port that SIP is taken on where nothing is said.
const DEFAULT_SIP_PORT: u16 = 5060;

const DEFAULT_REALM: &str = "ringdesk";
const DEFAULT_DATABASE: &str = "../data/ringdesk.db";
const DEFAULT_AUDIO: &str = "../data/audio";

pub(super) fn compile(tree: &Tree, files: &Files, findings: &mut Findings) -> Settings {
    let sip = sip(&tree.sip, findings);
    let media = MediaSettings {
        ports: ports(tree.media_ports.as_ref(), &sip.listen, findings),
    };
    Settings {
        sip,
        media,
        store: store(tree, files, findings),
        smtp: tree
            .smtp
            .as_ref()
            .and_then(|entry| smtp(entry, files, findings)),
        http: tree.http.as_ref().map(|entry| http::http(entry, findings)),
        email: http::email(&tree.email, files, findings),
        contacts: tree.contacts,
        routing: tree.routing,
        drain: tree.drain.unwrap_or(DEFAULT_DRAIN),
    }
}

fn sip(entry: &SipEntry, findings: &mut Findings) -> SipSettings {
    let listen = match &entry.listen {
        Some(written) => listeners(written, findings),
        None => [Protocol::Udp, Protocol::Tcp]
            .map(|protocol| Listen {
                protocol,
                address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_SIP_PORT)),
            })
            .to_vec(),
    };
    SipSettings {
        listen,
        public_address: entry
            .public_address
            .as_ref()
            .and_then(|written| public_address(written, findings)),
        local_networks: entry.local_networks.as_ref().map(|written| {
            written
                .iter()
                .filter_map(|network| match uri::network(&network.value) {
                    Ok(network) => Some(network),
                    Err(problem) => {
                        findings.error(&network.place, problem);
                        None
                    }
                })
                .collect()
        }),
        digest: entry.digest,
        realm: realm(entry.realm.as_ref(), findings),
    }
}

fn listeners(written: &[Placed<String>], findings: &mut Findings) -> Vec<Listen> {
    let mut listeners: Vec<Listen> = Vec::with_capacity(written.len());
    for text in written {
        match uri::listen(&text.value) {
            Ok(listen) if listen.address.port() != 0 && listeners.contains(&listen) => {
                findings.error(&text.place, format!("\"{}\" stands twice.", text.value));
            }
            Ok(listen) => listeners.push(listen),
            Err(problem) => findings.error(&text.place, problem),
        }
    }
    listeners
}

fn public_address(written: &Placed<String>, findings: &mut Findings) -> Option<IpAddr> {
    let message = match IpAddr::from_str(&written.value) {
        Ok(address) if address.is_unspecified() || address.is_multicast() => format!(
            "\"{address}\" cannot be reached by anybody. Write the address that the internet sees, or leave `public_address` out."
        ),
        Ok(address) => return Some(address),
        Err(_) => format!(
            "\"{}\" is not an IP address, as in public_address = \"203.0.113.7\".",
            written.value
        ),
    };
    findings.error(&written.place, message);
    None
}

fn realm(written: Option<&Placed<String>>, findings: &mut Findings) -> String {
    let Some(written) = written else {
        return DEFAULT_REALM.to_owned();
    };
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\') || c == ' ';
    if written.value.is_empty() || !written.value.chars().all(fits) {
        findings.error(
            &written.place,
            "`realm` takes ASCII letters, digits and punctuation without quotes and backslashes, as in realm = \"ringdesk\".",
        );
    }
    written.value.clone()
}

fn ports(
    written: Option<&Placed<String>>,
    listen: &[Listen],
    findings: &mut Findings,
) -> RangeInclusive<u16> {
    let Some(written) = written else {
        return DEFAULT_PORTS;
    };
    let text = &written.value;
    let bounds = text.split_once('-').and_then(|(low, high)| {
        Some((
            low.trim().parse::<u16>().ok()?,
            high.trim().parse::<u16>().ok()?,
        ))
    });
    let Some((low, high)) = bounds.filter(|(low, _)| *low > 0) else {
        let message = format!(
            "\"{text}\" is not a range of ports from 1 to 65535, as in ports = \"16384-17383\"."
        );
        findings.error(&written.place, message);
        return DEFAULT_PORTS;
    };
    let first_even = low.saturating_add(low % 2);
    if first_even >= high || first_even % 2 != 0 {
        let message = format!(
            "\"{text}\" holds no pair of an even port and the next one. Each call needs several pairs, as in ports = \"16384-17383\"."
        );
        findings.error(&written.place, message);
    }
    let range = low..=high;
    if let Some(taken) = listen
        .iter()
        .find(|listen| listen.protocol == Protocol::Udp && range.contains(&listen.address.port()))
    {
        let message = format!(
            "\"{text}\" includes port {}, which SIP listens on. Choose other ports for audio.",
            taken.address.port()
        );
        findings.error(&written.place, message);
    }
    range
}

/// `[store]`: the database and the audio.
pub fn store(tree: &Tree, files: &Files, findings: &mut Findings) -> StoreSettings {
    let database = match &tree.store_url {
        None => files.path(DEFAULT_DATABASE),
        Some(url) => match database(&url.value) {
            Ok(path) => files.path(path),
            Err(problem) => {
                findings.error(&url.place, problem);
                PathBuf::new()
            }
        },
    };
    let audio = tree.store_audio.as_ref();
    if let Some(audio) = audio.filter(|audio| audio.value.is_empty()) {
        findings.error(
            &audio.place,
            "`audio` is empty. Write a directory, as in audio = \"../data/audio\".",
        );
    }
    StoreSettings {
        database,
        audio: files.path(audio.map_or(DEFAULT_AUDIO, |audio| &audio.value)),
    }
}

fn database(url: &str) -> Result<&str, String> {
    let example = "Write it like url = \"sqlite:../data/ringdesk.db\"";
    let path = match url.split_once(':') {
        Some(("sqlite", path)) => path.strip_prefix("//").unwrap_or(path),
        Some(("postgres" | "postgresql", _)) => {
            return Err(format!(
                "PostgreSQL is not available in this version. {example}."
            ));
        }
        _ => return Err(format!("\"{url}\" does not begin with sqlite:. {example}.")),
    };
    if path.is_empty() || path == ":memory:" || path.contains('?') || path.ends_with('/') {
        return Err(format!("\"{url}\" does not name a file. {example}."));
    }
    Ok(path)
}

fn smtp(entry: &SmtpEntry, files: &Files, findings: &mut Findings) -> Option<SmtpSettings> {
    let (host, port, security) = match &entry.server {
        None => ("localhost".to_owned(), 25, SmtpSecurity::Opportunistic),
        Some(server) => match smtp_server(&server.value) {
            Ok(server) => server,
            Err(problem) => {
                findings.error(&server.place, problem);
                return None;
            }
        },
    };
    let credentials = mail_login(&entry.login, files, findings);
    let from = entry.from.as_ref()?;
    if Mailbox::from_str(&from.value).is_err() {
        let message = format!(
            "\"{}\" is not a mail address, as in from = \"ringdesk@example.com\".",
            from.value
        );
        findings.error(&from.place, message);
    }
    Some(SmtpSettings {
        host,
        port,
        security,
        from: from.value.clone(),
        credentials,
    })
}

/// Reads `smtp://HOST:PORT`, `submission://HOST:PORT` or `smtps://HOST:PORT`. The error says what to write.
pub(super) fn smtp_server(text: &str) -> Result<(String, u16, SmtpSecurity), String> {
    let example = "Write it like smtp://localhost:25, or submission://mail.example.com:587";
    let (security, default_port, address) = match text.split_once("://") {
        Some(("smtp", address)) => (SmtpSecurity::Opportunistic, 25, address),
        Some(("submission", address)) => (SmtpSecurity::StartTls, 587, address),
        Some(("smtps", address)) => (SmtpSecurity::Tls, 465, address),
        _ => {
            return Err(format!(
                "\"{text}\" does not begin with smtp://, submission:// or smtps://. {example}."
            ));
        }
    };
    if address.contains('@') {
        return Err(
            "the user name and password of a mail server stand in `username` and `password_file`."
                .to_owned(),
        );
    }
    let (host, port) = uri::host_and_port(address.trim_end_matches('/'))
        .ok_or_else(|| format!("\"{text}\" has no host that can be one. {example}."))?;
    Ok((host, port.unwrap_or(default_port), security))
}

/// User name and password, or user name and token file, of a mail server: both or neither.
pub(super) fn mail_login(
    entry: &MailLoginEntry,
    files: &Files,
    findings: &mut Findings,
) -> Option<(String, MailLogin)> {
    let Some(file) = &entry.oauth2_token_file else {
        let (username, password) = login(&entry.login, files, findings)?;
        return Some((username, MailLogin::Password(password)));
    };
    match (&entry.login.username, &entry.login.password_file) {
        (_, Some(password)) => {
            findings.error(
                &password.place,
                "there is `oauth2_token_file` as well: a login has one of the two. Remove the other.",
            );
            None
        }
        (None, None) => {
            findings.error(
                &file.place,
                "`oauth2_token_file` needs `username` beside it.",
            );
            None
        }
        (Some(username), None) => {
            let login = token_file(file, "mail is sent", files, findings);
            Some((username.value.clone(), login))
        }
    }
}

/// The file of an access token, which may come later. `then` is what begins with it.
pub(super) fn token_file(
    file: &Text,
    then: &str,
    files: &Files,
    findings: &mut Findings,
) -> MailLogin {
    let path = files.path(&file.value);
    if !path.is_file() {
        let path = path.display();
        let message = format!("there is no file {path} yet: {then} once a token stands in it.");
        findings.warning(&file.place, message);
    }
    MailLogin::OAuth2(path)
}

/// User name and password of a server elsewhere: both or neither, and the password must be there.
pub(super) fn login(
    entry: &LoginEntry,
    files: &Files,
    findings: &mut Findings,
) -> Option<(String, Secret)> {
    match (&entry.username, &entry.password_file) {
        (None, None) => None,
        (Some(username), None) => {
            findings.error(
                &username.place,
                "`username` needs `password_file` beside it.",
            );
            None
        }
        (None, Some(file)) => {
            findings.error(&file.place, "`password_file` needs `username` beside it.");
            None
        }
        (Some(username), Some(file)) => match files.password(file, findings) {
            Password::Read(secret) => Some((username.value.clone(), secret)),
            Password::Unusable => None,
            Password::Missing => {
                let message = format!(
                    "there is no file {}. Write the password of \"{}\" into it.",
                    files.path(&file.value).display(),
                    username.value
                );
                findings.error(&file.place, message);
                None
            }
        },
    }
}
