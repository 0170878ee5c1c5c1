//! What people and programs do to conversations, presence, prompts and the configuration.

use reqwest::Method;
use serde_json::{Value, json};

use crate::house::{Asker, Form, House, tone, wait_for};

fn path_of(conversation: &Value) -> String {
    format!(
        "/api/v1/conversations/{}",
        conversation["id"].as_str().unwrap()
    )
}

#[tokio::test]
async fn who_replies_gets_the_conversation_and_a_repeated_reply_is_sent_once() {
    let house = House::open().await;
    let conversation = house.submit("contact", "Kari", "Where is my parcel?").await;
    let path = path_of(&conversation);
    let anna = house.sign_in("anna").await;
    let reply = || {
        let request = anna.request(Method::POST, &format!("{path}/replies"));
        request
            .header("idempotency-key", "one-reply")
            .json(&json!({ "text": "On its way." }))
    };
    let first = anna.done(reply()).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let first = first.json().await;
    assert_eq!(first["conversation"]["assignee"], json!({ "user": "anna" }));
    assert_eq!(first["message"]["author"], json!({ "user": "anna" }));
    let again = anna.done(reply()).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.json().await["message"]["id"], first["message"]["id"]);
    let messages = anna.get(&format!("{path}/messages")).await.json().await;
    let kinds = messages["items"].as_array().unwrap().iter();
    let sent = kinds.filter(|one| one["kind"] == "sent").count();
    assert_eq!(sent, 1);
}

#[tokio::test]
async fn a_key_names_one_reply_also_after_a_restart_and_never_another() {
    let mut house = House::open().await;
    let first = house.submit("contact", "Kari", "Where is my parcel?").await;
    let second = house.submit("contact", "Ola", "Where is mine?").await;
    let (first, second) = (path_of(&first), path_of(&second));
    let say = async |house: &House, path: &str, text: &str| {
        let all = house.as_token("all");
        let request = all.request(Method::POST, path);
        let request = request.header("idempotency-key", "a-key");
        all.done(request.json(&json!({ "text": text }))).await
    };
    let replies = format!("{first}/replies");
    let made = say(&house, &replies, "On its way.").await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json().await;
    house.kill();
    house.start().await;
    for _ in 0..2 {
        let again = say(&house, &replies, "On its way.").await;
        assert_eq!(again.status, 200, "{}", again.text);
        let again = again.json().await;
        assert_eq!(again["message"]["id"], made["message"]["id"]);
        assert_eq!(again["message"]["text"], "On its way.");
    }
    for (path, text) in [
        (replies.clone(), "It is lost."),
        (format!("{first}/notes"), "On its way."),
        (format!("{second}/replies"), "On its way."),
    ] {
        let other = say(&house, &path, text).await;
        assert_eq!(other.reason(), (422, "invalid".to_owned()), "{path} {text}");
    }
    for (path, sent) in [(&first, 1), (&second, 0)] {
        let all = house.as_token("all");
        let messages = all.get(&format!("{path}/messages")).await.json().await;
        let kinds = messages["items"].as_array().unwrap().iter();
        assert_eq!(kinds.filter(|one| one["kind"] == "sent").count(), sent);
    }
}

