//! What is sent, in each encoding, and what becomes of it.

use serde_json::json;

use super::house::*;
use crate::core::conversation::Origin;
use crate::inbox::Visitor;

const GOOD: [(&str, &str); 3] = [
    ("name", "Kari"),
    ("email", "kari@example.com"),
    ("message", "Hello\r\nthere"),
];

fn fields(arrival: &crate::core::conversation::Arrival) -> Vec<(&str, &str)> {
    let fields = arrival.message.fields.iter();
    fields
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

#[tokio::test]
async fn a_form_of_a_page_arrives_and_the_visitor_is_thanked() {
    let house = open(|_| {}).await;
    let response = house.urlencoded(&GOOD).send().await.unwrap();
    assert_eq!(response.status(), 303);
    assert_eq!(header(&response, "location"), Some("contact/thanks"));
    let arrival = house.arrival();
    assert_eq!(&*arrival.channel, "contact");
    assert_eq!(arrival.contact.name.as_deref(), Some("Kari"));
    assert_eq!(arrival.contact.address.as_deref(), Some("kari@example.com"));
    assert!(!arrival.contact.verified, "anybody can write any address");
    assert_eq!(arrival.message.text, "Hello\nthere");
    assert_eq!(
        fields(&arrival),
        [
            ("name", "Kari"),
            ("email", "kari@example.com"),
            ("message", "Hello\nthere"),
            ("call_me", "no"),
        ]
    );
    assert!(arrival.continues.is_none() && !arrival.automatic);
    let thanks = house.client.get(format!("{}/thanks", house.url));
    let (status, page) = answer(thanks).await;
    assert_eq!(status, 200);
    assert!(page.contains("<p role=\"status\">Thank you.</p>"), "{page}");
}

#[tokio::test]
async fn a_script_sends_json_and_reads_json() {
    let house = open(|form| form.redirect = Some("https://example.com/thanks".to_owned())).await;
    let sent =
        json!({ "email": "kari@example.com", "message": "Hi", "call_me": true, "name": null });
    let (status, answer) = json_answer(house.json(&sent)).await;
    assert_eq!(status, 201);
    assert_eq!(answer["status"], "received");
    assert_eq!(answer["thanks"], "Thank you.");
    assert_eq!(answer["redirect"], "https://example.com/thanks");
    assert!(answer["reference"].is_string());
    let arrival = house.arrival();
    assert_eq!(fields(&arrival).last(), Some(&("call_me", "yes")));
}

#[tokio::test]
async fn a_file_is_stored_before_its_message_arrives() {
    let house = open(|_| {}).await;
    let photo = [0x89, b'P', b'N', b'G', 0, 13, 10];
    let request = house.multipart(&GOOD, ("photo", "..\\me\r\n<b>.png", &photo));
    let (status, text) = answer(request).await;
    assert_eq!(status, 400, "a line break ends a header: {text}");
    let request = house.multipart(&GOOD, ("photo", "../../me<b>.png", &photo));
    assert_eq!(answer(request).await.0, 303);
    let arrival = house.arrival();
    assert_eq!(arrival.message.attachments[0].file_name, "me<b>.png");
    assert_eq!(arrival.message.attachments[0].content_type, "image/png");
    assert_eq!(house.attachment(&arrival), photo);
    assert_eq!(fields(&arrival).last(), Some(&("photo", "me<b>.png")));
    assert_eq!(house.files(), 1);
}

#[tokio::test]
async fn a_file_that_is_not_chosen_is_no_file() {
    let house = open(|_| {}).await;
    assert_eq!(
        answer(house.multipart(&GOOD, ("photo", "", b""))).await.0,
        303
    );
    assert!(house.arrival().message.attachments.is_empty());
    let house = open(|form| form.fields[5].required = true).await;
    let (status, page) = answer(house.multipart(&GOOD, ("photo", "", b""))).await;
    assert_eq!(status, 422);
    assert!(page.contains("Choose a file."), "{page}");
}

#[tokio::test]
async fn what_is_wrong_is_said_by_field_in_json() {
    let house = open(|_| {}).await;
    let sent = json!({ "email": "kari", "about": "nothing", "colour": "red" });
    let response = house.json(&sent).send().await.unwrap();
    assert_eq!(response.status(), 422);
    assert_eq!(
        header(&response, "content-type"),
        Some("application/problem+json")
    );
    let problem: serde_json::Value = response.json().await.unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&problem).unwrap(), @r#"
    {
      "detail": "Not sent yet. Please correct this and send it again.",
      "errors": {
        "about": "Choose one of those that are offered.",
        "colour": "The form has no such field.",
        "email": "Write a mail address, like kari@example.com.",
        "message": "Fill this in."
      },
      "reason": "invalid",
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "urn:ringdesk:problem:invalid"
    }
    "#);
    assert!(house.arrivals().is_empty());
}

