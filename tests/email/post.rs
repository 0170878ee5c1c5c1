//! The mail servers between the daemon and its customers.

use std::path::Path;

use lettre::address::Envelope;
use lettre::transport::smtp::client::SmtpConnection;
use lettre::transport::smtp::extension::ClientId;

use super::dovecot::Dovecot;
use super::house::{PATIENCE, wait_for};
use super::mail_server::MailServer;

/// OpenSMTPD takes mail for example.com and hands it over by LMTP, and mail for example.org into its
/// maildir. Dovecot stands before it for those who send: it asks for TLS and a password.
pub struct Post {
    pub server: MailServer,
    pub submission: Dovecot,
}

impl Post {
    pub fn new(lmtp: &Path) -> Option<Post> {
        let mut server = MailServer::configured(|place, port| {
            let (place, lmtp) = (place.display(), lmtp.display());
            format!(
                "listen on 127.0.0.1 port {port} hostname mail.example.com\n\
                 action \"keep\" maildir \"{place}/mail\" virtual {{ \"@example.org\" = nobody }}\n\
                 action \"desk\" lmtp \"{lmtp}\" rcpt-to virtual {{ \"@example.com\" = nobody }}\n\
                 match from any for domain \"example.com\" action \"desk\"\n\
                 match from any for domain \"example.org\" action \"keep\"\n"
            )
        })?;
        server.start();
        let submission = Dovecot::start_before(Some(server.port))?;
        Some(Post { server, submission })
    }

    /// The mails that have arrived with these words in them. The server's spool is the machine's own,
    /// and may hold mails of other tests.
    pub fn with(&self, words: &str) -> Vec<String> {
        let mut mails = self.server.mails();
        mails.retain(|mail| mail.contains(words));
        mails
    }

    pub fn wait_for(&self, words: &str) -> String {
        wait_for(words, || self.with(words).pop())
    }

    /// A customer writes.
    pub fn write(&self, from: &str, to: &str, mail: &str) {
        let client = ClientId::default();
        let place = ("127.0.0.1", self.server.port);
        let mut connection =
            SmtpConnection::connect(place, Some(PATIENCE), &client, None, None).unwrap();
        let to = vec![to.parse().unwrap()];
        let envelope = Envelope::new(from.parse().ok(), to).unwrap();
        connection.send(&envelope, mail.as_bytes()).unwrap();
        connection.quit().unwrap();
    }
}

/// The value of a field, which must be there.
pub fn field<'a>(mail: &'a str, name: &str) -> &'a str {
    let found = mail.lines().find_map(|line| line.strip_prefix(name));
    found
        .unwrap_or_else(|| panic!("{name} is missing in {mail}"))
        .trim()
}
