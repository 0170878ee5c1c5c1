//! Email against real servers, with a small engine behind it.

#[expect(dead_code, reason = "what only tests of the daemon need")]
mod dovecot;
mod hostile;
mod imap;
mod imap_server;
mod lmtp;
mod replies;
mod script;
mod world;

use std::time::Duration;

use crate::clock;
use crate::core::snapshot::{ImapSecurity, MailLogin, Mailbox, Secret};

/// How long anything here may take; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(180);

/// Waits until `found` finds something.
fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let until = clock::mono() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(clock::mono() < until, "{what} did not come");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// How a mailbox is read without encryption.
fn mailbox(server: &dovecot::Dovecot, user: &str) -> Mailbox {
    let password = match user {
        "bjorn" => "b\"jø\\rn",
        _ => "secret anna",
    };
    Mailbox {
        host: "127.0.0.1".to_owned(),
        port: server.imap,
        security: ImapSecurity::None,
        username: user.to_owned(),
        login: MailLogin::Password(Secret(password.to_owned())),
        folder: "INBOX".to_owned(),
    }
}

/// A mail of that number.
fn mail(number: u32) -> Vec<u8> {
    format!(
        "Return-Path: <kare@example.org>\r\nFrom: =?utf-8?q?K=C3=A5re?= <kare@example.org>\r\n\
         To: support@example.com\r\nSubject: Lamp {number}\r\nMessage-ID: <{number}@example.org>\r\n\
         Date: Wed, 02 Dec 2026 10:40:00 +0100\r\n\r\nIt flickers.\r\n"
    )
    .into_bytes()
}

/// An answer to another mail.
fn answer(number: u32, to: &str) -> Vec<u8> {
    let mail = String::from_utf8(mail(number)).unwrap();
    mail.replace("Date:", &format!("In-Reply-To: <{to}>\r\nDate:"))
        .into_bytes()
}
