//! Replies, up to the queue of mail.

use super::world::World;
use super::{mail, wait_for};
use crate::core::conversation::{Author, Delivery, Event, Happening, MessageRecord, Outgoing};
use crate::core::id::{ConversationId, MessageId};
use crate::core::snapshot::{Kind, SmtpSecurity, SmtpSettings};
use crate::core::time::Wall;
use crate::email::message::{ReceivedMail, read};

/// A house in which a mail has arrived over LMTP.
fn world() -> (World, ConversationId) {
    let mut world = World::new();
    world.lmtp();
    world.support(|it| {
        it.sender_name = "Støtte, \"Lamps\"".to_owned();
        it.signature = Some("Lamps Ltd\n".to_owned());
    });
    world.start();
    let id = arrive(&world, &mail(1));
    (world, id)
}

fn arrive(world: &World, mail: &[u8]) -> ConversationId {
    let path = world.directory.path().join("lmtp.sock");
    let mut client = super::lmtp::Client::connect(&path);
    let before = world.kept().len();
    client.send("kare@example.org", "support@example.com", mail);
    world.wait_for(before + 1)[before].conversation.id
}

fn sent(world: &World, number: usize) -> (String, ReceivedMail) {
    let letters = world.wait_for_letters(number);
    let octets = &letters[number - 1].1.octets;
    (String::from_utf8(octets.clone()).unwrap(), read(octets))
}

#[test]
fn a_reply_is_in_the_thread_and_asks_for_answers_where_they_find_back() {
    let (world, conversation) = world();
    let (id, message_id) = world.add_sent(conversation, "Try another bulb, Kåre.\n.\n");
    world.publish(id);
    let (text, reply) = sent(&world, 1);
    let (channel, letter) = world.letters().remove(0);
    assert_eq!(channel.as_deref(), Some("support"));
    assert_eq!(letter.from, "support@example.com");
    assert_eq!(letter.to, ["kare@example.org"]);
    assert_eq!(letter.key, id.0);
    assert_eq!(reply.message_id, Some(message_id));
    assert_eq!(reply.subject.as_deref(), Some("Re: Lamp 1"));
    assert_eq!(reply.in_reply_to, ["1@example.org"]);
    assert_eq!(reply.references, ["1@example.org"]);
    let from = reply.sender().unwrap();
    assert_eq!(from.address, "support@example.com");
    assert_eq!(from.name.as_deref(), Some("Støtte, \"Lamps\""));
    let token = world
        .key()
        .answer_address("support@example.com", conversation);
    assert_eq!(reply.reply_to[0].address, token.unwrap());
    assert_eq!(reply.to[0].name.as_deref(), Some("Kåre"));
    assert_eq!(reply.text, "Try another bulb, Kåre.\n.\n\n-- \nLamps Ltd");
    assert!(!text.contains("Auto-Submitted"), "{text}");
    // The next server has it.
    world.report(id, Ok(()));
    assert_eq!(world.wait_for_change(id), Delivery::Sent);
}

#[test]
fn what_customers_write_makes_no_field_of_a_reply() {
    let (world, _) = world();
    let evil = "From: =?utf-8?q?x=0D=0ABcc:_all@example.com?= <kare@example.org>\r\n\
                Reply-To: =?utf-8?q?y=0D=0ACc:_all@example.com?= <other@example.org>\r\n\
                Subject: =?utf-8?q?z=0D=0ABcc:_all@example.com=0D=0A=0D=0Abody?=\r\n\
                Message-ID: <e@x> <f@x>\r\nReferences: <a@x>\r\n Bcc: <b@x>\r\n\r\nHi\r\n";
    let conversation = arrive(&world, evil.as_bytes());
    let (id, _) = world.add_sent(conversation, "\r\nBcc: all@example.com\r\n\r\nHello");
    world.publish(id);
    let (text, reply) = sent(&world, 1);
    let (header, _) = text.split_once("\r\n\r\n").unwrap();
    for line in header.lines() {
        let name = line.split(':').next().unwrap().to_lowercase();
        assert!(!["bcc", "cc"].contains(&name.as_str()), "{header}");
    }
    assert_eq!(
        world.letters()[0].1.to,
        ["other@example.org"],
        "where the mail asked"
    );
    assert_eq!(
        reply.subject.as_deref(),
        Some("Re: z Bcc: all@example.com body")
    );
}

