//! Voicemails over the API.

use reqwest::Method;
use serde_json::json;

use crate::house::{House, wait_for};

#[tokio::test]
async fn a_voicemail_is_listed_heard_in_parts_given_and_deleted_by_who_sees_it() {
    let house = House::open().await;
    house.leave_voicemail("+4722334455");
    let (anna, bjorn) = (house.sign_in("anna").await, house.sign_in("bjorn").await);
    let voicemail = wait_for("the voicemail", async || {
        let listed = anna
            .get("/api/v1/voicemails?heard=false")
            .await
            .json()
            .await;
        let first = listed["items"].get(0).cloned();
        first.filter(|one| one.get("seconds").is_some())
    })
    .await;
    assert!(voicemail["seconds"].as_f64().unwrap() > 2.0);
    assert_eq!(voicemail["channel"], "main-line");
    let path = format!("/api/v1/voicemails/{}", voicemail["id"].as_str().unwrap());
    let audio = format!("{path}/audio");

    let whole = anna.get(&audio).await;
    assert_eq!(whole.headers["content-type"], "audio/wav");
    assert_eq!(&whole.octets[..4], b"RIFF");
    let tag = whole.headers["etag"].to_str().unwrap().to_owned();
    let size = whole.octets.len();
    for (range, if_range, status, first, length) in [
        ("bytes=0-99", None, 206, 0, 100),
        ("bytes=100-", None, 206, 100, size - 100),
        ("bytes=-10", None, 206, size - 10, 10),
        ("bytes=0-99", Some(tag.as_str()), 206, 0, 100),
        ("bytes=0-99", Some("\"older\""), 200, 0, size),
        ("bytes=0-1,5-6", None, 200, 0, size),
    ] {
        let request = anna.request(Method::GET, &audio).header("range", range);
        let request = match if_range {
            Some(tag) => request.header("if-range", tag),
            None => request,
        };
        let part = anna.done(request).await;
        assert_eq!(part.status, status, "{range}");
        assert_eq!(part.octets, whole.octets[first..first + length], "{range}");
        if status == 206 {
            let told = format!("bytes {first}-{}/{size}", first + length - 1);
            assert_eq!(part.headers["content-range"], told.as_str());
        }
    }
    let beyond = anna.request(Method::GET, &audio);
    let beyond = anna
        .done(beyond.header("range", format!("bytes={size}-")))
        .await;
    assert_eq!(beyond.reason(), (416, "out-of-range".to_owned()));
    assert_eq!(
        beyond.headers["content-range"],
        format!("bytes */{size}").as_str()
    );
    let known = anna
        .request(Method::GET, &audio)
        .header("if-none-match", &tag);
    assert_eq!(anna.done(known).await.status, 304);

    // Who does not see the inbox gets nothing of it.
    let listed = bjorn.get("/api/v1/voicemails").await.json().await;
    assert_eq!(listed["items"], json!([]));
    assert_eq!(bjorn.get(&path).await.reason().0, 404);
    assert_eq!(bjorn.get(&audio).await.reason().0, 404);
    let heard = json!({ "heard": true });
    assert_eq!(
        bjorn
            .post(&format!("{path}/heard"), &heard)
            .await
            .reason()
            .0,
        404
    );
    assert_eq!(bjorn.delete(&path).await.reason().0, 404);
    let explain = format!(
        "/api/v1/calls/{}/explain",
        voicemail["call"].as_str().unwrap()
    );
    assert_eq!(bjorn.get(&explain).await.reason().0, 404);
    let why = anna.get(&explain).await.json().await;
    assert!(
        why["decisions"][0]["text"]
            .as_str()
            .unwrap()
            .contains("voicemail")
    );

    for part in [
        "ringdesk_calls_total{outcome=\"voicemail\"} 1",
        "ringdesk_media_packets_total{fate=\"received\"} ",
        "ringdesk_media_jitter_seconds_count 1",
        "ringdesk_media_loss_ratio_bucket{le=\"0.01\"} 1",
    ] {
        wait_for(part, async || {
            let figures = house.as_token("all").get("/metrics").await.text;
            figures.contains(part).then_some(())
        })
        .await;
    }

    let marked = anna
        .post(&format!("{path}/heard"), &heard)
        .await
        .json()
        .await;
    assert_eq!(marked["heard_by"], "user anna");
    let new = anna
        .get("/api/v1/voicemails?heard=false")
        .await
        .json()
        .await;
    assert_eq!(new["items"], json!([]));
    let to = json!({ "to": { "user": "anna" } });
    let given = anna.post(&format!("{path}/assign"), &to).await.json().await;
    assert_eq!(given["conversation"]["assignee"], json!({ "user": "anna" }));

    assert_eq!(anna.delete(&path).await.status, 204);
    assert_eq!(anna.get(&path).await.reason().0, 404);
    assert_eq!(anna.get(&audio).await.reason().0, 404);
    let recorded = std::fs::read_dir(house.path("data/audio")).unwrap();
    let files: Vec<_> = recorded
        .flat_map(|day| walk(&day.unwrap().path()))
        .collect();
    assert!(files.is_empty(), "{files:?}");
    let conversation = voicemail["conversation"].as_str().unwrap();
    let messages = format!("/api/v1/conversations/{conversation}/messages");
    let messages = anna.get(&messages).await.json().await;
    let messages = messages["items"].as_array().unwrap();
    let call = messages.iter().find(|one| one["kind"] == "voicemail");
    assert_eq!(call.unwrap()["voicemail"], json!(null), "it points nowhere");
    let told = messages.iter().any(|one| {
        one["text"] == "Anna Berg deleted the voicemail." && one["author"]["user"] == "anna"
    });
    assert!(told, "{messages:?}");
}

