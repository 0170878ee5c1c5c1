//! Every route declares what it needs, and nothing of an inbox reaches those without access to it.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::house::{Answer, Asker, House};

/// Routes for everybody.
const OPEN: [&str; 4] = [
    "GET /health",
    "GET /health/live",
    "GET /health/ready",
    "POST /api/v1/session",
];

/// Every operation of the API's description: method, path, what it needs.
async fn operations(house: &House) -> Vec<(Method, String, Value)> {
    let all = house.as_token("all");
    let document = all.get("/api/v1/openapi.json").await.json().await;
    let paths = document["paths"].as_object().unwrap();
    let mut operations = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else {
                continue;
            };
            operations.push((method, path.clone(), operation.clone()));
        }
    }
    assert!(operations.len() > 45, "{}", operations.len());
    operations
}

/// A path with something in its places that is nothing's identifier or name.
fn filled(path: &str) -> String {
    path.replace("{id}", "01980000-0000-7000-8000-000000000000")
        .replace("{name}", "nothing-of-that-name")
        .replace("{user}", "nobody-of-that-name")
        .replace("{rule}", "assign")
}

async fn ask(asker: &Asker, method: &Method, path: &str) -> Answer {
    let request = asker.request(method.clone(), &filled(path));
    let request = match *method {
        Method::GET | Method::DELETE => request,
        _ => request.json(&json!({})),
    };
    asker.done(request).await
}

#[tokio::test]
async fn every_route_declares_what_it_needs_and_refuses_who_has_it_not() {
    let house = House::open().await;
    let (nobody, nothing) = (house.as_nobody(), house.as_token("nothing"));
    let mut open = BTreeSet::new();
    for (method, path, operation) in operations(&house).await {
        let name = format!("{method} {path}");
        let needs = operation
            .get("x-needs")
            .unwrap_or_else(|| panic!("{name} needs nothing"));
        if needs["open"] == true {
            open.insert(name);
            continue;
        }
        let answer = ask(&nobody, &method, &path).await;
        assert_eq!(answer.reason().0, 401, "{name} without credentials");
        let wrong = nobody.request(method.clone(), &filled(&path));
        let wrong = nobody.done(wrong.bearer_auth("rd_wrong")).await;
        assert!(
            [401, 429].contains(&wrong.status.as_u16()),
            "{name}, wrong token"
        );
        let answer = ask(&nothing, &method, &path).await;
        match needs.get("scope") {
            Some(_) => assert_eq!(answer.reason(), (403, "scope-missing".to_owned()), "{name}"),
            // What anybody may who is known: who one is, and the description.
            None => assert!(
                ["/api/v1/session", "/api/v1/openapi.json"].contains(&path.as_str()),
                "{name} needs no scope"
            ),
        }
    }
    assert_eq!(open, OPEN.map(str::to_owned).into());
}

