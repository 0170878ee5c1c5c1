//! Who asks is answered once the answer can be read.

use std::sync::mpsc::channel;

use super::sample::{conversation, item};
use super::{Files, Lock, number};
use crate::store::Store;

/// Waits for the answer to who asks now.
fn until_answered(store: &Store) {
    let (answer, answered) = channel();
    assert!(store.then_applied(move || answer.send(()).unwrap()));
    answered.recv().unwrap();
}

#[test]
fn what_was_kept_before_can_be_read_when_the_answer_comes() {
    let mut files = Files::new();
    let store = files.open();
    for n in 1..=50 {
        assert!(store.keep(item(conversation(n))));
        until_answered(&store);
        let rows = number(&files.database(), "SELECT COUNT(*) FROM conversations");
        assert_eq!(rows, i64::try_from(n).unwrap());
    }
}

#[test]
fn answers_come_in_the_order_in_which_they_were_asked_for() {
    let mut files = Files::new();
    let store = files.open();
    let (answer, answered) = channel();
    for n in 1..=2_000u128 {
        assert!(store.keep(item(conversation(n))));
        let answer = answer.clone();
        assert!(store.then_applied(move || answer.send(n).unwrap()));
    }
    let order: Vec<u128> = answered.iter().take(2_000).collect();
    assert!(order.is_sorted());
    assert_eq!(
        number(&files.database(), "SELECT COUNT(*) FROM conversations"),
        2_000
    );
}

#[test]
fn news_can_be_read_when_it_is_told_and_keeps_its_order_with_answers() {
    let mut files = Files::new();
    let store = files.open();
    let (news, told) = channel();
    for n in 1..=20u128 {
        assert!(store.keep(item(conversation(n))));
        let first = news.clone();
        assert!(store.then_applied_in_time(move || first.send("news").unwrap()));
        // Every other time nobody hurries it.
        if n % 2 == 0 {
            let second = news.clone();
            assert!(store.then_applied(move || second.send("answer").unwrap()));
        }
        assert_eq!(told.recv(), Ok("news"));
        let rows = number(&files.database(), "SELECT COUNT(*) FROM conversations");
        assert_eq!(rows, i64::try_from(n).unwrap());
        if n % 2 == 0 {
            assert_eq!(told.recv(), Ok("answer"));
        }
    }
}

#[test]
fn nothing_to_wait_for_is_answered_too() {
    let mut files = Files::new();
    let store = files.open();
    until_answered(&store);
}

#[test]
fn a_locked_database_holds_up_no_answer_for_ever_and_the_rows_follow() {
    let mut files = Files::new();
    let store = files.open();
    let lock = Lock::on(&files.database());
    store.keep(item(conversation(1)));
    until_answered(&store);
    let words = "answers are given before they can be read";
    // That the database cannot be written may be told before.
    while !files.next_complaint().contains(words) {}
    lock.release();
    until_answered(&store);
    drop(store);
    assert_eq!(
        number(&files.database(), "SELECT COUNT(*) FROM conversations"),
        1
    );
}

#[test]
fn who_still_waits_when_the_daemon_ends_is_answered() {
    let mut files = Files::new();
    let store = files.open();
    let (answer, answered) = channel();
    for n in 1..=100u128 {
        store.keep(item(conversation(n)));
        let answer = answer.clone();
        store.then_applied(move || answer.send(n).unwrap());
    }
    drop(store);
    assert_eq!(answered.try_iter().count(), 100);
}