fn walk(path: &std::path::Path) -> Vec<std::path::PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let inside = std::fs::read_dir(path).unwrap();
    inside.flat_map(|one| walk(&one.unwrap().path())).collect()
}

#[tokio::test]
async fn a_caller_becomes_a_contact_and_the_last_of_each_kind_is_explained() {
    let house = House::open().await;
    let explained = |arguments: &[&str]| {
        let output = house.ringdesk(&[&["explain", "--last"], arguments].concat());
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).unwrap()
    };
    house.submit("contact", "Kari", "Where is my parcel?").await;
    let told = explained(&[]);
    assert!(told.contains("form contact from Kari"), "{told}");
    assert!(explained(&["--kind", "call"]).contains("nothing of the kind call is stored yet"));
    assert!(explained(&["--kind", "fax"]).contains("call, email, form or chat"));
    house.leave_voicemail("+4722334455");
    let all = house.as_token("all");
    let call = wait_for("the call", async || {
        let listed = all
            .get("/api/v1/conversations?kind=call")
            .await
            .json()
            .await;
        listed["items"].get(0).cloned()
    })
    .await;
    assert!(explained(&[]).starts_with("call "), "{}", explained(&[]));
    let told = explained(&["--kind", "form"]);
    assert!(told.contains("form contact from Kari"), "{told}");
    let number = call["from"].as_str().unwrap();
    let digits = number.trim_start_matches("+47");
    let spaced = format!("+47%20{}%20{}", &digits[..4], &digits[4..]);
    for writing in [digits, &format!("0047{digits}"), &spaced] {
        let path = format!("/api/v1/contacts?number={writing}");
        let found = all.get(&path).await.json().await;
        assert_eq!(found["items"][0]["id"], call["contact"], "{writing}");
        let double = json!({ "name": "Twice", "numbers": [writing.replace("%20", " ")] });
        let refused = all.post("/api/v1/contacts", &double).await;
        assert_eq!(refused.reason().0, 409, "{writing}");
    }
}
