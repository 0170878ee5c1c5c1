//! Mailboxes of a server that speaks at moments that a real one seldom chooses.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use super::world::World;
use super::{mail, wait_for};
use crate::core::snapshot::{ImapSecurity, MailLogin, Mailbox, Secret};

/// When the server tells of the mail that came after the folder was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tells {
    /// With the answer to a search that did not find it yet.
    WithASearch,
    /// When it is asked to wait, before it agrees.
    BeforeWaiting,
}

/// A folder that is empty when it is opened, and has one mail from the moment it is told of.
fn serve(stream: TcpStream, tells: Tells) -> std::io::Result<()> {
    let mut output = stream.try_clone()?;
    let mut came = false;
    let mut searches = 0;
    let mut idle = String::new();
    output.write_all(b"* OK here\r\n")?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let (tag, command) = line.split_once(' ').unwrap_or(("", &line));
        let mut said = String::new();
        if command.starts_with("CAPABILITY") {
            said.push_str("* CAPABILITY IMAP4rev1 IDLE\r\n");
        } else if command.starts_with("SELECT") {
            said.push_str("* 0 EXISTS\r\n* OK [UIDVALIDITY 7] it\r\n* OK [UIDNEXT 1] it\r\n");
        } else if command.starts_with("UID SEARCH") {
            said.push_str(if came {
                "* SEARCH 1\r\n"
            } else {
                "* SEARCH\r\n"
            });
            searches += 1;
            if tells == Tells::WithASearch && searches == 2 {
                came = true;
                said.push_str("* 1 EXISTS\r\n");
            }
        } else if command.starts_with("UID FETCH 1 (UID RFC822.SIZE)") {
            said.push_str("* 1 FETCH (UID 1 RFC822.SIZE 200)\r\n");
        } else if command.starts_with("UID FETCH") {
            let mail = String::from_utf8(mail(1)).unwrap();
            let octets = mail.len();
            said = format!("* 1 FETCH (UID 1 BODY[] {{{octets}}}\r\n{mail})\r\n");
        } else if command == "IDLE" {
            if tells == Tells::BeforeWaiting && !came {
                came = true;
                output.write_all(b"* 1 EXISTS\r\n")?;
            }
            idle = tag.to_owned();
            output.write_all(b"+ idling\r\n")?;
            continue;
        } else if line == "DONE" {
            output.write_all(format!("{idle} OK\r\n").as_bytes())?;
            continue;
        }
        output.write_all(format!("{said}{tag} OK done\r\n").as_bytes())?;
    }
    Ok(())
}

#[test]
fn a_mail_that_comes_just_before_the_wait_is_not_overlooked() {
    for tells in [Tells::WithASearch, Tells::BeforeWaiting] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // That the mailbox's reader goes ends it.
                let _ = serve(stream.unwrap(), tells);
            }
        });
        let mut world = World::reading(vec![Mailbox {
            host: "127.0.0.1".to_owned(),
            port,
            security: ImapSecurity::None,
            username: "anna".to_owned(),
            login: MailLogin::Password(Secret("secret".to_owned())),
            folder: "INBOX".to_owned(),
        }]);
        world.start();
        let kept = wait_for(&format!("the mail told of {tells:?}"), || {
            world.kept().pop()
        });
        assert_eq!(kept.arrival.message.subject.as_deref(), Some("Lamp 1"));
    }
}
