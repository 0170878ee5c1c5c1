//! Mail comes in, each once.

use std::collections::BTreeMap;

use super::dovecot::Dovecot;
use super::house::{House, wait_for};
use super::mail;

/// One email channel that reads the mailbox of anna.
fn house(server: &Dovecot) -> House {
    let mut house = House::new(&format!(
        r#"
[[channel]]
name = "support"
kind = "email"
address = "support@example.com"
authentication_servers = ["mx.example.com"]
[channel.assign]
teams = ["support"]
only_available = false
[[channel.mailbox]]
server = "imaps://localhost:{}"
username = "anna"
password_file = "password"
"#,
        server.imaps
    ));
    std::fs::write(house.path("password"), "secret anna\n").unwrap();
    house.trusted.push(server.path("cert.pem"));
    house
}

#[test]
fn a_daemon_that_is_killed_again_and_again_takes_each_mail_in_once() {
    let Some(server) = Dovecot::start() else {
        return;
    };
    const MAILS: usize = 30;
    let mut house = house(&server);
    for number in 0..MAILS {
        server.deliver("anna", mail(number).as_bytes());
    }
    // Wherever it happens to be: fetching, storing, marking.
    for marked in [1, 4, 5, 11, 18, 25] {
        house.start();
        wait_for("progress", || {
            (server.seen("anna").1 >= marked).then_some(())
        });
        house.kill();
    }
    house.start();
    server.wait_until_seen("anna", MAILS);
    let all = house.wait_for_conversations(MAILS);
    let mut subjects: BTreeMap<String, usize> = BTreeMap::new();
    for conversation in &all {
        let subject = conversation["subject"].as_str().unwrap().to_owned();
        *subjects.entry(subject).or_default() += 1;
        let id = conversation["id"].as_str().unwrap();
        assert_eq!(house.messages(id, &["received"]).len(), 1);
        assert_eq!(conversation["assignee"]["user"], "anna", "{conversation}");
    }
    let expected = (0..MAILS).map(|number| (format!("Lamp {number}"), 1));
    assert_eq!(subjects, expected.collect());
}

#[test]
fn what_is_said_in_a_mail_reaches_people_whole() {
    let Some(server) = Dovecot::start() else {
        return;
    };
    let mut house = house(&server);
    house.start();
    let whole = "Return-Path: <k@example.org>\r\nFrom: K <k@example.org>\r\nSubject: =?utf-8?q?Bl=C3=A5?=\r\n\
        Message-ID: <w@example.org>\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\n\
        Content-Type: text/html; charset=iso-8859-1\r\n\r\n<p>Se b\u{1}ilde <img src=\"cid:i@x\">\
        <script>alert(1)</script><img src=\"https://evil.example/p.gif\"></p>\r\n--b\r\n\
        Content-Type: image/png\r\nContent-ID: <i@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        iVBORw==\r\n--b\r\nContent-Type: text/csv\r\n\
        Content-Disposition: attachment; filename=\"../../=cmd.csv\"\r\n\r\n=1+1\r\n--b--\r\n";
    server.deliver("anna", whole.as_bytes());
    let conversation = house.wait_for_conversations(1).remove(0);
    assert_eq!(conversation["subject"], "Blå");
    assert_eq!(conversation["contact_address"], "k@example.org");
    let id = conversation["id"].as_str().unwrap();
    let message = house.messages(id, &["received"]).remove(0);
    let html = message["html"].as_str().unwrap();
    assert!(!html.contains("script") && !html.contains("evil"), "{html}");
    let files = message["attachments"].as_array().unwrap();
    assert_eq!(files.len(), 2);
    let image = files[0]["id"].as_str().unwrap();
    assert!(
        html.contains(&format!("src=\"/api/v1/attachments/{image}\"")),
        "{html}"
    );
    let name = files[1]["file_name"].as_str().unwrap();
    assert!(!name.contains('/') && name.ends_with("cmd.csv"), "{name}");
}

#[test]
fn two_daemons_on_one_mailbox_take_in_each_mail_once_each() {
    let Some(server) = Dovecot::start() else {
        return;
    };
    server.deliver("anna", mail(0).as_bytes());
    let mut houses = [house(&server), house(&server)];
    for house in &mut houses {
        house.start();
        house.wait_for_log("of channel support is read");
    }
    // Whoever marks one first keeps it from nobody who was there when it came.
    for number in 1..6 {
        server.deliver("anna", mail(number).as_bytes());
    }
    server.wait_until_seen("anna", 6);
    for house in &houses {
        let subjects = wait_for("the last mail", || {
            let all = house.conversations().into_iter();
            let mut subjects: Vec<String> = all
                .map(|it| it["subject"].as_str().unwrap().to_owned())
                .filter(|it| it != "Lamp 0")
                .collect();
            subjects.sort();
            (subjects.len() >= 5).then_some(subjects)
        });
        let expected: Vec<String> = (1..6).map(|number| format!("Lamp {number}")).collect();
        assert_eq!(subjects, expected);
    }
}

#[test]
fn trouble_with_a_mailbox_is_told_in_the_log_and_seen_in_health_and_ends_with_a_reload() {
    let Some(server) = Dovecot::start() else {
        return;
    };
    let mut house = house(&server);
    std::fs::write(house.path("password"), "wrong\n").unwrap();
    house.start();
    house.wait_for_log("the login of anna was refused");
    house.wait_for_log("app password");
    // Calls go on.
    let text = wait_for("health", || {
        let (status, health) = house.ask("GET", "/health", None);
        (status == 200).then(|| health.to_string())
    });
    assert!(text.contains("mailbox of support"), "{text}");
    assert!(
        !text.contains("anna") && !text.contains("localhost"),
        "{text}"
    );
    assert!(!house.log().contains("wrong"), "no password in the log");
    server.deliver("anna", mail(1).as_bytes());
    std::fs::write(house.path("password"), "secret anna\n").unwrap();
    house.reload();
    house.wait_for_conversations(1);
    house.wait_for_health("mailbox of support", true);
}
