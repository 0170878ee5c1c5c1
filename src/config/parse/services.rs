//! HTTP, mail and contacts as a whole, and programs beside Ringdesk

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::diagnostic::Findings;
use crate::config::section::Section;
use crate::config::tree::{
    AgentEntry, AgentProtocolEntry, EmailSettingsEntry, HttpEntry, TokenEntry, WebhookEntry,
};
use crate::core::snapshot::{ContactLookup, Kind, PerKind, RoutingSettings, Scope};

/// Up to a month without signing in again.
const SESSION_HOURS: RangeInclusive<i64> = 1..=720;

/// The largest mail: what mail servers commonly take, and what is kept as a file.
const LARGEST_MEGABYTES: RangeInclusive<i64> = 1..=25;

const OCTETS_PER_MEGABYTE: usize = 1024 * 1024;

/// What an open conversation may add to a load; 0 counts for nothing.
const WEIGHTS: RangeInclusive<i64> = 0..=100;

/// Missed offers in a row after which somebody is surely not there.
const AWAY_AFTER_MISSED: RangeInclusive<i64> = 1..=20;

/// Missed calls of a day are one item at most.
const MISSED_CALLS_MINUTES: RangeInclusive<i64> = 0..=1440;

/// How long a customer may be left without an answer of a program.
const TIMEOUT_SECONDS: RangeInclusive<i64> = 1..=120;

/// Answers of a program after which it is surely no help.
const MAX_TURNS: RangeInclusive<i64> = 1..=100;

const SCOPES: [(&str, Scope); 10] = [
    ("read-conversations", Scope::ReadConversations),
    ("write-conversations", Scope::WriteConversations),
    ("read-contacts", Scope::ReadContacts),
    ("write-contacts", Scope::WriteContacts),
    ("read-users", Scope::ReadUsers),
    ("write-users", Scope::WriteUsers),
    ("read-configuration", Scope::ReadConfiguration),
    ("write-configuration", Scope::WriteConfiguration),
    ("read-metrics", Scope::ReadMetrics),
    ("read-audit", Scope::ReadAudit),
];

const PROTOCOLS: [(&str, AgentProtocolEntry); 2] = [
    ("chat-completions", AgentProtocolEntry::ChatCompletions),
    ("webhook", AgentProtocolEntry::Webhook),
];

pub(super) fn http(section: &Section<'_>, findings: &mut Findings) -> HttpEntry {
    let session = section.whole("session_hours", SESSION_HOURS, findings);
    HttpEntry {
        place: section.place(),
        listen: section.text("listen", findings),
        public_url: section.text("public_url", findings),
        trusted_proxies: section.texts("trusted_proxies", findings),
        session: session
            .map(|hours| Duration::from_secs(hours.value.unsigned_abs().saturating_mul(3600))),
    }
}

pub(super) fn email(section: &Section<'_>, findings: &mut Findings) -> EmailSettingsEntry {
    let largest = section.whole("largest_megabytes", LARGEST_MEGABYTES, findings);
    EmailSettingsEntry {
        lmtp: section.text("lmtp", findings),
        largest: largest
            .and_then(|megabytes| usize::try_from(megabytes.value).ok())
            .map(|megabytes| megabytes.saturating_mul(OCTETS_PER_MEGABYTE)),
    }
}

pub(super) fn contacts(section: &Section<'_>, findings: &mut Findings) -> ContactLookup {
    let mut truth = |key| section.truth(key, findings).is_none_or(|it| it.value);
    ContactLookup {
        by_cookie: truth("by_cookie"),
        by_sender: truth("by_sender"),
        by_number: truth("by_number"),
    }
}

pub(super) fn routing(section: &Section<'_>, findings: &mut Findings) -> RoutingSettings {
    let default = RoutingSettings::default();
    let written = section.numbers_by_kind("weights", &Kind::ALL, WEIGHTS, findings);
    let mut weights: PerKind<u32> = default.weights;
    for kind in Kind::ALL {
        if let Some(weight) = *written.of(kind) {
            *weights.of_mut(kind) = weight;
        }
    }
    let missed = section.whole("away_after_missed", AWAY_AFTER_MISSED, findings);
    let together = section.minutes(
        "missed_calls_together_minutes",
        MISSED_CALLS_MINUTES,
        findings,
    );
    RoutingSettings {
        weights,
        away_after_missed: missed.and_then(|missed| u32::try_from(missed.value).ok()),
        missed_calls_together: together.map_or(default.missed_calls_together, |it| it.value),
    }
}

pub(super) fn agent(section: &Section<'_>, findings: &mut Findings) -> Option<AgentEntry> {
    let name = section.required_text("name", findings);
    let display_name = section.text("display_name", findings);
    let endpoint = section.required_text("endpoint", findings);
    let protocol = section.choice("protocol", &PROTOCOLS, findings);
    let model = section.text("model", findings);
    let instructions = section.text("instructions", findings);
    let instructions_file = section.text("instructions_file", findings);
    let secret_file = section.text("secret_file", findings);
    let timeout = section.seconds("timeout_seconds", TIMEOUT_SECONDS, findings);
    let max_turns = section.whole("max_turns", MAX_TURNS, findings);
    let person_words = section.texts("person_words", findings).unwrap_or_default();
    let allow_private = section.truth("allow_private", findings);
    Some(AgentEntry {
        name: name?,
        display_name,
        endpoint: endpoint?,
        protocol: protocol.map(|it| it.value).unwrap_or_default(),
        model,
        instructions,
        instructions_file,
        secret_file,
        timeout,
        max_turns: max_turns.and_then(|turns| u32::try_from(turns.value).ok()),
        person_words,
        allow_private: allow_private.is_some_and(|it| it.value),
    })
}

pub(super) fn token(section: &Section<'_>, findings: &mut Findings) -> Option<TokenEntry> {
    let name = section.required_text("name", findings);
    let sha256 = section.required_text("sha256", findings);
    let scopes = section.choices("scopes", &SCOPES, findings);
    if !section.has("scopes") {
        findings.error(
            &section.place(),
            "[[token]] needs `scopes`, what the program may do, as in scopes = [\"read-contacts\"].",
        );
    }
    let user = section.text("user", findings);
    let inboxes = section.texts("inboxes", findings);
    Some(TokenEntry {
        name: name?,
        sha256,
        scopes: scopes.unwrap_or_default(),
        user,
        inboxes,
    })
}

pub(super) fn webhook(section: &Section<'_>, findings: &mut Findings) -> Option<WebhookEntry> {
    let name = section.required_text("name", findings);
    let url = section.required_text("url", findings);
    let secret_file = section.required_text("secret_file", findings);
    let events = section.texts("events", findings).unwrap_or_default();
    let inboxes = section.texts("inboxes", findings);
    let allow_private = section.truth("allow_private", findings);
    Some(WebhookEntry {
        name: name?,
        url: url?,
        secret_file,
        events,
        inboxes,
        allow_private: allow_private.is_some_and(|it| it.value),
    })
}