#[tokio::test]
async fn a_file_goes_with_a_message_and_comes_back_for_saving_only() {
    let house = House::open().await;
    let conversation = house.submit("contact", "Kari", "Where is my parcel?").await;
    let path = path_of(&conversation);
    let anna = house.sign_in("anna").await;
    let page = b"<script>alert(1)</script>".to_vec();
    let form =
        Form::new()
            .text("text", "See there.")
            .file("../r\u{202e}eceipt.html", "text/html", &page);
    let request = anna.request(Method::POST, &format!("{path}/notes"));
    let noted = anna.done(form.of(request)).await.json().await;
    let attachment = &noted["message"]["attachments"][0];
    assert_eq!(attachment["size"], page.len());
    assert!(
        attachment.get("path").is_none(),
        "no path of a file is told"
    );
    let url = format!("/api/v1/attachments/{}", attachment["id"].as_str().unwrap());
    let file = anna.get(&url).await;
    assert_eq!(file.octets, page);
    assert_eq!(file.headers["content-type"], "application/octet-stream");
    assert_eq!(file.headers["x-content-type-options"], "nosniff");
    let disposition = file.headers["content-disposition"].to_str().unwrap();
    assert!(disposition.starts_with("attachment; "), "{disposition}");
    let policy = file.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("sandbox") && policy.contains("default-src 'none'"));
    let part = anna.request(Method::GET, &url).header("range", "bytes=1-6");
    let part = anna.done(part).await;
    assert_eq!((part.status.as_u16(), part.text.as_str()), (206, "script"));
    let bjorn = house.sign_in("bjorn").await;
    assert_eq!(bjorn.get(&url).await.reason().0, 404);
    assert_eq!(house.as_nobody().get(&url).await.reason().0, 401);
}

#[tokio::test]
async fn a_conversation_is_given_closed_reopened_and_deleted() {
    let house = House::open().await;
    let conversation = house.submit("contact", "Kari", "Where is my parcel?").await;
    let path = path_of(&conversation);
    let anna = house.sign_in("anna").await;
    let assign = format!("{path}/assign");
    let given = anna
        .post(&assign, &json!({ "to": { "team": "support" } }))
        .await;
    let given = given.json().await;
    assert_eq!(
        given["conversation"]["assignee"],
        json!({ "team": "support" })
    );
    let refused = anna
        .post(&assign, &json!({ "to": { "user": "bjorn" } }))
        .await;
    assert_eq!(refused.reason().0, 422, "bjorn has no access to that inbox");
    let nobody = anna
        .post(&assign, &json!({ "to": null }))
        .await
        .json()
        .await;
    assert!(nobody["conversation"].get("assignee").is_none());
    let missing = anna.post(&assign, &json!({})).await;
    assert_eq!(missing.reason().0, 422);

    let status = format!("{path}/status");
    let closed = anna
        .post(&status, &json!({ "status": "closed" }))
        .await
        .json()
        .await;
    assert_eq!(closed["conversation"]["status"], "closed");
    let open = anna.get("/api/v1/conversations").await.json().await;
    assert_eq!(open["items"], json!([]));
    let listed = anna
        .get("/api/v1/conversations?view=closed")
        .await
        .json()
        .await;
    assert_eq!(listed["items"][0]["id"], conversation["id"]);
    // A closed one is read from the store again.
    let opened = anna
        .post(&status, &json!({ "status": "open" }))
        .await
        .json()
        .await;
    assert_eq!(opened["conversation"]["status"], "open");

    assert_eq!(listed["items"][0]["unread"], true);
    assert_eq!(
        anna.post(&format!("{path}/seen"), &json!({})).await.status,
        204
    );
    assert_eq!(anna.get(&path).await.json().await["unread"], false);
    assert_eq!(anna.delete(&format!("{path}/seen")).await.status, 204);
    assert_eq!(anna.get(&path).await.json().await["unread"], true);

    assert_eq!(anna.delete(&path).await.status, 204);
    assert_eq!(anna.get(&path).await.reason().0, 404);
}

#[tokio::test]
async fn lists_go_on_where_they_ended() {
    let house = House::open().await;
    for number in 0..5 {
        house
            .submit("contact", "Kari", &format!("Question {number}"))
            .await;
    }
    // One visitor's form goes on in one conversation, or makes one each: both are in order.
    let anna = house.sign_in("anna").await;
    let whole = anna
        .get("/api/v1/conversations?limit=100")
        .await
        .json()
        .await;
    let whole: Vec<Value> = ids(&whole);
    let mut gathered = Vec::new();
    let mut path = "/api/v1/conversations?limit=2".to_owned();
    loop {
        let page = anna.get(&path).await.json().await;
        gathered.extend(ids(&page));
        match page["older"].as_str() {
            Some(older) => path = format!("/api/v1/conversations?limit=2&older_than={older}"),
            None => break,
        }
    }
    assert_eq!(gathered, whole);
    let wrong = anna.get("/api/v1/conversations?older_than=x'--").await;
    assert_eq!(wrong.reason(), (422, "invalid".to_owned()));
    let wrong = anna.get("/api/v1/conversations?colour=red").await;
    assert_eq!(wrong.reason(), (400, "unreadable".to_owned()));
}

