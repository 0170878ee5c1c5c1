//! A registrar with the users anna and bjorn, and phones that know how to answer a challenge.

use super::*;
use crate::core::id::RandomSource;
use crate::core::sample;
use crate::core::snapshot::{Secret, User};
use crate::sip::digest::Challenge;
use crate::sip::message::Uri;

const LISTENER: &str = "10.0.0.5:5060";
const PHONE: &str = "10.0.3.4:5060";

fn user(name: &str, password: Option<&str>) -> User {
    User {
        sip_password: password.map(|password| Secret(password.to_owned())),
        ..sample::user(name)
    }
}

fn snapshot(users: Vec<User>) -> Snapshot {
    sample::snapshot(users, Vec::new(), Vec::new())
}

fn udp(remote: &str) -> Flow {
    Flow {
        protocol: Protocol::Udp,
        local: LISTENER.parse().expect("an address"),
        remote: remote.parse().expect("an address"),
        connection: None,
    }
}

fn tcp(remote: &str, connection: u64) -> Flow {
    Flow {
        protocol: Protocol::Tcp,
        connection: Some(ConnectionId(connection)),
        ..udp(remote)
    }
}

/// Nine in the morning plus so many seconds.
fn at(seconds: u64) -> Now {
    Now::new(
        Mono::from_millis(seconds * 1000),
        Wall::from_seconds(1_796_029_200 + i64::try_from(seconds).expect("small")),
    )
}

struct Desk {
    registrar: Registrar,
    snapshot: Snapshot,
    random: RandomSource,
    cseq: u32,
    now: Now,
}

impl Desk {
    fn new() -> Desk {
        Desk {
            registrar: Registrar::new(RandomSource::from_seed([1; 32])),
            snapshot: snapshot(vec![
                user("anna", Some("rosebud")),
                user("bjorn", Some("bear")),
                user("carl", None),
            ]),
            random: RandomSource::from_seed([2; 32]),
            cseq: 0,
            now: at(0),
        }
    }

    /// A REGISTER with another CSeq than all before.
    fn register(&mut self, user: &str, lines: &[(&str, &str)]) -> Request {
        self.cseq += 1;
        let uri: Uri = "sip:example.com".parse().expect("a URI");
        let mut request = Request::new(Method::Register, uri)
            .with_header("Via", "SIP/2.0/UDP 10.0.3.4;branch=z9hG4bKx")
            .with_header("From", format!("<sip:{user}@example.com>;tag=1"))
            .with_header("To", format!("<sip:{user}@example.com>"))
            .with_header("Call-ID", "call-1")
            .with_header("CSeq", format!("{} REGISTER", self.cseq));
        for (name, value) in lines {
            request.headers.push(name, value);
        }
        request
    }

    fn handle(&mut self, request: &Request, flow: Flow) -> Response {
        self.registrar
            .handle_register(request, flow, &self.snapshot, self.now)
    }

    /// Asked and asked again with the answer to the challenge.
    fn with_password(&mut self, mut request: Request, password: &str, flow: Flow) -> Response {
        let challenged = self.handle(&request, flow);
        assert_eq!(challenged.status, 401);
        let challenge = Challenge::choose(challenged.headers.values("WWW-Authenticate"), None)
            .expect("a challenge that can be answered");
        let to = request.headers.to().expect("well-formed");
        let user = to.uri.user.unwrap_or_default();
        let uri = request.uri.as_str().to_owned();
        let answer = challenge.answer(
            (&user, password),
            (&Method::Register, &uri),
            1,
            &mut self.random,
        );
        request.headers.push("Authorization", answer);
        self.handle(&request, flow)
    }

    fn anna(&mut self, lines: &[(&str, &str)], flow: Flow) -> Response {
        let request = self.register("anna", lines);
        self.with_password(request, "rosebud", flow)
    }

    fn contacts(&self) -> Vec<String> {
        self.registrar
            .devices_of(&"anna".into())
            .map(|binding| binding.contact.to_string())
            .collect()
    }

