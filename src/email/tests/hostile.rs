//! Mails that want to bring the reader down, or to be taken for what they are not.

use std::collections::BTreeMap;

use crate::core::conversation::Author;
use crate::core::id::ConversationId;
use crate::email::automatic::may_be_answered;
use crate::email::message::{ReceivedMail, Remote, read, sanitise};
use crate::email::thread::{ThreadKey, trails};
use crate::email::verified::verified_sender;

use super::lmtp::Client;
use super::world::World;
use super::{mail, wait_for};

/// As large as a header may be, and then some.
const MUCH: usize = 300_000;

/// Reads a mail and does with it all that is done with mails.
fn taken_apart(raw: &[u8]) -> ReceivedMail {
    let mail = read(raw);
    let _ = trails(&mail, &[], &ThreadKey::new([7; 32]));
    let _ = may_be_answered(&mail, None, &["support@example.com".to_owned()]);
    let _ = verified_sender(&mail, &["mx.example.com".to_owned()]);
    if let Some(html) = &mail.html {
        safe(html);
    }
    for line in mail.subject.iter().chain(mail.message_id.iter()) {
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    for file in &mail.attachments {
        let bad = |c: char| c.is_control() || "/\\\u{202e}\u{2066}".contains(c);
        assert!(!file.name.contains(bad), "{:?}", file.name);
        assert!(!file.name.starts_with('.'), "{:?}", file.name);
    }
    mail
}

/// A mail with this field.
fn with(field: &str) -> Vec<u8> {
    format!("From: a@x.no\r\n{field}\r\nMessage-ID: <1@x>\r\n\r\nHello\r\n").into_bytes()
}

/// HTML made safe, which is checked as a browser would read it.
fn safe(html: &str) -> String {
    let safe = sanitise(html, Remote::Blocked, &BTreeMap::new());
    let mut rest = safe.as_str();
    while let Some((_, after)) = rest.split_once('<') {
        let end = after.find('>').unwrap_or(after.len());
        let tag = after[..end].to_ascii_lowercase();
        let name = tag.split([' ', '/', '\n']).find(|it| !it.is_empty());
        let name = name.unwrap_or_default();
        assert!(
            ![
                "script", "style", "iframe", "object", "embed", "form", "input", "svg", "math",
                "base", "meta", "link", "template", "noscript", "textarea", "title", "video",
                "audio", "frameset"
            ]
            .contains(&name),
            "{name}: {safe}"
        );
        // Beside the quotes stand names, and within them whatever was written.
        let pieces: Vec<&str> = tag.split('"').collect();
        for (place, piece) in pieces
            .iter()
            .enumerate()
            .filter(|(place, _)| place % 2 == 0)
        {
            let mut names = piece.split(|c: char| c.is_whitespace() || c == '=');
            assert!(!names.any(|it| it.starts_with("on")), "{piece}: {safe}");
            let value = pieces.get(place + 1).copied().unwrap_or_default();
            let is_address = piece.ends_with("href=") || piece.ends_with("src=");
            let schemes = [
                "http:",
                "https:",
                "mailto:",
                "tel:",
                "data:image/",
                "/api/v1/",
            ];
            let known = schemes.iter().any(|it| value.starts_with(it));
            assert!(known || !is_address, "{value}: {safe}");
        }
        rest = after;
    }
    safe
}

#[test]
fn fields_that_are_long_deep_or_many_are_read_in_the_time_of_others() {
    for field in [
        format!("References: {}", "<".repeat(MUCH)),
        format!("References: {}>", "<".repeat(MUCH)),
        format!("References: {}", "<a".repeat(MUCH / 2)),
        format!("In-Reply-To: {}", "<a@b>".repeat(MUCH / 5)),
        format!("To: {}", "(".repeat(MUCH)),
        format!("To: {}", "\"".repeat(MUCH)),
        format!("To: {}", "a@x.no,".repeat(MUCH / 7)),
        format!("To: {}", "g:".repeat(MUCH / 2)),
        format!("To: {}", "<".repeat(MUCH)),
        format!("Cc: {}", "=?utf-8?q?".repeat(MUCH / 10)),
        format!("Subject: {}", "=?utf-8?b?".repeat(MUCH / 10)),
        format!("Subject: {}", "=?".repeat(MUCH / 2)),
        format!("Subject: {}", "=?utf-8?q?a?= ".repeat(MUCH / 15)),
        format!("Subject: x{}", "\r\n x".repeat(MUCH / 4)),
        format!("Date: {}", "(".repeat(MUCH)),
        format!("Content-Type: text/plain{}", "; a=b".repeat(MUCH / 5)),
        format!("Content-Type: text/plain{}", ";".repeat(MUCH)),
        format!(
            "Content-Type: multipart/mixed; boundary=\"{}\"",
            "b".repeat(MUCH)
        ),
        format!("Content-Type: text/plain; name=\"{}", "\\".repeat(MUCH)),
        format!("Content-Type: ({}", "(".repeat(MUCH)),
        format!(
            "Content-Disposition: attachment{}",
            (0..20_000).fold(String::new(), |all, it| format!(
                "{all};\r\n filename*{it}*=%41"
            ))
        ),
        format!(
            "Authentication-Results: mx.example.com;{}",
            "dkim=pass ".repeat(MUCH / 10)
        ),
        format!("Received: by {}", "(".repeat(MUCH)),
        "X-Field: x\r\n".repeat(10_000),
        format!("X-Long: {}", "x".repeat(1_000_000)),
    ] {
        let mail = taken_apart(&with(&field));
        assert!(
            mail.text == "Hello" || !mail.is_readable(),
            "{}",
            &field[..30]
        );
    }
}

#[test]
fn bodies_that_are_deep_many_or_endless_are_read_in_the_time_of_others() {
    let html = |body: String| format!("From: a@x.no\r\nContent-Type: text/html\r\n\r\n{body}");
    let mut nested = String::from("From: a@x.no\r\n");
    for level in 0..200 {
        nested.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"
        ));
    }
    let rfc822 = "Content-Type: message/rfc822\r\n\r\n".repeat(1_000);
    for raw in [
        nested,
        format!("From: a@x.no\r\n{rfc822}From: b@x.no\r\n\r\nThe last."),
        html("&".repeat(MUCH)),
        html("&a".repeat(MUCH / 2)),
        html("<".repeat(MUCH)),
        html("<a ".repeat(MUCH / 3)),
        html("<a href=\"".repeat(MUCH / 9)),
        html("<b><i><u>".repeat(MUCH / 9)),
        html("<table><tr><td>".repeat(MUCH / 15)),
        html("</p>".repeat(MUCH / 4)),
        html("<!--".repeat(MUCH / 4)),
        html("<p style=\"color:red;".repeat(MUCH / 20)),
        html(format!("<p {}>", "a=b ".repeat(MUCH / 4))),
        html("<blockquote>".repeat(MUCH / 12)),
        html("<pre>\n".repeat(MUCH / 6)),
        format!("From: a@x.no\r\n\r\n{}", "> ".repeat(MUCH / 2)),
        format!("From: a@x.no\r\n\r\n{}", ">\n".repeat(MUCH / 2)),
        format!(
            "From: a@x.no\r\n\r\n{}",
            "On 1, A wrote:\n> x\n".repeat(MUCH / 20)
        ),
        format!(
            "From: a@x.no\r\nContent-Type: text/plain; format=flowed\r\n\r\n{}",
            "x \n".repeat(MUCH / 3)
        ),
        format!(
            "From: a@x.no\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{}",
            "=".repeat(MUCH)
        ),
        format!(
            "From: a@x.no\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
            "=".repeat(MUCH)
        ),
        format!("From: MAILER-DAEMON@x.no\r\n\r\n{}", "<c.".repeat(MUCH / 3)),
        format!(
            "From: a@x.no\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
             --b\r\nContent-Type: message/delivery-status\r\n\r\n{}\r\n--b--\r\n",
            "Final-Recipient: rfc822; a@x.no\r\nAction: failed\r\n\r\n".repeat(5_000)
        ),
    ] {
        taken_apart(raw.as_bytes());
    }
}

