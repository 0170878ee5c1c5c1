//! All four kinds at once: a mail over IMAP, a form, a chat over WebSocket and a call over SIP, three
//! people of different load and presence, and an answer that reaches the other side through each.

use serde_json::json;

use crate::chat_page::Page;
use crate::dovecot::Dovecot;
use crate::mail_server::MailServer;
use crate::support::api::Api;
use crate::support::cast::Conversation;
use crate::support::daemon::Daemon;
use crate::support::place::Place;
use crate::support::wait;

fn configuration(api: &Api, dovecot: &Dovecot, post: &MailServer) -> String {
    format!(
        r#"
{}
[smtp]
server = "smtp://127.0.0.1:{}"
from = "support@example.com"
[[user]]
name = "dora"
display_name = "Dora Dahl"
seat = "service"
[[team]]
name = "desk"
members = ["anna", "bjorn", "dora"]
[[channel]]
name = "main-line"
numbers = ["+4722334455"]
[channel.working_hours]
teams = ["desk"]
[[channel]]
name = "mail"
kind = "email"
address = "support@example.com"
[[channel.mailbox]]
server = "imap+plain://127.0.0.1:{}"
username = "anna"
password_file = "secrets/mailbox"
[channel.assign]
teams = ["desk"]
[[channel]]
name = "contact"
kind = "form"
minimum_fill_seconds = 0
[channel.assign]
teams = ["desk"]
[[channel]]
name = "website"
kind = "chat"
[channel.assign]
teams = ["desk"]
"#,
        api.configuration(),
        post.port,
        dovecot.imap
    )
}

const MAIL: &str = "Return-Path: <kari@example.com>\r\nFrom: Kari <kari@example.com>\r\n\
    To: support@example.com\r\nSubject: Lamp\r\nMessage-ID: <lamp@example.com>\r\n\
    Date: Wed, 02 Dec 2026 10:40:00 +0100\r\n\r\nMy lamp flickers.\r\n";

#[test]
fn a_mail_a_form_a_chat_and_a_call_at_once_are_given_out_by_one_rule_and_answered() {
    let (Some(dovecot), Some(mut post)) = (Dovecot::start(), MailServer::new()) else {
        return;
    };
    post.start();
    let place = Place::take();
    let api = Api::at(&place);
    place.write_secret("config/secrets/mailbox", "secret anna");
    let daemon = Daemon::start(&place, &configuration(&api, &dovecot, &post));
    api.ask(
        "PUT",
        "/api/v1/presence/bjorn",
        Some(&json!({ "presence": "away" })),
    );

    // The call first: while Anna talks, the messages come.
    let mut spoken = Conversation::begin(&place);
    let call = api.conversation_in("main-line");
    assert_eq!(call["assignee"], json!({ "user": "anna" }), "{call}");
    assert_eq!(
        api.trace(&call),
        ["anna chosen", "bjorn away", "dora no-device"]
    );

    // Anna has the call, Dora nothing: the mail is Dora's.
    dovecot.deliver("anna", MAIL.as_bytes());
    let mail = api.conversation_in("mail");
    assert_eq!(mail["assignee"], json!({ "user": "dora" }), "{mail}");
    assert_eq!(
        api.trace(&mail),
        ["anna not-needed", "bjorn away", "dora chosen"]
    );

    // One each: the one who was assigned longer ago gets the form.
    let form = json!({ "name": "Per", "email": "per@example.com", "message": "An offer, please." });
    api.ask("POST", "/f/contact", Some(&form));
    let form = api.conversation_in("contact");
    assert_eq!(form["assignee"], json!({ "user": "anna" }), "{form}");
    assert_eq!(
        api.trace(&form),
        ["anna chosen", "bjorn away", "dora lost-tie"]
    );

    // Anna has two now: the chat is Dora's.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut page = runtime.block_on(async {
        let mut page = Page::open(&format!("http://{}", api.address()), "website").await;
        page.hello(None, None).await;
        page.hear("ready").await;
        page.send("1", "Hello?").await;
        page
    });
    let chat = api.conversation_in("website");
    assert_eq!(chat["assignee"], json!({ "user": "dora" }), "{chat}");
    assert_eq!(
        api.trace(&chat),
        ["anna not-needed", "bjorn away", "dora chosen"]
    );

    // The answers: by voice, by mail twice, over the socket.
    spoken.talk(21);
    api.reply(&mail, "Try another bulb.");
    api.reply(&form, "Our offer is attached to this thought.");
    api.reply(&chat, "Good morning!");
    let said = runtime.block_on(page.answer());
    assert_eq!(said["from"], "person");
    assert_eq!(said["text"], "Good morning!");
    assert_eq!(said["name"], "Anna Berg");
    runtime.block_on(page.say(json!({ "type": "received", "id": said["id"] })));
    let letters = post.wait_for_mails(2);
    let letter = |words: &str| {
        letters
            .iter()
            .find(|letter| letter.contains(words))
            .unwrap()
    };
    let answer = letter("Try another bulb.");
    assert!(
        answer.contains("In-Reply-To: <lamp@example.com>"),
        "{answer}"
    );
    assert!(
        answer.contains("To: Kari <kari@example.com>") || answer.contains("kari@example.com"),
        "{answer}"
    );
    assert!(letter("Our offer").contains("per@example.com"));
    for conversation in [&mail, &form, &chat] {
        wait::until("that it was sent", || {
            let sent = api.messages(conversation, "sent");
            (sent.last()?["delivery"] == "sent").then_some(())
        });
    }
    spoken.end();
    wait::until("the call in its conversation", || {
        let calls = api.messages(&call, "call");
        (!calls.is_empty()).then_some(())
    });
    assert_eq!(dovecot.seen("anna"), (1, 1), "the mail is marked as seen");
    daemon.stop();
}
