//! An IMAP server that does not keep to the protocol.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use super::world::World;
use super::{mail, wait_for};
use crate::core::snapshot::{ImapSecurity, MailLogin, Mailbox, Secret};

/// What one connection does instead of what it should.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mistake {
    Nothing,
    /// `BYE` in place of a greeting.
    Refuses,
    /// Hangs up within a mail.
    Stops,
    /// Announces a mail of four gigabytes.
    Announces,
    /// Sends a mail that is no IMAP.
    Babbles,
    /// Never comes to an end.
    GoesOn,
    /// `BYE` in place of an answer.
    Leaves,
    /// Tells of mails, and answers a question for one with another.
    Confuses,
}

/// A server with one mail, whose connections make mistakes: each the one that it is told, and none
/// once nobody tells it more.
struct Server {
    port: u16,
    mistakes: Option<Sender<Mistake>>,
    /// How often the mail was marked as seen.
    marked: Arc<AtomicUsize>,
}

impl Server {
    fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let marked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&marked);
        let (mistakes, told) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mistake = told.recv().unwrap_or(Mistake::Nothing);
                // Whoever is hung up on does not hear the rest.
                let _ = serve(stream.unwrap(), mistake, &counted);
            }
        });
        Server {
            port,
            mistakes: Some(mistakes),
            marked,
        }
    }

    /// The next connection makes this mistake; it waits for it.
    fn next(&self, mistake: Mistake) {
        self.mistakes.as_ref().unwrap().send(mistake).unwrap();
    }

    fn mailbox(&self) -> Mailbox {
        Mailbox {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            security: ImapSecurity::None,
            username: "anna".to_owned(),
            login: MailLogin::Password(Secret("secret".to_owned())),
            folder: "INBOX".to_owned(),
        }
    }
}

fn serve(mut stream: TcpStream, mistake: Mistake, marked: &AtomicUsize) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    if mistake == Mistake::Refuses {
        return stream.write_all(b"* BYE too many connections\r\n");
    }
    stream.write_all(b"* OK ready\r\n")?;
    while let Some(line) = lines.next().transpose()? {
        let (tag, command) = line.split_once(' ').unwrap_or((&line, ""));
        let upper = command.to_ascii_uppercase();
        let seen = marked.load(Ordering::SeqCst) > 0;
        let told = match upper.as_str() {
            "CAPABILITY" => "* CAPABILITY IMAP4rev1 IDLE\r\n".to_owned(),
            it if it.starts_with("SELECT") => {
                "* 1 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 1] x\r\n".to_owned()
            }
            it if it.starts_with("UID SEARCH UNSEEN") && seen => "* SEARCH\r\n".to_owned(),
            it if it.starts_with("UID SEARCH") => "* SEARCH 1\r\n".to_owned(),
            it if it.contains("RFC822.SIZE") => {
                format!("* 1 FETCH (UID 1 RFC822.SIZE {})\r\n", mail(1).len())
            }
            it if it.starts_with("UID FETCH") => match fetched(&mut stream, mistake)? {
                Some(told) => told,
                None => return Ok(()),
            },
            it if it.starts_with("UID STORE") => {
                marked.fetch_add(1, Ordering::SeqCst);
                String::new()
            }
            "IDLE" => {
                stream.write_all(b"+ idling\r\n")?;
                lines.next().transpose()?;
                String::new()
            }
            _ => String::new(),
        };
        stream.write_all(format!("{told}{tag} OK done\r\n").as_bytes())?;
    }
    Ok(())
}

/// The answer to a question for the mail; none: it was hung up.
fn fetched(stream: &mut TcpStream, mistake: Mistake) -> std::io::Result<Option<String>> {
    let octets = String::from_utf8(mail(1)).unwrap();
    let whole = format!(
        "* 1 FETCH (UID 1 BODY[] {{{}}}\r\n{octets})\r\n",
        octets.len()
    );
    match mistake {
        Mistake::Nothing | Mistake::Refuses => return Ok(Some(whole)),
        Mistake::Stops => stream.write_all(&whole.as_bytes()[..100])?,
        Mistake::Announces => {
            stream.write_all(b"* 1 FETCH (UID 1 BODY[] {4294967295}\r\nhalf")?;
        }
        Mistake::Babbles => stream.write_all(b"*** my secret mail ***\r\n)))\r\n")?,
        Mistake::GoesOn => loop {
            let told = format!("* OK {}\r\n", "still here, ".repeat(2_000));
            stream.write_all(told.as_bytes())?;
        },
        Mistake::Leaves => stream.write_all(b"* BYE shutting down\r\n")?,
        Mistake::Confuses => {
            return Ok(Some(format!(
                "* 2 EXISTS\r\n* 1 FETCH (FLAGS ())\r\n* 2 FETCH (UID 2 BODY[] {{3}}\r\nabc)\r\n{whole}"
            )));
        }
    }
    Ok(None)
}

#[test]
fn whatever_a_server_does_the_mail_is_taken_in_once_when_it_comes() {
    let mistakes = [
        (Mistake::Refuses, "greeted with \"too many connections\""),
        (Mistake::Stops, "the connection ended"),
        (Mistake::Announces, "incoming data too large"),
        (Mistake::Babbles, "the server sent what is no IMAP"),
        (Mistake::GoesOn, "the server sends without end"),
        (Mistake::Leaves, "the connection ended"),
    ];
    let mut server = Server::start();
    let mut world = World::reading(vec![server.mailbox()]);
    world.start();
    for (mistake, words) in mistakes {
        server.next(mistake);
        let told = wait_for(words, || {
            let states = world.email.as_ref().unwrap().states().all();
            let problem = states.into_iter().find_map(|it| it.problem)?;
            problem.contains(words).then_some(problem)
        });
        assert!(!told.contains("secret"), "{mistake:?}: {told}");
    }
    server.next(Mistake::Confuses);
    server.mistakes = None;
    wait_for("the mark", || {
        (server.marked.load(Ordering::SeqCst) > 0).then_some(())
    });
    let kept = world.kept();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].conversation.subject, "Lamp 1");
}
