//! What an admin asks, of a daemon that runs and of one that does not.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use ringdesk::core::record::DecisionRecord;
use sqlx::{ConnectOptions, Connection};

use super::house::{House, wait_for};

#[test]
fn a_call_is_seen_while_it_happens_and_explained_afterwards() {
    let mut house = House::new("");
    house.start();
    let status = house.told(&["status"]);
    assert!(
        status.contains("anna: no-device: no phone has registered"),
        "{status}"
    );
    assert!(status.contains("main-line: open: no schedule"), "{status}");

    let mut tail = house
        .command(&["tail"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    // The daemon may not yet know that somebody watches: calls come until it does.
    let first = std::thread::scope(|scope| {
        let line = scope.spawn(|| lines.next().unwrap().unwrap());
        while !line.is_finished() {
            house.leave_voicemail();
        }
        line.join().unwrap()
    });
    assert!(first.contains("main-line"), "{first}");
    tail.kill().unwrap();
    tail.wait().unwrap();

    let explained = wait_for("the end of the call", || {
        let output = house.ringdesk(&["explain", "--to", "22 33 44 55"]);
        let text = String::from_utf8(output.stdout).unwrap();
        text.contains("voicemail after").then_some(text)
    });
    assert!(
        explained.contains("voicemail \"brief\" (nobody named)"),
        "{explained}"
    );
    assert!(explained.contains("caller sip:"), "{explained}");
    assert!(explained.contains("data/audio/"), "{explained}");

    let json = house.told(&["explain", "--last", "--json"]);
    let decision: DecisionRecord = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    let call = decision.call.unwrap().to_string();
    assert!(house.told(&["explain", &call[..18]]).contains(&call));
    let facts = house.path("facts.json");
    std::fs::write(&facts, json).unwrap();
    let facts = facts.to_str().unwrap();
    let routed = house.told(&["route", "--to", "+4722334455", "--facts", facts]);
    assert!(routed.contains("voicemail \"brief\""), "{routed}");

    let voicemail = &house.voicemails()[0];
    let seconds = voicemail["seconds"].as_f64().unwrap();
    assert!((2.0..6.0).contains(&seconds), "{voicemail}");
    let id = voicemail["id"].as_str().unwrap();
    assert!(house.told(&["explain", id]).contains(id));

    // A mistake in the configuration hides nothing of what has happened.
    let config = house.path("more.toml");
    std::fs::write(config, "[[user]]\nname = 7\n").unwrap();
    assert!(house.told(&["explain", "--last"]).contains("main-line"));
    house.told(&["voicemails"]);
    house.told(&["status"]);
}

#[test]
fn what_cannot_be_answered_is_said_in_words() {
    let mut house = House::new("");
    let refused = |house: &House, arguments: &[&str]| {
        let output = house.ringdesk(arguments);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    for command in ["status", "tail"] {
        let words = refused(&house, &[command]);
        assert!(words.contains("no daemon runs on the data in"), "{words}");
    }
    for arguments in [vec!["explain", "--last"], vec!["voicemails"]] {
        let words = refused(&house, &arguments);
        assert!(words.contains("nothing is stored yet"), "{words}");
    }
    house.start();
    assert!(
        refused(&house, &["explain", "--last"]).contains("no call or conversation is stored yet")
    );
    assert!(refused(&house, &["explain", "0193aaaa"]).contains("\"0193aaaa\" is stored"));
    assert!(refused(&house, &["explain", "--to", "+4799999999"]).contains("no call to"));
    let second = refused(&house, &["run"]);
    assert!(second.contains("another daemon (process "), "{second}");
    house.stop();
    assert!(refused(&house, &["status"]).contains("no daemon runs"));
}

#[test]
fn while_another_program_locks_the_database_a_call_is_taken_and_its_rows_arrive_once() {
    let mut house = House::new("");
    house.start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let database = house.path("data/ringdesk.db");
    let connect = || async {
        sqlx::sqlite::SqliteConnectOptions::new()
            .filename(&database)
            .connect()
            .await
            .unwrap()
    };
    let mut other = runtime.block_on(connect());
    let lock = runtime
        .block_on(other.begin_with("BEGIN EXCLUSIVE"))
        .unwrap();
    house.leave_voicemail();
    let log = || std::fs::read_to_string(house.path("log")).unwrap();
    wait_for("the complaint", || {
        log().contains("records wait in the journal").then_some(())
    });
    assert!(house.voicemails().is_empty());
    runtime.block_on(lock.rollback()).unwrap();
    wait_for("the rows", || (house.voicemails().len() == 1).then_some(()));
    house.stop();
    let counts: (i64, i64, i64, i64) = runtime.block_on(async {
        let mut connection = connect().await;
        sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM calls WHERE outcome = 'voicemail'),
                    (SELECT COUNT(*) FROM decisions),
                    (SELECT COUNT(*) FROM conversations WHERE item = 'voicemail'),
                    (SELECT COUNT(*) FROM legs WHERE ended IS NOT NULL)",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap()
    });
    assert_eq!(counts, (1, 1, 1, 1));
}