    fn facts(&self, user: &str) -> DeviceFacts {
        self.registrar.device_facts(&user.into())
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.registrar.poll_action()).collect()
    }

    fn wait_until(&mut self, seconds: u64) {
        while let Some(due) = self.registrar.next_timeout() {
            if due > at(seconds).mono {
                break;
            }
            self.now.mono = due;
            let passed = due.since(Mono::ZERO);
            self.now.wall = at(0).wall + passed;
            self.registrar.handle_timeout(self.now);
        }
        self.now = at(seconds);
    }
}

fn contact_line(response: &Response) -> Vec<&str> {
    response.headers.values("Contact").collect()
}

#[test]
fn a_phone_registers_renews_and_signs_off() {
    let mut desk = Desk::new();
    let response = desk.anna(
        &[
            ("Contact", "<sip:anna@10.0.3.4:5060>"),
            ("User-Agent", "Phone 1"),
        ],
        udp(PHONE),
    );
    assert_eq!(response.status, 200);
    assert_eq!(
        contact_line(&response),
        ["<sip:anna@10.0.3.4:5060>;expires=3600"]
    );
    assert_eq!(
        response.headers.value("Date"),
        Some("Mon, 30 Nov 2026 09:00:00 GMT")
    );
    assert!(response.headers.to_tag().is_some());
    let actions = desk.actions();
    assert!(
        matches!(&actions[..], [
        Action::Tell { .. },
        Action::Store(Record::Registered(record)),
        Action::ReachabilityChanged { user },
    ] if record.contact == "sip:anna@10.0.3.4:5060" && record.protocol == "udp" && **user == *"anna"),
        "{actions:?}"
    );
    desk.now = at(1800);
    let response = desk.anna(
        &[("Contact", "<sip:anna@10.0.3.4:5060>;expires=600")],
        udp(PHONE),
    );
    assert_eq!(
        contact_line(&response),
        ["<sip:anna@10.0.3.4:5060>;expires=600"]
    );
    assert!(
        matches!(&desk.actions()[..], [Action::Store(Record::Registered(record))] if record.registered == at(0).wall)
    );
    let binding = desk
        .registrar
        .devices_of(&"anna".into())
        .next()
        .expect("is bound")
        .clone();
    assert_eq!((binding.flow, binding.expires), (udp(PHONE), at(2400).wall));
    let response = desk.anna(
        &[("Contact", "<sip:anna@10.0.3.4:5060>;expires=0")],
        udp(PHONE),
    );
    assert_eq!((response.status, contact_line(&response).len()), (200, 0));
    assert_eq!(desk.facts("anna").reachable, 0);
    assert!(desk.actions().contains(&Action::ReachabilityChanged {
        user: "anna".into()
    }));
    assert_eq!(desk.registrar.next_timeout(), None);
    assert!(
        !desk
            .registrar
            .knows_source(PHONE.parse::<SocketAddr>().expect("an address").ip())
    );
}

#[test]
fn a_query_lists_the_bindings_and_changes_none() {
    let mut desk = Desk::new();
    desk.anna(&[("Contact", "<sip:anna@10.0.3.4:5060>")], udp(PHONE));
    desk.now = at(100);
    let response = desk.anna(&[], udp(PHONE));
    assert_eq!(
        contact_line(&response),
        ["<sip:anna@10.0.3.4:5060>;expires=3500"]
    );
}

#[test]
fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    let mut desk = Desk::new();
    let mut answers = Vec::new();
    for user in ["anna", "nobody", "carl"] {
        let request = desk.register(user, &[("Contact", "<sip:x@10.0.3.4>")]);
        let response = desk.with_password(request, "", udp(PHONE));
        let mut names: Vec<String> = response
            .headers
            .lines()
            .map(|(name, _)| name.to_owned())
            .collect();
        names.sort();
        let stale = response
            .headers
            .value("WWW-Authenticate")
            .unwrap_or_default()
            .contains("stale");
        answers.push((response.status, response.reason, names, stale));
    }
    assert_eq!(answers[0].0, 401);
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
    assert_eq!(desk.facts("anna").wrong_passwords, 1);
    assert_eq!(desk.registrar.users.len(), 2);
    let never = desk.register("nobody", &[]);
    for _ in 0..1000 {
        desk.handle(&never, udp(PHONE));
    }
    assert_eq!(
        desk.registrar.users.len(),
        2,
        "unknown users leave nothing behind"
    );
}