fn ids(page: &Value) -> Vec<Value> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|one| one["id"].clone()).collect()
}

#[tokio::test]
async fn presence_is_said_by_oneself_or_by_an_admin() {
    let house = House::open().await;
    let anna = house.sign_in("anna").await;
    let away = json!({ "presence": "away" });
    let set = anna.send(Method::PUT, "/api/v1/presence/anna", &away).await;
    assert_eq!(set.json().await["presence"], "away");
    let refused = anna
        .send(Method::PUT, "/api/v1/presence/bjorn", &away)
        .await;
    assert_eq!(refused.reason(), (403, "forbidden".to_owned()));
    let dora = house.sign_in("dora").await;
    let set = dora
        .send(Method::PUT, "/api/v1/presence/bjorn", &away)
        .await;
    assert_eq!(set.status, 200);
    let listed = anna.get("/api/v1/presence").await.json().await;
    let of = |user: &str| {
        let mut users = listed.as_array().unwrap().iter();
        users.find(|one| one["user"] == user).unwrap()["presence"].clone()
    };
    assert_eq!((of("anna"), of("bjorn")), (json!("away"), json!("away")));
    assert_eq!(of("dora"), "available");
}

#[tokio::test]
async fn hours_and_dry_runs_answer_for_any_moment_and_kind() {
    let house = House::open().await;
    let all = house.as_token("all");
    let path = "/api/v1/channels/sales-line/hours?at=2026-12-02T07:30&changes=2";
    let hours = all.get(path).await.json().await;
    assert_eq!(hours["state"], "closed");
    assert_eq!(hours["changes"][0]["at"], "2026-12-02T07:00:00.000Z");
    assert_eq!(hours["changes"][0]["state"], "open");
    assert_eq!(hours["changes"].as_array().unwrap().len(), 2);
    let always = all
        .get("/api/v1/channels/main-line/hours")
        .await
        .json()
        .await;
    assert_eq!(
        (&always["state"], &always["changes"]),
        (&json!("open"), &json!([]))
    );
    let wrong = all.get("/api/v1/channels/sales-line/hours?at=soon").await;
    assert_eq!(wrong.reason(), (422, "invalid".to_owned()));
    for (question, part) in [
        (
            json!({ "to": "22 33 44 55", "at": "2026-12-02T10:00:00Z" }),
            "voicemail",
        ),
        (
            json!({ "channel": "contact", "from": "kari@example.com" }),
            "unassigned",
        ),
    ] {
        let decided = all.post("/api/v1/route", &question).await.json().await;
        let text = decided["text"].as_str().unwrap();
        assert!(text.contains(part), "{text}");
        assert!(decided["decision"]["trace"].is_object());
    }
}

#[tokio::test]
async fn a_reload_that_is_refused_tells_every_error() {
    let house = House::open().await;
    let dora = house.sign_in("dora").await;
    let good = dora.post("/api/v1/reload", &json!({})).await.json().await;
    let version = good["version"].as_u64().unwrap();
    let bad = "[[team]]\nname = \"broken\"\nmembers = [\"nobody\"]\ncolour = \"red\"\n";
    std::fs::write(house.path("broken.toml"), bad).unwrap();
    let refused = dora.post("/api/v1/reload", &json!({})).await;
    assert_eq!(refused.reason(), (422, "invalid".to_owned()));
    let problem: Value = serde_json::from_str(&refused.text).unwrap();
    let errors = problem["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(
        errors
            .iter()
            .all(|one| one.as_str().unwrap().starts_with("broken.toml:"))
    );
    std::fs::remove_file(house.path("broken.toml")).unwrap();
    let good = dora.post("/api/v1/reload", &json!({})).await.json().await;
    assert_eq!(good["version"], version + 1);
}

