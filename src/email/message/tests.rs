use proptest::prelude::*;

use super::*;

fn mail(text: &str) -> ReceivedMail {
    read(text.replace('\n', "\r\n").as_bytes())
}

#[test]
fn a_plain_mail_is_read() {
    let mail = mail(
        "Return-Path: <kare@example.com>\nMessage-ID: <1@example.com>\n\
         From: =?utf-8?q?K=C3=A5re?= <Kare@Example.COM>\nTo: Support <support@example.org>\n\
         Reply-To: office@example.com\nSubject: Broken\n lamp\nDate: Wed, 02 Dec 2026 10:40:00 +0100\n\
         Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n\
         It flickers in bl=E5tt.\n",
    );
    assert_eq!(mail.message_id.as_deref(), Some("1@example.com"));
    assert_eq!(mail.sender().unwrap().address, "Kare@example.com");
    assert_eq!(mail.sender().unwrap().name.as_deref(), Some("Kåre"));
    assert_eq!(mail.answer_to().unwrap().address, "office@example.com");
    assert_eq!(mail.to[0].address, "support@example.org");
    assert_eq!(mail.subject.as_deref(), Some("Broken lamp"));
    assert_eq!(mail.date, Some(Wall::from_seconds(1_796_204_400)));
    assert_eq!(mail.text, "It flickers in blått.");
    assert_eq!(mail.html, None);
    assert!(mail.is_readable(), "{:?}", mail.problems);
}

#[test]
fn text_and_html_with_an_image_and_an_attachment() {
    let mail = mail(
        "From: a@x.no\nContent-Type: multipart/mixed; boundary=outer\n\npreamble\n--outer\n\
         Content-Type: multipart/alternative; boundary=\"in ner\"\n\n--in ner\n\n\
         Plain words.\n--in ner\nContent-Type: multipart/related; boundary=rel\n\n--rel\n\
         Content-Type: text/html; charset=utf-8\n\n<p>HTML <img src=\"cid:i@x\"></p>\n--rel\n\
         Content-Type: image/png\nContent-ID: <i@x>\nContent-Transfer-Encoding: base64\n\niVBORw==\n\
         --rel--\n--in ner--\n--outer\nContent-Type: application/pdf\n\
         Content-Disposition: attachment; filename*=utf-8''bl%C3%A5%2Fb%C3%A6r.pdf\n\n%PDF\n--outer--\nepilogue\n",
    );
    assert_eq!(mail.text, "Plain words.");
    assert_eq!(
        mail.html.as_deref().map(str::trim),
        Some("<p>HTML <img src=\"cid:i@x\"></p>")
    );
    let [image, pdf] = &mail.attachments[..] else {
        panic!("{:?}", mail.attachments);
    };
    assert_eq!(image.content_id.as_deref(), Some("i@x"));
    assert!(image.inline);
    assert_eq!(image.octets, b"\x89PNG");
    assert_eq!(image.name, "part-1.png");
    assert_eq!(pdf.name, "bær.pdf");
    assert!(!pdf.inline);
    assert_eq!(pdf.octets, b"%PDF");
    assert!(mail.is_readable(), "{:?}", mail.problems);
}

#[test]
fn a_text_with_a_name_is_a_file_unless_it_is_alone() {
    let mail = mail(
        "From: a@x.no\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nSee the log.\n--b\n\
         Content-Type: text/plain; name=\"log.txt\"\nContent-Disposition: inline\n\nERROR\n--b--\n",
    );
    assert_eq!(mail.text, "See the log.");
    assert_eq!(mail.attachments[0].name, "log.txt");
    assert_eq!(mail.attachments[0].octets, b"ERROR");
    let alone = "From: a@x.no\nContent-Type: text/plain; name=body.txt\n\nHello";
    assert_eq!(super::tests::mail(alone).text, "Hello");
}

#[test]
fn html_alone_has_text_beside_it() {
    let mail = mail("From: a@x.no\nContent-Type: text/html\n\n<p>One</p><p>Two</p>");
    assert_eq!(mail.text, "One\n\nTwo");
    assert!(mail.html.is_some());
    let both = "From: a@x.no\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\n \n--b\n\
                Content-Type: text/html\n\n<b>Words</b>\n--b--";
    assert_eq!(super::tests::mail(both).text, "Words");
}