#[test]
fn a_charset_that_lies_shows_text_and_makes_no_tags() {
    for (charset, body) in [
        (
            "utf-8",
            &b"overlong \xc0\xbcscript\xc0\xbe \xe0\x80\xbc \xf0\x80\x80\xbc"[..],
        ),
        ("utf-8", b"half \xe2\x82"),
        ("utf-8", b"surrogate \xed\xa0\x80 beyond \xf4\x90\x80\x80"),
        ("utf-7", b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-"),
        ("utf-7", b"+//////////////////"),
        ("utf-16", b"\xff\xfe<\0s\0c\0r\0i\0p\0t\0>\0x"),
        ("utf-16le", b"\0\xd8\0\xd8odd"),
        ("iso-2022-jp", b"\x1b$B\x1b\x1b(B\x1b$"),
        ("iso-2022-kr", b"\x0e\x0e\x0f\xff"),
        ("gb18030", b"\x81\x30\x81\x30\x84\x31\xa4\x37\xff"),
        ("x-user-defined", b"\x80\xff"),
        ("hz-gb-2312", b"~{<:Ky2;~}~"),
        ("\r\nX: y", b"\xe5"),
        ("utf-8\0", b"\xe5"),
    ] {
        for kind in ["plain", "html"] {
            let mut raw = format!(
                "From: a@x.no\r\nSubject: =?{charset}?b?PHNjcmlwdD4NCkJjYzogYQ==?=\r\n\
                 Content-Type: text/{kind}; charset=\"{charset}\"\r\n\r\n"
            )
            .into_bytes();
            raw.extend_from_slice(body);
            taken_apart(&raw);
        }
    }
}

#[test]
fn no_trick_of_html_runs_loads_or_sends() {
    for html in [
        "<img src=\"x\"\nonerror\n=\nalert(1)>",
        "<IMG SRC=javascript:alert('XSS')>",
        "<IMG SRC=&#106;&#97;&#118;&#97;&#115;&#99;&#114;&#105;&#112;&#116;&#58;alert(1)>",
        "<a href=\"jav\tascript:alert(1)\">x</a>",
        "<a href=\"java\0script:alert(1)\">x</a>",
        "<a href=\"\x01javascript:alert(1)\">x</a>",
        "<a href=\"&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74&#x3A&#x61lert(1)\">x</a>",
        "<a href=\"vbscript:msgbox(1)\">x</a>",
        "<a href=\"data:text/html;base64,PHNjcmlwdD4=\">x</a>",
        "<a href=\"//evil.example/\">x</a>",
        "<a href=\"http:javascript:alert(1)\">x</a>",
        "<a href='x' href='javascript:alert(1)'>x</a>",
        "<svg/onload=alert(1)>",
        "<svg><a xlink:href=\"javascript:alert(1)\"><text>x</text></a></svg>",
        "<svg><style><img src=x onerror=alert(1)></style></svg>",
        "<math><mi//xlink:href=\"data:x,<script>alert(1)</script>\">",
        "<math><annotation-xml encoding=\"text/html\"><img src=x onerror=alert(1)></annotation-xml></math>",
        "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
        "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
        "<template><script>alert(1)</script></template>",
        "<xmp><img alt=\"</xmp><img src=x onerror=alert(1)>\">",
        "<textarea><img title=\"</textarea><img src=x onerror=alert(1)>\">",
        "<title><img title=\"</title><img src=x onerror=alert(1)>\">",
        "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
        "<iframe><img title=\"</iframe><img src=x onerror=alert(1)>\">",
        "<p title=\"--><img src=x onerror=alert(1)>\"><!-- -->",
        "<!--><img src=x onerror=alert(1)>-->",
        "<!--!><img src=x onerror=alert(1)><!-->",
        "<![CDATA[<img src=x onerror=alert(1)>]]>",
        "<?xml version=\"1.0\"?><img src=x onerror=alert(1)>",
        "<div style=\"width:expression(alert(1))\">x</div>",
        "<div style=\"background:url(javascript:alert(1))\">x</div>",
        "<div style=\"-moz-binding:url(//evil.example)\">x</div>",
        "<div style=\"color:red;}</style><img src=x onerror=alert(1)>\">x</div>",
        "<table background=javascript:alert(1)><td background=//evil.example>x</table>",
        "<link rel=import href=//evil.example><base href=//evil.example/>",
        "<meta http-equiv=refresh content=\"0;javascript:alert(1)\">",
        "<body onload=alert(1) background=//evil.example>x</body>",
        "<details open ontoggle=alert(1)>x</details>",
        "<marquee onstart=alert(1)>x</marquee>",
        "<input autofocus onfocus=alert(1)><select onfocus=alert(1)></select>",
        "<video><source onerror=alert(1)></video><audio src=x onerror=alert(1)>",
        "<object data=javascript:alert(1)></object><embed src=javascript:alert(1)>",
        "<a style=\"position:fixed;inset:0;z-index:9\" href=https://evil.example>x</a>",
        "<img src=cid:nobody@x><img src=file:///etc/passwd><img src=\\\\evil.example\\x>",
        "<img srcset=//evil.example><img lowsrc=//evil.example><img dynsrc=//evil.example>",
        "<b <script>alert(1)</script>0",
        "<scr<script>ipt>alert(1)</scr</script>ipt>",
        "<<script>alert(1);//<</script>",
        "<img \"\"\"><script>alert(1)</script>\">",
        "\u{fb01}<ſcript>alert(1)</ſcript><\u{ff1c}script>",
    ] {
        let safe = safe(html).to_ascii_lowercase();
        for bad in [
            "evil.example/x",
            "url(",
            "expression",
            "position",
            "background=",
            "srcset",
            "xlink",
        ] {
            assert!(!safe.contains(bad), "{bad} in {safe} of {html}");
        }
    }
}

#[test]
fn what_is_attached_keeps_to_its_place_and_nothing_vanishes() {
    let part = |header: &str, body: &str| format!("--b\r\n{header}\r\n\r\n{body}\r\n");
    let whole: String = [
        part("Content-Type: application/ms-tnef; name=winmail.dat", "x"),
        part(
            "Content-Type: application/pkcs7-signature; name=smime.p7s",
            "x",
        ),
        part(
            "Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m",
            "x",
        ),
        part(
            "Content-Type: text/calendar; method=REQUEST; charset=utf-8",
            "BEGIN:VCALENDAR",
        ),
        part(
            "Content-Disposition: attachment; filename=\"../../../etc/passwd\"",
            "x",
        ),
        part(
            "Content-Disposition: attachment; filename=\"..\\\\..\\\\autoexec.bat\"",
            "x",
        ),
        part(
            "Content-Disposition: attachment; filename=\"=?utf-8?q?a=0D=0ABcc:=2F..=2Fx?=\"",
            "x",
        ),
        part(
            "Content-Disposition: attachment; filename*=utf-8''%e2%80%aegpj%2eexe",
            "x",
        ),
        part(
            "Content-Disposition: attachment; filename*=utf-8''%00%00",
            "x",
        ),
        part(
            "Content-Disposition: attachment; filename=\".htaccess\"",
            "x",
        ),
        part("Content-Disposition: attachment; filename=\"-rf\"", "x"),
        part(
            "Content-Type: a/b/../../x\r\nContent-Disposition: attachment",
            "x",
        ),
        part(
            "Content-Type: image/svg+xml; name=x.svg",
            "<svg onload=alert(1)>",
        ),
    ]
    .concat();
    let raw = format!(
        "From: a@x.no\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{whole}--b--\r\n"
    );
    let mail = taken_apart(raw.as_bytes());
    assert_eq!(mail.attachments.len(), 13, "{:?}", mail.attachments);
    assert_eq!(mail.problems, Vec::<String>::new());
}

#[test]
fn reports_of_the_servers_of_the_world_are_known() {
    let report = |own: &str| {
        format!(
            "From: Mail Delivery <MAILER-DAEMON@mx.x.no>\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\n\
             Sorry.\r\n--b\r\n{own}\r\n--b--\r\n"
        )
    };
    let original =
        "--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <c.ours@example.com>\r\n\r\nHi\r\n";
    for (raw, status) in [
        // Postfix, with a comment in its fields.
        (report(&format!(
            "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.x.no\r\n\r\n\
             Final-Recipient: rfc822; a@x.no\r\nOriginal-Recipient: rfc822;a@x.no\r\nAction: failed\r\n\
             Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 no such user\r\n\r\n{original}"
        )), Some("5.1.1")),
        // Exchange: global, in base64.
        (report(&format!(
            "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: base64\r\n\r\n\
             UmVwb3J0aW5nLU1UQTogZG5zO3gNCg0KRmluYWwtUmVjaXBpZW50OiByZmM4MjI7YUB4Lm5vDQpBY3Rpb246IGZhaWxlZA0KU3RhdHVzOiA1LjEuMTANCg==\r\n{original}"
        )), Some("5.1.10")),
        // qmail, in words of its own.
        ("From: MAILER-DAEMON@x.no\r\n\r\nHi. This is the qmail-send program at x.no.\r\n<a@x.no>:\r\n\
          Sorry, no mailbox here by that name.\r\n\r\n--- Below this line is a copy of the message.\r\n\r\n\
          Message-ID: <c.ours@example.com>\r\n".to_owned(), None),
    ] {
        let bounce = taken_apart(raw.as_bytes()).bounce.unwrap();
        assert_eq!(bounce.message_id.as_deref(), Some("c.ours@example.com"), "{raw}");
        assert_eq!(bounce.status.as_deref(), status, "{raw}");
    }
}

/// A house that mail reaches over LMTP, with what one mail became.
fn world() -> (World, ConversationId) {
    let mut world = World::new();
    world.lmtp();
    world.start();
    deliver(&world, &mail(1));
    let id = world.kept()[0].conversation.id;
    (world, id)
}

fn deliver(world: &World, mail: &[u8]) {
    let path = world.directory.path().join("lmtp.sock");
    Client::connect(&path).send("mallory@evil.example", "support@example.com", mail);
}

#[test]
fn a_report_marks_no_mail_of_a_conversation_that_its_sender_has_no_token_of() {
    let (world, first) = world();
    deliver(&world, &mail(2));
    let second = world.kept()[1].conversation.id;
    let (theirs, _) = world.add_sent(first, "For somebody else.");
    let (own, ours) = world.add_sent(second, "For mallory.");
    // The token of one's own conversation, and the number of somebody else's mail.
    let forged = ours.replace(&own.0.simple().to_string(), &theirs.0.simple().to_string());
    let report = |id: &str| {
        format!(
            "From: MAILER-DAEMON@evil.example\r\nMessage-ID: <{}@evil>\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\
             Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n\
             Final-Recipient: rfc822; a@x.no\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\n\
             Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{id}>\r\n\r\n--b--\r\n",
            id.len()
        )
    };
    deliver(&world, report(&forged).as_bytes());
    deliver(
        &world,
        report(&ours)
            .replace("Message-ID: <", "Message-ID: <x")
            .as_bytes(),
    );
    deliver(
        &world,
        report(&ours).replacen("@evil>", "@true>", 1).as_bytes(),
    );
    world.wait_for_change(own);
    assert_eq!(world.changes().len(), 1, "{:?}", world.changes());
}

#[test]
fn many_senders_who_ask_for_answers_elsewhere_get_one_sent_there() {
    let (world, _) = world();
    for number in 0..5 {
        let raw = format!(
            "From: stranger{number}@evil.example\r\nReply-To: victim@example.org\r\n\
             Message-ID: <s{number}@evil>\r\nSubject: Hi\r\n\r\nHi\r\n"
        );
        deliver(&world, raw.as_bytes());
        let conversation = world.kept().last().unwrap().conversation.id;
        let (reply, _) = world.add_sent(conversation, "We open at 8.");
        world.change_sent(reply, |it| {
            it.message.author = Author::Automatic;
            // One name each: what is added has the number of all.
            it.message.text = format!("We open at 8. {number}");
        });
        world.publish(reply);
        match number {
            0 => drop(world.wait_for_letters(1)),
            _ => drop(world.wait_for_change(reply)),
        }
    }
    let letters = world.letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0].1.to, ["victim@example.org"]);
}

