//! Signing in with a password, sessions, tokens.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::house::{House, PASSWORD, wait_for};

#[tokio::test]
async fn a_person_signs_in_works_and_signs_out() {
    let house = House::open().await;
    let anna = house.sign_in("anna").await;
    let me = anna.get("/api/v1/session").await.json().await;
    assert_eq!(me["user"], "anna");
    assert_eq!(me["role"], "agent");
    assert_eq!(me["inboxes"], json!(["customers"]));
    assert_eq!(anna.get("/api/v1/conversations").await.status, 200);
    assert_eq!(anna.delete("/api/v1/session").await.status, 204);
    let after = anna.get("/api/v1/conversations").await;
    assert_eq!(after.reason(), (401, "unauthenticated".to_owned()));
}

#[tokio::test]
async fn wrong_passwords_unknown_users_and_those_without_a_password_are_refused_alike() {
    let house = House::open().await;
    let nobody = house.as_nobody();
    let mut told = Vec::new();
    for (user, password) in [("anna", "wrong"), ("nobody", PASSWORD), ("erik", PASSWORD)] {
        let body = json!({ "user": user, "password": password });
        let answer = nobody.post("/api/v1/session", &body).await;
        assert_eq!(answer.reason(), (401, "unauthenticated".to_owned()));
        assert!(!answer.headers.contains_key("set-cookie"));
        told.push(answer.text);
    }
    assert!(told.windows(2).all(|two| two[0] == two[1]));
}

#[tokio::test]
async fn who_tries_too_often_waits() {
    let house = House::open().await;
    let nobody = house.as_nobody();
    let body = json!({ "user": "anna", "password": "guess" });
    let mut tried = 0;
    let refused = loop {
        let answer = nobody.post("/api/v1/session", &body).await;
        if answer.status != StatusCode::UNAUTHORIZED {
            break answer;
        }
        tried += 1;
    };
    assert_eq!(refused.reason(), (429, "too-many-requests".to_owned()));
    assert!(refused.headers.contains_key("retry-after"));
    assert!(tried >= 10, "{tried}");
}

#[tokio::test]
async fn the_cookie_is_for_the_browser_alone_and_nothing_changes_without_the_token_of_the_page() {
    let house = House::open().await;
    let nobody = house.as_nobody();
    let body = json!({ "user": "anna", "password": PASSWORD });
    let answer = nobody.post("/api/v1/session", &body).await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"));
    assert!(!cookie.contains("Secure"), "http:// on loopback");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let csrf = answer.json().await["csrf_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let presence = || {
        let request = nobody.request(Method::PUT, "/api/v1/presence/anna");
        request
            .header("cookie", &cookie)
            .json(&json!({ "presence": "away" }))
    };
    let bare = nobody.done(presence()).await;
    assert_eq!(bare.reason(), (403, "cross-site".to_owned()));
    let wrong = nobody.done(presence().header("x-csrf-token", "x")).await;
    assert_eq!(wrong.reason(), (403, "cross-site".to_owned()));
    let elsewhere = presence()
        .header("x-csrf-token", &csrf)
        .header("origin", "https://evil.example");
    let elsewhere = nobody.done(elsewhere).await;
    assert_eq!(elsewhere.reason(), (403, "cross-site".to_owned()));
    let own = presence()
        .header("x-csrf-token", &csrf)
        .header("origin", &house.url);
    assert_eq!(nobody.done(own).await.status, 200);
}

#[tokio::test]
async fn a_sign_in_from_another_site_is_refused() {
    let house = House::open().await;
    let nobody = house.as_nobody();
    let request = nobody
        .request(Method::POST, "/api/v1/session")
        .header("origin", "https://evil.example")
        .json(&json!({ "user": "anna", "password": PASSWORD }));
    let answer = nobody.done(request).await;
    assert_eq!(answer.reason(), (403, "cross-site".to_owned()));
}

