//! What keeps programs and floods away.

use std::time::Duration;

use serde_json::json;

use super::house::*;

const GOOD: [(&str, &str); 2] = [("email", "kari@example.com"), ("message", "Hello")];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&GOOD[..], more].concat()
}

#[tokio::test]
async fn a_program_that_fills_in_everything_is_not_heard_and_a_person_loses_nothing() {
    let house = open(|_| {}).await;
    let spam = with(&[("website", "http://spam.example")]);
    let (status, page) = answer(house.urlencoded(&spam)).await;
    assert_eq!(status, 422);
    assert!(page.contains("press Send again") && page.contains(">\nHello</textarea>"));
    assert!(!page.contains("spam.example"), "{page}");
    let asked = house
        .client
        .post(&house.url)
        .header("accept", "application/json");
    let (status, problem) = json_answer(asked.form(&spam)).await;
    assert_eq!((status, &problem["reason"]), (422, &json!("trap")));
    assert!(house.arrivals().is_empty());
    let person = with(&[("website", "")]);
    assert_eq!(answer(house.urlencoded(&person)).await.0, 303);
    assert_eq!(house.arrivals().len(), 1);

    let house = open(|form| form.fields[0].name = "website".to_owned()).await;
    let asked = with(&[("website", "https://kari.example")]);
    assert_eq!(answer(house.urlencoded(&asked)).await.0, 303);
    assert_eq!(house.arrivals().len(), 1, "a form may ask for that");
}

#[tokio::test]
async fn what_is_sent_too_soon_is_shown_again_and_taken_the_next_time() {
    let house = open(|form| form.minimum_fill = Duration::from_secs(300)).await;
    let token = house.token(Duration::from_secs(1));
    let sent = with(&[("_token", &token)]);
    let (status, page) = answer(house.urlencoded(&sent)).await;
    assert_eq!(status, 422);
    assert!(
        page.contains("Please look through it and press Send again."),
        "{page}"
    );
    assert!(page.contains(">\nHello</textarea>"), "{page}");
    assert!(
        page.contains(&format!("value=\"{token}\"")),
        "the time runs on: {page}"
    );
    assert!(house.arrivals().is_empty());
    let token = house.token(Duration::from_secs(301));
    assert_eq!(
        answer(house.urlencoded(&with(&[("_token", &token)])))
            .await
            .0,
        303
    );
    assert_eq!(house.arrivals().len(), 1);
}

#[tokio::test]
async fn a_form_without_a_good_token_is_shown_again_with_one() {
    let house = open(|form| form.minimum_fill = Duration::from_secs(300)).await;
    let old = house.token(Duration::from_secs(100_000));
    for token in ["", "1.0", &old] {
        let (status, page) = answer(house.urlencoded(&with(&[("_token", token)]))).await;
        assert_eq!(status, 422);
        assert!(!page.contains(&format!("value=\"{old}\"")));
    }
    let sent = json!({ "email": "kari@example.com", "message": "Hi" });
    let (status, problem) = json_answer(house.json(&sent)).await;
    assert_eq!((status, &problem["reason"]), (422, &json!("token")));
    assert!(
        problem["errors"]["_token"]
            .as_str()
            .unwrap()
            .contains("GET this address")
    );
    assert!(house.arrivals().is_empty());

    let asked = house
        .client
        .get(&house.url)
        .header("accept", "application/json");
    let (_, described) = json_answer(asked).await;
    let sent =
        json!({ "email": "kari@example.com", "message": "Hi", "_token": described["token"] });
    let (status, problem) = json_answer(house.json(&sent)).await;
    assert_eq!((status, &problem["reason"]), (422, &json!("too-fast")));
    let sent = json!({
        "email": "kari@example.com", "message": "Hi", "_token": house.token(Duration::from_secs(301)),
    });
    assert_eq!(json_answer(house.json(&sent)).await.0, 201);
}

#[tokio::test]
async fn one_address_may_send_so_many_in_an_hour_and_mistakes_do_not_count() {
    let house = open(|form| form.hourly_limit = 2).await;
    for _ in 0..5 {
        assert_eq!(
            answer(house.urlencoded(&[("email", "nowhere")])).await.0,
            422
        );
    }
    for _ in 0..2 {
        assert_eq!(answer(house.urlencoded(&GOOD)).await.0, 303);
    }
    let response = house.urlencoded(&GOOD).send().await.unwrap();
    assert_eq!(response.status(), 429);
    let seconds: u64 = header(&response, "retry-after").unwrap().parse().unwrap();
    assert!((1_700..=1_801).contains(&seconds), "{seconds}");
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("Try again in 30 min.")
    );
    assert_eq!(house.arrivals().len(), 2);

    let house = open(|form| form.hourly_limit = 1).await;
    let sent = json!({ "email": "kari@example.com", "message": "Hi" });
    let send = |key| json_answer(house.json(&sent).header("idempotency-key", key));
    let first = send("once").await;
    assert_eq!(first.0, 201);
    assert_eq!(send("once").await, first, "a repeat is not another");
    assert_eq!(send("twice").await.0, 429);
}

#[tokio::test]
async fn a_flood_is_turned_away_before_it_is_read() {
    let house = open(|_| {}).await;
    let empty: [(&str, &str); 0] = [];
    let mut looked_at = 0;
    let turned_away = loop {
        let status = answer(house.urlencoded(&empty)).await.0;
        if status != 422 {
            break status;
        }
        looked_at += 1;
    };
    assert_eq!(turned_away, 429);
    assert!(looked_at >= 60, "{looked_at}");
}

#[tokio::test]
async fn files_and_texts_have_limits() {
    let house = open(|form| form.fields[5].max_length = 1_000).await;
    let (status, page) = answer(house.multipart(&GOOD, ("photo", "a.png", &[0; 1_001]))).await;
    assert_eq!(status, 422);
    assert!(
        page.contains("This file is too large: 1000 octets at most."),
        "{page}"
    );
    let (status, page) = answer(house.multipart(&GOOD, ("photo", "a.png", &[0; 500_000]))).await;
    assert_eq!(status, 413);
    assert!(page.contains("This is too large:"), "{page}");
    assert_eq!(
        answer(house.multipart(&GOOD, ("photo", "a.png", &[0; 1_000])))
            .await
            .0,
        303
    );
    let long = "å".repeat(201);
    let (status, page) = answer(house.urlencoded(&with(&[("name", &long)]))).await;
    assert_eq!(status, 422);
    assert!(
        page.contains("This is too long: 201 characters, 200 at most."),
        "{page}"
    );
    assert_eq!(house.arrivals().len(), 1);
    assert_eq!(house.files(), 1);
}
