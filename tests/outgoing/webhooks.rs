//! Webhooks against a receiver that verifies each request with the code of the documentation.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ringdesk::core::conversation::{Author, Happening};
use ringdesk::core::id::{DeliveryId, EventId};
use ringdesk::core::record::EventRecord;
use ringdesk::core::snapshot::{Secret, Snapshot, Webhook};
use ringdesk::inbox::Door;
use ringdesk::webhook::schedule::Policy;
use ringdesk::webhook::{DeadLetter, Delivering, Webhooks};
use serde_json::{Value, json};
use uuid::Uuid;

use super::desk;
use super::node::Node;
use super::support::wait::PATIENCE;

const SECRET: &str = "whsec_kæ4 and a space";

fn webhook(name: &str, url: &str) -> Webhook {
    Webhook {
        name: name.to_owned(),
        url: url.to_owned(),
        secret: Secret(SECRET.to_owned()),
        events: Vec::new(),
        inboxes: None,
        allow_private: true,
    }
}

/// The times of a test: what fails is tried again at once.
fn hasty() -> Policy {
    Policy {
        first: Duration::from_millis(2),
        longest: Duration::from_millis(2),
        give_up: Duration::from_secs(3600),
        ..Policy::default()
    }
}

/// … and what fails rests for longer than any test takes.
fn patient() -> Policy {
    Policy {
        first: Duration::from_secs(1000),
        longest: Duration::from_secs(1000),
        ..Policy::default()
    }
}

struct House {
    directory: tempfile::TempDir,
    door: Door,
    webhooks: Webhooks,
    delivering: Option<Delivering>,
    told: Receiver<String>,
}

impl House {
    fn new(policy: Policy, webhooks: Vec<Webhook>) -> House {
        let directory = tempfile::tempdir().unwrap();
        House::open(directory, policy, webhooks)
    }

    fn open(directory: tempfile::TempDir, policy: Policy, webhooks: Vec<Webhook>) -> House {
        House::open_after(directory, policy, webhooks, &[])
    }

    /// One that begins with what the journal has of before.
    fn open_after(
        directory: tempfile::TempDir,
        policy: Policy,
        webhooks: Vec<Webhook>,
        events: &[EventRecord],
    ) -> House {
        let snapshot = desk::snapshot(|snapshot: &mut Snapshot| snapshot.webhooks = webhooks);
        let (door, _) = desk::door(snapshot, directory.path());
        let (sender, told) = channel();
        let queue = directory.path().join("webhooks");
        let (webhooks, delivering) =
            Webhooks::start_with(&door, &queue, events, policy, move |_, text| {
                let _ = sender.send(text);
            })
            .unwrap();
        House {
            directory,
            door,
            webhooks,
            delivering: Some(delivering),
            told,
        }
    }

    fn configure(&self, webhooks: Vec<Webhook>) {
        let snapshot = desk::snapshot(|snapshot: &mut Snapshot| snapshot.webhooks = webhooks);
        self.door.adopt(&snapshot);
    }

    /// Ends, and leaves what is on the disk.
    fn end(mut self) -> tempfile::TempDir {
        drop(self.delivering.take());
        self.directory
    }

    /// Ends, and begins again with what the journal has of before.
    fn restart_after(self, webhooks: Vec<Webhook>, events: &[EventRecord]) -> House {
        House::open_after(self.end(), hasty(), webhooks, events)
    }

    /// Ends, and begins again with this.
    fn restart(self, policy: Policy, webhooks: Vec<Webhook>) -> House {
        House::open(self.end(), policy, webhooks)
    }

    fn hear(&self, words: &str) -> String {
        loop {
            let text = self.told.recv_timeout(PATIENCE).expect(words);
            if text.contains(words) {
                return text;
            }
        }
    }

