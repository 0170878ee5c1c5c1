//! Mailboxes of a real dovecot.

use std::sync::atomic::Ordering;

use super::dovecot::{Dovecot, TOKEN};
use super::world::World;
use super::{answer, mail, mailbox, wait_for};
use crate::core::conversation::{Delivery, Origin};
use crate::core::snapshot::{ImapSecurity, MailLogin};

#[test]
fn what_is_there_and_what_comes_later_is_taken_in_and_then_marked() {
    let Some(server) = Dovecot::start() else {
        return;
    };
    server.deliver("anna", &mail(1));
    let mut world = World::reading(vec![mailbox(&server, "anna")]);
    world.start();
    let first = world.wait_for(1).remove(0);
    server.wait_until_seen("anna", 1);
    let arrival = &first.arrival;
    assert_eq!(arrival.message.subject.as_deref(), Some("Lamp 1"));
    assert_eq!(arrival.message.text, "It flickers.");
    assert_eq!(arrival.contact.name.as_deref(), Some("Kåre"));
    assert_eq!(arrival.contact.address.as_deref(), Some("kare@example.org"));
    assert!(!arrival.contact.verified);
    assert_eq!(arrival.origin, Origin::Person);
    assert!(!arrival.automatic);
    assert_eq!(
        arrival.message.external_id.as_deref(),
        Some("1@example.org")
    );
    let raw = world.directory.path().join("attachments");
    let raw = std::fs::read(raw.join(arrival.message.raw.as_ref().unwrap())).unwrap();
    assert_eq!(raw, mail(1), "kept as it came");
    // While it waits (IDLE), octet for octet, several at once.
    for number in 2..6 {
        server.deliver("anna", &mail(number));
    }
    world.wait_for(5);
    server.wait_until_seen("anna", 5);
    assert_eq!(world.kept().len(), 5);
}

#[test]
fn killed_between_storing_and_marking_leaves_one_conversation() {
    let Some(server) = Dovecot::start() else {
        return;
    };
    let mut world = World::reading(vec![mailbox(&server, "anna")]);
    world.mute.store(true, Ordering::SeqCst);
    world.start();
    server.deliver("anna", &mail(1));
    world.wait_for(1);
    world.stop();
    assert_eq!(
        server.seen("anna"),
        (1, 0),
        "not marked before it is known to be stored"
    );
    world.mute.store(false, Ordering::SeqCst);
    world.start();
    server.wait_until_seen("anna", 1);
    assert_eq!(world.kept().len(), 1);
    // A further start finds nothing new.
    world.stop();
    world.start();
    server.deliver("anna", &mail(2));
    world.wait_for(2);
    assert_eq!(world.kept().len(), 2);
}

#[test]
fn killed_before_storing_leaves_the_mail_in_the_mailbox() {
    let Some(server) = Dovecot::start() else {
        return;
    };
    let mut world = World::reading(vec![mailbox(&server, "anna")]);
    world.busy.store(true, Ordering::SeqCst);
    world.start();
    server.deliver("anna", &mail(1));
    world.wait_for_trouble("too much is going on");
    assert_eq!(server.seen("anna"), (1, 0));
    // It is tried again by itself, and each time nothing is left of what was not taken in.
    wait_for("the end of its files", || {
        (world.files() == 0).then_some(())
    });
    world.busy.store(false, Ordering::SeqCst);
    world.wait_for(1);
    server.wait_until_seen("anna", 1);
}

#[test]
fn a_server_that_restarts_or_numbers_anew_gives_each_mail_once() {
    let Some(mut server) = Dovecot::start() else {
        return;
    };
    let mut world = World::reading(vec![mailbox(&server, "anna")]);
    world.start();
    server.deliver("anna", &mail(1));
    world.wait_for(1);
    server.wait_until_seen("anna", 1);
    server.stop();
    world.wait_for_trouble("127.0.0.1");
    server.deliver("anna", &mail(2));
    server.run();
    world.wait_for(2);
    server.wait_until_seen("anna", 2);
    // Another UIDVALIDITY, and everything unread: it is read again, and known again.
    server.stop();
    server.mark_all("anna", false);
    server.renumber("anna");
    server.deliver("anna", &mail(3));
    server.run();
    server.wait_until_seen("anna", 3);
    let subjects: Vec<_> = world
        .kept()
        .into_iter()
        .map(|it| it.conversation.subject)
        .collect();
    assert_eq!(subjects, ["Lamp 1", "Lamp 2", "Lamp 3"]);
}