#[test]
fn what_answers_a_channel_that_is_gone_is_taken_in_where_it_came() {
    let (world, first) = world();
    let (id, ours) = world.add_sent(first, "Try another bulb.");
    for message in world.kept() {
        world.change_sent(message.message.id, |it| {
            it.conversation.channel = "contact-form".into();
        });
    }
    let _ = id;
    deliver(&world, &super::answer(2, &ours));
    let kept = world.wait_for(3).pop().unwrap();
    assert_ne!(kept.conversation.id, first);
    assert_eq!(&*kept.conversation.channel, "support");
}

#[test]
fn a_name_that_a_form_or_a_chat_gave_leads_no_mail_there() {
    let (world, first) = world();
    let id = world.kept()[0].message.id;
    world.change_sent(id, |it| {
        it.message.external_id = Some("chat:1".to_owned());
        it.message.raw = None;
    });
    deliver(&world, &super::answer(2, "chat:1"));
    assert_ne!(world.wait_for(2)[1].conversation.id, first);
}

#[test]
fn a_file_that_decoding_makes_too_large_keeps_no_mail_from_its_people() {
    let (world, _) = world();
    // Line ends alone, which become two octets each.
    let lines = "\n".repeat(14 * 1024 * 1024);
    let raw = format!(
        "From: a@x.no\r\nMessage-ID: <lines@x>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\
         See.\r\n--b\r\nContent-Type: application/x; name=lines\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         {lines}\r\n--b--\r\n"
    );
    deliver(&world, raw.as_bytes());
    let kept = world.wait_for(2).pop().unwrap();
    let text = &kept.message.text;
    assert!(text.contains("the file lines is too large"), "{text}");
    assert_eq!(kept.message.attachments.len(), 0);
}

#[test]
fn a_text_that_is_cut_says_so() {
    let (world, _) = world();
    let raw = format!(
        "From: a@x.no\r\nMessage-ID: <long@x>\r\n\r\n{}",
        "word ".repeat(80_000)
    );
    deliver(&world, raw.as_bytes());
    let kept = world.wait_for(2).pop().unwrap();
    assert!(kept.message.text.len() <= crate::core::text::LARGEST_TEXT);
    let end = kept.message.text.lines().last().unwrap();
    assert!(end.contains("too long to be shown"), "{end}");
}

#[test]
fn as_large_as_is_allowed_is_kept_with_the_envelope_s_sender() {
    let (world, _) = world();
    let head = "From: a@x.no\r\nMessage-ID: <full@x>\r\n\r\n";
    let line = format!("{}\r\n", "x".repeat(78));
    let room = 25 * 1024 * 1024 - 400 - head.len() - 2;
    let raw = format!("{head}{}", line.repeat(room / line.len()));
    deliver(&world, raw.as_bytes());
    wait_for("the mail", || (world.kept().len() == 2).then_some(()));
}