#[test]
fn nobody_registers_for_somebody_else() {
    let mut desk = Desk::new();
    let mut request = desk.register("bjorn", &[("Contact", "<sip:x@10.0.3.4>")]);
    request
        .headers
        .replace("To", "<sip:anna@elsewhere.example>");
    let challenged = desk.handle(&request, udp(PHONE));
    let challenge =
        Challenge::choose(challenged.headers.values("WWW-Authenticate"), None).expect("one");
    let answer = challenge.answer(
        ("bjorn", "bear"),
        (&Method::Register, "sip:example.com"),
        1,
        &mut desk.random,
    );
    request.headers.push("Authorization", answer);
    assert_eq!(desk.handle(&request, udp(PHONE)).status, 403);
    assert_eq!(desk.contacts(), Vec::<String>::new());
}

#[test]
fn the_domain_of_to_does_not_matter() {
    let mut desk = Desk::new();
    let mut request = desk.register("anna", &[("Contact", "<sip:anna@10.0.3.4>")]);
    request
        .headers
        .replace("To", "\"Anna\" <sip:anna@192.0.2.1:5080;transport=udp>");
    assert_eq!(
        desk.with_password(request, "rosebud", udp(PHONE)).status,
        200
    );
}

#[test]
fn lifetimes_are_kept_within_bounds() {
    let mut desk = Desk::new();
    type Lines = &'static [(&'static str, &'static str)];
    let cases: [(Lines, u16, &str); 7] = [
        (&[("Contact", "<sip:a@h>;expires=59")], 423, ""),
        (&[("Contact", "<sip:a@h>"), ("Expires", "1")], 423, ""),
        (
            &[("Contact", "<sip:a@h>;expires=60")],
            200,
            "<sip:a@h>;expires=60",
        ),
        (
            &[("Contact", "<sip:a@h>;expires=86400")],
            200,
            "<sip:a@h>;expires=7200",
        ),
        (
            &[("Contact", "<sip:a@h>;expires=soon"), ("Expires", "120")],
            200,
            "<sip:a@h>;expires=3600",
        ),
        (
            &[("Contact", "<sip:a@h>;expires=280297596632815")],
            200,
            "<sip:a@h>;expires=3600",
        ),
        (
            &[("Contact", "<sip:a@h>"), ("Expires", "120")],
            200,
            "<sip:a@h>;expires=120",
        ),
    ];
    for (lines, status, contact) in cases {
        let response = desk.anna(lines, udp(PHONE));
        assert_eq!(response.status, status, "{lines:?}");
        if status == 423 {
            assert_eq!(response.headers.value("Min-Expires"), Some("60"));
        } else {
            assert_eq!(contact_line(&response), [contact], "{lines:?}");
        }
    }
}

#[test]
fn star_takes_all_away_and_only_with_expires_0() {
    let mut desk = Desk::new();
    desk.anna(
        &[("Contact", "<sip:a@10.0.0.1>, <sip:a@10.0.0.2>")],
        udp(PHONE),
    );
    assert_eq!(desk.contacts().len(), 2);
    assert_eq!(desk.anna(&[("Contact", "*")], udp(PHONE)).status, 400);
    assert_eq!(
        desk.anna(&[("Contact", "*"), ("Expires", "60")], udp(PHONE))
            .status,
        400
    );
    assert_eq!(
        desk.anna(
            &[("Contact", "*, <sip:a@10.0.0.3>"), ("Expires", "0")],
            udp(PHONE)
        )
        .status,
        400
    );
    assert_eq!(desk.contacts().len(), 2);
    assert_eq!(
        desk.anna(&[("Contact", "*"), ("Expires", "0")], udp(PHONE))
            .status,
        200
    );
    assert_eq!(desk.contacts().len(), 0);
}