#[tokio::test]
async fn a_session_survives_kill_9_and_its_end_does_too() {
    let mut house = House::open().await;
    let (anna, bjorn) = (house.sign_in("anna").await, house.sign_in("bjorn").await);
    assert_eq!(bjorn.delete("/api/v1/session").await.status, 204);
    // Whatever was asked before is on the disk once this is answered.
    let away = json!({ "presence": "away" });
    let set = anna.send(Method::PUT, "/api/v1/presence/anna", &away).await;
    assert_eq!(set.status, 200, "{}", set.text);
    house.kill();
    house.start().await;
    wait_for("anna's session", async || {
        (anna.get("/api/v1/session").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(bjorn.get("/api/v1/session").await.status, 401);
}

#[tokio::test]
async fn another_password_ends_every_session() {
    let house = House::open().await;
    let (anna, dora) = (house.sign_in("anna").await, house.sign_in("dora").await);
    let made = house.ringdesk(&["password", "anna"]);
    assert!(made.status.success(), "{made:?}");
    let told = String::from_utf8(made.stdout).unwrap();
    let password = told.lines().next().unwrap();
    let reloaded = dora.post("/api/v1/reload", &json!({})).await;
    assert_eq!(reloaded.status, 200, "{}", reloaded.text);
    assert_eq!(anna.get("/api/v1/session").await.status, 401);
    let body = json!({ "user": "anna", "password": password });
    let again = house.as_nobody().post("/api/v1/session", &body).await;
    assert_eq!(again.status, 201, "{}", again.text);
}

#[tokio::test]
async fn a_token_that_the_command_made_works_once_it_is_pasted() {
    let house = House::open().await;
    let made = house.ringdesk(&["token", "crm", "--scope", "read-contacts"]);
    assert!(made.status.success(), "{made:?}");
    let told = String::from_utf8(made.stdout).unwrap();
    let token = told.lines().next().unwrap().to_owned();
    let block = &told[told.find("[[token]]").unwrap()..];
    std::fs::write(house.path("crm.toml"), block).unwrap();
    let all = house.as_token("all");
    let reloaded = all.post("/api/v1/reload", &json!({})).await;
    assert_eq!(reloaded.status, 200, "{}", reloaded.text);
    let nobody = house.as_nobody();
    let with_token = |path: &str| nobody.request(Method::GET, path).bearer_auth(&token);
    let contacts = nobody.done(with_token("/api/v1/contacts")).await;
    assert_eq!(contacts.status, 200);
    let conversations = nobody.done(with_token("/api/v1/conversations")).await;
    assert_eq!(conversations.reason(), (403, "scope-missing".to_owned()));
    std::fs::remove_file(house.path("crm.toml")).unwrap();
    all.post("/api/v1/reload", &json!({})).await.json().await;
    let gone = nobody.done(with_token("/api/v1/contacts")).await;
    assert_eq!(gone.status, 401);
}

#[tokio::test]
async fn every_change_is_told_in_the_audit_log() {
    let house = House::open().await;
    let dora = house.sign_in("dora").await;
    let conversation = house.submit("contact", "Kari", "Where is my parcel?").await;
    let path = format!(
        "/api/v1/conversations/{}",
        conversation["id"].as_str().unwrap()
    );
    let to = json!({ "to": { "user": "anna" } });
    dora.post(&format!("{path}/assign"), &to).await.json().await;
    let lines = wait_for("the line", async || {
        let lines = dora.get("/api/v1/audit").await.json().await;
        let items = lines["items"].as_array().unwrap().clone();
        let told = items
            .iter()
            .any(|one| one["action"] == "conversation.assign");
        told.then_some(items)
    })
    .await;
    let line = lines
        .iter()
        .find(|one| one["action"] == "conversation.assign");
    let line = line.unwrap();
    assert_eq!(line["actor"], "user dora");
    assert_eq!(line["address"], "127.0.0.1");
    assert_eq!(line["object"], conversation["id"]);
    assert_eq!(line["detail"], "anna");
    assert!(lines.iter().any(|one| one["action"] == "session.begin"));
    let anna = house.sign_in("anna").await;
    let refused = anna.get("/api/v1/audit").await;
    assert_eq!(refused.reason(), (403, "forbidden".to_owned()));
}
