//! `[[channel]]` of kind `email`

use std::collections::HashMap;
use std::net::IpAddr;
use std::str::FromStr;

use super::people::check_address;
use super::settings::{mail_login, smtp_server, token_file};
use super::{text, uri};
use crate::config::diagnostic::{Findings, Place};
use crate::config::files::{Files, Password};
use crate::config::section::Placed;
use crate::config::tree::{ChannelEntry, EmailEntry, MailLoginEntry, MailboxEntry, Text, Tree};
use crate::core::snapshot::{EmailChannel, ImapSecurity, MailLogin, Mailbox, SmtpSettings, Target};

/// The folder that mail arrives in (RFC 3501 §5.1).
const INBOX: &str = "INBOX";

/// The longest name beside an address, in characters.
const MAX_NAME_CHARACTERS: usize = 100;

/// The longest signature, in characters: what is longer nobody reads.
const MAX_SIGNATURE_CHARACTERS: usize = 2000;

pub(super) fn email(
    channel: &ChannelEntry,
    entry: &EmailEntry,
    tree: &Tree,
    files: &Files,
    findings: &mut Findings,
) -> EmailChannel {
    let address = entry.address.as_ref().map(|it| it.value.clone());
    let address = address.unwrap_or_default();
    warn(channel, entry, tree, findings);
    EmailChannel {
        sender_name: match &entry.sender_name {
            Some(name) => text::line("sender_name", name, MAX_NAME_CHARACTERS, findings),
            None => channel.name.value.clone(),
        },
        aliases: entry.aliases.iter().map(|it| it.value.clone()).collect(),
        mailboxes: entry
            .mailboxes
            .iter()
            .filter_map(|written| mailbox(written, files, findings))
            .collect(),
        smtp: entry
            .smtp
            .as_ref()
            .and_then(|(server, login)| smtp(server.as_ref()?, login, &address, files, findings)),
        authentication_servers: entry
            .authentication_servers
            .iter()
            .filter_map(|name| authentication_server(name, findings))
            .collect(),
        signature: entry.signature.as_ref().map(|signature| {
            text::lines("signature", signature, MAX_SIGNATURE_CHARACTERS, findings)
        }),
        reply_token: entry.reply_token,
        address,
    }
}

fn warn(channel: &ChannelEntry, entry: &EmailEntry, tree: &Tree, findings: &mut Findings) {
    let name = &channel.name.value;
    let place = &channel.name.place;
    if entry.mailboxes.is_empty() && tree.email.lmtp.is_none() {
        let message = format!(
            "channel \"{name}\" has no [[channel.mailbox]], and there is no `lmtp` in [email]: no mail can reach it."
        );
        findings.warning(place, message);
    }
    if entry.smtp.is_none() && tree.smtp.is_none() {
        let replies = channel.rules().find_map(|rule| rule.reply.as_ref());
        match replies {
            Some(reply) => findings.error(
                &reply.place,
                "this reply cannot be sent: there is neither [channel.smtp] nor [smtp]. Add one, or remove `reply`.",
            ),
            None => findings.warning(
                place,
                format!("channel \"{name}\" has neither [channel.smtp] nor [smtp]: nobody can reply."),
            ),
        }
    }
    if channel.seeks(Target::ContactOwner)
        && tree.contacts.by_sender
        && entry.authentication_servers.is_empty()
    {
        let message = format!(
            "channel \"{name}\" seeks the contact's owner, and no sender is ever verified: name the server that checks mail for you in `authentication_servers`."
        );
        findings.warning(place, message);
    }
}

fn mailbox(entry: &MailboxEntry, files: &Files, findings: &mut Findings) -> Option<Mailbox> {
    let login = mailbox_login(entry, files, findings);
    let folder = entry.folder.as_ref();
    let folder = folder.map_or(INBOX.to_owned(), |folder| {
        text::line("folder", folder, 255, findings)
    });
    let username = text::line("username", &entry.username, 255, findings);
    match imap_server(&entry.server.value) {
        Ok((host, port, security)) => Some(Mailbox {
            host,
            port,
            security,
            username,
            login: login?,
            folder,
        }),
        Err(problem) => {
            findings.error(&entry.server.place, problem);
            None
        }
    }
}

fn mailbox_login(
    entry: &MailboxEntry,
    files: &Files,
    findings: &mut Findings,
) -> Option<MailLogin> {
    if let Some(file) = &entry.oauth2_token_file {
        return Some(token_file(file, "the mailbox opens", files, findings));
    }
    let file = entry.password_file.as_ref()?;
    match files.password(file, findings) {
        Password::Read(secret) => Some(MailLogin::Password(secret)),
        Password::Unusable => None,
        Password::Missing => {
            let message = format!(
                "there is no file {}. Write the password of \"{}\" into it.",
                files.path(&file.value).display(),
                entry.username.value
            );
            findings.error(&file.place, message);
            None
        }
    }
}

