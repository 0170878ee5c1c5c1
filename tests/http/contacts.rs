//! Contacts over the API.

use reqwest::Method;
use serde_json::{Value, json};

use crate::house::{Asker, House, wait_for};

async fn create(asker: &Asker, body: Value) -> Value {
    let made = asker.post("/api/v1/contacts", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json().await
}

#[tokio::test]
async fn a_contact_is_made_once_and_changed_by_who_has_read_it() {
    let house = House::open().await;
    let anna = house.sign_in("anna").await;
    let body = json!({ "name": "Kari", "addresses": ["Kari@Example.com"], "numbers": ["90 00 00 01"], "owner": "anna" });
    let make = || {
        let request = anna.request(Method::POST, "/api/v1/contacts");
        request.header("idempotency-key", "k1").json(&body)
    };
    let first = anna.done(make()).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let made = first.json().await;
    assert_eq!(made["addresses"], json!(["kari@example.com"]));
    assert_eq!(made["numbers"], json!(["+4790000001"]));
    let again = anna.done(make()).await;
    assert_eq!(
        (again.status.as_u16(), &again.json().await["id"]),
        (201, &made["id"])
    );

    let path = format!("/api/v1/contacts/{}", made["id"].as_str().unwrap());
    let read = anna.get(&path).await;
    let tag = read.headers["etag"].to_str().unwrap().to_owned();
    let change = |tag: &str, name: &str| {
        let request = anna.request(Method::PUT, &path).header("if-match", tag);
        request.json(&json!({ "name": name, "addresses": ["kari@example.com"] }))
    };
    let changed = anna.done(change(&tag, "Kari N.")).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_ne!(changed.headers["etag"], tag.as_str());
    let late = anna.done(change(&tag, "Kari M.")).await;
    assert_eq!(late.reason(), (412, "changed".to_owned()));
    let blind = anna
        .send(Method::PUT, &path, &json!({ "name": "Kari M." }))
        .await;
    assert_eq!(blind.reason(), (422, "invalid".to_owned()));
    assert_eq!(anna.get(&path).await.json().await["name"], "Kari N.");
    let other = json!({ "name": "Other", "addresses": ["kari@example.com"] });
    let taken = anna.post("/api/v1/contacts", &other).await;
    assert_eq!(taken.reason(), (409, "conflict".to_owned()));
    let wrong = anna
        .post(
            "/api/v1/contacts",
            &json!({ "name": "X", "owner": "nobody" }),
        )
        .await;
    assert_eq!(wrong.reason(), (422, "invalid".to_owned()));
}

#[tokio::test]
async fn contacts_are_found_merged_and_deleted() {
    let house = House::open().await;
    let anna = house.sign_in("anna").await;
    let kari = create(
        &anna,
        json!({ "name": "Kari Nordmann", "addresses": ["kari@example.com"] }),
    )
    .await;
    let other = create(
        &anna,
        json!({ "name": "K. Nordmann", "numbers": ["+4790000001"] }),
    )
    .await;
    let found = anna
        .get("/api/v1/contacts?search=nordmann")
        .await
        .json()
        .await;
    assert_eq!(found["items"].as_array().unwrap().len(), 2);
    let found = anna
        .get("/api/v1/contacts?number=%2B4790000001")
        .await
        .json()
        .await;
    assert_eq!(found["items"][0]["id"], other["id"]);
    let path = format!("/api/v1/contacts/{}", kari["id"].as_str().unwrap());
    let from = json!({ "from": other["id"] });
    let merged = anna
        .post(&format!("{path}/merge"), &from)
        .await
        .json()
        .await;
    assert_eq!(merged["numbers"], json!(["+4790000001"]));
    let gone = format!("/api/v1/contacts/{}", other["id"].as_str().unwrap());
    assert_eq!(anna.get(&gone).await.reason().0, 404);
    assert_eq!(anna.delete(&path).await.status, 204);
    assert_eq!(anna.get(&path).await.reason().0, 404);
}

#[tokio::test]
async fn a_crm_keeps_contacts_in_step_by_its_own_names() {
    let house = House::open().await;
    let crm = house.as_token("all");
    let many = |name: &str| {
        let contacts: Vec<Value> = (0..40)
            .map(|n| json!({ "external_id": format!("crm-{n}"), "name": format!("{name} {n}") }))
            .chain([json!({ "name": "without" })])
            .collect();
        json!({ "contacts": contacts })
    };
    let first = crm
        .post("/api/v1/contact-sync", &many("A"))
        .await
        .json()
        .await;
    assert_eq!(
        (&first["created"], &first["changed"]),
        (&json!(40), &json!(0))
    );
    assert_eq!(first["errors"][0]["place"], 41);
    let again = crm
        .post("/api/v1/contact-sync", &many("A"))
        .await
        .json()
        .await;
    assert_eq!(again["unchanged"], 40);
    let changed = crm
        .post("/api/v1/contact-sync", &many("B"))
        .await
        .json()
        .await;
    assert_eq!(changed["changed"], 40);
    let found = crm
        .get("/api/v1/contacts?external_id=crm-7")
        .await
        .json()
        .await;
    assert_eq!(found["items"][0]["name"], "B 7");
    let lots: Vec<Value> = (0..1_001).map(|_| json!({})).collect();
    let refused = crm
        .post("/api/v1/contact-sync", &json!({ "contacts": lots }))
        .await;
    assert_eq!(refused.reason(), (413, "too-large".to_owned()));
}

#[tokio::test]
async fn what_goes_out_as_csv_runs_in_no_spreadsheet_and_comes_in_again() {
    let house = House::open().await;
    let anna = house.sign_in("anna").await;
    let evil = "=HYPERLINK(\"http://evil.example\",\"x\")";
    create(
        &anna,
        json!({ "name": evil, "numbers": ["+4790000001"], "note": "a, \"b\"\nc" }),
    )
    .await;
    let out = anna.get("/api/v1/contact-export").await;
    assert!(
        out.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/csv")
    );
    assert!(
        out.headers["content-disposition"]
            .to_str()
            .unwrap()
            .starts_with("attachment")
    );
    assert!(out.text.contains("\"'=HYPERLINK"), "{}", out.text);
    assert!(out.text.contains(",'+4790000001,"), "{}", out.text);
    let import = |file: String| {
        let request = anna.request(Method::POST, "/api/v1/contact-import");
        request.header("content-type", "text/csv").body(file)
    };
    let same = anna.done(import(out.text.clone())).await.json().await;
    assert_eq!(
        (&same["unchanged"], &same["errors"]),
        (&json!(1), &json!([]))
    );
    let file = "name,numbers,addresses\nPer,+4790000001,per@example.com\nOla,,ola@example.com\nX,nonsense,\n";
    let outcome = anna.done(import(file.to_owned())).await.json().await;
    assert_eq!(
        (&outcome["changed"], &outcome["created"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(outcome["errors"][0]["place"], 4);
    let found = wait_for("the name", async || {
        let found = anna.get("/api/v1/contacts?search=Per").await.json().await;
        found["items"].get(0).cloned()
    })
    .await;
    assert_eq!(
        found["note"], "a, \"b\"\nc",
        "columns that are left out stay"
    );
    let wrong = anna.done(import("colour\nred\n".to_owned())).await;
    assert_eq!(wrong.reason(), (422, "invalid".to_owned()));
    let json = anna.post("/api/v1/contact-import", &json!({})).await;
    assert_eq!(json.reason(), (415, "unsupported".to_owned()));
}

#[tokio::test]
async fn who_may_only_read_changes_nothing() {
    let house = House::open().await;
    let erik_has_no_seat = house.as_token("nothing");
    let refused = erik_has_no_seat.get("/api/v1/contacts").await;
    assert_eq!(refused.reason(), (403, "scope-missing".to_owned()));
}
