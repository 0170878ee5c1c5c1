//! Files to tree: every value is read before anything is concluded from it, so that one run
//! reports everything that is wrong with any of them.

mod channels;
mod expectations;
mod headings;
mod hours;
mod people;
mod rules;
mod services;

use std::collections::HashMap;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::DeTable;

use super::diagnostic::{Findings, Place};
use super::schema;
use super::section::Section;
use super::source::Source;
use super::special_days;
use super::tree::{
    InboxEntry, LoginEntry, MailLoginEntry, PromptEntry, SipEntry, SmtpEntry, TeamEntry, Tree,
    TrunkEntry,
};
use crate::core::snapshot::{CallerFrom, CallerShown, DigestOffer, NumberFrom};

/// What the parser says of a key that stands twice.
const DUPLICATE: &str = "duplicate key";

/// Quotation marks as word processors write them.
const CURLY: [char; 4] = ['\u{201c}', '\u{201d}', '\u{201e}', '\u{2019}'];

/// Up to a day for running calls to end.
const DRAIN_SECONDS: RangeInclusive<i64> = 0..=86_400;

/// Reads all files as one. The second value are the files that are broken somewhere, so that
/// things which other files name may stand in the rest of them.
pub(super) fn parse<'a>(sources: &'a [Source], findings: &mut Findings) -> (Tree, Vec<&'a Source>) {
    let mut reader = Reader {
        tree: Tree::default(),
        single: HashMap::new(),
    };
    let mut broken = Vec::new();
    for source in sources {
        let (document, errors) = DeTable::parse_recoverable(&source.text);
        let doubled = errors.iter().any(|error| error.message() == DUPLICATE);
        let is_explained = doubled && headings::explain(source, findings);
        for error in &errors {
            if is_explained && error.message() == DUPLICATE {
                continue;
            }
            let octets = error.span().unwrap_or(0..0);
            let place = source.place(octets.start);
            findings.error(&place, syntax(error.message(), source.text.get(octets)));
        }
        if errors.is_empty() && source.is_whole {
            reader.document(source, &document, findings);
        } else {
            broken.push(source);
            let mut consequences = Findings::default();
            reader.document(source, &document, &mut consequences);
        }
    }
    (reader.tree, broken)
}

fn syntax(message: &str, at: Option<&str>) -> String {
    let at = at
        .map(str::trim)
        .filter(|at| !at.is_empty() && at.len() <= 60 && !at.contains('\n'));
    let hint = match message {
        DUPLICATE => " It may stand once in its table.",
        _ if at.is_some_and(|at| at.contains(CURLY)) => {
            " Write straight quotation marks: \"like these\"."
        }
        _ if at == Some(":") => " Between a key and its value stands `=`.",
        _ if message.contains("string values must be quoted") => " Put the text in quotes.",
        _ => "",
    };
    match at {
        // What cannot be seen is written as `\u{0}`.
        Some(at) if at.chars().any(char::is_control) => {
            format!(
                "is not TOML: {message} (at `{}`).{hint}",
                at.escape_default()
            )
        }
        Some(at) => format!("is not TOML: {message} (at `{at}`).{hint}"),
        None => format!("is not TOML: {message}.{hint}"),
    }
}

struct Reader {
    tree: Tree,
    /// Where each thing stands that a directory may have once.
    single: HashMap<&'static str, Place>,
}

