//! The keys of channels and of their rules.

use super::{Key, Table, key};

/// `[[channel]]`: what channels of all kinds have.
pub const CHANNEL: Table = Table {
    name: "[[channel]]",
    keys: &[
        key("name", r#""main-line""#),
        key("kind", r#""call""#),
        key("inbox", r#""customers""#),
        key("schedule", r#""oslo""#),
        key("break", "[channel.break]"),
        key("after_hours", "[channel.after_hours]"),
    ],
    later: &[],
    shared: None,
};

/// `[[channel]]` of kind `call`
pub const CALL_CHANNEL: Table = Table {
    name: "a call channel",
    keys: &[
        key("numbers", r#"["+4722334455"]"#),
        key("notify", r#"["office@example.com"]"#),
        key("voicemail_seconds", "180"),
        key("working_hours", "[channel.working_hours]"),
        key("special_prompts", "[channel.special_prompts]"),
    ],
    later: &[],
    shared: Some(&CHANNEL),
};

/// What the three kinds that bring messages have in common.
pub const MESSAGE_CHANNEL: Table = Table {
    name: "an email, form or chat channel",
    keys: &[
        key("assign", "[channel.assign]"),
        key("when_away", r#""take-back""#),
        key("take_back_after_minutes", "15"),
    ],
    later: &[],
    shared: Some(&CHANNEL),
};

/// `[[channel]]` of kind `email`
pub const EMAIL_CHANNEL: Table = Table {
    name: "an email channel",
    keys: &[
        key("address", r#""support@example.com""#),
        key("sender_name", r#""Example Support""#),
        key("aliases", r#"["help@example.com"]"#),
        key("mailbox", "[[channel.mailbox]]"),
        key("smtp", "[channel.smtp]"),
        key("authentication_servers", r#"["mx.example.com"]"#),
        key("signature", r#""Example Ltd, Oslo""#),
        key("reply_token", "true"),
    ],
    later: &["pop3", "folder", "dkim"],
    shared: Some(&MESSAGE_CHANNEL),
};

/// `[[channel.mailbox]]`
pub const MAILBOX: Table = Table {
    name: "[[channel.mailbox]]",
    keys: &[
        key("server", r#""imaps://imap.example.com:993""#),
        key("username", r#""support@example.com""#),
        key("password_file", r#""secrets/support-mail""#),
        key("oauth2_token_file", r#""secrets/support-token""#),
        key("folder", r#""INBOX""#),
    ],
    later: &[],
    shared: None,
};

/// `[channel.smtp]`
pub const CHANNEL_SMTP: Table = Table {
    name: "[channel.smtp]",
    keys: &[
        key("server", r#""submission://mail.example.com""#),
        key("username", r#""support@example.com""#),
        key("password_file", r#""secrets/support-mail""#),
        key("oauth2_token_file", r#""secrets/support-token""#),
    ],
    later: &[],
    shared: None,
};

/// `[[channel]]` of kind `form`
pub const FORM_CHANNEL: Table = Table {
    name: "a form channel",
    keys: &[
        key("title", r#""Write to us""#),
        key("field", "[[channel.field]]"),
        key("thanks", r#""Thank you. We answer within a day.""#),
        key("redirect", r#""https://example.com/thanks""#),
        key("allowed_origins", r#"["https://example.com"]"#),
        key("minimum_fill_seconds", "3"),
        key("hourly_limit", "20"),
        key("mail_owner", "true"),
    ],
    later: &["style", "captcha", "language"],
    shared: Some(&MESSAGE_CHANNEL),
};

/// `[[channel.field]]`
pub const FIELD: Table = Table {
    name: "[[channel.field]]",
    keys: &[
        key("name", r#""email""#),
        key("label", r#""Your email address""#),
        key("type", r#""email""#),
        key("required", "true"),
        key("max_length", "200"),
        key("largest_megabytes", "5"),
        key("choices", r#"["An order", "Something else"]"#),
    ],
    later: &["pattern", "placeholder", "default"],
    shared: None,
};

/// `[[channel]]` of kind `chat`
pub const CHAT_CHANNEL: Table = Table {
    name: "a chat channel",
    keys: &[
        key("title", r#""Chat with Example""#),
        key("colour", r##""#1a73e8""##),
        key("side", r#""right""#),
        key("button", r#""Chat with us""#),
        key("allowed_origins", r#"["https://example.com"]"#),
        key("chatflow", "[channel.chatflow]"),
        key("offline_form", "true"),
        key("idle_close_minutes", "30"),
        key("hourly_limit", "20"),
    ],
    later: &["logo", "language"],
    shared: Some(&MESSAGE_CHANNEL),
};

/// `[channel.chatflow]`
pub const CHATFLOW: Table = Table {
    name: "[channel.chatflow]",
    keys: &[
        key("greeting", r#""Hello! How can we help?""#),
        key("question", "[[channel.chatflow.question]]"),
        key("users", r#"["anna"]"#),
        key("teams", r#"["support"]"#),
    ],
    later: &["branch", "next"],
    shared: None,
};

/// `[[channel.chatflow.question]]`
pub const QUESTION: Table = Table {
    name: "[[channel.chatflow.question]]",
    keys: &[
        key("name", r#""order""#),
        key("text", r#""Which order is it about?""#),
        key("type", r#""text""#),
        key("choices", r#"["An order", "Something else"]"#),
        key("optional", "true"),
    ],
    later: &["branch", "next"],
    shared: None,
};

/// What the rules of all kinds have.
pub const RULE: Table = Table {
    name: "a rule",
    keys: &[
        key("users", r#"["anna"]"#),
        key("teams", r#"["support"]"#),
        key("to", r#""contact-owner""#),
        key("only_available", "true"),
        key("strategy", r#""round-robin""#),
        key("tie_break", r#""listed""#),
        key("then", r#"[{ users = ["carl"] }]"#),
    ],
    later: &[],
    shared: None,
};

/// What both rules for calls and their steps have.
const OF_CALLS: &[Key] = &[
    key("ring_seconds", "25"),
    key("ring_each", "15"),
    key("max_ringing", "20"),
    key("voicemail", r#""unanswered""#),
];

/// `[channel.working_hours]`, `[channel.break]` and `[channel.after_hours]` of a call channel
pub const CALL_RULE: Table = Table {
    name: "a rule for calls",
    keys: OF_CALLS,
    later: &[],
    shared: Some(&RULE),
};

/// `[channel.assign]`, `[channel.break]` and `[channel.after_hours]` of the other kinds
pub const MESSAGE_RULE: Table = Table {
    name: "a rule for messages",
    keys: &[
        key("agent", r#""assistant""#),
        key("reply", r#""We open at 8.""#),
        key("answer_within_minutes", "60"),
    ],
    later: &[],
    shared: Some(&RULE),
};

/// What the steps of `then` have in rules of all kinds.
pub const STEP: Table = Table {
    name: "a step of `then`",
    keys: &[
        key("users", r#"["anna"]"#),
        key("teams", r#"["support"]"#),
        key("to", r#""contact-owner""#),
        key("only_available", "true"),
        key("strategy", r#""round-robin""#),
        key("tie_break", r#""listed""#),
    ],
    later: &[],
    shared: None,
};

/// A step of `then` in a rule for calls
pub const CALL_STEP: Table = Table {
    name: "a step for calls",
    keys: OF_CALLS,
    later: &[],
    shared: Some(&STEP),
};

/// A step of `then` in a rule for messages
pub const MESSAGE_STEP: Table = Table {
    name: "a step for messages",
    keys: &[key("agent", r#""assistant""#)],
    later: &[],
    shared: Some(&STEP),
};
