//! Replies go out through a real mail server, and answers come back.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::house::{House, wait_for};
use super::mail;
use super::post::{Post, field};

/// Two channels that take mail over LMTP: one replies over STARTTLS, the other over TLS; the second is
/// always closed.
fn house_and_post() -> Option<(House, Post)> {
    let sockets = tempfile::tempdir().unwrap();
    let lmtp = sockets.path().join("lmtp");
    let post = Post::new(&lmtp)?;
    fs::set_permissions(sockets.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut house = House::new(&format!(
        r#"
[email]
lmtp = "unix:{}"
[smtp]
server = "submission://localhost:{}"
from = "Ringdesk <ringdesk@example.com>"
username = "anna"
password_file = "password"
[[schedule]]
name = "never"
timezone = "Europe/Oslo"
weekly = {{}}
[[channel]]
name = "support"
kind = "email"
address = "support@example.com"
sender_name = "Støtte"
signature = "Lamps Ltd"
[channel.assign]
teams = ["support"]
only_available = false
[[channel]]
name = "sales"
kind = "email"
address = "sales@example.com"
schedule = "never"
[channel.assign]
teams = ["support"]
[channel.after_hours]
to = "nobody"
reply = "We open at 8."
[channel.smtp]
server = "smtps://localhost:{}"
username = "anna"
password_file = "password"
"#,
        lmtp.display(),
        post.submission.submission,
        post.submission.submissions
    ));
    fs::write(house.path("password"), "secret anna\n").unwrap();
    let certificate = post.submission.path("cert.pem");
    house.trusted.push(certificate);
    house.start();
    wait_for("the socket", || lmtp.exists().then_some(()));
    // It ends with the process.
    std::mem::forget(sockets);
    Some((house, post))
}

#[test]
fn a_reply_reaches_the_customer_and_the_answer_the_conversation() {
    let Some((house, post)) = house_and_post() else {
        return;
    };
    post.write("kare@example.org", "support@example.com", &mail(1));
    let conversation = house.wait_for_conversations(1).remove(0);
    assert_eq!(conversation["assignee"]["user"], "anna", "{conversation}");
    let id = conversation["id"].as_str().unwrap().to_owned();
    house.reply(&id, "Try another bulb.\n.\nFrom us");
    let sent = post.wait_for("From us").replace("\r\n", "\n");
    house.wait_for_delivery(&id, &json!("sent"));
    let (header, body) = sent.split_once("\n\n").unwrap();
    let said = "Try another bulb.\n.\nFrom us\n\n-- \nLamps Ltd";
    assert_eq!(body.trim_end(), said);
    assert_eq!(field(header, "Subject:"), "Re: Lamp 1");
    assert_eq!(field(header, "In-Reply-To:"), "<1@example.org>");
    assert!(
        field(header, "From:").ends_with("<support@example.com>"),
        "{header}"
    );
    let login = post.submission.log();
    let login = login.lines().find(|it| it.contains("Login: user=<anna>"));
    assert!(login.unwrap().contains(", TLS,"), "{login:?}");
    let message_id = field(header, "Message-ID:").to_owned();
    let reply_to = field(header, "Reply-To:");
    let (_, address) = reply_to.split_once('<').unwrap();
    let address = address.trim_end_matches('>').to_owned();
    assert!(address.starts_with("support+c."), "{address}");

    // By the address alone, from a program that drops every other field.
    let bare = "From: kare@example.org\r\nSubject: No subject\r\nMessage-ID: <2@example.org>\r\n\r\nThanks!\r\n";
    post.write("kare@example.org", &address, bare);
    house.wait_for_messages(&id, "received", 2);
    // By what it refers to alone.
    let refers = mail(3).replace("Date:", &format!("In-Reply-To: {message_id}\r\nDate:"));
    post.write("kare@example.org", "support@example.com", &refers);
    house.wait_for_messages(&id, "received", 3);
    // The same subject is another conversation.
    post.write(
        "kare@example.org",
        "support@example.com",
        &mail(4).replace("Lamp 4", "Re: Lamp 1"),
    );
    house.wait_for_conversations(2);

    // The mail server at the other end sends it back.
    let bounce = format!(
        "From: MAILER-DAEMON@example.org\r\nMessage-ID: <5@example.org>\r\nSubject: Undelivered\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n\
         Final-Recipient: rfc822; kare@example.org\r\nAction: failed\r\nStatus: 5.2.2\r\n\
         Diagnostic-Code: smtp; 552 mailbox full\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n\
         Message-ID: {message_id}\r\n\r\n--b--\r\n"
    );
    post.write("", "support@example.com", &bounce);
    house.wait_for_messages(&id, "received", 4);
    house.wait_for_delivery(&id, &json!({ "failed": "552 mailbox full" }));
}

#[test]
fn out_of_hours_people_get_one_word_over_tls_and_programs_none() {
    let Some((house, post)) = house_and_post() else {
        return;
    };
    let to_sales = |number: usize, more: &str| {
        let mail = mail(number).replace("support@", "sales@");
        mail.replace("Date:", &format!("{more}Date:"))
    };
    post.write("kare@example.org", "sales@example.com", &to_sales(1, ""));
    let reply = post.wait_for("We open at 8.");
    assert!(reply.contains("We open at 8."), "{reply}");
    assert_eq!(field(&reply, "Auto-Submitted:"), "auto-replied");
    // An out-of-office program answers it; a list, and the same person once more.
    let message_id = field(&reply, "Message-ID:").to_owned();
    let vacation = format!("In-Reply-To: {message_id}\r\nAuto-Submitted: auto-replied\r\n");
    post.write(
        "kare@example.org",
        "sales@example.com",
        &to_sales(2, &vacation),
    );
    let list = to_sales(3, "List-Id: <l.example.org>\r\n").replace("kare@", "list@");
    post.write("list@example.org", "sales@example.com", &list);
    post.write("kare@example.org", "sales@example.com", &to_sales(4, ""));
    // The last one, whose reply would come after theirs.
    let other = to_sales(5, "").replace("kare@", "per@");
    post.write("per@example.org", "sales@example.com", &other);
    post.wait_for("<per@example.org>");
    house.wait_for_conversations(4);
    assert_eq!(post.with("We open at 8.").len(), 2);
}

#[test]
fn a_password_that_is_wrong_loses_no_reply() {
    let Some((mut house, post)) = house_and_post() else {
        return;
    };
    house.kill();
    fs::write(house.path("password"), "wrong\n").unwrap();
    house.start();
    post.write("kare@example.org", "support@example.com", &mail(1));
    let conversation = house.wait_for_conversations(1).remove(0);
    let id = conversation["id"].as_str().unwrap();
    house.reply(id, "Sent once.");
    house.wait_for_log("mail cannot be sent, 1 wait in the queue");
    house.wait_for_delivery(id, &json!("pending"));
    // Killed meanwhile, then repaired.
    house.kill();
    house.start();
    fs::write(house.path("password"), "secret anna\n").unwrap();
    house.reload();
    post.wait_for("Sent once.");
    house.wait_for_delivery(id, &json!("sent"));
    assert_eq!(post.with("Sent once.").len(), 1);
}

#[test]
fn a_certificate_that_is_not_trusted_gets_no_password_and_no_mail() {
    let Some((mut house, post)) = house_and_post() else {
        return;
    };
    post.write("kare@example.org", "support@example.com", &mail(1));
    let conversation = house.wait_for_conversations(1).remove(0);
    let id = conversation["id"].as_str().unwrap();
    house.kill();
    house.trusted.clear();
    house.start();
    house.reply(id, "To nobody.");
    house.wait_for_log("invalid peer certificate");
    assert!(post.with("To nobody.").is_empty());
}