impl Reader {
    fn document<'a>(
        &mut self,
        source: &'a Source,
        document: &'a Spanned<DeTable<'a>>,
        findings: &mut Findings,
    ) {
        let table = document.get_ref();
        for key in table.keys() {
            let Some(known) = schema::ROOT.key(key.get_ref()) else {
                continue;
            };
            let wants_many = known.example.starts_with("[[");
            if !wants_many {
                self.once(known.name, source.place(key.span().start), findings);
            }
        }
        let root = Section::new(source, table, &schema::ROOT, 0);
        root.check_keys(findings);
        self.settings(&root, findings);
        self.lists(&root, findings);
    }

    fn once(&mut self, what: &'static str, place: Place, findings: &mut Findings) {
        if let Some(first) = self.single.get(what) {
            let message = format!("`{what}` stands in {first} already. Put both into one.");
            findings.error(&place, message);
        } else {
            self.single.insert(what, place);
        }
    }

    fn settings(&mut self, root: &Section<'_>, findings: &mut Findings) {
        let tree = &mut self.tree;
        if root.has("drain_seconds") {
            tree.drain = root.seconds("drain_seconds", DRAIN_SECONDS, findings);
        }
        if let Some(sip) = root.section("sip", &schema::SIP, findings) {
            tree.sip = sip_entry(&sip, findings);
        }
        if let Some(media) = root.section("media", &schema::MEDIA, findings) {
            tree.media_ports = media.text("ports", findings);
        }
        if let Some(store) = root.section("store", &schema::STORE, findings) {
            tree.store_url = store.text("url", findings);
            tree.store_audio = store.text("audio", findings);
        }
        if let Some(prompts) = root.section("prompts", &schema::PROMPTS, findings) {
            tree.prompts_dir = prompts.text("dir", findings);
        }
        if let Some(smtp) = root.section("smtp", &schema::SMTP, findings) {
            tree.smtp = Some(SmtpEntry {
                server: smtp.text("server", findings),
                from: smtp.required_text("from", findings),
                login: mail_login_entry(&smtp, findings),
            });
        }
        if let Some(http) = root.section("http", &schema::HTTP, findings) {
            tree.http = Some(services::http(&http, findings));
        }
        if let Some(email) = root.section("email", &schema::EMAIL, findings) {
            tree.email = services::email(&email, findings);
        }
        if let Some(contacts) = root.section("contacts", &schema::CONTACTS, findings) {
            tree.contacts = services::contacts(&contacts, findings);
        }
        if let Some(routing) = root.section("routing", &schema::ROUTING, findings) {
            tree.routing = services::routing(&routing, findings);
        }
    }

    fn lists(&mut self, root: &Section<'_>, findings: &mut Findings) {
        let tree = &mut self.tree;
        for section in root.sections("trunk", &schema::TRUNK, findings) {
            tree.trunks.extend(trunk_entry(&section, findings));
        }
        for section in root.sections("user", &schema::USER, findings) {
            tree.users.extend(people::user(&section, findings));
        }
        for section in root.sections("team", &schema::TEAM, findings) {
            tree.teams.extend(team_entry(&section, findings));
        }
        for section in root.sections("inbox", &schema::INBOX, findings) {
            tree.inboxes.extend(inbox_entry(&section, findings));
        }
        for section in root.sections("schedule", &schema::SCHEDULE, findings) {
            tree.schedules.extend(hours::schedule(&section, findings));
        }
        for section in root.sections("special_days", &schema::SPECIAL_DAYS, findings) {
            tree.special_days
                .extend(hours::special_days(&section, findings));
        }
        for section in root.sections("prompt", &schema::PROMPT, findings) {
            tree.prompts.extend(prompt_entry(&section, findings));
        }
        for section in root.unchecked_sections("channel", &schema::CHANNEL, findings) {
            match channels::kind(&section, findings) {
                Some(kind) => tree
                    .channels
                    .extend(channels::entry(&section, kind, findings)),
                None => tree.refused_channels.extend(section.text("name", findings)),
            }
        }
        for section in root.sections("customer_agent", &schema::CUSTOMER_AGENT, findings) {
            tree.customer_agents
                .extend(services::agent(&section, findings));
        }
        for section in root.sections("token", &schema::TOKEN, findings) {
            tree.tokens.extend(services::token(&section, findings));
        }
        for section in root.sections("webhook", &schema::WEBHOOK, findings) {
            tree.webhooks.extend(services::webhook(&section, findings));
        }
        for section in root.sections("expect", &schema::EXPECT, findings) {
            tree.expectations
                .extend(expectations::entry(&section, findings));
        }
    }
}

