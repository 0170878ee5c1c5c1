//! Voicemails and missed calls reach a real mail server.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ringdesk::core::id::CallId;
use ringdesk::core::record::Notice;
use ringdesk::core::snapshot::{SmtpSecurity, SmtpSettings};
use ringdesk::core::time::Wall;
use ringdesk::notify::{Mailer, Retry, Sending};

use super::house::{House, PATIENCE, wait_for};
use super::mail_server::{MailServer, attachment};

fn notice(number: u128, to: &[&str], voicemail: Option<(f64, &Path)>) -> Notice {
    Notice {
        call: CallId(uuid::Uuid::from_u128(number)),
        to: to.iter().map(|&to| to.to_owned()).collect(),
        channel: "main-line".into(),
        from: Some("+4790000001".parse().unwrap()),
        from_name: Some("Kåre \"the\r\nBcc: all@example.com\" Berg".to_owned()),
        dialled: "+4722334455".to_owned(),
        at: Wall::from_seconds(1_796_204_400),
        local: "Wed 2026-12-02 10:40+01:00".to_owned(),
        detail: "nobody answered".to_owned(),
        voicemail: voicemail.map(|(seconds, file)| (seconds, file.to_owned())),
    }
}

fn settings(port: u16) -> Option<SmtpSettings> {
    Some(SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port,
        security: SmtpSecurity::Opportunistic,
        from: "Ringdesk <ringdesk@example.com>".to_owned(),
        credentials: None,
    })
}

fn open(directory: &Path, server: &MailServer) -> (Mailer, Sending, Receiver<String>) {
    let (sender, told) = channel();
    let retry = Retry {
        first: Duration::from_millis(20),
        longest: Duration::from_millis(200),
        ..Retry::default()
    };
    let smtp = settings(server.port);
    let (mailer, sending) = Mailer::open(directory, smtp, retry, move |_, text| {
        let _ = sender.send(text);
    })
    .unwrap();
    (mailer, sending, told)
}

fn wait_until_told(told: &Receiver<String>, what: &str) {
    loop {
        let text = told.recv_timeout(PATIENCE).unwrap();
        if text.contains(what) {
            return;
        }
    }
}

#[test]
fn a_voicemail_arrives_with_its_audio_octet_for_octet() {
    let Some(mut server) = MailServer::new() else {
        return;
    };
    server.start();
    let queue = tempfile::tempdir().unwrap();
    let file = queue.path().join("voicemail.wav");
    // Every octet, and what SMTP treats in a way of its own.
    let mut audio: Vec<u8> = (0..=255).cycle().take(700_000).collect();
    audio.extend(b"\r\n.\r\n..\r\nQUIT\r\n\0\n\r");
    fs::write(&file, &audio).unwrap();
    let (mailer, _sending, _) = open(queue.path(), &server);
    let notice = notice(1, &["office@example.com"], Some((41.6, &file)));
    mailer.queue(&notice).unwrap();
    let mails = server.wait_for_mails(1);
    let mail = mails[0].replace("\r\n", "\n");
    assert_eq!(attachment(&mail), audio);
    let (headers, _) = mail.split_once("\n\n").unwrap();
    for header in [
        "Subject: Voicemail from +4790000001 to main-line (0:42)",
        "Message-ID: <00000000-0000-0000-0000-000000000001@example.com>",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(headers.contains(header), "{header} is missing in {headers}");
    }
    assert!(!headers.contains("Bcc"), "{headers}");
}

#[test]
fn what_could_not_be_sent_is_sent_once_when_the_server_is_back() {
    let Some(mut server) = MailServer::new() else {
        return;
    };
    let queue = tempfile::tempdir().unwrap();
    let (mailer, sending, told) = open(queue.path(), &server);
    mailer
        .queue(&notice(1, &["office@example.com"], None))
        .unwrap();
    mailer
        .queue(&notice(2, &["office@example.com"], None))
        .unwrap();
    wait_until_told(&told, "mail cannot be sent");
    server.start();
    wait_until_told(&told, "was sent to office@example.com");
    wait_until_told(&told, "was sent to office@example.com");
    server.wait_for_mails(2);
    drop((mailer, sending));

    // The recovery after a crash asks for them again.
    let (mailer, sending, told) = open(queue.path(), &server);
    for number in [1, 2, 3] {
        mailer
            .queue(&notice(number, &["office@example.com"], None))
            .unwrap();
    }
    wait_until_told(&told, "0003 was sent to office@example.com");
    drop((mailer, sending));
    assert_eq!(server.wait_for_mails(3).len(), 3);
}

#[test]
fn an_address_that_is_refused_keeps_the_mail_from_nobody_else() {
    let Some(mut server) = MailServer::new() else {
        return;
    };
    server.start();
    let queue = tempfile::tempdir().unwrap();
    let (mailer, sending, told) = open(queue.path(), &server);
    let to = ["boss@elsewhere.example", "office@example.com"];
    mailer.queue(&notice(1, &to, None)).unwrap();
    wait_until_told(&told, "boss@elsewhere.example was refused");
    wait_until_told(&told, "was sent to office@example.com");
    drop((mailer, sending));
    assert_eq!(server.wait_for_mails(1).len(), 1);
    let failed = queue.path().join("failed");
    let kept = fs::read_dir(&failed).unwrap().next().unwrap().unwrap();
    let kept = fs::read_to_string(kept.path()).unwrap();
    assert!(kept.contains("Invalid recipient"), "{kept}");
}

#[test]
fn a_voicemail_is_mailed_once_although_the_daemon_is_killed() {
    let Some(mut server) = MailServer::new() else {
        return;
    };
    let mut house = House::new(&format!(
        "[smtp]\nserver = \"smtp://127.0.0.1:{}\"\nfrom = \"ringdesk@example.com\"",
        server.port
    ));
    house.start();
    house.leave_voicemail();
    wait_for("the queued mail", || {
        let mut entries = fs::read_dir(house.path("data/mail-queue")).unwrap();
        let queued = entries.any(|entry| {
            let path = entry.unwrap().path();
            path.extension().is_some_and(|it| it == "json")
        });
        queued.then_some(())
    });
    house.kill();
    server.start();
    house.start();
    let mail = server.wait_for_mails(1)[0].replace("\r\n", "\n");
    let path = house.voicemails()[0]["path"].as_str().unwrap().to_owned();
    assert_eq!(attachment(&mail), fs::read(path).unwrap());
    assert!(mail.contains("nobody to ring"), "{mail}");
    house.kill();
    house.start();
    // One more call, whose mail would come after a second one of the first.
    house.leave_voicemail();
    server.wait_for_mails(2);
    house.stop();
    assert_eq!(server.mails().len(), 2);
}

#[test]
fn a_missed_call_is_mailed_without_audio() {
    let Some(mut server) = MailServer::new() else {
        return;
    };
    server.start();
    let mut house = House::new(&format!(
        "[smtp]\nserver = \"smtp://127.0.0.1:{}\"\nfrom = \"ringdesk@example.com\"",
        server.port
    ));
    house.start();
    house.leave_silence();
    let mail = server.wait_for_mails(1)[0].replace("\r\n", "\n");
    let subject = "Subject: Missed call from +4790000000 to main-line\n";
    assert!(mail.contains(subject), "{mail}");
    assert!(!mail.contains("audio/wav"), "{mail}");
    assert!(mail.contains("no message left"), "{mail}");
    house.stop();
}
