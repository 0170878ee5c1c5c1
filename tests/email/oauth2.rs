//! Mailboxes and ways out that take access tokens and no passwords, as those of Google and Microsoft.

use std::fs;

use serde_json::json;

use super::dovecot::{Dovecot, TOKEN};
use super::house::House;
use super::mail;
use super::post::Post;

/// A house whose mailbox and whose way out are opened with tokens, each in a file of its own.
fn house(server: &Dovecot) -> House {
    let mut house = House::new(&format!(
        r#"
[smtp]
server = "submission://localhost:{}"
from = "Ringdesk <ringdesk@example.com>"
username = "anna"
oauth2_token_file = "sending-token"
[[channel]]
name = "support"
kind = "email"
address = "support@example.com"
[channel.assign]
teams = ["support"]
only_available = false
[[channel.mailbox]]
server = "imaps://localhost:{}"
username = "anna"
oauth2_token_file = "reading-token"
[[channel]]
name = "sales"
kind = "email"
address = "sales@example.com"
[channel.smtp]
server = "smtps://localhost:{}"
username = "anna"
oauth2_token_file = "sending-token"
"#,
        server.submission, server.imaps, server.submissions
    ));
    house.trusted.push(server.path("cert.pem"));
    house
}

/// As programs that renew tokens do.
fn renew(house: &House, file: &str, token: &str) {
    let fresh = house.path("fresh");
    fs::write(&fresh, format!("{token}\n")).unwrap();
    fs::rename(fresh, house.path(file)).unwrap();
}

#[test]
fn a_mailbox_is_read_with_a_token_that_is_renewed_and_its_end_is_told() {
    let Some(mut server) = Dovecot::start() else {
        return;
    };
    let mut house = house(&server);
    renew(&house, "reading-token", TOKEN);
    house.start();
    server.deliver("anna", mail(1).as_bytes());
    house.wait_for_conversations(1);
    house.wait_for_health("mailbox of support", true);

    // Renewed while the connection stands, which goes on; the next one begins with the new token.
    renew(&house, "reading-token", "ya29.second");
    server.change_token("ya29.second");
    server.deliver("anna", mail(2).as_bytes());
    house.wait_for_conversations(2);
    server.stop();
    house.wait_for_health("mailbox of support", false);
    server.run();
    server.deliver("anna", mail(3).as_bytes());
    house.wait_for_conversations(3);

    // Nobody renews it any more.
    server.stop();
    server.change_token("ya29.third");
    server.run();
    house.wait_for_log("the OAuth2 login of anna was refused");
    house.wait_for_log("Check that the token file holds a valid access token");
    house.wait_for_health("mailbox of support", false);
    let down = "ringdesk_up{what=\"mailbox of support\"} 0";
    assert!(house.figures().contains(down), "{}", house.figures());
    server.deliver("anna", mail(4).as_bytes());
    renew(&house, "reading-token", "ya29.third");
    house.wait_for_conversations(4);
    house.wait_for_health("mailbox of support", true);
    let log = house.log();
    assert!(!log.contains("ya29."), "no token in the log");
    let seen = server.log();
    assert!(seen.contains("method=XOAUTH2"), "{seen}");
}

#[test]
fn replies_are_sent_with_a_token_and_wait_while_it_is_not_valid() {
    let nowhere = tempfile::tempdir().unwrap();
    let Some(post) = Post::new(&nowhere.path().join("lmtp")) else {
        return;
    };
    let mut house = house(&post.submission);
    renew(&house, "reading-token", TOKEN);
    renew(&house, "sending-token", TOKEN);
    house.start();
    post.submission.deliver("anna", mail(1).as_bytes());
    let conversation = house.wait_for_conversations(1).remove(0);
    let id = conversation["id"].as_str().unwrap();
    house.reply(id, "With a token.");
    post.wait_for("With a token.");
    house.wait_for_delivery(id, &json!("sent"));
    let log = post.submission.log();
    let login = log
        .lines()
        .find(|it| it.contains("submission-login: Info: Login"));
    assert!(login.unwrap().contains("method=XOAUTH2"), "{log}");

    // It expires: replies wait, whatever happens meanwhile, and it is told why.
    post.submission.change_token("ya29.second");
    house.reply(id, "A second one.");
    house.wait_for_log("mail cannot be sent, 1 wait in the queue");
    house.wait_for_log("the OAuth2 login of anna was refused");
    house.wait_for_log("with the right to send mail");
    house.wait_for_health("mail", false);
    assert!(house.figures().contains("ringdesk_up{what=\"mail\"} 0"));
    house.wait_for_delivery(id, &json!("pending"));
    house.kill();
    house.start();
    house.wait_for_health("mail", false);
    fs::remove_file(house.path("sending-token")).unwrap();
    house.reload();
    house.wait_for_log("sending-token cannot be read");
    renew(&house, "sending-token", "ya29.second");
    house.reload();
    post.wait_for("A second one.");
    house.wait_for_delivery(id, &json!("sent"));
    house.wait_for_health("mail", true);
    assert_eq!(post.with("A second one.").len(), 1);
    assert!(!house.log().contains("ya29."), "no token in the log");
}