fn sip_entry(section: &Section<'_>, findings: &mut Findings) -> SipEntry {
    let digests = [
        ("md5", DigestOffer::Md5),
        ("sha-256", DigestOffer::Sha256),
        ("both", DigestOffer::Both),
    ];
    let listen = section.texts("listen", findings);
    if listen.as_ref().is_some_and(Vec::is_empty) {
        let message = "`listen` is empty, so that no call can arrive. Leave it out for port 5060 on every address.";
        findings.error(&section.place(), message);
    }
    SipEntry {
        listen,
        public_address: section.text("public_address", findings),
        local_networks: section.texts("local_networks", findings),
        digest: section
            .choice("digest", &digests, findings)
            .map(|digest| digest.value)
            .unwrap_or_default(),
        realm: section.text("realm", findings),
    }
}

fn login_entry(section: &Section<'_>, findings: &mut Findings) -> LoginEntry {
    LoginEntry {
        username: section.text("username", findings),
        password_file: section.text("password_file", findings),
    }
}

fn mail_login_entry(section: &Section<'_>, findings: &mut Findings) -> MailLoginEntry {
    MailLoginEntry {
        login: login_entry(section, findings),
        oauth2_token_file: section.text("oauth2_token_file", findings),
    }
}

fn trunk_entry(section: &Section<'_>, findings: &mut Findings) -> Option<TrunkEntry> {
    let number_from = [
        ("request-uri", NumberFrom::RequestUri),
        ("to", NumberFrom::To),
        ("p-called-party-id", NumberFrom::PCalledPartyId),
        ("diversion", NumberFrom::Diversion),
    ];
    let caller_from = [
        ("p-asserted-identity", CallerFrom::PAssertedIdentity),
        ("from", CallerFrom::From),
    ];
    let caller = [
        ("channel", CallerShown::Channel),
        ("pass", CallerShown::Pass),
    ];
    let name = section.required_text("name", findings);
    let peers = section.texts("peers", findings).unwrap_or_default();
    let country = section.text("country", findings);
    let number_from = section.choice("number_from", &number_from, findings);
    let caller_from = section.choice("caller_from", &caller_from, findings);
    let caller = section.choice("caller", &caller, findings);
    let outbound = section.text("outbound", findings);
    let login = login_entry(section, findings);
    let realm = section.text("realm", findings);
    Some(TrunkEntry {
        name: name?,
        peers,
        country,
        number_from: number_from.map(|from| from.value).unwrap_or_default(),
        caller_from: caller_from.map(|from| from.value).unwrap_or_default(),
        caller: caller.map(|caller| caller.value).unwrap_or_default(),
        outbound,
        login,
        realm,
    })
}

fn team_entry(section: &Section<'_>, findings: &mut Findings) -> Option<TeamEntry> {
    let name = section.required_text("name", findings);
    let members = section.texts("members", findings).unwrap_or_default();
    let extra_members = section.texts("extra_members", findings).unwrap_or_default();
    Some(TeamEntry {
        name: name?,
        members,
        extra_members,
    })
}

fn inbox_entry(section: &Section<'_>, findings: &mut Findings) -> Option<InboxEntry> {
    let name = section.required_text("name", findings);
    let teams = section.texts("teams", findings);
    Some(InboxEntry { name: name?, teams })
}

/// Adds the lists that come with the program, but those whose names the directory gives to its own.
pub(super) fn add_shipped_special_days(tree: &mut Tree, findings: &mut Findings) {
    for (name, text) in special_days::SHIPPED {
        if tree
            .special_days
            .iter()
            .any(|list| list.name.value == *name)
        {
            continue;
        }
        let source = Source::new(&format!("special-days/{name}.toml"), (*text).to_owned());
        let sources = [source];
        let (shipped, _) = parse(&sources, findings);
        tree.special_days.extend(shipped.special_days);
    }
}

fn prompt_entry(section: &Section<'_>, findings: &mut Findings) -> Option<PromptEntry> {
    let name = section.required_text("name", findings);
    let file = section.text("file", findings);
    Some(PromptEntry { name: name?, file })
}
