//! Which keys there are. The parser refuses what is not listed here, and a test holds
//! `docs/configuration.md` against the same lists.

mod channels;
mod services;

pub use channels::{
    CALL_CHANNEL, CALL_RULE, CALL_STEP, CHANNEL, CHANNEL_SMTP, CHAT_CHANNEL, CHATFLOW,
    EMAIL_CHANNEL, FIELD, FORM_CHANNEL, MAILBOX, MESSAGE_CHANNEL, MESSAGE_RULE, MESSAGE_STEP,
    QUESTION, RULE, STEP,
};
pub use services::{CONTACTS, CUSTOMER_AGENT, EMAIL, HTTP, ROUTING, TOKEN, WEBHOOK};

/// A table of the configuration and the keys it takes.
#[derive(Debug)]
pub struct Table {
    /// As it is written, `[[user]]`; empty for the top level.
    pub name: &'static str,
    /// The keys of this version.
    pub keys: &'static [Key],
    /// Keys that a later version takes: refused as such, never ignored.
    pub later: &'static [&'static str],
    /// A table whose keys this one takes too: a call channel has those of every channel.
    pub shared: Option<&'static Table>,
}

/// A key, and an example of it that is right by itself.
#[derive(Debug)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// How its value may look, `["+4722334455"]`.
    pub example: &'static str,
}

impl Table {
    /// The key of that name, its own or a shared one.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        let own = self.keys.iter().find(|key| key.name == name);
        own.or_else(|| self.shared?.key(name))
    }

    /// The names of all keys, shared ones first.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names = self.shared.map(Table::names).unwrap_or_default();
        names.extend(self.keys.iter().map(|key| key.name));
        names
    }

    /// True when a later version takes that key.
    pub fn is_later(&self, name: &str) -> bool {
        self.later.contains(&name) || self.shared.is_some_and(|shared| shared.is_later(name))
    }

    /// The table that takes that key among those which share keys with this one: `numbers` belongs
    /// to a call channel, where this is a chat channel.
    pub fn sibling_with(&self, name: &str) -> Option<&'static Table> {
        self.shared?;
        let mut tables = TABLES.iter().copied();
        tables.find(|table| {
            table.shared.is_some()
                && table.root() == self.root()
                && table.keys.iter().any(|key| key.name == name)
        })
    }

    fn root(&self) -> &'static str {
        self.shared.map_or(self.name, Table::root)
    }

    /// How messages call it: `[[user]]`, or `the top level`.
    pub fn title(&self) -> &'static str {
        if self.name.is_empty() {
            "the top level"
        } else {
            self.name
        }
    }
}

const fn key(name: &'static str, example: &'static str) -> Key {
    Key { name, example }
}

/// Every table, in the order of the documentation.
pub const TABLES: &[&Table] = &[
    &ROOT,
    &SIP,
    &MEDIA,
    &STORE,
    &PROMPTS,
    &SMTP,
    &HTTP,
    &EMAIL,
    &CONTACTS,
    &ROUTING,
    &TRUNK,
    &USER,
    &ABSENCE,
    &TEAM,
    &INBOX,
    &SCHEDULE,
    &SPECIAL_DAYS,
    &SPECIAL_DAY,
    &PROMPT,
    &CHANNEL,
    &CALL_CHANNEL,
    &MESSAGE_CHANNEL,
    &EMAIL_CHANNEL,
    &MAILBOX,
    &CHANNEL_SMTP,
    &FORM_CHANNEL,
    &FIELD,
    &CHAT_CHANNEL,
    &CHATFLOW,
    &QUESTION,
    &RULE,
    &CALL_RULE,
    &MESSAGE_RULE,
    &STEP,
    &CALL_STEP,
    &MESSAGE_STEP,
    &CUSTOMER_AGENT,
    &TOKEN,
    &WEBHOOK,
    &EXPECT,
];