fn imap_server(written: &str) -> Result<(String, u16, ImapSecurity), String> {
    let example = "Write it like imaps://imap.example.com:993, or imap://imap.example.com:143, which must offer STARTTLS";
    let (security, default_port, address) = match written.split_once("://") {
        Some(("imaps", address)) => (ImapSecurity::Tls, 993, address),
        Some(("imap", address)) => (ImapSecurity::StartTls, 143, address),
        Some(("imap+plain", address)) => (ImapSecurity::None, 143, address),
        _ => return Err(format!("\"{written}\" is no mail server. {example}.")),
    };
    if address.contains('@') {
        return Err(
            "the user name and password of a mailbox stand in `username` and `password_file`."
                .to_owned(),
        );
    }
    let (host, port) = uri::host_and_port(address.trim_end_matches('/'))
        .ok_or_else(|| format!("\"{written}\" has no host that can be one. {example}."))?;
    let is_here =
        host == "localhost" || IpAddr::from_str(&host).is_ok_and(|address| address.is_loopback());
    if security == ImapSecurity::None && !is_here {
        return Err(format!(
            "\"{written}\" sends the password readable for all. imap+plain:// is for this machine alone. {example}."
        ));
    }
    Ok((host, port.unwrap_or(default_port), security))
}

fn smtp(
    server: &Text,
    login: &MailLoginEntry,
    address: &str,
    files: &Files,
    findings: &mut Findings,
) -> Option<SmtpSettings> {
    let credentials = mail_login(login, files, findings);
    match smtp_server(&server.value) {
        Ok((host, port, security)) => Some(SmtpSettings {
            host,
            port,
            security,
            from: address.to_owned(),
            credentials,
        }),
        Err(problem) => {
            findings.error(&server.place, problem);
            None
        }
    }
}

/// The name that a server puts first into Authentication-Results (RFC 8601 §2.2).
fn authentication_server(name: &Placed<String>, findings: &mut Findings) -> Option<String> {
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, ';' | '"' | '(' | ')');
    if !name.value.is_empty() && name.value.chars().all(fits) {
        return Some(name.value.to_ascii_lowercase());
    }
    let message = format!(
        "\"{}\" is no name that stands in Authentication-Results, like mx.example.com.",
        name.value.escape_debug()
    );
    findings.error(&name.place, message);
    None
}

/// All addresses so far: each has one channel.
#[derive(Default)]
pub(super) struct Addresses {
    owners: HashMap<String, (String, Place)>,
    mailboxes: HashMap<(String, String, String), (String, Place)>,
}

impl Addresses {
    /// Takes the addresses of a channel. Two that differ in case alone are one.
    pub fn add(&mut self, channel: &str, entry: &EmailEntry, findings: &mut Findings) {
        let address = entry.address.iter().map(|it| ("address", it));
        let aliases = entry.aliases.iter().map(|it| ("aliases", it));
        for (key, written) in address.chain(aliases) {
            check_address(key, written, findings);
            let key = written.value.to_lowercase();
            if let Some((owner, place)) = self.owners.get(&key) {
                let message = if owner == channel {
                    format!("{} stands in {place} already. Remove one.", written.value)
                } else {
                    format!(
                        "{} belongs to channel \"{owner}\" already ({place}). An address has one channel: remove one.",
                        written.value
                    )
                };
                findings.error(&written.place, message);
            } else {
                self.owners
                    .insert(key, (channel.to_owned(), written.place.clone()));
            }
        }
        for mailbox in &entry.mailboxes {
            self.add_mailbox(channel, mailbox, findings);
        }
    }

    /// A mailbox is read once, whichever port leads to it.
    fn add_mailbox(&mut self, channel: &str, entry: &MailboxEntry, findings: &mut Findings) {
        let Ok((host, _, _)) = imap_server(&entry.server.value) else {
            return;
        };
        let folder = entry.folder.as_ref().map_or(INBOX, |it| it.value.as_str());
        let user = entry.username.value.clone();
        let key = (host.to_lowercase(), user, folder.to_owned());
        if let Some((owner, place)) = self.mailboxes.get(&key) {
            let message = format!(
                "this mailbox is read for channel \"{owner}\" already ({place}). It is read for one: remove the other."
            );
            findings.error(&entry.server.place, message);
        } else {
            let place = entry.server.place.clone();
            self.mailboxes.insert(key, (channel.to_owned(), place));
        }
    }
}
