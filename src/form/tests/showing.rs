//! What is shown, to whom.

use reqwest::Method;
use serde_json::json;

use super::house::*;

const SITE: &str = "https://www.example.com";

#[tokio::test]
async fn the_page_asks_for_every_field_in_words_and_needs_no_script() {
    let house = open(|form| form.title = "Ask us <anything> & more".to_owned()).await;
    let response = house.client.get(&house.url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let policy = header(&response, "content-security-policy").unwrap();
    assert_eq!(
        policy,
        "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'self'"
    );
    assert_eq!(header(&response, "cache-control"), Some("no-store"));
    let page = response.text().await.unwrap();
    let token = page.split("name=\"_token\" value=\"").nth(1).unwrap();
    let token = token.split('"').next().unwrap();
    let key = page.split("name=\"_key\" value=\"").nth(1).unwrap();
    let key = key.split('"').next().unwrap();
    assert_eq!(key.len(), 32);
    insta::assert_snapshot!(page.replace(token, "TOKEN").replace(key, "KEY"), @r#"
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Ask us &lt;anything&gt; &amp; more</title>
    <link rel="stylesheet" href="-/form.css">
    <script src="-/form.js" defer></script>
    </head>
    <body>
    <main>
    <h1>Ask us &lt;anything&gt; &amp; more</h1>
    <form method="post" enctype="multipart/form-data">
    <div class="field">
    <label for="field-0">Your name <span>(optional)</span></label>
    <input type="text" autocomplete="name" id="field-0" name="name" maxlength="200" value="">
    </div>
    <div class="field">
    <label for="field-1">Mail address</label>
    <input type="email" autocomplete="email" id="field-1" name="email" required maxlength="200" value="">
    </div>
    <div class="field">
    <label for="field-2">About <span>(optional)</span></label>
    <select id="field-2" name="about">
    <option value=""></option>
    <option value="An order">An order</option>
    <option value="Something &lt;else&gt;">Something &lt;else&gt;</option>
    </select>
    </div>
    <div class="field">
    <label for="field-3">Message</label>
    <textarea id="field-3" name="message" required rows="6" maxlength="200">
    </textarea>
    </div>
    <div class="field box">
    <input type="checkbox" value="yes" id="field-4" name="call_me">
    <label for="field-4">Call me <span>(optional)</span></label>
    </div>
    <div class="field">
    <label for="field-5">Photo <span>(optional)</span></label>
    <p class="hint" id="hint-5">97 kB at most</p>
    <input type="file" id="field-5" name="photo" aria-describedby="hint-5">
    </div>
    <div class="away" aria-hidden="true"><label>Leave this empty <input name="website" tabindex="-1" autocomplete="off"></label></div>
    <input type="hidden" name="_token" value="TOKEN">
    <input type="hidden" name="_key" value="KEY">
    <p><button type="submit">Send</button></p>
    </form>
    </main>
    </body>
    </html>
    "#);
}

#[tokio::test]
async fn what_the_page_needs_is_there() {
    let house = open(|_| {}).await;
    for (path, kind) in [
        ("/-/form.css", "text/css; charset=utf-8"),
        ("/-/form.js", "text/javascript; charset=utf-8"),
        ("/contact/embed.js", "text/javascript; charset=utf-8"),
    ] {
        let url = house.url.replace("/contact", path);
        let response = house.client.get(url).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(header(&response, "content-type"), Some(kind));
    }
}

#[tokio::test]
async fn the_title_in_the_script_is_text() {
    let house = open(|form| form.title = "\";alert(1);//\u{2028}</script>".to_owned()).await;
    let (_, script) = answer(house.client.get(format!("{}/embed.js", house.url))).await;
    assert!(
        script.contains("frame.title = \"\\\";alert(1);//\u{2028}</script>\";"),
        "{script}"
    );
}

#[tokio::test]
async fn a_script_can_ask_what_the_form_asks() {
    let house = open(|_| {}).await;
    let request = house
        .client
        .get(&house.url)
        .header("accept", "application/json");
    let (status, described) = json_answer(request).await;
    assert_eq!(status, 200);
    assert_eq!(described["title"], "Contact");
    assert_eq!(
        described["fields"][1],
        json!({
            "name": "email", "label": "Mail address", "type": "email",
            "required": true, "max_length": 200, "choices": [],
        })
    );
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let house = open(|_| {}).await;
    for path in [
        "/nothing",
        "/nothing/thanks",
        "/nothing/embed.js",
        "/%3Cscript%3E",
        "/contact%0d%0aX",
    ] {
        let url = house.url.replace("/contact", path);
        let (status, page) = answer(house.client.get(&url)).await;
        assert_eq!(status, 404, "{path}");
        assert!(!page.contains("<script>"), "{page}");
    }
    let post = house.client.post(house.url.replace("contact", "nothing"));
    let (status, problem) = json_answer(post.json(&json!({}))).await;
    assert_eq!((status, &problem["reason"]), (404, &json!("not-found")));
}

#[tokio::test]
async fn only_pages_that_are_named_may_send_the_form() {
    let house = open(|form| form.allowed_origins = vec![SITE.to_owned()]).await;
    let good = json!({ "email": "kari@example.com", "message": "Hi" });
    let own = house.url.replace("/f/contact", "");
    for (origin, allowed, status) in [
        (SITE, Some(SITE), 201),
        (&*own, None, 201),
        ("https://example.com", None, 403),
        ("https://www.example.com.evil.example", None, 403),
        ("http://www.example.com", None, 403),
        ("https://www.example.com:8443", None, 403),
        ("null", None, 403),
    ] {
        let request = house.json(&good).header("origin", origin);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{origin}");
        assert_eq!(header(&response, "access-control-allow-origin"), allowed);
        let credentials = header(&response, "access-control-allow-credentials");
        assert_eq!(credentials, allowed.map(|_| "true"));
        assert_eq!(header(&response, "vary"), Some("Origin"));
    }
    assert_eq!(house.arrivals().len(), 2);
    let page = house
        .urlencoded(&[("email", "a@example.com")])
        .header("origin", "https://evil.example");
    let (status, page) = answer(page).await;
    assert_eq!(status, 403);
    assert!(
        page.contains("may not be sent from pages of https://evil.example"),
        "{page}"
    );
}

#[tokio::test]
async fn a_preflight_is_answered_for_named_pages_alone() {
    let house = open(|form| form.allowed_origins = vec![SITE.to_owned()]).await;
    let ask = |origin: &str| {
        let request = house.client.request(Method::OPTIONS, &house.url);
        request
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type")
            .send()
    };
    let response = ask(SITE).await.unwrap();
    assert_eq!(response.status(), 204);
    assert_eq!(header(&response, "access-control-allow-origin"), Some(SITE));
    assert_eq!(
        header(&response, "access-control-allow-methods"),
        Some("GET, POST")
    );
    assert_eq!(
        header(&response, "access-control-allow-headers"),
        Some("accept, content-type, idempotency-key")
    );
    let response = ask("https://evil.example").await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(header(&response, "access-control-allow-origin"), None);
}

#[tokio::test]
async fn an_embedded_form_may_be_framed_and_leaves_its_frame_for_the_page_of_thanks() {
    let house = open(|form| {
        form.allowed_origins = vec![SITE.to_owned()];
        form.redirect = Some("https://www.example.com/thanks".to_owned());
    })
    .await;
    let response = house
        .client
        .get(format!("{}?embed=1", house.url))
        .send()
        .await
        .unwrap();
    let policy = header(&response, "content-security-policy").unwrap();
    assert!(
        policy.ends_with("frame-ancestors 'self' https://www.example.com"),
        "{policy}"
    );
    assert!(
        policy.contains("form-action 'self' https://www.example.com;"),
        "{policy}"
    );
    let page = response.text().await.unwrap();
    assert!(page.contains("<body class=\"embedded\">") && page.contains(" target=\"_top\""));

    let house = open(|_| {}).await;
    let request = house.client.post(format!("{}?embed=1", house.url));
    let sent = request.form(&[("email", "kari@example.com"), ("message", "Hi")]);
    let response = sent.send().await.unwrap();
    assert_eq!(
        header(&response, "location"),
        Some("contact/thanks?embed=1")
    );
}