#[test]
fn an_old_register_changes_nothing() {
    let mut desk = Desk::new();
    let old = desk.register(
        "anna",
        &[("Contact", "<sip:a@10.0.0.1>;expires=0, <sip:a@10.0.0.9>")],
    );
    let old_star = {
        let mut request = desk.register("anna", &[("Contact", "*"), ("Expires", "0")]);
        request.headers.replace("CSeq", "1 REGISTER");
        request
    };
    desk.anna(&[("Contact", "<sip:a@10.0.0.1>")], udp(PHONE));
    for late in [old.clone(), old_star] {
        assert_eq!(desk.with_password(late, "rosebud", udp(PHONE)).status, 500);
        assert_eq!(desk.contacts(), ["sip:a@10.0.0.1"], "all or nothing");
    }
    let mut rebooted = old;
    rebooted.headers.replace("Call-ID", "call-2");
    assert_eq!(
        desk.with_password(rebooted, "rosebud", udp(PHONE)).status,
        200
    );
    assert_eq!(desk.contacts(), ["sip:a@10.0.0.9"]);
}

#[test]
fn a_phone_with_an_instance_replaces_itself() {
    let mut desk = Desk::new();
    let contact = |port: u16| {
        format!(
            "<sip:anna@10.0.3.4:{port};transport=tcp>;reg-id=1;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>\""
        )
    };
    desk.anna(&[("Contact", &contact(40001))], tcp("10.0.3.4:40001", 1));
    let response = desk.anna(&[("Contact", &contact(40002))], tcp("10.0.3.4:40002", 2));
    assert_eq!(desk.contacts(), ["sip:anna@10.0.3.4:40002;transport=tcp"]);
    assert_eq!(
        contact_line(&response),
        [
            "<sip:anna@10.0.3.4:40002;transport=tcp>;expires=3600;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>\";reg-id=1"
        ]
    );
    desk.registrar
        .flow_failed(tcp("10.0.3.4:40001", 1), desk.now);
    assert_eq!(desk.contacts().len(), 1, "the old connection is nobody's");
}

#[test]
fn the_connection_closes_and_the_phone_is_gone() {
    let mut desk = Desk::new();
    desk.anna(
        &[("Contact", "<sip:anna@10.0.3.4:40001;transport=tcp>")],
        tcp("10.0.3.4:40001", 7),
    );
    assert!(
        !desk
            .actions()
            .iter()
            .any(|action| matches!(action, Action::Store(_))),
        "a connection does not survive a restart"
    );
    desk.now = at(60);
    desk.registrar
        .flow_failed(tcp("10.0.3.4:40001", 7), desk.now);
    assert_eq!(desk.contacts().len(), 0);
    let facts = desk.facts("anna");
    assert_eq!(
        facts.lost,
        Some((at(60).wall, "10.0.3.4:40001".parse().expect("an address")))
    );
    assert!(desk.actions().contains(&Action::ReachabilityChanged {
        user: "anna".into()
    }));
}

#[test]
fn a_udp_flow_that_failed_once_keeps_its_phone() {
    let mut desk = Desk::new();
    desk.anna(&[("Contact", "<sip:anna@10.0.3.4:5060>")], udp(PHONE));
    desk.registrar.flow_failed(udp(PHONE), desk.now);
    assert_eq!(desk.contacts().len(), 1);
}

#[test]
fn a_phone_behind_a_nat_is_pinged_every_25_seconds_until_it_runs_out() {
    let mut desk = Desk::new();
    desk.anna(
        &[("Contact", "<sip:anna@192.168.1.20:5060>;expires=120")],
        udp("203.0.113.9:31337"),
    );
    desk.anna(
        &[("Contact", "<sip:anna@10.0.3.4>;expires=120")],
        udp(PHONE),
    );
    desk.actions();
    desk.wait_until(24);
    assert_eq!(desk.actions(), []);
    desk.wait_until(119);
    let pings = desk.actions();
    let ping = Action::Ping {
        flow: udp("203.0.113.9:31337"),
        uri: "sip:anna@192.168.1.20:5060".parse().expect("a URI"),
    };
    assert_eq!(pings, [ping.clone(), ping.clone(), ping.clone(), ping]);
    desk.wait_until(300);
    assert_eq!(
        desk.facts("anna").lost.map(|(when, _)| when),
        Some(at(120).wall)
    );
    assert_eq!(desk.registrar.next_timeout(), None);
}