#[test]
fn a_mail_that_somebody_reads_elsewhere_first_is_taken_in_too() {
    let Some(mut server) = Dovecot::start() else {
        return;
    };
    server.deliver("anna", &mail(1));
    server.mark_all("anna", true);
    let mut world = World::reading(vec![mailbox(&server, "anna")]);
    world.start();
    server.deliver("anna", &mail(2));
    world.wait_for(1);
    server.wait_until_seen("anna", 2);
    server.stop();
    server.deliver("anna", &mail(3));
    server.mark_all("anna", true);
    server.run();
    world.wait_for(2);
    let subjects: Vec<_> = world
        .kept()
        .into_iter()
        .map(|it| it.conversation.subject)
        .collect();
    assert_eq!(
        subjects,
        ["Lamp 2", "Lamp 3"],
        "what was read before we came is not ours"
    );
}

#[test]
fn several_mailboxes_are_read_and_a_reload_adds_and_removes_them() {
    let Some(server) = Dovecot::start() else {
        return;
    };
    let mut world = World::reading(vec![mailbox(&server, "anna"), mailbox(&server, "bjorn")]);
    world.start();
    server.deliver("bjorn", &mail(1));
    world.wait_for(1);
    server.deliver("anna", &mail(2));
    world.wait_for(2);
    world.support(|it| it.mailboxes.truncate(1));
    world.reload();
    wait_for("the end of one", || {
        (world.email.as_ref().unwrap().states().all().len() == 1).then_some(())
    });
    server.deliver("bjorn", &mail(3));
    server.deliver("anna", &mail(4));
    world.wait_for(3);
    assert_eq!(world.kept()[2].conversation.subject, "Lamp 4");
    let added = mailbox(&server, "bjorn");
    world.support(|it| it.mailboxes.push(added));
    world.reload();
    let kept = world.wait_for(4);
    assert_eq!(kept[3].conversation.subject, "Lamp 3");
}

#[test]
fn tls_and_starttls_need_a_certificate_that_is_trusted() {
    let Some(server) = Dovecot::start() else {
        return;
    };
    let mut tls = mailbox(&server, "anna");
    tls.host = "localhost".to_owned();
    tls.port = server.imaps;
    tls.security = ImapSecurity::Tls;
    let mut starttls = mailbox(&server, "bjorn");
    starttls.host = "localhost".to_owned();
    starttls.security = ImapSecurity::StartTls;
    let mut world = World::reading(vec![tls.clone(), starttls]);
    world.start();
    world.wait_for_trouble("TLS with localhost failed: invalid peer certificate");
    world.wait_for_trouble("from an authority that this machine trusts");
    world.stop();
    world.trust.added = vec![server.certificate()];
    world.start();
    server.deliver("anna", &mail(1));
    server.deliver("bjorn", &mail(2));
    world.wait_for(2);
    server.wait_until_seen("anna", 1);
    server.wait_until_seen("bjorn", 1);
    // The certificate is for another name.
    tls.host = "127.0.0.1".to_owned();
    world.support(|it| it.mailboxes = vec![tls]);
    world.reload();
    world.wait_for_trouble("certificate not valid for name");
}

#[test]
fn a_token_file_opens_a_mailbox_and_is_read_anew_when_it_has_changed() {
    let Some(server) = Dovecot::start() else {
        return;
    };
    let mut oauth2 = mailbox(&server, "anna");
    let mut world = World::new();
    let token = world.directory.path().join("token");
    std::fs::write(&token, "ya29.expired\n").unwrap();
    oauth2.login = MailLogin::OAuth2(token.clone());
    world.support(|it| it.mailboxes = vec![oauth2]);
    server.deliver("anna", &mail(1));
    world.start();
    world.wait_for_trouble("the OAuth2 login of anna was refused");
    std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
    world.wait_for(1);
    server.wait_until_seen("anna", 1);
}

#[test]
fn each_trouble_is_told_with_what_to_do() {
    let Some(mut server) = Dovecot::start() else {
        return;
    };
    let mut folder = mailbox(&server, "anna");
    folder.folder = "Støtte".to_owned();
    let mut world = World::reading(vec![folder]);
    world.start();
    world.wait_for_trouble("the folder \"Støtte\" cannot be opened");
    world.wait_for_trouble("Check its name");
    server.change_password("anna", "other");
    let plain = mailbox(&server, "anna");
    world.support(|it| it.mailboxes = vec![plain.clone()]);
    world.reload();
    world.wait_for_trouble("the login of anna was refused");
    world.wait_for_trouble("app password");
    let token = world.directory.path().join("token");
    let mut oauth2 = plain.clone();
    oauth2.login = MailLogin::OAuth2(token.clone());
    world.support(|it| it.mailboxes = vec![oauth2]);
    world.reload();
    world.wait_for_trouble("cannot be read");
    std::fs::write(&token, "not one\ntoken\n").unwrap();
    world.wait_for_trouble("does not hold one access token");
    std::fs::write(&token, "ya29.token\n").unwrap();
    world.wait_for_trouble("the OAuth2 login of anna was refused");
    server.stop();
    world.wait_for_trouble("cannot be reached");
}

