//! What one decision costs, in a configuration of a thousand users.

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use ringdesk::config::zone::zone;
use ringdesk::core::desk::Desk;
use ringdesk::core::id::{CallId, RandomSource};
use ringdesk::core::name::UserName;
use ringdesk::core::prompt::PromptFiles;
use ringdesk::core::routing::{
    DeviceFacts, Facts, Kind, Outcome, Request, Selection, To, UserFacts, route,
};
use ringdesk::core::schedule::{Overnight, Schedule, ScheduleParts, Weekly};
use ringdesk::core::snapshot::{
    CallChannel, Channel, ChannelKind, ContactLookup, DigestOffer, EmailSettings, Inbox, Listed,
    MediaSettings, PerKind, Role, RoutingSettings, Rule, RuleEnd, Seat, Settings, SipSettings,
    Snapshot, Step, StoreSettings, Strategy, Target, Team, TieBreak, User, WhenAway,
};
use ringdesk::core::time::{Mono, Now, Wall};

const USERS: usize = 1000;

fn name(number: usize) -> UserName {
    UserName::from(format!("user-{number:04}"))
}

fn user(number: usize) -> User {
    User {
        name: name(number),
        display_name: format!("User {number}"),
        email: None,
        seat: Some(Seat::Service),
        sip_password: None,
        sip_contacts: Vec::new(),
        external: None,
        schedule: Some("oslo".into()),
        wrap_up: Duration::ZERO,
        role: Role::Agent,
        password_hash: None,
        capacity: PerKind::default(),
        capacity_on_call: PerKind::default(),
        presence_by_hours: false,
        out_of_office: Vec::new(),
    }
}

fn schedule() -> Schedule {
    let mut weekly = Weekly::new();
    let windows = ["08:00-11:30", "12:00-16:00"].map(|text| text.parse().expect("a window"));
    weekly.set("mon-fri", &windows).expect("weekdays");
    Schedule::new(ScheduleParts {
        name: "oslo".into(),
        zone: Arc::new(zone("Europe/Oslo").expect("a zone")),
        weekly,
        special_days: Vec::new(),
        overnight: Overnight::RunOn,
    })
}

fn channel(strategy: Strategy) -> Channel {
    let step = Step {
        target: Target::Lists,
        users: Vec::new(),
        teams: vec!["support".into()],
        agent: None,
        only_available: true,
        strategy,
        tie_break: TieBreak::LeastRecentlyAssigned,
        ring: Duration::from_secs(25),
        ring_each: Duration::from_secs(15),
        max_ringing: 20,
    };
    let rule = |steps, voicemail: &str| Rule {
        steps,
        end: RuleEnd::Voicemail(voicemail.into()),
        reply: None,
        answer_within: None,
    };
    Channel {
        name: "main-line".into(),
        inbox: Some("customers".into()),
        schedule: Some("oslo".into()),
        working_hours: rule(vec![step], "unanswered"),
        break_: None,
        after_hours: Some(rule(Vec::new(), "closed")),
        when_away: WhenAway::Keep,
        kind: ChannelKind::Call(CallChannel {
            numbers: vec!["+4722334455".parse().expect("a number")],
            notify: Vec::new(),
            special_prompts: BTreeMap::new(),
            voicemail_limit: Duration::from_secs(180),
        }),
    }
}

/// A thousand users, and a team of so many of them that a channel's rule names.
fn snapshot(strategy: Strategy, members: usize) -> Snapshot {
    let channel = channel(strategy);
    let numbers = channel.numbers().iter().cloned();
    let numbers = numbers
        .map(|number| (number, channel.name.clone()))
        .collect();
    Snapshot {
        version: 1,
        loaded_at: Wall::from_seconds(0),
        settings: settings(),
        trunks: Listed::default(),
        users: (0..USERS).map(user).collect(),
        teams: vec![Team {
            name: "support".into(),
            members: (USERS - members..USERS).map(name).collect(),
            extra_members: Vec::new(),
        }]
        .into(),
        inboxes: vec![Inbox {
            name: "customers".into(),
            teams: Some(vec!["support".into()]),
        }]
        .into(),
        schedules: vec![Arc::new(schedule())].into(),
        channels: vec![channel].into(),
        customer_agents: Vec::new().into(),
        tokens: Vec::new(),
        webhooks: Vec::new(),
        expectations: Vec::new(),
        prompts: HashMap::new(),
        prompt_files: PromptFiles::default(),
        numbers,
    }
}

fn settings() -> Settings {
    Settings {
        sip: SipSettings {
            listen: Vec::new(),
            public_address: None,
            local_networks: None,
            digest: DigestOffer::Md5,
            realm: "ringdesk".to_owned(),
        },
        media: MediaSettings {
            ports: 16384..=17383,
        },
        store: StoreSettings {
            database: "ringdesk.db".into(),
            audio: "audio".into(),
        },
        smtp: None,
        http: None,
        email: EmailSettings::default(),
        contacts: ContactLookup::default(),
        routing: RoutingSettings::default(),
        drain: Duration::from_secs(60),
    }
}

/// Everybody known and free.
fn facts() -> Facts {
    let known = |number| {
        let facts = UserFacts {
            open: PerKind {
                call: u32::try_from(number % 7).unwrap_or_default(),
                ..PerKind::default()
            },
            ..UserFacts::default()
        };
        (name(number), facts)
    };
    Facts {
        users: (0..USERS).map(known).collect(),
        ..Facts::default()
    }
}

fn decisions(criterion: &mut Criterion) {
    let request = Request {
        kind: Kind::Call,
        to: To::Number("+4722334455".parse().expect("a number")),
        from: Some("+4790000001".parse().expect("a number")),
        sender: None,
        trunk: Some("carrier".into()),
        selection: Selection::First,
    };
    // Wednesday 2026-12-02 at 10:10 in Oslo.
    let now = Now::new(Mono::ZERO, Wall::from_seconds(1_796_202_600));
    let facts = facts();
    let cases = [
        ("ring_all_20", Strategy::RingAll, 20),
        ("least_busy_20", Strategy::LeastBusy, 20),
        ("ring_all_1000", Strategy::RingAll, 1000),
    ];
    for (case, strategy, members) in cases {
        let snapshot = snapshot(strategy, members);
        let decision = route(&snapshot, &facts, &request, now);
        assert!(matches!(decision.outcome, Outcome::Ring(_)), "{decision:?}");
        criterion.bench_function(&format!("route/{case}"), |bench| {
            bench.iter(|| route(&snapshot, black_box(&facts), &request, now));
        });
    }
    let snapshot = snapshot(Strategy::RingAll, 20);
    let mut desk = Desk::new();
    let mut random = RandomSource::from_seed([1; 32]);
    criterion.bench_function("route/desk_20_select_and_end", |bench| {
        bench.iter(|| {
            let call = CallId(random.uuid(now.wall));
            let devices = |_: &UserName| DeviceFacts::default();
            let decided = desk.select(&snapshot, &request, call, &devices, &mut random, now);
            desk.call_ended(call, now);
            decided
        });
    });
}

criterion_group!(benches, decisions);
criterion_main!(benches);