#[test]
fn wrong_passwords_are_counted_from_the_loss_on() {
    let mut desk = Desk::new();
    desk.anna(&[("Contact", "<sip:anna@10.0.3.4:5060>")], udp(PHONE));
    desk.wait_until(3600);
    for _ in 0..6 {
        let request = desk.register("anna", &[("Contact", "<sip:anna@10.0.3.4>")]);
        assert_eq!(desk.with_password(request, "guess", udp(PHONE)).status, 401);
    }
    let expected = DeviceFacts {
        reachable: 0,
        lost: Some((at(3600).wall, PHONE.parse().expect("an address"))),
        wrong_passwords: 6,
    };
    assert_eq!(desk.facts("anna"), expected);
    desk.anna(&[("Contact", "<sip:anna@10.0.3.4:5060>")], udp(PHONE));
    assert_eq!(desk.facts("anna").wrong_passwords, 0);
}

#[test]
fn udp_phones_survive_a_restart() {
    let mut desk = Desk::new();
    desk.anna(
        &[("Contact", "<sip:anna@192.168.1.20:5060>;expires=120")],
        udp("203.0.113.9:31337"),
    );
    desk.anna(
        &[("Contact", "<sip:anna@10.0.3.4>;expires=600")],
        udp(PHONE),
    );
    let records: Vec<RegistrationRecord> = desk
        .actions()
        .into_iter()
        .filter_map(|action| match action {
            Action::Store(Record::Registered(record)) => Some(record),
            _ => None,
        })
        .collect();
    assert_eq!(records.len(), 2);
    let before: Vec<Binding> = desk.registrar.devices_of(&"anna".into()).cloned().collect();

    let mut restarted = Registrar::new(RandomSource::from_seed([9; 32]));
    let now = Now::new(Mono::ZERO, at(130).wall);
    restarted.restore(records, now);
    let after: Vec<Binding> = restarted.devices_of(&"anna".into()).cloned().collect();
    assert_eq!(after.len(), 1);
    assert_eq!(
        (&after[0].contact, after[0].flow),
        (&before[1].contact, before[1].flow)
    );
    assert_eq!(after[0].expires, before[1].expires);
    let facts = restarted.device_facts(&"anna".into());
    assert_eq!(facts.lost.map(|(when, _)| when), Some(at(120).wall));
    restarted.handle_timeout(Now::new(Mono::from_millis(470_000), at(600).wall));
    assert_eq!(restarted.devices_of(&"anna".into()).count(), 0);
}

#[test]
fn an_eleventh_phone_pushes_out_the_one_that_ends_first() {
    let mut desk = Desk::new();
    for phone in 1..=11u64 {
        desk.now = at(phone);
        let contact = format!("<sip:anna@10.0.3.{phone}>");
        assert_eq!(desk.anna(&[("Contact", &contact)], udp(PHONE)).status, 200);
    }
    assert_eq!(desk.contacts().len(), MAX_BINDINGS_PER_USER);
    assert!(!desk.contacts().contains(&"sip:anna@10.0.3.1".to_owned()));
    let many = ["<sip:a@h>"; 11].join(",");
    assert_eq!(desk.anna(&[("Contact", &many)], udp(PHONE)).status, 400);
}

#[test]
fn a_user_who_left_the_configuration_has_no_phones() {
    let mut desk = Desk::new();
    desk.anna(&[("Contact", "<sip:anna@10.0.3.4>")], udp(PHONE));
    desk.actions();
    let without = snapshot(vec![user("anna", None)]);
    desk.registrar.snapshot_changed(&without, desk.now);
    assert_eq!(desk.contacts().len(), 0);
    assert!(
        desk.actions()
            .iter()
            .any(|action| matches!(action, Action::Store(Record::Unregistered { .. })))
    );
}

