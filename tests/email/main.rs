//! Mail through the real daemon: read from Dovecot over IMAP and handed over by OpenSMTPD over LMTP,
//! answered over the API, sent through OpenSMTPD with TLS and a password.

#[path = "../../src/email/tests/dovecot.rs"]
#[expect(dead_code, reason = "what only tests of the mailbox itself need")]
mod dovecot;
mod house;
#[path = "../operating/mail_server.rs"]
#[expect(dead_code, reason = "what only tests of notices need")]
mod mail_server;
mod oauth2;
mod owner;
mod post;
mod receiving;
mod replying;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "what only other tests need")]
mod support;

use house::wait_for;

/// A mail of that number from a customer.
fn mail(number: usize) -> String {
    format!(
        "Return-Path: <kare@example.org>\r\nFrom: =?utf-8?q?K=C3=A5re?= <kare@example.org>\r\n\
         To: support@example.com\r\nSubject: Lamp {number}\r\nMessage-ID: <{number}@example.org>\r\n\
         Date: Wed, 02 Dec 2026 10:40:00 +0100\r\n\r\nIt flickers.\r\n"
    )
}
