//! Submissions to owners who are not there.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::house::{House, wait_for};
use super::post::{Post, field};

/// A form whose submissions go to the contact's owner, and by mail where the owner is away. The
/// answers to those mails would come in by LMTP.
fn house_and_post() -> Option<(House, Post)> {
    let sockets = tempfile::tempdir().unwrap();
    let lmtp = sockets.path().join("lmtp");
    let post = Post::new(&lmtp)?;
    let mut house = House::new(&config(&lmtp, post.server.port));
    house.start();
    wait_for("the socket", || lmtp.exists().then_some(()));
    // It ends with the process.
    std::mem::forget(sockets);
    Some((house, post))
}

fn config(lmtp: &Path, smtp: u16) -> String {
    format!(
        r#"
[email]
lmtp = "unix:{}"
[smtp]
server = "smtp://127.0.0.1:{smtp}"
from = "Ringdesk <ringdesk@example.com>"
[[channel]]
name = "desk"
kind = "email"
address = "ringdesk@example.com"
[channel.assign]
to = "nobody"
reply = "We have your mail."
[[channel]]
name = "contact"
kind = "form"
minimum_fill_seconds = 0
mail_owner = true
[channel.assign]
to = "contact-owner"
[[channel.field]]
name = "subject"
type = "subject"
[[channel.field]]
name = "name"
type = "name"
[[channel.field]]
name = "email"
type = "email"
[[channel.field]]
name = "message"
type = "multiline"
"#,
        lmtp.display()
    )
}

/// A visitor, known again by a cookie.
struct Visitor(String);

impl Visitor {
    /// One whose contact belongs to anna.
    fn of_anna(house: &House) -> Visitor {
        let (status, cookie, answer) = house.submit(
            None,
            &json!({ "name": "Kåre", "email": "kare@example.org", "message": "First" }),
        );
        assert_eq!(status, 201, "{answer}");
        let conversation = house.wait_for_conversations(1).remove(0);
        let contact = conversation["contact"].as_str().unwrap();
        let path = format!("/api/v1/contacts/{contact}");
        let (_, mut known) = house.ask("GET", &path, None);
        let wanted = json!({
            "revision": known["revision"].take(), "name": "Kåre",
            "addresses": ["kare@example.org"], "owner": "anna",
        });
        let (status, answer) = house.ask("PUT", &path, Some(wanted));
        assert_eq!(status, 200, "{answer}");
        let away = json!({ "presence": "away" });
        let (status, answer) = house.ask("PUT", "/api/v1/presence/anna", Some(away));
        assert_eq!(status, 200, "{answer}");
        Visitor(cookie.expect("a cookie"))
    }

    fn send(&self, house: &House, answers: &Value) {
        let (status, _, answer) = house.submit(Some(&self.0), answers);
        assert_eq!(status, 201, "{answer}");
    }
}

#[test]
fn a_submission_reaches_its_owner_who_is_away_and_nothing_in_it_makes_a_field() {
    let Some((house, post)) = house_and_post() else {
        return;
    };
    let visitor = Visitor::of_anna(&house);
    let evil = json!({
        "subject": "Blåbær\r\nBcc: all@example.org\r\n\r\nbody",
        "name": "Kåre\r\nReply-To: evil@example.org",
        "email": "kare@example.org",
        "message": "I need help.\r\n.\r\nQUIT\r\nFrom: x@example.org",
    });
    visitor.send(&house, &evil);
    let mail = post.wait_for("I need help.").replace("\r\n", "\n");
    let (header, body) = mail.split_once("\n\n").unwrap();
    let mut names = header.lines().filter(|line| !line.starts_with([' ', '\t']));
    let count = |wanted: &str| {
        let is_it = |line: &&str| line.to_lowercase().starts_with(&format!("{wanted}:"));
        header.lines().filter(is_it).count()
    };
    assert!(names.all(|line| line.contains(':')), "{header}");
    for (name, number) in [
        ("bcc", 0),
        ("cc", 0),
        ("from", 1),
        ("to", 1),
        ("subject", 1),
        ("reply-to", 1),
    ] {
        assert_eq!(count(name), number, "{name}: {header}");
    }
    assert!(
        field(header, "To:").contains("<anna@example.org>")
            || field(header, "To:") == "anna@example.org"
    );
    assert!(
        field(header, "Reply-To:").ends_with("<kare@example.org>"),
        "{header}"
    );
    assert_eq!(field(header, "Auto-Submitted:"), "auto-generated");
    let read = ringdesk::email::message::read(mail.replace('\n', "\r\n").as_bytes());
    assert_eq!(
        read.subject.as_deref(),
        Some("Form: Blåbær Bcc: all@example.org body")
    );
    assert!(read.text.contains("Kåre"), "{}", read.text);
    assert!(
        read.text
            .contains("I need help.\n.\nQUIT\nFrom: x@example.org"),
        "{body}"
    );
    assert_eq!(read.sender().unwrap().address, "ringdesk@example.com");

    // An out-of-office program of the owner's answers Ringdesk's address: no mail comes of it.
    let away = format!(
        "From: anna@example.org\r\nTo: ringdesk@example.com\r\nSubject: Away\r\nMessage-ID: <away@example.org>\r\n\
         In-Reply-To: {}\r\nAuto-Submitted: auto-replied\r\n\r\nI am away.\r\n",
        field(header, "Message-ID:")
    );
    post.write("anna@example.org", "ringdesk@example.com", &away);
    let other =
        "From: per@example.org\r\nMessage-ID: <per@example.org>\r\nSubject: Hello\r\n\r\nHello\r\n";
    post.write("per@example.org", "ringdesk@example.com", other);
    post.wait_for("<per@example.org>");
    house.wait_for_conversations(4);
    assert_eq!(post.with("We have your mail.").len(), 1, "to per alone");
    assert_eq!(post.with("I need help.").len(), 1);
}

/// Waits until so many mails are known as sent.
fn wait_for_sent(house: &House, number: usize) {
    wait_for("the note of the last one", || {
        let sent = fs::read_dir(house.path("data/mail-queue/sent")).ok()?;
        (sent.count() == number).then_some(())
    });
}

#[test]
fn a_mail_to_the_owner_waits_for_the_server_and_survives_kill_9_at_any_moment() {
    let Some((mut house, mut post)) = house_and_post() else {
        return;
    };
    let visitor = Visitor::of_anna(&house);
    // Killed as soon as the visitor was told that it has arrived: nothing was composed then, or it
    // was being sent.
    for number in 0..5 {
        let message = format!("Killed {number}.");
        visitor.send(
            &house,
            &json!({ "name": "Kåre", "email": "kare@example.org", "message": message }),
        );
        house.kill();
        house.start();
    }
    for number in 0..5 {
        post.wait_for(&format!("Killed {number}."));
    }
    // What was sent as it was killed may be sent once more, and waits no longer then.
    wait_for_sent(&house, 5);
    post.server.stop();
    visitor.send(
        &house,
        &json!({ "name": "Kåre", "email": "kare@example.org", "message": "Down." }),
    );
    house.wait_for_log("mail cannot be sent, 1 wait in the queue");
    house.wait_for_health("mail", false);
    house.kill();
    post.server.start();
    house.start();
    post.wait_for("Down.");
    // Each once, and known as sent.
    wait_for_sent(&house, 6);
    house.wait_for_health("mail", true);
    assert_eq!(post.with("Down.").len(), 1);
}