#[test]
fn a_program_s_replies_say_so_and_go_to_nobody_twice_a_day() {
    let (world, conversation) = world();
    let (first, _) = world.add_sent(conversation, "We open at 8.");
    world.change_sent(first, |it| it.message.author = Author::Automatic);
    world.publish(first);
    let (text, _) = sent(&world, 1);
    assert!(text.contains("Auto-Submitted: auto-replied\r\n"), "{text}");
    assert!(text.contains("X-Ringdesk-Loop: "), "{text}");
    let (second, _) = world.add_sent(conversation, "We open at 8.");
    world.change_sent(second, |it| it.message.author = Author::Automatic);
    world.publish(second);
    let Delivery::Failed(words) = world.wait_for_change(second) else {
        panic!("it was sent");
    };
    assert_eq!(
        words,
        "no automatic reply: this sender had one within the last day"
    );
    assert_eq!(world.letters().len(), 1);
    // People may answer all the same.
    let (third, _) = world.add_sent(conversation, "Hello");
    world.publish(third);
    world.wait_for_letters(2);
}

#[test]
fn a_reply_that_was_not_queued_when_the_daemon_was_killed_is_sent_at_the_next_start() {
    let (mut world, conversation) = world();
    let (id, _) = world.add_sent(conversation, "Try another bulb.");
    world.stop();
    world.start();
    world.wait_for_letters(1);
    world.report(id, Err("550 no such user".to_owned()));
    let failed = Delivery::Failed("550 no such user".to_owned());
    assert_eq!(world.wait_for_change(id), failed);
}

#[test]
fn a_form_is_answered_from_the_email_channel_of_its_inbox_or_not_at_all() {
    let (mut world, conversation) = world();
    let (id, _) = world.add_sent(conversation, "Thanks.");
    world.change_sent(id, |it| {
        it.conversation.kind = Kind::Form;
        it.conversation.channel = "contact".into();
    });
    world.publish(id);
    let (_, reply) = sent(&world, 1);
    assert_eq!(reply.sender().unwrap().address, "support@example.com");
    world.stop();
    world.snapshot.channels = vec![].into();
    world.snapshot.settings.smtp = None;
    world.start();
    let change = world.wait_for_change(id);
    assert!(format!("{change:?}").contains("no [smtp]"), "{change:?}");
}

#[test]
fn files_go_along_and_too_many_do_not() {
    let (world, conversation) = world();
    let files = world.door.as_ref().unwrap().attachments();
    let file = files
        .store("blå.pdf", "application/pdf", None, b"%PDF\r\n.\r\n")
        .unwrap();
    let (id, _) = world.add_sent(conversation, "See the file.");
    world.change_sent(id, |it| it.message.attachments = vec![file.clone()]);
    world.publish(id);
    let (_, reply) = sent(&world, 1);
    assert_eq!(reply.attachments[0].name, "blå.pdf");
    assert_eq!(reply.attachments[0].octets, b"%PDF\r\n.\r\n");
    let (id, _) = world.add_sent(conversation, "See the file.");
    world.change_sent(id, |it| {
        let mut large = file.clone();
        large.size = 19_000_000;
        it.message.attachments = vec![large];
    });
    world.publish(id);
    let change = world.wait_for_change(id);
    assert!(
        format!("{change:?}").contains("19 MB together"),
        "{change:?}"
    );
    wait_for("one letter", || (world.letters().len() == 1).then_some(()));
}

#[test]
fn mails_that_were_asked_for_just_before_the_end_are_sent_at_the_next_start_and_old_ones_are_not() {
    let (mut world, conversation) = world();
    world.snapshot.settings.smtp = Some(SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: 1,
        security: SmtpSecurity::Opportunistic,
        from: "Ringdesk <ringdesk@example.com>".to_owned(),
        credentials: None,
    });
    let (id, _) = world.add_sent(conversation, "You have gone. Here is your answer.");
    world.change_sent(id, |it| {
        it.conversation.kind = Kind::Chat;
        // The store does not name it among what is on its way.
        it.message.delivery = Delivery::None;
    });
    let kept = world.kept().pop().unwrap();
    let event = |at: Wall, number: u128| Event {
        at,
        inbox: None,
        what: Happening::Message {
            conversation: Box::new(kept.conversation.clone()),
            message: Box::new(MessageRecord {
                id: MessageId(uuid::Uuid::from_u128(number)),
                ..kept.message.clone()
            }),
            outgoing: Some(Outgoing::Email),
        },
    };
    let now = crate::clock::wall();
    let before_yesterday = Wall::from_millis(now.as_millis() - 48 * 60 * 60 * 1_000);
    world.stop();
    world.events = vec![event(now, 1), event(before_yesterday, 2), event(now, 3)];
    world.start();
    let letters = world.wait_for_letters(2);
    let keys: Vec<u128> = letters.iter().map(|it| it.1.key.as_u128()).collect();
    assert_eq!(keys, [1, 3]);
}