fn sound(house: &House, seconds: f64, hertz: f64) -> Form {
    let path = house.path("upload.wav");
    tone(&path, seconds, hertz);
    let octets = std::fs::read(path).unwrap();
    Form::new().file("closed at noon.wav", "audio/wav", &octets)
}

async fn send(asker: &Asker, method: Method, path: &str, form: Form) -> crate::house::Answer {
    asker.done(form.of(asker.request(method, path))).await
}

#[tokio::test]
async fn a_prompt_is_uploaded_heard_replaced_used_and_deleted() {
    let house = House::open().await;
    let dora = house.sign_in("dora").await;
    let form = sound(&house, 1.5, 440.0).text("name", "holiday");
    let made = send(&dora, Method::POST, "/api/v1/prompts", form).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json().await;
    assert_eq!(made["prompt"]["report"]["seconds"], 1.5);
    assert_eq!(made["prompt"]["original"], "closed at noon.wav");
    assert_eq!(made["reload"]["errors"], json!([]));
    let again = sound(&house, 1.0, 440.0).text("name", "holiday");
    let again = send(&dora, Method::POST, "/api/v1/prompts", again).await;
    assert_eq!(again.reason(), (409, "exists".to_owned()));

    let path = "/api/v1/prompts/holiday";
    let whole = dora.get(&format!("{path}/audio")).await;
    assert_eq!(whole.headers["content-type"], "audio/wav");
    let part = dora.request(Method::GET, &format!("{path}/audio"));
    let part = dora.done(part.header("range", "bytes=0-3")).await;
    assert_eq!(
        (part.status.as_u16(), part.octets.as_slice()),
        (206, &b"RIFF"[..])
    );
    let preview = dora.get(&format!("{path}/preview?codec=pcmu")).await;
    assert_eq!(preview.octets.len(), whole.octets.len());
    assert_ne!(preview.octets, whole.octets, "it went through G.711");
    let original = dora.get(&format!("{path}/original")).await;
    assert!(
        original.headers["content-disposition"]
            .to_str()
            .unwrap()
            .contains("closed at noon.wav")
    );

    let rule = "[[channel]]\nname = \"more\"\nkind = \"call\"\nnumbers = [\"+4722334457\"]\n[channel.working_hours]\nvoicemail = \"holiday\"\n";
    std::fs::write(house.path("more.toml"), rule).unwrap();
    dora.post("/api/v1/reload", &json!({})).await.json().await;
    let used = dora.delete(path).await;
    assert_eq!(used.reason(), (409, "in-use".to_owned()));
    let replaced = send(&dora, Method::PUT, path, sound(&house, 2.0, 660.0)).await;
    assert_eq!(replaced.json().await["prompt"]["report"]["seconds"], 2.0);
    std::fs::remove_file(house.path("more.toml")).unwrap();
    dora.post("/api/v1/reload", &json!({})).await.json().await;
    assert_eq!(dora.delete(path).await.status, 200);
    assert_eq!(dora.get(path).await.reason().0, 404);

    let anna = house.sign_in("anna").await;
    let form = sound(&house, 1.0, 440.0).text("name", "mine");
    let refused = send(&anna, Method::POST, "/api/v1/prompts", form).await;
    assert_eq!(refused.reason(), (403, "forbidden".to_owned()));
}

