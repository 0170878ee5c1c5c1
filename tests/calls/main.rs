//! Whole calls against the real program: SIPp plays carrier and phones, lines of our own send and
//! record the audio.

mod answered;
mod baresip;
#[path = "../support/chat_page.rs"]
mod chat_page;
#[path = "../../src/email/tests/dovecot.rs"]
#[expect(dead_code, reason = "what only tests of the mailbox itself need")]
mod dovecot;
mod everything;
mod external;
mod forged;
mod hours;
mod load;
#[path = "../operating/mail_server.rs"]
#[expect(dead_code, reason = "what only tests of notices need")]
mod mail_server;
mod media;
mod nat;
mod operations;
mod ringing;
mod support;
mod tcp;
mod unanswered;

use support::wait::until as wait_for;

/// Where the mail servers look for patience.
mod house {
    pub(super) use super::wait_for;
}