#[test]
fn a_forwarded_message_is_shown_and_attached() {
    let mail = mail(
        "From: a@x.no\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nSee below.\n--b\n\
         Content-Type: message/rfc822\n\nFrom: Other <o@y.no>\nSubject: Offer\n\
         Content-Type: multipart/mixed; boundary=c\n\n--c\n\nOur offer.\n--c\n\
         Content-Type: application/pdf; name=offer.pdf\n\n%PDF\n--c--\n--b--\n",
    );
    assert_eq!(mail.text, "See below.");
    let forwarded = &mail.forwarded[0];
    assert_eq!(forwarded.subject.as_deref(), Some("Offer"));
    assert_eq!(forwarded.from.as_ref().unwrap().address, "o@y.no");
    assert_eq!(forwarded.text, "Our offer.");
    let names: Vec<_> = mail.attachments.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["offer.pdf", "Offer.eml"]);
    assert!(mail.attachments[1].octets.starts_with(b"From: Other"));
}

const BOUNCE: &str = "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.com\nSubject: Undelivered\n\
    Auto-Submitted: auto-replied\n\
    Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\n\
    I am sorry.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.com\n\n\
    Final-Recipient: rfc822; fine@example.com\nAction: delivered\nStatus: 2.0.0\n\n\
    Final-Recipient: rfc822; gone@example.com\nAction: failed\nStatus: 5.1.1\n\
    Diagnostic-Code: smtp; 550 5.1.1 <gone@example.com>:\n User unknown\n\n--b\n\
    Content-Type: text/rfc822-headers\n\nMessage-ID: <c.abc.1@example.org>\nSubject: Re: lamp\n\n--b--\n";

#[test]
fn a_bounce_says_which_mail_and_why() {
    let bounce = mail(BOUNCE).bounce.unwrap();
    assert_eq!(bounce.delivery, Delivery::Failed);
    assert_eq!(bounce.message_id.as_deref(), Some("c.abc.1@example.org"));
    assert_eq!(bounce.recipient.as_deref(), Some("gone@example.com"));
    assert_eq!(bounce.status.as_deref(), Some("5.1.1"));
    let sentence = bounce.sentence.unwrap();
    assert_eq!(sentence, "550 5.1.1 <gone@example.com>: User unknown");
}

#[test]
fn a_bounce_in_plain_words_is_one_too() {
    let old = "Return-Path: <>\nFrom: Mailer-Daemon@old.example\nMessage-ID: <c.own@old.example>\n\n\
               Hi. I wasn't able to deliver your message:\nMessage-ID: <c.abc.1@example.org>\n";
    let bounce = mail(old).bounce.unwrap();
    assert_eq!(bounce.message_id.as_deref(), Some("c.abc.1@example.org"));
    assert_eq!(mail(&old.replace("Mailer-Daemon", "anna")).bounce, None);
}

#[test]
fn what_cannot_be_read_is_shown_and_told_of() {
    for (text, problem, shown) in [
        ("", "it has no header", ""),
        ("no header here", "it has no header", "no header here"),
        (
            "From: a@x.no\nContent-Type: multipart/mixed\n\nwords",
            "its parts cannot be told apart",
            "words",
        ),
        (
            "From: a@x.no\nContent-Type: multipart/mixed; boundary=b\n\nwords",
            "its parts cannot be told apart",
            "words",
        ),
        (
            "From: a@x.no\nContent-Transfer-Encoding: base64\n\nwords, not base64! {{{}}} ,,,,,, ;;;;;",
            "what is said to be base64 is not",
            "words, not base64! {{{}}} ,,,,,, ;;;;;",
        ),
        (
            "From: a@x.no\nContent-Type: multipart/encrypted; boundary=b\n\n--b\n\
             Content-Type: application/octet-stream\n\nsecret\n--b--",
            "it is encrypted (OpenPGP)",
            "",
        ),
    ] {
        let mail = mail(text);
        assert_eq!(mail.problems, [problem], "{text}");
        assert_eq!(mail.text, shown, "{text}");
    }
    let binary: Vec<u8> = (0..=255).collect();
    assert!(!read(&binary).is_readable());
}

