//! Small configurations for tests: everything has a plain default, and a test changes what it is
//! about.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::Weekday;

use crate::core::name::{ChannelName, ScheduleName, TeamName, UserName};
use crate::core::prompt::{PromptAudio, PromptFiles};
use crate::core::routing::{Request, Selection, To};
use crate::core::schedule::{Overnight, Schedule, ScheduleParts, SpecialDay, Weekly};
use crate::core::snapshot::{
    AgentProtocol, CallChannel, CallerFrom, CallerShown, Channel, ChannelKind, ChatChannel,
    ChatSide, ContactLookup, CustomerAgent, DigestOffer, EmailChannel, EmailSettings, FormChannel,
    HttpSettings, Inbox, Kind, Listed, MediaSettings, Named, NumberFrom, Peer, PerKind, Role,
    RoutingSettings, Rule, RuleEnd, Seat, Settings, SipSettings, Snapshot, Step, StoreSettings,
    Strategy, Target, Team, TieBreak, Trunk, User, WhenAway,
};
use crate::core::time::{Mono, Now, Wall};
use crate::core::zone::{YearlyChange, Zone};

/// HTTP on any port, as browsers reach it at this address.
pub fn http(public_url: &str) -> HttpSettings {
    HttpSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        public_url: public_url.to_owned(),
        trusted_proxies: Vec::new(),
        session: Duration::from_secs(3600),
    }
}

/// Every strategy.
pub const STRATEGIES: [Strategy; 7] = [
    Strategy::RingAll,
    Strategy::Progressive,
    Strategy::Sequential,
    Strategy::RoundRobin,
    Strategy::LeastBusy,
    Strategy::LongestIdle,
    Strategy::Random,
];

/// The moment of an RFC 3339 text. Monotonic time counts from 2026-01-01.
pub fn at(text: &str) -> Now {
    let wall = Wall::from_utc(chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc());
    let since = wall.since(Wall::from_seconds(1_767_225_600));
    Now::new(Mono::ZERO + since, wall)
}

/// Somebody with a service seat and no wrap-up.
pub fn user(name: &str) -> User {
    User {
        name: name.into(),
        display_name: name.to_owned(),
        email: None,
        seat: Some(Seat::Service),
        sip_password: None,
        sip_contacts: Vec::new(),
        external: None,
        schedule: None,
        wrap_up: Duration::ZERO,
        role: Role::Agent,
        password_hash: None,
        capacity: PerKind::default(),
        capacity_on_call: PerKind::default(),
        presence_by_hours: false,
        out_of_office: Vec::new(),
    }
}

/// A team of these main members.
pub fn team(name: &str, members: &[&str]) -> Team {
    Team {
        name: name.into(),
        members: names(members),
        extra_members: Vec::new(),
    }
}

/// User names.
pub fn names(names: &[&str]) -> Vec<UserName> {
    names.iter().map(|name| UserName::from(*name)).collect()
}

/// A step with the strategy's default times.
pub fn step(strategy: Strategy, users: &[&str], teams: &[&str]) -> Step {
    let (ring, ring_each) = match strategy {
        Strategy::RingAll => (25, 25),
        Strategy::Progressive => (25, 10),
        _ => (60, 15),
    };
    Step {
        target: Target::Lists,
        users: names(users),
        teams: teams.iter().map(|name| TeamName::from(*name)).collect(),
        agent: None,
        only_available: true,
        strategy,
        tie_break: TieBreak::LeastRecentlyAssigned,
        ring: Duration::from_secs(ring),
        ring_each: Duration::from_secs(ring_each),
        max_ringing: 20,
    }
}

/// A rule with this voicemail.
pub fn rule(steps: Vec<Step>, voicemail: &str) -> Rule {
    Rule {
        steps,
        end: RuleEnd::Voicemail(voicemail.into()),
        reply: None,
        answer_within: None,
    }
}

/// Channel `main-line`, `+4722334455`, always open.
pub fn channel(steps: Vec<Step>) -> Channel {
    Channel {
        name: "main-line".into(),
        inbox: None,
        schedule: None,
        working_hours: rule(steps, "unanswered"),
        break_: None,
        after_hours: Some(rule(Vec::new(), "closed")),
        when_away: WhenAway::Keep,
        kind: ChannelKind::Call(CallChannel {
            numbers: vec!["+4722334455".parse().unwrap()],
            notify: Vec::new(),
            special_prompts: BTreeMap::new(),
            voicemail_limit: Duration::from_secs(180),
        }),
    }
}

/// What only a call channel has, to change.
pub fn call(channel: &mut Channel) -> &mut CallChannel {
    match &mut channel.kind {
        ChannelKind::Call(call) => call,
        other => panic!("not a call channel: {other:?}"),
    }
}

