//! Which keys there are. The parser refuses what is not listed here, and a test holds
//! `docs/configuration.md` against the same lists.

/// A table of the configuration and the keys it takes.
#[derive(Debug)]
pub struct Table {
    /// As it is written, `[[user]]`; empty for the top level.
    pub name: &'static str,
    /// The keys of this version.
    pub keys: &'static [Key],
    /// Keys that a later version takes: refused as such, never ignored.
    pub later: &'static [&'static str],
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
    /// The key of that name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
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
    &TRUNK,
    &USER,
    &TEAM,
    &INBOX,
    &SCHEDULE,
    &SPECIAL_DAYS,
    &SPECIAL_DAY,
    &PROMPT,
    &CHANNEL,
    &RULE,
    &STEP,
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
        key("trunk", "[[trunk]]"),
        key("user", "[[user]]"),
        key("team", "[[team]]"),
        key("inbox", "[[inbox]]"),
        key("schedule", "[[schedule]]"),
        key("special_days", "[[special_days]]"),
        key("prompt", "[[prompt]]"),
        key("channel", "[[channel]]"),
        key("expect", "[[expect]]"),
    ],
    later: &[
        "http",
        "tls",
        "override",
        "overrides",
        "contact",
        "contacts",
        "email",
        "form",
        "chat",
        "metrics",
    ],
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
};

/// `[media]`
pub const MEDIA: Table = Table {
    name: "[media]",
    keys: &[key("ports", r#""16384-17383""#)],
    later: &["srtp", "ice", "codecs"],
};

/// `[store]`
pub const STORE: Table = Table {
    name: "[store]",
    keys: &[
        key("url", r#""sqlite:../data/ringdesk.db""#),
        key("audio", r#""../data/audio""#),
    ],
    later: &[],
};

/// `[prompts]`
pub const PROMPTS: Table = Table {
    name: "[prompts]",
    keys: &[key("dir", r#""../prompts""#)],
    later: &[],
};

/// `[smtp]`
pub const SMTP: Table = Table {
    name: "[smtp]",
    keys: &[
        key("server", r#""smtp://localhost:25""#),
        key("from", r#""ringdesk@example.com""#),
        key("username", r#""ringdesk@example.com""#),
        key("password_file", r#""secrets/smtp""#),
    ],
    later: &[],
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
        key("wrap_up_seconds", "10"),
    ],
    later: &["capacity", "presence", "message_waiting"],
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
};

/// `[[inbox]]`
pub const INBOX: Table = Table {
    name: "[[inbox]]",
    keys: &[
        key("name", r#""customers""#),
        key("teams", r#"["support"]"#),
    ],
    later: &[],
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
};

/// `[[special_days]]`
pub const SPECIAL_DAYS: Table = Table {
    name: "[[special_days]]",
    keys: &[
        key("name", r#""norway""#),
        key("days", r#"[{ yearly = "05-17", hours = [] }]"#),
    ],
    later: &["ics", "url"],
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
};

/// `[[prompt]]`
pub const PROMPT: Table = Table {
    name: "[[prompt]]",
    keys: &[
        key("name", r#""unanswered""#),
        key("file", r#""unanswered.wav""#),
    ],
    later: &["text", "language", "tts"],
};

/// `[[channel]]`
pub const CHANNEL: Table = Table {
    name: "[[channel]]",
    keys: &[
        key("name", r#""main-line""#),
        key("kind", r#""call""#),
        key("inbox", r#""customers""#),
        key("numbers", r#"["+4722334455"]"#),
        key("schedule", r#""oslo""#),
        key("notify", r#"["office@example.com"]"#),
        key("voicemail_seconds", "180"),
        key("working_hours", "[channel.working_hours]"),
        key("break", "[channel.break]"),
        key("after_hours", "[channel.after_hours]"),
        key("special_prompts", "[channel.special_prompts]"),
    ],
    later: &["assign", "only_available", "take_back"],
};

/// `[channel.working_hours]`, `[channel.break]`, `[channel.after_hours]`
pub const RULE: Table = Table {
    name: "a rule",
    keys: &[
        key("users", r#"["anna"]"#),
        key("teams", r#"["support"]"#),
        key("to", r#""nobody""#),
        key("strategy", r#""ring-all""#),
        key("tie_break", r#""listed""#),
        key("ring_seconds", "25"),
        key("ring_each", "15"),
        key("max_ringing", "20"),
        key("then", r#"[{ users = ["carl"] }]"#),
        key("voicemail", r#""unanswered""#),
    ],
    later: &["only_available", "reply", "take_back"],
};

/// A step of `then`.
pub const STEP: Table = Table {
    name: "a step of `then`",
    keys: &[
        key("users", r#"["anna"]"#),
        key("teams", r#"["support"]"#),
        key("to", r#""nobody""#),
        key("strategy", r#""ring-all""#),
        key("tie_break", r#""listed""#),
        key("ring_seconds", "25"),
        key("ring_each", "15"),
        key("max_ringing", "20"),
        key("voicemail", r#""unanswered""#),
    ],
    later: &["only_available", "reply", "take_back"],
};

/// `[[expect]]`
pub const EXPECT: Table = Table {
    name: "[[expect]]",
    keys: &[
        key("at", r#""2026-12-24T12:30""#),
        key("channel", r#""main-line""#),
        key("voicemail", r#""christmas""#),
        key("rings", r#"["anna", "bjorn"]"#),
        key("hours", r#""open""#),
    ],
    later: &["assigned", "from"],
};