#[test]
fn contacts_that_cannot_be_called_are_refused() {
    let mut desk = Desk::new();
    for contact in [
        "<tel:+4722334455>",
        "<mailto:anna@example.com>",
        "<sips:anna@10.0.3.4>",
        "sip:a@h?Route=%3Csip:x%3E",
    ] {
        assert_eq!(
            desk.anna(&[("Contact", contact)], udp(PHONE)).status,
            400,
            "{contact}"
        );
    }
    desk.anna(
        &[(
            "Contact",
            "<sip:user@example.com?Route=%3Csip:sip.example.com%3E>",
        )],
        udp(PHONE),
    );
    assert_eq!(
        desk.contacts(),
        ["sip:user@example.com"],
        "headers have no place in a Request-URI"
    );
}

#[test]
fn what_is_too_long_to_keep_is_refused() {
    let mut desk = Desk::new();
    let contact = format!("<sip:{}@10.0.3.4>", "a".repeat(MAX_KEPT_OCTETS));
    assert_eq!(desk.anna(&[("Contact", &contact)], udp(PHONE)).status, 400);
    let mut request = desk.register("anna", &[("Contact", "<sip:anna@10.0.3.4>")]);
    request
        .headers
        .replace("Call-ID", "c".repeat(MAX_KEPT_OCTETS + 1));
    assert_eq!(
        desk.with_password(request, "rosebud", udp(PHONE)).status,
        400
    );
    assert_eq!(desk.contacts().len(), 0);
}

#[test]
fn a_parameter_belongs_to_the_uri_or_to_the_contact() {
    let mut desk = Desk::new();
    desk.anna(
        &[("Contact", "sip:+19725552222@gw1.example.net;unknownparam")],
        udp(PHONE),
    );
    desk.anna(
        &[(
            "Contact",
            "<sip:+19725552222@gw1.example.net;unknownparam>;expires=100",
        )],
        udp(PHONE),
    );
    assert_eq!(
        desk.contacts(),
        ["sip:+19725552222@gw1.example.net;unknownparam"],
        "unknown parameters make no other binding"
    );
}

#[test]
fn an_unknown_scheme_of_credentials_is_challenged() {
    let mut desk = Desk::new();
    let request = desk.register(
        "anna",
        &[("Authorization", "NoOneKnowsThisScheme opaque-data=here")],
    );
    assert_eq!(desk.handle(&request, udp(PHONE)).status, 401);
    assert_eq!(desk.facts("anna").wrong_passwords, 0);
}

#[test]
fn the_answer_for_one_number_does_not_open_another() {
    let mut desk = Desk::new();
    let invite = |uri: &str| {
        let uri: Uri = uri.parse().expect("a URI");
        Request::new(Method::Invite, uri)
            .with_header("Via", "SIP/2.0/UDP 10.0.3.4;branch=z9hG4bKx")
            .with_header("From", "<sip:anna@example.com>;tag=1")
            .with_header("To", "<sip:x@example.com>")
            .with_header("Call-ID", "call-9")
            .with_header("CSeq", "1 INVITE")
    };
    let authenticate = |desk: &mut Desk, request: &Request| {
        desk.registrar
            .authenticate(request, &desk.snapshot, desk.now)
    };
    let first =
        authenticate(&mut desk, &invite("sip:22334455@example.com")).expect_err("no password yet");
    let challenge = Challenge::choose(first.headers.values("WWW-Authenticate"), None).expect("one");
    let answer = challenge.answer(
        ("anna", "rosebud"),
        (&Method::Invite, "sip:22334455@10.0.0.5"),
        1,
        &mut desk.random,
    );
    let other = invite("sip:99887766@example.com").with_header("Authorization", &answer);
    assert!(authenticate(&mut desk, &other).is_err());
    let answer = challenge.answer(
        ("anna", "rosebud"),
        (&Method::Invite, "sip:22334455@10.0.0.5"),
        2,
        &mut desk.random,
    );
    let right = invite("sip:22334455@example.com").with_header("Authorization", &answer);
    assert_eq!(authenticate(&mut desk, &right), Ok("anna".into()));
}