#[tokio::test]
async fn every_problem_is_described_as_one() {
    let house = House::open().await;
    for (method, path, operation) in operations(&house).await {
        let responses = operation["responses"].as_object().unwrap();
        let mut wanted = vec!["400", "429", "503"];
        if operation["x-needs"]["open"] != true {
            wanted.extend(["401", "403"]);
        }
        if operation.get("requestBody").is_some() {
            wanted.extend(["413", "415", "422"]);
        }
        for status in wanted {
            assert!(responses.contains_key(status), "{method} {path} {status}");
        }
        for (status, response) in responses {
            let is_problem = status.starts_with('4') || (status == "503" && path != "/health");
            let kinds = response.get("content").and_then(Value::as_object);
            let kinds: Vec<&str> = kinds
                .into_iter()
                .flatten()
                .map(|(kind, _)| &**kind)
                .collect();
            if is_problem && !path.starts_with("/health") {
                let problem = ["application/problem+json"];
                assert_eq!(kinds, problem, "{method} {path} {status}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_for_admins_is_refused_to_agents() {
    let house = House::open().await;
    let (anna, restricted) = (house.sign_in("anna").await, house.as_token("leads-only"));
    let mut count = 0;
    for (method, path, operation) in operations(&house).await {
        if operation["x-needs"]["role"] != "admin" {
            continue;
        }
        count += 1;
        for asker in [&anna, &restricted] {
            let answer = ask(asker, &method, &path).await;
            assert_eq!(
                answer.reason(),
                (403, "forbidden".to_owned()),
                "{method} {path}"
            );
        }
    }
    assert!(count >= 8, "{count}");
}

#[tokio::test]
async fn an_unknown_path_and_a_method_that_is_not_taken_are_problems() {
    let house = House::open().await;
    let all = house.as_token("all");
    let answer = all.get("/api/v1/nothing").await;
    assert_eq!(answer.reason(), (404, "no-such-path".to_owned()));
    let answer = all
        .send(Method::PATCH, "/api/v1/conversations", &json!({}))
        .await;
    assert_eq!(answer.reason(), (405, "method-not-allowed".to_owned()));
    assert!(answer.headers.contains_key("allow"));
}

#[tokio::test]
async fn nothing_leaks_across_inboxes_in_lists_search_or_by_identifier() {
    let house = House::open().await;
    let secret = house
        .submit("offer", "Lena", "The quokka costs a million")
        .await;
    let own = house.submit("contact", "Kari", "Where is my wombat?").await;
    let id = secret["id"].as_str().unwrap();
    let all = house.as_token("all");
    let messages = format!("/api/v1/conversations/{id}/messages");
    let message = all.get(&messages).await.json().await["items"][0].clone();
    assert_eq!(message["fields"][2]["value"], "The quokka costs a million");

    for anna in [house.sign_in("anna").await, house.as_token("for-anna")] {
        for path in [
            "/api/v1/conversations?view=everything",
            "/api/v1/conversations?view=unassigned",
            "/api/v1/conversations?channel=offer",
            "/api/v1/conversations?inbox=leads",
            "/api/v1/conversations?search=quokka",
            "/api/v1/conversations?view=team&team=sales",
            "/api/v1/conversations?search=million&view=everything",
            "/api/v1/voicemails",
            "/api/v1/calls",
            "/api/v1/inboxes",
            "/api/v1/channels",
        ] {
            let answer = anna.get(path).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            for word in ["quokka", "Lena", "leads", "offer", id] {
                assert!(!answer.text.contains(word), "{path} tells {word}");
            }
        }
        let counts = anna.get("/api/v1/conversation-counts").await.json().await;
        assert_eq!(counts[0], json!({ "view": "all", "total": 1, "unread": 1 }));
        let found = anna
            .get("/api/v1/conversations?search=wombat")
            .await
            .json()
            .await;
        assert_eq!(found["items"][0]["id"], own["id"]);

        let base = format!("/api/v1/conversations/{id}");
        let text = json!({ "text": "hello" });
        let to = json!({ "to": { "user": "anna" } });
        for (method, path, body) in [
            (Method::GET, String::new(), json!({})),
            (Method::GET, "/messages".to_owned(), json!({})),
            (Method::GET, "/explain".to_owned(), json!({})),
            (Method::POST, "/replies".to_owned(), text.clone()),
            (Method::POST, "/notes".to_owned(), text),
            (Method::POST, "/assign".to_owned(), to),
            (
                Method::POST,
                "/status".to_owned(),
                json!({ "status": "closed" }),
            ),
            (Method::POST, "/seen".to_owned(), json!({})),
            (Method::DELETE, "/seen".to_owned(), json!({})),
            (Method::POST, "/typing".to_owned(), json!({})),
            (Method::DELETE, String::new(), json!({})),
        ] {
            let answer = anna
                .send(method.clone(), &format!("{base}{path}"), &body)
                .await;
            assert_eq!(
                answer.reason(),
                (404, "not-found".to_owned()),
                "{method} {path}"
            );
        }
        for path in [
            "/api/v1/channels/offer/hours",
            "/api/v1/channels/sales-line/hours",
        ] {
            assert_eq!(anna.get(path).await.reason().0, 404, "{path}");
        }
        for body in [
            json!({ "channel": "offer" }),
            json!({ "to": "+4722334456" }),
        ] {
            let answer = anna.post("/api/v1/route", &body).await;
            assert_eq!(answer.reason().0, 404, "{body}");
        }
    }
    let kept = all
        .get(&format!("/api/v1/conversations/{id}"))
        .await
        .json()
        .await;
    assert_eq!(
        kept["revision"], secret["revision"],
        "nobody has touched it"
    );
}

#[tokio::test]
async fn a_program_sees_the_inboxes_of_its_token() {
    let house = House::open().await;
    let lead = house.submit("offer", "Lena", "A quokka, please").await;
    let other = house.submit("contact", "Kari", "Where is my wombat?").await;
    let program = house.as_token("leads-only");
    let listed = program.get("/api/v1/conversations").await.json().await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed["items"][0]["id"], lead["id"]);
    let path = format!("/api/v1/conversations/{}", other["id"].as_str().unwrap());
    assert_eq!(program.get(&path).await.reason().0, 404);
    let note = json!({ "text": "seen" });
    let refused = program.post(&format!("{path}/notes"), &note).await;
    assert_eq!(refused.reason().0, 404);
    let path = format!("/api/v1/conversations/{}", lead["id"].as_str().unwrap());
    let noted = program.post(&format!("{path}/notes"), &note).await;
    assert_eq!(noted.status, 201, "{}", noted.text);
}