/// What stands above the first table header.
pub const ROOT: Table = Table {
    name: "",
    keys: &[
        key("drain_seconds", "60"),
        key("sip", "[sip]"),
        key("media", "[media]"),
        key("store", "[store]"),
        key("prompts", "[prompts]"),
        key("smtp", "[smtp]"),
        key("http", "[http]"),
        key("email", "[email]"),
        key("contacts", "[contacts]"),
        key("routing", "[routing]"),
        key("trunk", "[[trunk]]"),
        key("user", "[[user]]"),
        key("team", "[[team]]"),
        key("inbox", "[[inbox]]"),
        key("schedule", "[[schedule]]"),
        key("special_days", "[[special_days]]"),
        key("prompt", "[[prompt]]"),
        key("channel", "[[channel]]"),
        key("customer_agent", "[[customer_agent]]"),
        key("token", "[[token]]"),
        key("webhook", "[[webhook]]"),
        key("expect", "[[expect]]"),
    ],
    later: &[
        "tls",
        "override",
        "overrides",
        "contact",
        "form",
        "chat",
        "metrics",
    ],
    shared: None,
};

/// `[sip]`
pub const SIP: Table = Table {
    name: "[sip]",
    keys: &[
        key("listen", r#"["udp://0.0.0.0:5060", "tcp://0.0.0.0:5060"]"#),
        key("public_address", r#""203.0.113.7""#),
        key("local_networks", r#"["10.0.0.0/8"]"#),
        key("digest", r#""md5""#),
        key("realm", r#""ringdesk""#),
    ],
    later: &[
        "tls",
        "tls_certificate",
        "tls_key",
        "certificate",
        "websocket",
        "session_timers",
    ],
    shared: None,
};

/// `[media]`
pub const MEDIA: Table = Table {
    name: "[media]",
    keys: &[key("ports", r#""16384-17383""#)],
    later: &["srtp", "ice", "codecs"],
    shared: None,
};

/// `[store]`
pub const STORE: Table = Table {
    name: "[store]",
    keys: &[
        key("url", r#""sqlite:../data/ringdesk.db""#),
        key("audio", r#""../data/audio""#),
    ],
    later: &[],
    shared: None,
};

/// `[prompts]`
pub const PROMPTS: Table = Table {
    name: "[prompts]",
    keys: &[key("dir", r#""../prompts""#)],
    later: &[],
    shared: None,
};

/// `[smtp]`
pub const SMTP: Table = Table {
    name: "[smtp]",
    keys: &[
        key("server", r#""smtp://localhost:25""#),
        key("from", r#""ringdesk@example.com""#),
        key("username", r#""ringdesk@example.com""#),
        key("password_file", r#""secrets/smtp""#),
        key("oauth2_token_file", r#""secrets/smtp-token""#),
    ],
    later: &[],
    shared: None,
};

/// `[[trunk]]`
pub const TRUNK: Table = Table {
    name: "[[trunk]]",
    keys: &[
        key("name", r#""carrier""#),
        key("peers", r#"["198.51.100.0/24"]"#),
        key("country", r#""NO""#),
        key("number_from", r#""request-uri""#),
        key("caller_from", r#""p-asserted-identity""#),
        key("caller", r#""channel""#),
        key("outbound", r#""sip:sip.carrier.example""#),
        key("username", r#""acct4711""#),
        key("password_file", r#""secrets/carrier""#),
        key("realm", r#""carrier.example""#),
    ],
    later: &["register", "registrar", "srtp", "session_timers", "codecs"],
    shared: None,
};

/// `[[user]]`
pub const USER: Table = Table {
    name: "[[user]]",
    keys: &[
        key("name", r#""anna""#),
        key("display_name", r#""Anna Berg""#),
        key("email", r#""anna@example.com""#),
        key("seat", r#""service""#),
        key("sip_password_file", r#""secrets/anna""#),
        key("sip_contacts", r#"["sip:anna@10.0.0.21:5060"]"#),
        key("external_number", r#""+4790000001""#),
        key("external_trunk", r#""carrier""#),
        key("schedule", r#""oslo""#),
        key("timezone", r#""Europe/Oslo""#),
        key("wrap_up_seconds", "10"),
        key("role", r#""admin""#),
        key("password_file", r#""secrets/anna-sign-in""#),
        key("capacity", "{ chat = 4, email = 20, form = 20 }"),
        key("capacity_on_call", "{ chat = 1 }"),
        key("presence_by_hours", "true"),
        key(
            "out_of_office",
            r#"[{ from = "2026-12-21", to = "2026-12-27" }]"#,
        ),
    ],
    later: &["presence", "message_waiting"],
    shared: None,
};

/// An absence in `out_of_office` of `[[user]]`.
pub const ABSENCE: Table = Table {
    name: "an absence",
    keys: &[key("from", r#""2026-12-21""#), key("to", r#""2026-12-27""#)],
    later: &[],
    shared: None,
};

/// `[[team]]`
pub const TEAM: Table = Table {
    name: "[[team]]",
    keys: &[
        key("name", r#""support""#),
        key("members", r#"["anna", "bjorn"]"#),
        key("extra_members", r#"["carl"]"#),
    ],
    later: &[],
    shared: None,
};

/// `[[inbox]]`
pub const INBOX: Table = Table {
    name: "[[inbox]]",
    keys: &[
        key("name", r#""customers""#),
        key("teams", r#"["support"]"#),
    ],
    later: &[],
    shared: None,
};

/// `[[schedule]]`
pub const SCHEDULE: Table = Table {
    name: "[[schedule]]",
    keys: &[
        key("name", r#""oslo""#),
        key("timezone", r#""Europe/Oslo""#),
        key("weekly", r#"{ mon-fri = ["09:00-17:00"] }"#),
        key("special_days", r#"["norway"]"#),
        key("special", r#"[{ date = "2026-12-31", hours = [] }]"#),
        key("overnight", r#""run-on""#),
    ],
    later: &["ics", "override", "overrides"],
    shared: None,
};

/// `[[special_days]]`
pub const SPECIAL_DAYS: Table = Table {
    name: "[[special_days]]",
    keys: &[
        key("name", r#""norway""#),
        key("days", r#"[{ yearly = "05-17", hours = [] }]"#),
    ],
    later: &["ics", "url"],
    shared: None,
};

/// One special day, in `days` of `[[special_days]]` and in `special` of `[[schedule]]`.
pub const SPECIAL_DAY: Table = Table {
    name: "a special day",
    keys: &[
        key("date", r#""2026-12-31""#),
        key("from", r#""2026-07-06""#),
        key("to", r#""2026-07-24""#),
        key("yearly", r#""12-24""#),
        key("weekday", r#""mon""#),
        key("nth", "1"),
        key("month", "5"),
        key("easter", "1"),
        key("observed", r#""nearest-weekday""#),
        key("overnight", r#""cut""#),
        key("name", r#""Christmas Eve""#),
        key("hours", r#"["08:00-12:00"]"#),
        key("prompt", r#""christmas""#),
    ],
    later: &[],
    shared: None,
};

/// `[[prompt]]`
pub const PROMPT: Table = Table {
    name: "[[prompt]]",
    keys: &[
        key("name", r#""unanswered""#),
        key("file", r#""unanswered.wav""#),
    ],
    later: &["text", "language", "tts"],
    shared: None,
};

/// `[[expect]]`
pub const EXPECT: Table = Table {
    name: "[[expect]]",
    keys: &[
        key("at", r#""2026-12-24T12:30""#),
        key("channel", r#""main-line""#),
        key("voicemail", r#""christmas""#),
        key("rings", r#"["anna", "bjorn"]"#),
        key("assigned", r#"["anna"]"#),
        key("hours", r#""open""#),
        key("from", r#""+4790000001""#),
    ],
    later: &[],
    shared: None,
};
