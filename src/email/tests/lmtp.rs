//! A mail server hands mail over.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::Ordering;

use super::world::World;
use super::{mail, wait_for};
use crate::core::snapshot::LmtpListen;

pub struct Client(UnixStream);

impl Client {
    pub fn connect(path: &Path) -> Client {
        let stream = wait_for("the socket", || UnixStream::connect(path).ok());
        stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
        let mut client = Client(stream);
        assert!(client.read(1)[0].starts_with("220 "));
        client
    }

    /// Hands a mail over, which must be taken.
    pub fn send(&mut self, from: &str, to: &str, mail: &[u8]) {
        self.write(
            format!("LHLO mx\r\nMAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nDATA\r\n").as_bytes(),
        );
        self.read(4);
        self.write(mail);
        self.write(b"\r\n.\r\n");
        assert_eq!(self.read(1), ["250 2.1.5 taken in"]);
    }

    fn write(&mut self, octets: &[u8]) {
        self.0.write_all(octets).unwrap();
    }

    /// So many last lines of replies.
    fn read(&mut self, number: usize) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = String::new();
        while lines.len() < number {
            let mut octet = [0u8];
            if self.0.read(&mut octet).unwrap() == 0 {
                break;
            }
            line.push(char::from(octet[0]));
            if line.ends_with("\r\n") {
                let whole = std::mem::take(&mut line);
                if whole.as_bytes().get(3) == Some(&b' ') {
                    lines.push(whole.trim_end().to_owned());
                }
            }
        }
        lines
    }
}

#[test]
fn each_recipient_is_answered_once_the_mail_is_kept() {
    let mut world = World::new();
    let path = world.lmtp();
    world.support(|it| it.aliases = vec!["help@example.com".to_owned()]);
    world.start();
    let mut client = Client::connect(&path);
    // All at once, as pipelining allows.
    client.write(
        b"LHLO mx\r\nMAIL FROM:<kare@example.org> SIZE=500\r\nRCPT TO:<support@example.com>\r\n\
          RCPT TO:<nobody@example.com>\r\nRCPT TO:<Help+x@example.com>\r\nDATA\r\n",
    );
    assert_eq!(
        client.read(6)[1..],
        [
            "250 2.1.0 OK",
            "250 2.1.5 OK",
            "550 5.1.1 no email channel has this address",
            "250 2.1.5 OK",
            "354 go ahead, end with a dot",
        ]
    );
    client
        .write(b"Subject: Dots\r\nMessage-ID: <d@x>\r\nFrom: a@x.no\r\n\r\n..one\r\n.\r\nQUIT\r\n");
    assert_eq!(
        client.read(3)[..2],
        ["250 2.1.5 taken in", "250 2.1.5 taken in"]
    );
    let kept = world.kept();
    assert_eq!(
        kept.len(),
        1,
        "two addresses of one channel are one conversation"
    );
    assert_eq!(kept[0].message.text, ".one");
    let raw = world.directory.path().join("attachments");
    let raw = std::fs::read(raw.join(kept[0].message.raw.as_ref().unwrap())).unwrap();
    assert!(raw.starts_with(b"Return-Path: <kare@example.org>\r\nSubject: Dots\r\n"));
}

#[test]
fn what_cannot_be_kept_stays_with_the_mail_server() {
    let mut world = World::new();
    let path = world.lmtp();
    world.snapshot.settings.email.largest = 2_000;
    world.start();
    let mut client = Client::connect(&path);
    client.write(b"LHLO mx\r\n");
    client.read(1);
    let mut send = |octets: &[u8]| {
        client.write(b"MAIL FROM:<>\r\nRCPT TO:<support@example.com>\r\nDATA\r\n");
        client.read(3);
        client.write(octets);
        client.write(b"\r\n.\r\n");
        client.read(1).remove(0)
    };
    world.busy.store(true, Ordering::SeqCst);
    assert_eq!(send(&mail(1)), "451 4.3.0 it cannot be kept now");
    assert_eq!(world.files(), 0);
    world.busy.store(false, Ordering::SeqCst);
    assert_eq!(send(&mail(1)), "250 2.1.5 taken in");
    // The server did not hear the answer, and comes again.
    assert_eq!(send(&mail(1)), "250 2.1.5 taken in");
    assert_eq!(world.kept().len(), 1);
    assert_eq!(world.files(), 1);
    let large = send(&b"x".repeat(2_500));
    assert_eq!(
        large,
        "552 5.3.4 the mail has 2502 octets, which is too much"
    );
    assert_eq!(send(&mail(2)), "250 2.1.5 taken in");
}

#[test]
fn a_socket_left_behind_is_replaced_and_one_in_use_is_not() {
    let mut world = World::new();
    let path = world.lmtp();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    world.start();
    Client::connect(&path);
    let mut second = World::new();
    second.snapshot = world.snapshot.clone();
    second.start();
    second.wait_for_trouble("mail cannot be taken over LMTP");
    Client::connect(&path);
}

#[test]
fn a_file_that_stands_where_the_socket_should_is_kept() {
    let mut world = World::new();
    let path = world.lmtp();
    std::fs::write(&path, "somebody's notes").unwrap();
    world.start();
    world.wait_for_trouble("is no socket");
    assert_eq!(std::fs::read(&path).unwrap(), b"somebody's notes");
}

#[test]
fn the_longest_path_of_a_socket_that_the_configuration_takes_works() {
    let mut world = World::new();
    let short = world.lmtp();
    let spare = LmtpListen::LONGEST_PATH - short.as_os_str().len();
    let path = short.with_file_name(format!("lmtp.sock{}", "x".repeat(spare)));
    world.snapshot.settings.email.lmtp = Some(LmtpListen::Path(path.clone()));
    world.start();
    Client::connect(&path);
}

#[test]
fn nonsense_ends_one_session_and_nothing_else() {
    let mut world = World::new();
    let path = world.lmtp();
    world.start();
    let mut noisy = Client::connect(&path);
    noisy.write(&b"x".repeat(10_000));
    assert_eq!(noisy.read(1), ["500 5.5.2 the line is too long"]);
    let mut silent = Client::connect(&path);
    silent
        .write(b"LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<support@example.com>\r\nDATA\r\nhalf a mail");
    silent.read(4);
    drop(silent);
    let mut client = Client::connect(&path);
    client.write(b"QUIT\r\n");
    assert!(client.read(1)[0].starts_with("221 "));
    assert_eq!(world.kept().len(), 0);
}