#[tokio::test]
async fn figures_are_told_to_who_may_read_them() {
    let house = House::open().await;
    house.submit("contact", "Kari", "Where is my parcel?").await;
    let all = house.as_token("all");
    let figures = wait_for("the figures", async || {
        let figures = all.get("/metrics").await;
        let counted = figures
            .text
            .contains("ringdesk_messages_total{kind=\"received\"} 1");
        counted.then_some(figures.text)
    })
    .await;
    for part in [
        "ringdesk_http_requests_total{",
        "route=\"/f/{name}\"",
        "ringdesk_calls_in_progress 0",
        "ringdesk_configuration_version 1",
        "ringdesk_store_lag_seconds ",
        "ringdesk_store_lost_records 0",
        "ringdesk_queue_depth{queue=\"engine\"} ",
        "ringdesk_up{what=\"sip\"} 1",
        "ringdesk_up{what=\"store\"} 1",
    ] {
        assert!(figures.contains(part), "{part}: {figures}");
    }
    assert_eq!(house.as_nobody().get("/metrics").await.reason().0, 401);
    assert_eq!(
        house.sign_in("anna").await.get("/metrics").await.reason().0,
        403
    );
}

#[tokio::test]
async fn a_rule_is_changed_in_its_file_with_its_comments_and_is_in_force() {
    let house = House::open().await;
    let channel = "# Who answers what comes by this form.\n[[channel]]\nname = \"ask\"\nkind = \"form\"\ninbox = \"customers\"\nminimum_fill_seconds = 0\n[[channel.field]]\nname = \"message\"\ntype = \"multiline\"\nrequired = true\n[channel.assign] # for now\nto = \"nobody\"\n";
    std::fs::write(house.path("ask.toml"), channel).unwrap();
    let dora = house.sign_in("dora").await;
    dora.post("/api/v1/reload", &json!({})).await.json().await;
    let read = dora.get("/api/v1/channels/ask/rules").await.json().await;
    assert_eq!(read["rules"]["assign"], json!({ "to": "nobody" }));
    let path = "/api/v1/channels/ask/rules/assign";
    let wanted = json!({ "version": read["version"], "rule": { "users": ["anna"] } });
    let changed = dora.send(Method::PUT, path, &wanted).await.json().await;
    assert_eq!(
        (&changed["changed"], &changed["reload"]["errors"]),
        (&json!(true), &json!([]))
    );
    let text = std::fs::read_to_string(house.path("ask.toml")).unwrap();
    assert!(
        text.contains("# Who answers") && text.contains("\"anna\""),
        "{text}"
    );
    let url = format!("{}/f/ask", house.url);
    let request = house
        .client
        .post(url)
        .json(&json!({ "message": "Who answers?" }));
    let sent = request
        .header("accept", "application/json")
        .send()
        .await
        .unwrap();
    assert!(sent.status().is_success());
    wait_for("Anna's conversation", async || {
        let mine = dora
            .get("/api/v1/conversations?assignee=anna")
            .await
            .json()
            .await;
        mine["items"].get(0).cloned()
    })
    .await;

    wait_for("the audit log", async || {
        let lines = dora.get("/api/v1/audit").await.json().await["items"].clone();
        let mut lines = lines.as_array().into_iter().flatten();
        let line = lines.find(|line| line["action"] == "rule.change")?;
        (line["object"] == "ask assign").then_some(())
    })
    .await;

    let late = dora.send(Method::PUT, path, &wanted).await;
    assert_eq!(late.reason(), (409, "conflict".to_owned()));
    let wrong = json!({ "rule": { "users": ["nobody-here"] } });
    let refused = dora.send(Method::PUT, path, &wrong).await;
    assert_eq!(refused.reason(), (422, "invalid".to_owned()));
    assert_eq!(
        std::fs::read_to_string(house.path("ask.toml")).unwrap(),
        text
    );
    let other = dora
        .send(Method::PUT, "/api/v1/channels/ask/rules/nonsense", &wrong)
        .await;
    assert_eq!(other.reason().0, 404);
    for asker in [house.sign_in("anna").await, house.as_token("all")] {
        let refused = asker.send(Method::PUT, path, &wanted).await;
        assert_eq!(refused.reason(), (403, "forbidden".to_owned()));
    }
}