    fn waiting_files(&self) -> usize {
        let entries = std::fs::read_dir(self.directory.path().join("webhooks")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let names = names.filter(|name| name.ends_with(".json"));
        names.filter(|name| name != "sequences.json").count()
    }

    fn wait_for<T>(&self, mut found: impl FnMut(&House) -> Option<T>) -> T {
        let until = ringdesk::clock::mono() + PATIENCE;
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            assert!(ringdesk::clock::mono() < until, "it did not come");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    fn dead(&self, number: usize) -> Vec<DeadLetter> {
        self.wait_for(|house| {
            let dead = house.webhooks.dead_letters(None, 0, 100);
            (dead.total >= number).then_some(dead.letters)
        })
    }
}

fn header<'a>(request: &'a Value, name: &str) -> &'a str {
    request["headers"][name].as_str().unwrap_or_default()
}

#[test]
fn an_event_arrives_signed_with_its_name_key_and_number() {
    let mut server = Node::start("webhook_receiver.mjs", SECRET);
    let house = House::new(hasty(), vec![webhook("crm", &server.url("/hook"))]);
    house.door.publish(desk::created(1));
    let chat = desk::conversation(1);
    let text = "Hei! \u{1f600} \"quoted\"\r\n</script>";
    let message = desk::message(&chat, 5, text);
    house.door.publish(desk::event(Happening::Message {
        conversation: Box::new(chat),
        message: Box::new(message),
        outgoing: None,
    }));
    let mut requests = vec![server.request(), server.request()];
    requests.sort_by_key(|request| request["json"]["sequence"].as_u64());
    for request in &requests {
        assert_eq!(request["verified"], "yes", "{request}");
        assert_eq!(request["method"], "POST");
        assert_eq!(request["path"], "/hook");
        assert_eq!(header(request, "content-type"), "application/json");
        assert_eq!(request["json"]["type"], header(request, "ringdesk-event"));
        assert_eq!(request["json"]["at"], "2027-01-15T08:00:00.000Z");
    }
    let (first, second) = (&requests[0], &requests[1]);
    assert_eq!(header(first, "ringdesk-event"), "conversation.created");
    assert_eq!(header(second, "ringdesk-event"), "message.added");
    assert_eq!(
        (&first["json"]["sequence"], &second["json"]["sequence"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(second["json"]["data"]["message"]["text"], text);
    assert_ne!(
        header(first, "ringdesk-delivery"),
        header(second, "ringdesk-delivery")
    );
    house.wait_for(|house| (house.waiting_files() == 0).then_some(()));
}

#[test]
fn a_request_with_the_wrong_secret_would_be_noticed() {
    let mut server = Node::start("webhook_receiver.mjs", "another secret");
    let house = House::new(hasty(), vec![webhook("crm", &server.url("/"))]);
    house.door.publish(desk::created(1));
    assert_eq!(server.request()["verified"], "wrong signature");
}

#[test]
fn what_fails_comes_again_with_the_same_key_and_body() {
    let mut server = Node::start("webhook_receiver.mjs", SECRET);
    for status in [500, 404, 302, 429] {
        server.answer(&json!({ "status": status, "headers": { "location": "/elsewhere" } }));
    }
    let house = House::new(hasty(), vec![webhook("crm", &server.url("/"))]);
    house.door.publish(desk::created(1));
    let requests: Vec<Value> = (0..5).map(|_| server.request()).collect();
    let answered: Vec<u64> = requests
        .iter()
        .map(|request| request["answered"].as_u64().unwrap())
        .collect();
    assert_eq!(answered, [500, 404, 302, 429, 204]);
    for request in &requests {
        assert_eq!(request["verified"], "yes");
        assert_eq!(request["json"], requests[0]["json"]);
        let key = header(request, "ringdesk-delivery");
        assert_eq!(key, header(&requests[0], "ringdesk-delivery"));
    }
    let told = house.hear("fails");
    assert!(told.contains("answered 500"), "{told}");
    house.hear("works again");
    assert_eq!(house.webhooks.status()[0].failures, 0);
}

#[test]
fn one_that_never_answers_holds_up_no_other() {
    let mut server = Node::start("webhook_receiver.mjs", SECRET);
    server.answer(&json!({ "path": "/slow", "hang": true, "always": true }));
    let slow = webhook("a-slow", &server.url("/slow"));
    let fast = webhook("fast", &server.url("/fast"));
    // On a machine that is slow itself, what never answers is given up meanwhile, and not tried again.
    let house = House::new(patient(), vec![slow, fast]);
    for number in 1..=20 {
        house.door.publish(desk::created(number));
    }
    let (mut fast, mut slow) = (0, 0);
    while fast < 20 {
        match server.request()["path"].as_str() {
            Some("/fast") => fast += 1,
            _ => slow += 1,
        }
    }
    assert!(slow <= 2, "{slow} under way to the slow one");
    assert_eq!(
        house.wait_for(|house| {
            let status = house.webhooks.status();
            (status[1].waiting == 0).then_some(status[0].waiting)
        }),
        20
    );
}

#[test]
fn what_could_not_be_delivered_survives_a_restart() {
    let mut server = Node::start("webhook_receiver.mjs", SECRET);
    server.answer(&json!({ "status": 503, "always": true }));
    let webhooks = vec![webhook("crm", &server.url("/"))];
    let house = House::new(patient(), webhooks.clone());
    for number in 1..=3 {
        house.door.publish(desk::created(number));
    }
    let key = header(&server.request(), "ringdesk-delivery").to_owned();
    house.hear("fails");
    // The last events count even when the daemon ends at once.
    house.door.publish(desk::created(4));
    let directory = house.end();
    server.answer(&json!({ "forget": true }));
    let house = House::open(directory, patient(), webhooks);
    house.configure(vec![webhook("crm", &server.url("/"))]);
    house.wait_for(|house| (house.waiting_files() == 0).then_some(()));
    house.door.publish(desk::created(5));
    let mut numbers = Vec::new();
    let mut keys = Vec::new();
    while numbers.len() < 5 {
        let request = server.request();
        if request["answered"] == 204 {
            numbers.push(request["json"]["sequence"].as_u64().unwrap());
            keys.push(header(&request, "ringdesk-delivery").to_owned());
        }
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert!(keys.contains(&key));
}

#[test]
fn a_dead_letter_can_be_seen_sent_again_and_deleted() {
    let mut server = Node::start("webhook_receiver.mjs", SECRET);
    for _ in 0..3 {
        let body = "sorry\r\n\u{1b}[31mred";
        server.answer(&json!({ "status": 500, "body": body }));
    }
    let resigned = Policy {
        give_up: Duration::ZERO,
        ..hasty()
    };
    let house = House::new(resigned, vec![webhook("crm", &server.url("/"))]);
    house.door.publish(desk::created(1));
    let dead = house.dead(1);
    let letter = &dead[0];
    assert_eq!(letter.webhook, "crm");
    assert_eq!(letter.event, "conversation.created");
    assert_eq!((letter.sequence, letter.attempts), (1, 1));
    assert_eq!(letter.reason, "it was tried for a day");
    let problem = letter.problem.as_deref().unwrap();
    assert_eq!(problem, "the endpoint answered 500: sorry   [31mred");
    let (_, body) = house.webhooks.dead_letter(letter.id).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        server.request()["json"]
    );

    assert_eq!(house.webhooks.dead_letters(Some("other"), 0, 9).total, 0);
    assert_eq!(house.webhooks.dead_letters(Some("crm"), 1, 9).letters, []);

    // It fails again, and again it is there to be seen; also after a restart.
    house.webhooks.retry(letter.id).unwrap();
    let again = server.request();
    assert_eq!(header(&again, "ringdesk-delivery"), letter.id.to_string());
    house.dead(1);
    let house = house.restart(resigned, vec![webhook("crm", &server.url("/"))]);
    assert_eq!(house.dead(1)[0].id, letter.id);

    house.webhooks.retry(letter.id).unwrap();
    house.dead(1);
    house.webhooks.delete(letter.id).unwrap();
    assert_eq!(house.webhooks.dead_letters(None, 0, 9).total, 0);
    let error = house.webhooks.delete(letter.id).unwrap_err().to_string();
    assert!(error.contains("no dead letter"), "{error}");
    let error = house.webhooks.retry(letter.id).unwrap_err().to_string();
    assert!(error.contains("no dead letter"), "{error}");
}

#[test]
fn what_waits_for_a_webhook_that_was_removed_is_kept_and_can_be_sent_when_it_is_back() {
    let mut server = Node::start("webhook_receiver.mjs", SECRET);
    server.answer(&json!({ "status": 500 }));
    let crm = webhook("crm", &server.url("/"));
    let house = House::new(patient(), vec![crm.clone()]);
    house.door.publish(desk::created(1));
    house.hear("fails");
    house.configure(Vec::new());
    let dead = house.dead(1);
    assert_eq!(
        dead[0].reason,
        "the webhook was removed from the configuration"
    );
    let error = house.webhooks.retry(dead[0].id).unwrap_err().to_string();
    assert!(error.contains("no webhook \"crm\""), "{error}");

    house.configure(vec![crm]);
    house.wait_for(|house| (house.webhooks.status().len() == 1).then_some(()));
    house.webhooks.retry(dead[0].id).unwrap();
    server.request();
    assert_eq!(server.request()["answered"], 204);
}

#[test]
fn one_that_is_gone_is_left_in_peace() {
    let mut server = Node::start("webhook_receiver.mjs", SECRET);
    server.answer(&json!({ "status": 410 }));
    let house = House::new(hasty(), vec![webhook("crm", &server.url("/"))]);
    house.door.publish(desk::created(1));
    house.hear("410 (gone)");
    assert_eq!(house.dead(1)[0].reason, "the endpoint answered 410 (gone)");
    house.door.publish(desk::created(2));
    let status = house.wait_for(|house| {
        let status = house.webhooks.status();
        (status[0].lost == 1).then_some(status)
    });
    assert!(status[0].stopped);
    server.request();
    assert!(server.is_quiet());
    // Sending a dead letter again is word enough that somebody has repaired it.
    house.webhooks.retry(house.dead(1)[0].id).unwrap();
    assert_eq!(server.request()["answered"], 204);
    assert!(!house.webhooks.status()[0].stopped);
}

#[test]
fn a_test_is_sent_whatever_the_webhook_wants_to_hear() {
    let mut server = Node::start("webhook_receiver.mjs", SECRET);
    let crm = Webhook {
        events: vec!["contact.changed".to_owned()],
        ..webhook("crm", &server.url("/"))
    };
    let house = House::new(hasty(), vec![crm]);
    let id = house.webhooks.test("crm").unwrap();
    let request = server.request();
    assert_eq!(request["verified"], "yes");
    assert_eq!(header(&request, "ringdesk-event"), "webhook.test");
    assert_eq!(header(&request, "ringdesk-delivery"), id.to_string());
    let error = house.webhooks.test("crm2").unwrap_err().to_string();
    assert!(error.contains("no webhook \"crm2\""), "{error}");
}

#[test]
fn what_waits_can_be_seen_and_all_dead_letters_sent_again() {
    let mut server = Node::start("webhook_receiver.mjs", SECRET);
    server.answer(&json!({ "status": 500, "always": true }));
    let crm = webhook("crm", &server.url("/"));
    let house = House::new(patient(), vec![crm.clone()]);
    for number in 1..=3 {
        house.door.publish(desk::created(number));
    }
    house.hear("fails");
    let waiting = house.wait_for(|house| {
        let waiting = house.webhooks.waiting(Some("crm"), 0, 10);
        let resting = waiting.deliveries.iter().filter(|one| !one.under_way);
        (resting.count() == 3).then_some(waiting.deliveries)
    });
    let numbers: Vec<u64> = waiting.iter().map(|one| one.sequence).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert!(waiting[0].attempts <= 1);
    let status = &house.webhooks.status()[0];
    let problem = status.problem.as_deref().unwrap_or_default();
    assert_eq!(problem, "the endpoint answered 500");
    assert_eq!(
        house.webhooks.waiting(Some("crm"), 2, 10).deliveries.len(),
        1
    );

    house.configure(Vec::new());
    assert_eq!(house.dead(3).len(), 3);
    server.answer(&json!({ "forget": true }));
    house.configure(vec![crm]);
    house.wait_for(|house| (house.webhooks.status().len() == 1).then_some(()));
    assert_eq!(house.webhooks.retry_all("crm").unwrap(), 3);
    house.wait_for(|house| (house.waiting_files() == 0).then_some(()));
    assert_eq!(house.webhooks.retry_all("crm").unwrap(), 0);
}

#[test]
fn a_private_address_is_not_asked_without_leave() {
    let mut server = Node::start("webhook_receiver.mjs", SECRET);
    let guarded = Webhook {
        allow_private: false,
        ..webhook("crm", &server.url("/"))
    };
    let house = House::new(hasty(), vec![guarded]);
    house.door.publish(desk::created(1));
    let told = house.hear("fails");
    assert!(
        told.contains("loopback") && told.contains("allow_private"),
        "{told}"
    );
    assert!(server.is_quiet());
}

#[test]
fn each_is_told_what_it_asked_for_and_nothing_of_other_inboxes() {
    let mut server = Node::start("webhook_receiver.mjs", SECRET);
    let all = webhook("all", &server.url("/all"));
    let sales = Webhook {
        inboxes: Some(vec!["sales".into()]),
        ..webhook("sales", &server.url("/sales"))
    };
    let created = Webhook {
        events: vec!["conversation.created".to_owned()],
        ..webhook("created", &server.url("/created"))
    };
    let contacts = Webhook {
        inboxes: Some(vec!["sales".into()]),
        events: vec![
            "contact.changed".to_owned(),
            "conversation.created".to_owned(),
        ],
        ..webhook("contacts", &server.url("/contacts"))
    };
    let house = House::new(hasty(), vec![all, sales, created, contacts]);
    house.door.publish(desk::created(1));
    house.door.publish(desk::contact("Kari"));
    house.door.publish(desk::event(Happening::Typing {
        conversation: desk::conversation(1).id,
        author: Author::Contact,
    }));
    house.door.publish(desk::event(Happening::MailOwner {
        owner: "anna".into(),
        conversation: Box::new(desk::conversation(1)),
        message: Box::new(desk::message(&desk::conversation(1), 2, "x")),
    }));
    let mut nowhere = desk::created(2);
    nowhere.inbox = None;
    house.door.publish(nowhere);
    let mut got: Vec<(String, String)> = (0..6)
        .map(|_| server.request())
        .map(|request| {
            assert!(!request.to_string().contains("c0ffee"), "{request}");
            let path = request["path"].as_str().unwrap().to_owned();
            (path, header(&request, "ringdesk-event").to_owned())
        })
        .collect();
    got.sort();
    let expected = [
        ("/all", "contact.changed"),
        ("/all", "conversation.created"),
        ("/all", "conversation.created"),
        ("/contacts", "contact.changed"),
        ("/created", "conversation.created"),
        ("/created", "conversation.created"),
    ];
    let expected = expected.map(|(path, event)| (path.to_owned(), event.to_owned()));
    assert_eq!(got, expected);
    assert!(server.is_quiet());
}

#[test]
fn the_queue_is_bounded_and_what_is_lost_is_told_and_seen_as_a_gap() {
    let mut server = Node::start("webhook_receiver.mjs", SECRET);
    server.answer(&json!({ "hang": true, "always": true }));
    let small = Policy {
        waiting: 2,
        ..hasty()
    };
    let house = House::new(small, vec![webhook("crm", &server.url("/"))]);
    for number in 1..=2 {
        house.door.publish(desk::created(number));
    }
    house.wait_for(|house| (house.webhooks.status()[0].waiting == 2).then_some(()));
    house.door.publish(desk::created(3));
    house.hear("as much waiting as may wait");
    for _ in 0..2 {
        assert_eq!(server.request()["answered"], "nothing");
    }
    assert_eq!(house.webhooks.status()[0].lost, 1);
    server.answer(&json!({ "forget": true }));
    let large = hasty();
    let webhooks = vec![webhook("crm", &server.url("/"))];
    let house = house.restart(large, webhooks);
    house.wait_for(|house| (house.waiting_files() == 0).then_some(()));
    house.door.publish(desk::created(4));
    let numbers: Vec<u64> = std::iter::from_fn(|| Some(server.request()))
        .filter(|request| request["answered"] == 204)
        .take(3)
        .map(|request| request["json"]["sequence"].as_u64().unwrap())
        .collect();
    assert!(numbers.contains(&4) && !numbers.contains(&3), "{numbers:?}");
}

#[test]
fn what_the_journal_has_of_before_is_taken_in_once_and_under_one_key() {
    let mut server = Node::start("webhook_receiver.mjs", SECRET);
    server.answer(&json!({ "status": 503, "always": true }));
    let webhooks = vec![
        webhook("crm", &server.url("/")),
        webhook("erp", &server.url("/")),
    ];
    let events: Vec<EventRecord> = (1..=3)
        .map(|number| EventRecord {
            id: EventId(Uuid::from_u128(number)),
            event: desk::created(number),
        })
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let house = House::open_after(directory, hasty(), webhooks.clone(), &events[..2]);
    let keys = |house: &House| -> Vec<DeliveryId> {
        let waiting = house.webhooks.waiting(None, 0, 10).deliveries;
        waiting.into_iter().map(|one| one.id).collect()
    };
    let before = keys(&house);
    assert_eq!(
        before.iter().collect::<BTreeSet<_>>().len(),
        4,
        "each webhook has its own"
    );
    // The crash kept us from noting how far it had come; then, from one event alone.
    std::fs::remove_file(house.directory.path().join("webhooks/sequences.json")).unwrap();
    let house = house.restart_after(webhooks.clone(), &events[..2]);
    assert_eq!(keys(&house), before);
    let house = house.restart_after(webhooks.clone(), &events);
    let after = keys(&house);
    assert_eq!(after.len(), 6);
    assert!(before.iter().all(|key| after.contains(key)));
    server.answer(&json!({ "forget": true }));
    house.wait_for(|house| (house.waiting_files() == 0).then_some(()));
    // What was delivered is not told again.
    let house = house.restart_after(webhooks, &events);
    assert_eq!(house.waiting_files(), 0);
}

#[test]
fn what_a_crash_left_half_written_harms_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let queue: &Path = &directory.path().join("webhooks");
    std::fs::create_dir_all(queue.join("dead")).unwrap();
    let id = "01890000-0000-7000-8000-000000000001";
    std::fs::write(queue.join(format!("{id}.json")), "{\"id\":").unwrap();
    std::fs::write(queue.join(format!("{id}.new")), "").unwrap();
    std::fs::write(queue.join("sequences.json"), "").unwrap();
    std::fs::write(queue.join("dead").join("notes.txt"), "mine").unwrap();
    let mut server = Node::start("webhook_receiver.mjs", SECRET);
    let house = House::open(directory, hasty(), vec![webhook("crm", &server.url("/"))]);
    house.hear("set aside");
    house.door.publish(desk::created(1));
    assert_eq!(server.request()["verified"], "yes");
    assert!(
        house
            .directory
            .path()
            .join("webhooks/dead/notes.txt")
            .exists()
    );
}
