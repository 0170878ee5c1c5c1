//! The keys of HTTP, mail and contacts as a whole, and of programs beside Ringdesk.

use super::{Table, key};

/// `[http]`
pub const HTTP: Table = Table {
    name: "[http]",
    keys: &[
        key("listen", r#""127.0.0.1:8080""#),
        key("public_url", r#""https://desk.example.com""#),
        key("trusted_proxies", r#"["127.0.0.1"]"#),
        key("session_hours", "12"),
    ],
    later: &["tls", "certificate", "tls_certificate", "tls_key"],
    shared: None,
};

/// `[email]`
pub const EMAIL: Table = Table {
    name: "[email]",
    keys: &[
        key("lmtp", r#""unix:../data/lmtp""#),
        key("largest_megabytes", "25"),
    ],
    later: &["smtp_listen", "spam"],
    shared: None,
};

/// `[contacts]`
pub const CONTACTS: Table = Table {
    name: "[contacts]",
    keys: &[
        key("by_cookie", "true"),
        key("by_sender", "true"),
        key("by_number", "true"),
    ],
    later: &[],
    shared: None,
};

/// `[routing]`
pub const ROUTING: Table = Table {
    name: "[routing]",
    keys: &[
        key("weights", "{ chat = 2 }"),
        key("away_after_missed", "3"),
        key("missed_calls_together_minutes", "30"),
    ],
    later: &[],
    shared: None,
};

/// `[[customer_agent]]`
pub const CUSTOMER_AGENT: Table = Table {
    name: "[[customer_agent]]",
    keys: &[
        key("name", r#""assistant""#),
        key("display_name", r#""Assistant""#),
        key(
            "endpoint",
            r#""https://models.example.com/v1/chat/completions""#,
        ),
        key("protocol", r#""chat-completions""#),
        key("model", r#""small-1""#),
        key("instructions", r#""You answer questions about orders.""#),
        key("instructions_file", r#""assistant.txt""#),
        key("secret_file", r#""secrets/assistant""#),
        key("timeout_seconds", "30"),
        key("max_turns", "10"),
        key("person_words", r#"["human"]"#),
        key("allow_private", "true"),
    ],
    later: &["tools", "temperature"],
    shared: None,
};

/// `[[token]]`
pub const TOKEN: Table = Table {
    name: "[[token]]",
    keys: &[
        key("name", r#""crm""#),
        key(
            "sha256",
            r#""9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08""#,
        ),
        key("scopes", r#"["read-contacts"]"#),
        key("user", r#""anna""#),
        key("inboxes", r#"["customers"]"#),
    ],
    later: &["expires"],
    shared: None,
};

/// `[[webhook]]`
pub const WEBHOOK: Table = Table {
    name: "[[webhook]]",
    keys: &[
        key("name", r#""crm""#),
        key("url", r#""https://crm.example.com/ringdesk""#),
        key("secret_file", r#""secrets/crm-webhook""#),
        key("events", r#"["conversation.created"]"#),
        key("inboxes", r#"["customers"]"#),
        key("allow_private", "true"),
    ],
    later: &[],
    shared: None,
};
