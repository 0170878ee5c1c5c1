//! `[[customer_agent]]`, `[[token]]`, `[[webhook]]`: programs beside Ringdesk

use std::collections::HashMap;
use std::time::Duration;

use super::{Directory, text};
use crate::config::diagnostic::{Findings, Place, suggestion};
use crate::config::files::{Files, Password};
use crate::config::tree::{AgentEntry, AgentProtocolEntry, Text, TokenEntry, Tree, WebhookEntry};
use crate::core::conversation::Happening;
use crate::core::hex;
use crate::core::name::{AgentName, InboxName, UserName};
use crate::core::snapshot::{AgentProtocol, CustomerAgent, Secret, Token, Webhook};

/// How long an answer may take where nothing is said.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Answers in one conversation where nothing is said.
const DEFAULT_MAX_TURNS: u32 = 10;

/// The longest instructions, in characters: models read them again at each turn.
const MAX_INSTRUCTIONS_CHARACTERS: usize = 50_000;

/// Words for "a person" beside the built-in ones.
const MAX_PERSON_WORDS: usize = 100;

/// The longest name that customers read, in characters.
const MAX_NAME_CHARACTERS: usize = 100;

pub(super) fn agents(tree: &Tree, files: &Files, findings: &mut Findings) -> Vec<CustomerAgent> {
    tree.customer_agents
        .iter()
        .map(|entry| agent(entry, files, findings))
        .collect()
}

fn agent(entry: &AgentEntry, files: &Files, findings: &mut Findings) -> CustomerAgent {
    let name = &entry.name.value;
    check_program("endpoint", &entry.endpoint, entry.allow_private, findings);
    let protocol = protocol(entry, files, findings);
    if let Some(word) = entry.person_words.get(MAX_PERSON_WORDS) {
        let message = format!("`person_words` takes {MAX_PERSON_WORDS} at most.");
        findings.error(&word.place, message);
    }
    CustomerAgent {
        name: AgentName::from(name.as_str()),
        display_name: match &entry.display_name {
            Some(displayed) => text::line("display_name", displayed, MAX_NAME_CHARACTERS, findings),
            None => name.clone(),
        },
        endpoint: entry.endpoint.value.clone(),
        protocol,
        secret: entry
            .secret_file
            .as_ref()
            .and_then(|file| secret(file, files, findings)),
        timeout: entry.timeout.unwrap_or(DEFAULT_TIMEOUT),
        max_turns: entry.max_turns.unwrap_or(DEFAULT_MAX_TURNS),
        person_words: entry
            .person_words
            .iter()
            .map(|word| text::line("person_words", word, MAX_NAME_CHARACTERS, findings))
            .collect(),
        allow_private: entry.allow_private,
    }
}

fn protocol(entry: &AgentEntry, files: &Files, findings: &mut Findings) -> AgentProtocol {
    match entry.protocol {
        AgentProtocolEntry::ChatCompletions => {
            if entry.model.is_none() {
                let message = "a customer agent of chat completions needs `model`, as in model = \"small-1\".";
                findings.error(&entry.name.place, message);
            }
            let model = entry.model.as_ref();
            AgentProtocol::ChatCompletions {
                model: model.map_or(String::new(), |model| {
                    text::line("model", model, MAX_NAME_CHARACTERS, findings)
                }),
                instructions: instructions(entry, files, findings),
            }
        }
        AgentProtocolEntry::Webhook => {
            let written = [&entry.model, &entry.instructions, &entry.instructions_file];
            if let Some(written) = written.into_iter().flatten().next() {
                let message = "`model`, `instructions` and `instructions_file` are for protocol = \"chat-completions\". Remove them.";
                findings.error(&written.place, message);
            }
            if entry.secret_file.is_none() {
                let message = "a customer agent of protocol \"webhook\" needs `secret_file`: what it is asked is signed with it.";
                findings.error(&entry.name.place, message);
            }
            AgentProtocol::Webhook
        }
    }
}

fn instructions(entry: &AgentEntry, files: &Files, findings: &mut Findings) -> String {
    match (&entry.instructions, &entry.instructions_file) {
        (Some(_), Some(file)) => {
            let message = "`instructions` stands beside it already. Keep one.";
            findings.error(&file.place, message);
            String::new()
        }
        (Some(written), None) => text::lines(
            "instructions",
            written,
            MAX_INSTRUCTIONS_CHARACTERS,
            findings,
        ),
        (None, Some(file)) => match files.text(&file.value, MAX_INSTRUCTIONS_CHARACTERS) {
            Ok(written) => text::lines(
                "instructions_file",
                &file.with(written),
                MAX_INSTRUCTIONS_CHARACTERS,
                findings,
            ),
            Err(problem) => {
                findings.error(&file.place, problem);
                String::new()
            }
        },
        (None, None) => {
            let message =
                "this customer agent has no `instructions`: it is not told what its task is.";
            findings.warning(&entry.name.place, message);
            String::new()
        }
    }
}