/// A message channel of that kind and name, always open, whose `[channel.assign]` has these steps.
pub fn message_channel(kind: Kind, name: &str, steps: Vec<Step>) -> Channel {
    let kind = match kind {
        Kind::Call => panic!("calls are no messages"),
        Kind::Email => ChannelKind::Email(Box::new(EmailChannel {
            address: format!("{name}@example.com"),
            sender_name: name.to_owned(),
            aliases: Vec::new(),
            mailboxes: Vec::new(),
            smtp: None,
            authentication_servers: Vec::new(),
            signature: None,
            reply_token: true,
        })),
        Kind::Form => ChannelKind::Form(Box::new(FormChannel {
            title: name.to_owned(),
            fields: Vec::new(),
            thanks: "Thank you.".to_owned(),
            redirect: None,
            allowed_origins: Vec::new(),
            minimum_fill: Duration::ZERO,
            hourly_limit: 60,
            mail_owner: false,
        })),
        Kind::Chat => ChannelKind::Chat(Box::new(ChatChannel {
            title: name.to_owned(),
            colour: "#1a73e8".to_owned(),
            side: ChatSide::Right,
            button: "Chat with us".to_owned(),
            allowed_origins: Vec::new(),
            greeting: None,
            questions: Vec::new(),
            offline_form: false,
            idle_close: Duration::from_secs(1800),
            hourly_limit: 60,
        })),
    };
    Channel {
        name: name.into(),
        inbox: None,
        schedule: None,
        working_hours: Rule {
            steps,
            ..Rule::nobody()
        },
        break_: None,
        after_hours: None,
        when_away: WhenAway::Keep,
        kind,
    }
}

/// A customer agent that nobody answers for.
pub fn customer_agent(name: &str) -> CustomerAgent {
    CustomerAgent {
        name: name.into(),
        display_name: name.to_owned(),
        endpoint: "http://127.0.0.1:9".to_owned(),
        protocol: AgentProtocol::Webhook,
        secret: None,
        timeout: Duration::from_secs(20),
        max_turns: 10,
        person_words: Vec::new(),
        allow_private: true,
    }
}

/// The question whom a call to that channel rings, whose caller nobody knows.
pub fn call_to(channel: ChannelName, selection: Selection) -> Request {
    Request {
        kind: Kind::Call,
        to: To::Channel(channel),
        from: None,
        sender: None,
        trunk: None,
        selection,
    }
}

/// A trunk named `no` from 198.51.100.0/24.
pub fn trunk() -> Trunk {
    Trunk {
        name: "no".into(),
        peers: vec![Peer {
            network: "198.51.100.0/24".parse().unwrap(),
            port: None,
        }],
        country: Some(crate::core::number::Country(phonenumber::country::NO)),
        number_from: NumberFrom::RequestUri,
        caller_from: CallerFrom::PAssertedIdentity,
        caller: CallerShown::Channel,
        outbound: None,
        credentials: None,
        realm: None,
    }
}

/// Schedule `oslo`, Monday to Friday 08:00-11:30 and 12:00-16:00.
pub fn oslo(special_days: Vec<SpecialDay>) -> Schedule {
    hours("oslo", &["08:00-11:30", "12:00-16:00"], special_days)
}

/// A schedule in Oslo's time, Monday to Friday.
pub fn hours(name: &str, windows: &[&str], special_days: Vec<SpecialDay>) -> Schedule {
    let windows: Vec<_> = windows
        .iter()
        .map(|window| window.parse().unwrap())
        .collect();
    let mut weekly = Weekly::new();
    weekly.set("mon-fri", &windows).unwrap();
    let change = |month, seconds, offset| YearlyChange {
        month,
        day: 25,
        weekday: Some(Weekday::Sun),
        seconds,
        offset,
    };
    let tail = vec![change(3, 2 * 3600, 7200), change(10, 3 * 3600, 3600)];
    Schedule::new(ScheduleParts {
        name: ScheduleName::from(name),
        zone: Arc::new(Zone::new("Europe/Oslo", 3600, [], tail)),
        weekly,
        special_days,
        overnight: Overnight::RunOn,
    })
}

/// An inbox to which these teams have access.
pub fn inbox(name: &str, teams: &[&str]) -> Inbox {
    Inbox {
        name: name.into(),
        teams: Some(teams.iter().map(|name| TeamName::from(*name)).collect()),
    }
}

/// A configuration, version 41.
pub fn snapshot(users: Vec<User>, teams: Vec<Team>, channels: Vec<Channel>) -> Snapshot {
    let numbers = channels
        .iter()
        .flat_map(|channel| {
            let numbers = channel.numbers().iter();
            numbers.map(|number| (number.clone(), channel.name.clone()))
        })
        .collect();
    let silence = Arc::new(PromptAudio {
        pcmu: Box::new([0xff; 8000]),
        pcma: Box::new([0xd5; 8000]),
    });
    Snapshot {
        version: 41,
        loaded_at: at("2026-12-01T00:00:00Z").wall,
        settings: settings(),
        trunks: vec![trunk()].into(),
        users: users.into(),
        teams: teams.into(),
        inboxes: Listed::default(),
        schedules: Listed::default(),
        channels: channels.into(),
        customer_agents: Listed::default(),
        tokens: Vec::new(),
        webhooks: Vec::new(),
        expectations: Vec::new(),
        prompt_files: PromptFiles::default(),
        prompts: HashMap::from([
            ("unanswered".into(), silence.clone()),
            ("closed".into(), silence),
        ]),
        numbers,
    }
}

/// Adds one to a list of the snapshot.
pub fn add<T: Named + Clone>(list: &mut Listed<T>, item: T) {
    *list = list.iter().cloned().chain([item]).collect();
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