#[test]
fn a_mail_without_end_has_limits() {
    let parts = format!(
        "From: a@x.no\nContent-Type: multipart/mixed; boundary=b\n\n{}",
        "--b\nContent-Type: image/png\n\nx\n".repeat(5_000)
    );
    let mail = self::mail(&parts);
    assert!(mail.attachments.len() <= 102);
    assert_eq!(mail.problems, ["it has too many parts"]);

    let mut deep = String::from("From: a@x.no\n");
    for level in 0..3_000 {
        deep.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n"
        ));
    }
    assert_eq!(self::mail(&deep).problems, ["it has too many parts"]);

    let forwarded = format!(
        "From: a@x.no\n{}\n\nend",
        "Content-Type: message/rfc822\n\n".repeat(3_000)
    );
    assert!(self::mail(&forwarded).forwarded.len() <= 20);

    let long = format!("From: a@x.no\n\n{}", "å".repeat(600_000));
    let mail = self::mail(&long);
    assert!(mail.text.len() <= 500_000);
    assert!(!mail.is_readable());
}

#[test]
fn a_digest_holds_messages() {
    let mail = mail(
        "From: a@x.no\nContent-Type: multipart/digest; boundary=b\n\n--b\n\nFrom: b@x.no\n\
         Subject: one\n\nfirst\n--b\n\nFrom: c@x.no\nSubject: two\n\nsecond\n--b--\n",
    );
    let texts: Vec<_> = mail.forwarded.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(texts, ["first", "second"]);
}

#[test]
fn an_invitation_and_a_signature_are_attached() {
    let mail = mail(
        "From: a@x.no\nContent-Type: multipart/signed; boundary=s\n\n--s\n\
         Content-Type: multipart/alternative; boundary=b\n\n--b\n\nCome!\n--b\n\
         Content-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR\n--b--\n--s\n\
         Content-Type: application/pgp-signature\n\nsig\n--s--\n",
    );
    assert_eq!(mail.text, "Come!");
    let names: Vec<_> = mail.attachments.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["part-1.ics", "part-2.asc"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_octets_can_be_shown(octets in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        check(&read(&octets));
    }

    #[test]
    fn any_mail_with_a_mistake_can_be_shown(
        which in 0usize..4,
        place in 0usize..2_000,
        removed in 0usize..60,
        inserted in proptest::collection::vec(
            prop_oneof![
                Just(b"--b".to_vec()), Just(b"\r\n\r\n".to_vec()), Just(b"Content-Type: message/rfc822\r\n".to_vec()),
                Just(b"=?utf-8?b?////?=".to_vec()), Just(b"boundary=\"".to_vec()), Just(b"<".to_vec()),
                Just(b"Content-Transfer-Encoding: base64\r\n".to_vec()), Just(b"charset=utf-16".to_vec()),
                proptest::collection::vec(any::<u8>(), 0..10),
            ],
            0..5,
        ),
    ) {
        let whole = [
            BOUNCE,
            "From: =?utf-8?q?K=C3=A5re?= <a@x.no>, g: b@x.no;\nSubject: =?iso-2022-jp?B?GyRCRnxLXBsoQg==?=\n\
             Content-Type: text/html; charset=shift_jis\n\n<p>One <b>two</p><blockquote>x",
            "From: a@x.no\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n\
             From: c@x.no\nContent-Type: multipart/related; boundary=b\n\n--b\nContent-Disposition: inline; filename*0*=utf-8''a%20;\n filename*1=b\n\nx\n--b--",
            "From: a@x.no\nContent-Type: text/plain; format=flowed; delsp=yes\n\n> a \n>> b \nc\nOn 1, A\nwrote:\n> x",
        ];
        let mut octets = whole[which].replace('\n', "\r\n").into_bytes();
        let place = place % (octets.len() + 1);
        let end = (place + removed).min(octets.len());
        octets.splice(place..end, inserted.into_iter().flatten());
        check(&read(&octets));
    }
}

/// What everything that is shown keeps to.
fn check(mail: &ReceivedMail) {
    let names = mail.from.iter().filter_map(|it| it.name.as_ref());
    for line in names.chain(&mail.subject).chain(&mail.message_id) {
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    for attachment in &mail.attachments {
        assert_eq!(file_name(&attachment.name).as_ref(), Some(&attachment.name));
    }
    if let Some(html) = &mail.html {
        let safe = sanitise(html, Remote::Blocked, &Default::default());
        assert!(!safe.contains("<script"), "{safe}");
    }
    let shown = !mail.text.trim().is_empty() || mail.html.is_some() || !mail.attachments.is_empty();
    assert!(shown || mail.quoted.is_none());
}