/// An address of a program elsewhere.
fn check_program(key: &str, written: &Text, allow_private: bool, findings: &mut Findings) {
    let Some(url) = text::web_address(key, written, findings) else {
        return;
    };
    let is_private = text::is_private(&url);
    if is_private && !allow_private {
        let message = format!(
            "`{key}` is within this machine or its network, which is refused unless allowed. Write allow_private = true where that is meant."
        );
        findings.error(&written.place, message);
    }
    if url.scheme() == "http" && !is_private && !allow_private {
        let message = format!(
            "`{key}` is not encrypted: what customers write can be read on the way. Use https://."
        );
        findings.warning(&written.place, message);
    }
}

fn secret(file: &Text, files: &Files, findings: &mut Findings) -> Option<Secret> {
    match files.password(file, findings) {
        Password::Read(secret) => Some(secret),
        Password::Unusable => None,
        Password::Missing => {
            let message = format!(
                "there is no file {}. Write the secret into it.",
                files.path(&file.value).display()
            );
            findings.error(&file.place, message);
            None
        }
    }
}

pub(super) fn tokens(
    tree: &Tree,
    directory: &Directory<'_>,
    findings: &mut Findings,
) -> Vec<Token> {
    let mut places: HashMap<[u8; 32], &Place> = HashMap::new();
    let mut tokens = Vec::with_capacity(tree.tokens.len());
    for entry in &tree.tokens {
        let Some(token) = token(entry, directory, findings) else {
            continue;
        };
        if let Some(first) = places.get(&token.sha256) {
            let message = format!("this token stands in {first} already. Make another one.");
            findings.error(&entry.name.place, message);
        }
        places.insert(token.sha256, &entry.name.place);
        tokens.push(token);
    }
    tokens
}

fn token(entry: &TokenEntry, directory: &Directory<'_>, findings: &mut Findings) -> Option<Token> {
    if let Some(user) = &entry.user {
        directory.users.check(user, directory.unread, findings);
        if let Some(inboxes) = &entry.inboxes {
            let place = inboxes.first().map_or(&user.place, |inbox| &inbox.place);
            let message = format!(
                "the token acts for {}, and sees what {0} sees. Remove `inboxes` or `user`.",
                user.value
            );
            findings.error(place, message);
        }
    }
    Some(Token {
        name: entry.name.value.clone(),
        sha256: sha256(entry.sha256.as_ref()?, findings)?,
        scopes: entry.scopes.iter().map(|scope| scope.value).collect(),
        user: entry
            .user
            .as_ref()
            .map(|user| UserName::from(user.value.as_str())),
        inboxes: inboxes(entry.inboxes.as_deref(), directory, findings),
    })
}

fn sha256(written: &Text, findings: &mut Findings) -> Option<[u8; 32]> {
    let octets = hex::octets(&written.value);
    if octets.is_none() {
        let message = "`sha256` takes the 64 digits of the token's SHA-256, not the token. Remove this [[token]]: `ringdesk token` makes a new one.";
        findings.error(&written.place, message);
    }
    octets
}

fn inboxes(
    written: Option<&[Text]>,
    directory: &Directory<'_>,
    findings: &mut Findings,
) -> Option<Vec<InboxName>> {
    let written = written?;
    for inbox in written {
        directory.inboxes.check(inbox, directory.unread, findings);
    }
    let names = written.iter();
    Some(
        names
            .map(|inbox| InboxName::from(inbox.value.as_str()))
            .collect(),
    )
}

pub(super) fn webhooks(
    tree: &Tree,
    directory: &Directory<'_>,
    files: &Files,
    findings: &mut Findings,
) -> Vec<Webhook> {
    tree.webhooks
        .iter()
        .filter_map(|entry| webhook(entry, directory, files, findings))
        .collect()
}

fn webhook(
    entry: &WebhookEntry,
    directory: &Directory<'_>,
    files: &Files,
    findings: &mut Findings,
) -> Option<Webhook> {
    check_program("url", &entry.url, entry.allow_private, findings);
    for event in &entry.events {
        if !Happening::NAMES.contains(&event.value.as_str()) {
            let message = format!(
                "there is no event \"{}\".{}",
                event.value,
                suggestion(&event.value, Happening::NAMES)
            );
            findings.error(&event.place, message);
        }
    }
    let secret = entry
        .secret_file
        .as_ref()
        .and_then(|file| secret(file, files, findings));
    let inboxes = inboxes(entry.inboxes.as_deref(), directory, findings);
    Some(Webhook {
        name: entry.name.value.clone(),
        url: entry.url.value.clone(),
        secret: secret?,
        events: entry.events.iter().map(|it| it.value.clone()).collect(),
        inboxes,
        allow_private: entry.allow_private,
    })
}