#[tokio::test]
async fn what_is_wrong_is_said_on_the_page_with_what_was_written() {
    let house = open(|_| {}).await;
    let evil = "\"><script>alert('x')</script>";
    let pairs = [
        ("name", evil),
        ("email", "nowhere"),
        ("message", "</textarea><script>alert(1)</script>"),
        ("about", "Something <else>"),
        ("call_me", "yes"),
        ("_key", evil),
        ("utm_source", evil),
    ];
    let (status, page) = answer(house.urlencoded(&pairs)).await;
    assert_eq!(status, 422);
    assert_eq!(page.matches("<script").count(), 1, "ours: {page}");
    for part in [
        "value=\"&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;\"",
        "\n&lt;/textarea&gt;&lt;script&gt;alert(1)&lt;/script&gt;</textarea>",
        "<option value=\"Something &lt;else&gt;\" selected>",
        "type=\"checkbox\" value=\"yes\" id=\"field-4\" name=\"call_me\" checked",
        "aria-describedby=\"error-1\" aria-invalid=\"true\"",
        "<a href=\"#field-1\">Mail address</a>: Write a mail address",
        "role=\"alert\"",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert!(house.arrivals().is_empty());
}

#[tokio::test]
async fn a_refusal_of_the_engine_leaves_no_file_behind() {
    let house = open(|_| {}).await;
    let pairs = [("email", "kari@example.com"), ("message", "refuse this")];
    let request = house.multipart(&pairs, ("photo", "a.png", b"octets"));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(header(&response, "retry-after"), Some("5"));
    assert_eq!(house.files(), 0);
}

#[tokio::test]
async fn the_same_submission_is_taken_in_once_and_answered_alike() {
    let house = open(|_| {}).await;
    let sent = json!({ "email": "kari@example.com", "message": "Hi" });
    let send = |value| {
        house
            .json(value)
            .header("idempotency-key", "\"4f1c-again\"")
    };
    let first = json_answer(send(&sent)).await;
    assert_eq!(first.0, 201);
    assert_eq!(json_answer(send(&sent)).await, first);
    assert_eq!(house.arrivals().len(), 1);
    let other = json!({ "email": "kari@example.com", "message": "Something else" });
    let (status, problem) = json_answer(send(&other)).await;
    assert_eq!((status, &problem["reason"]), (422, &json!("key-reused")));

    let house = open(|_| {}).await;
    let mut pairs = GOOD.to_vec();
    pairs.push(("_key", "from the page"));
    for _ in 0..2 {
        let request = house.multipart(&pairs, ("photo", "a.png", b"octets"));
        assert_eq!(answer(request).await.0, 303);
    }
    assert_eq!(house.arrivals().len(), 1);
    assert_eq!(house.files(), 1);
    pairs[2].1 = "Something else";
    assert_eq!(
        answer(house.multipart(&pairs, ("photo", "a.png", b"octets")))
            .await
            .0,
        303
    );
    let arrivals = house.arrivals();
    assert_eq!(
        arrivals.len(),
        2,
        "whoever goes back and writes something else sends that too"
    );
    let kept = arrivals[0].message.external_id.clone().unwrap();
    assert!(kept.starts_with("form-") && kept.len() == 69, "{kept}");
}

#[tokio::test]
async fn a_visitor_is_known_again() {
    let house = open(|_| {}).await;
    let response = house.urlencoded(&GOOD).send().await.unwrap();
    let cookie = header(&response, "set-cookie").unwrap();
    for part in [
        "; HttpOnly",
        "; SameSite=Lax",
        "; Path=/",
        "; Max-Age=31536000",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let visitor = Visitor::from_cookies(cookie.split(';').next().unwrap()).unwrap();
    let again = house.urlencoded(&GOOD);
    let cookie = format!("other=1; ringdesk_visitor={}", visitor.secret());
    let response = again.header("cookie", cookie).send().await.unwrap();
    assert_eq!(header(&response, "set-cookie"), None);
    let arrivals = house.arrivals();
    assert_eq!(arrivals[0].contact.cookie, Some(visitor.key()));
    assert_eq!(arrivals[1].contact.cookie, Some(visitor.key()));
    assert_eq!(arrivals[0].origin, Origin::Person);
    assert_eq!(
        arrivals[1].origin,
        Origin::NoAutomaticReply,
        "one automatic reply to an address a day: anybody can write anybody's"
    );
    let forged = house
        .urlencoded(&GOOD)
        .header("cookie", "ringdesk_visitor=../../etc");
    assert!(header(&forged.send().await.unwrap(), "set-cookie").is_some());
}

#[tokio::test]
async fn over_https_the_cookie_is_sent_from_other_sites_too() {
    let house = open_with(
        |_| {},
        |snapshot| {
            snapshot.settings.http = Some(crate::core::sample::http("https://desk.example.com"));
        },
    )
    .await;
    let request = house
        .urlencoded(&GOOD)
        .header("origin", "https://desk.example.com");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 303);
    let cookie = header(&response, "set-cookie").unwrap();
    assert!(
        cookie.ends_with("; HttpOnly; SameSite=None; Secure"),
        "{cookie}"
    );
}

#[tokio::test]
async fn the_page_of_thanks_is_the_one_of_the_configuration_whatever_is_sent() {
    let house =
        open(|form| form.redirect = Some("https://example.com/thanks?a=1".to_owned())).await;
    let mut pairs = GOOD.to_vec();
    pairs.push(("redirect", "https://evil.example/"));
    let response = house.urlencoded(&pairs).send().await.unwrap();
    assert_eq!(
        header(&response, "location"),
        Some("https://example.com/thanks?a=1")
    );

    let house = open(|form| form.redirect = Some("/a\r\nSet-Cookie: b=c".to_owned())).await;
    let response = house.urlencoded(&GOOD).send().await.unwrap();
    assert_eq!(
        response.status(),
        200,
        "what cannot be a header is not made one"
    );
    assert!(header(&response, "location").is_none());
    assert!(response.text().await.unwrap().contains("Thank you."));
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused() {
    let house = open(|_| {}).await;
    let send = |kind: &str, body: Vec<u8>| {
        let request = house
            .client
            .post(&house.url)
            .header("accept", "application/json");
        answer(request.header("content-type", kind).body(body))
    };
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let names: String = (0..300).map(|index| format!("a{index}=1&")).collect();
    for (kind, body, status) in [
        ("application/json", b"{".to_vec(), 400),
        ("application/json", b"[1]".to_vec(), 400),
        ("application/json", b"{\"email\": [1]}".to_vec(), 400),
        ("application/json", deep.into_bytes(), 413),
        ("application/json", b"\xff\xfe".to_vec(), 400),
        ("application/x-www-form-urlencoded", names.into_bytes(), 400),
        (
            "application/x-www-form-urlencoded",
            vec![b'a'; 1_000_000],
            413,
        ),
        ("multipart/form-data", b"--x".to_vec(), 400),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nno".to_vec(),
            400,
        ),
        ("text/plain", b"email=a".to_vec(), 415),
        ("application/xml", b"<a/>".to_vec(), 415),
    ] {
        let start = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let (found, text) = send(kind, body).await;
        assert_eq!(found, status, "{kind} {start}: {text}");
        assert!(text.contains("\"detail\""), "{text}");
    }
    let nothing = house
        .client
        .post(&house.url)
        .header("accept", "application/json");
    assert_eq!(answer(nothing).await.0, 415);
    assert!(house.arrivals().is_empty());
}

#[tokio::test]
async fn a_name_that_stands_twice_is_told_in_each_encoding() {
    let house = open(|_| {}).await;
    let twice = r#"{"email":"kari@example.com","message":"one","message":"two"}"#;
    let sent = house.client.post(&house.url);
    let sent = sent.header("content-type", "application/json").body(twice);
    let (status, answer) = json_answer(sent).await;
    assert_eq!(status, 422);
    assert_eq!(answer["errors"]["message"], "This was sent more than once.");
}

#[tokio::test]
async fn a_form_in_which_nothing_is_written_is_not_taken_for_one() {
    let house = open(|form| form.fields.iter_mut().for_each(|it| it.required = false)).await;
    for sent in [
        vec![],
        vec![("message[]", "lost")],
        vec![("email", " "), ("call_me", "")],
    ] {
        let request = house.urlencoded(&sent);
        let (status, page) = answer(request).await;
        assert_eq!(status, 422, "{sent:?}");
        assert!(page.contains("Nothing is filled in."), "{page}");
    }
    let request = house.urlencoded(&[("call_me", "on")]);
    assert_eq!(answer(request).await.0, 303);
    let house = open(|form| form.fields.retain(|it| it.name == "call_me")).await;
    let request = house.urlencoded(&[("call_me", "")]);
    assert_eq!(answer(request).await.0, 303, "no is an answer there");
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_refused_rather_than_kept_with_holes() {
    let house = open(|_| {}).await;
    let send = |body: &'static str| {
        let kind = "application/x-www-form-urlencoded";
        let request = house.client.post(&house.url).header("content-type", kind);
        request.body(body)
    };
    let (status, page) = answer(send("email=a%40example.com&message=bl%E5b%E6r")).await;
    assert_eq!(status, 400);
    assert!(page.contains("accept-charset="), "{page}");
    let (status, _) = answer(send(
        "email=a%40example.com&message=100%+bl%C3%A5+%EF%BF%BD",
    ))
    .await;
    assert_eq!(status, 303);
    assert_eq!(house.arrival().message.text, "100% bl\u{e5} \u{fffd}");
}

#[tokio::test]
async fn a_key_that_cannot_be_one_is_said_rather_than_passed_over() {
    let house = open(|_| {}).await;
    let good = json!({ "email": "kari@example.com", "message": "Hi" });
    let long = "k".repeat(201);
    for key in ["", "\"\"", &long] {
        let request = house.json(&good).header("Idempotency-Key", key);
        let (status, answer) = json_answer(request).await;
        assert_eq!(status, 400, "{key}");
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.contains("Idempotency-Key"), "{detail}");
    }
}