#[test]
fn a_mail_that_is_too_large_is_told_of_and_stays_in_the_mailbox() {
    let Some(server) = Dovecot::start() else {
        return;
    };
    let mut world = World::reading(vec![mailbox(&server, "anna")]);
    world.snapshot.settings.email.largest = 100_000;
    let mut large = mail(1);
    large.extend_from_slice(
        &b"x"
            .repeat(80)
            .into_iter()
            .chain(*b"\r\n")
            .collect::<Vec<u8>>()
            .repeat(3_000),
    );
    server.deliver("anna", &large);
    world.start();
    let kept = world.wait_for(1).remove(0);
    assert_eq!(kept.conversation.subject, "Lamp 1");
    let text = kept.message.text;
    assert!(
        text.contains("which is too much; its header is here"),
        "{text}"
    );
    server.wait_until_seen("anna", 1);
}

#[test]
fn answers_and_bounces_find_their_conversation_and_a_subject_does_not() {
    let Some(server) = Dovecot::start() else {
        return;
    };
    let mut world = World::reading(vec![mailbox(&server, "anna")]);
    world.start();
    server.deliver("anna", &mail(1));
    let first = world.wait_for(1).remove(0).conversation.id;
    // The same subject by the same person is another conversation.
    let same = String::from_utf8(mail(2))
        .unwrap()
        .replace("Lamp 2", "Lamp 1");
    server.deliver("anna", same.as_bytes());
    assert_ne!(world.wait_for(2)[1].conversation.id, first);
    // By the identifier of a mail that was received.
    server.deliver("anna", &answer(3, "1@example.org"));
    assert_eq!(world.wait_for(3)[2].conversation.id, first);
    // By the token in the address, and by an identifier of ours.
    let key = world.key();
    let address = key.answer_address("support@example.com", first).unwrap();
    let token = String::from_utf8(mail(4))
        .unwrap()
        .replace("support@example.com", &address);
    server.deliver("anna", token.as_bytes());
    assert_eq!(world.wait_for(4)[3].conversation.id, first);
    let (sent, ours) = world.add_sent(first, "Try another bulb.");
    server.deliver("anna", &answer(5, &ours));
    assert_eq!(world.wait_for(6)[5].conversation.id, first);
    // A bounce, which marks the reply as failed.
    let bounce = format!(
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@example.org\r\nMessage-ID: <b@example.org>\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n\
         Final-Recipient: rfc822; kare@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\n\
         Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{ours}>\r\n\r\n--b--\r\n"
    );
    server.deliver("anna", bounce.as_bytes());
    let kept = world.wait_for(7).pop().unwrap();
    assert_eq!(kept.conversation.id, first);
    assert!(kept.arrival.automatic);
    assert_eq!(kept.arrival.origin, Origin::NoAutomaticReply);
    let text = kept.message.text;
    assert!(
        text.starts_with("[The mail to kare@example.org was not delivered: 5.1.1]"),
        "{text}"
    );
    assert_eq!(
        world.changes(),
        [(sent, Delivery::Failed("5.1.1".to_owned()))]
    );
}

#[test]
fn another_mail_under_the_same_identifier_is_not_lost() {
    let Some(server) = Dovecot::start() else {
        return;
    };
    let mut world = World::reading(vec![mailbox(&server, "anna")]);
    world.start();
    server.deliver("anna", &mail(1));
    world.wait_for(1);
    let other = String::from_utf8(mail(1))
        .unwrap()
        .replace("It flickers", "It burns");
    server.deliver("anna", other.as_bytes());
    world.wait_for(2);
    // The same once more, over another way: no third.
    let again = format!("Received: by another\r\n{other}");
    server.deliver("anna", again.as_bytes());
    server.deliver("anna", &mail(1));
    // Mails without any identifier are two, as they lie in two places.
    let bare = "From: a@example.org\r\nSubject: Bare\r\n\r\nHello\r\n";
    server.deliver("anna", bare.as_bytes());
    server.deliver("anna", bare.as_bytes());
    server.wait_until_seen("anna", 6);
    let texts: Vec<_> = world.kept().into_iter().map(|it| it.message.text).collect();
    assert_eq!(texts, ["It flickers.", "It burns.", "Hello", "Hello"]);
}

#[test]
fn what_is_no_mail_is_kept_and_shown() {
    let Some(server) = Dovecot::start() else {
        return;
    };
    let mut world = World::reading(vec![mailbox(&server, "anna")]);
    world.start();
    let octets: Vec<u8> = (0..=255).cycle().take(5_000).collect();
    server.deliver("anna", &octets);
    let kept = world.wait_for(1).remove(0);
    assert!(
        kept.message
            .text
            .contains("not shown as its sender meant it")
    );
    server.wait_until_seen("anna", 1);
}
