//! Files to tree: every value is read before anything is concluded from it, so that one run
//! reports everything that is wrong with any of them.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeTable;

use super::diagnostic::{Findings, Place};
use super::schema;
use super::section::Section;
use super::source::Source;
use super::special_days;
use super::tree::{
    ChannelEntry, ExpectEntry, InboxEntry, LoginEntry, PromptEntry, RuleEntry, ScheduleEntry,
    SipEntry, SmtpEntry, SpecialDayEntry, SpecialDaysEntry, StepEntry, TeamEntry, Tree, TrunkEntry,
    UserEntry,
};
use crate::core::schedule::{Observed, Openness, Overnight};
use crate::core::snapshot::{
    CallerFrom, CallerShown, DigestOffer, NumberFrom, RuleName, Seat, Strategy, Target, TieBreak,
};

/// Longest waits that make sense: a caller who has heard ringing for ten minutes is gone.
const RING_SECONDS: RangeInclusive<i64> = 1..=600;

/// A voicemail that is shorter says nothing, and one that is longer is nobody's to listen to.
const VOICEMAIL_SECONDS: RangeInclusive<i64> = 5..=3600;

/// Up to a day after a call.
const WRAP_UP_SECONDS: RangeInclusive<i64> = 0..=86_400;

/// Up to a day for running calls to end.
const DRAIN_SECONDS: RangeInclusive<i64> = 0..=86_400;

/// How many users may ring at once at most: each has a few devices, each device a leg.
const MAX_RINGING: RangeInclusive<i64> = 1..=100;

/// How many users ring at once where nothing is said.
const DEFAULT_MAX_RINGING: usize = 20;

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
        for error in &errors {
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
    let hint = match message {
        "duplicate key" => " It may stand once in its table.",
        _ if message.contains("string values must be quoted") => " Put the text in quotes.",
        _ => "",
    };
    match at
        .map(str::trim)
        .filter(|at| !at.is_empty() && at.len() <= 60 && !at.contains('\n'))
    {
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
                login: login_entry(&smtp, findings),
            });
        }
    }

    fn lists(&mut self, root: &Section<'_>, findings: &mut Findings) {
        let tree = &mut self.tree;
        for section in root.sections("trunk", &schema::TRUNK, findings) {
            tree.trunks.extend(trunk_entry(&section, findings));
        }
        for section in root.sections("user", &schema::USER, findings) {
            tree.users.extend(user_entry(&section, findings));
        }
        for section in root.sections("team", &schema::TEAM, findings) {
            tree.teams.extend(team_entry(&section, findings));
        }
        for section in root.sections("inbox", &schema::INBOX, findings) {
            tree.inboxes.extend(inbox_entry(&section, findings));
        }
        for section in root.sections("schedule", &schema::SCHEDULE, findings) {
            tree.schedules.extend(schedule_entry(&section, findings));
        }
        for section in root.sections("special_days", &schema::SPECIAL_DAYS, findings) {
            tree.special_days
                .extend(special_days_entry(&section, findings));
        }
        for section in root.sections("prompt", &schema::PROMPT, findings) {
            tree.prompts.extend(prompt_entry(&section, findings));
        }
        for section in root.unchecked_sections("channel", &schema::CHANNEL, findings) {
            if is_call(&section, findings) {
                section.check_keys(findings);
                tree.channels.extend(channel_entry(&section, findings));
            } else {
                tree.refused_channels.extend(section.text("name", findings));
            }
        }
        for section in root.sections("expect", &schema::EXPECT, findings) {
            tree.expectations.extend(expect_entry(&section, findings));
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

fn user_entry(section: &Section<'_>, findings: &mut Findings) -> Option<UserEntry> {
    let seats = [("sales", Seat::Sales), ("service", Seat::Service)];
    let name = section.required_text("name", findings);
    let seat = section
        .choice("seat", &seats, findings)
        .map(|seat| seat.value);
    // A seat that was written wrong is one error; that rules name a user without a seat is not another.
    let seat = seat.or(section.has("seat").then_some(Seat::Service));
    let display_name = section.text("display_name", findings);
    let email = section.text("email", findings);
    let sip_password_file = section.text("sip_password_file", findings);
    let sip_contacts = section.texts("sip_contacts", findings).unwrap_or_default();
    let external_number = section.text("external_number", findings);
    let external_trunk = section.text("external_trunk", findings);
    let schedule = section.text("schedule", findings);
    let wrap_up = section.seconds("wrap_up_seconds", WRAP_UP_SECONDS, findings);
    Some(UserEntry {
        name: name?,
        display_name,
        email,
        seat,
        sip_password_file,
        sip_contacts,
        external_number,
        external_trunk,
        schedule,
        wrap_up,
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

const OVERNIGHT: [(&str, Overnight); 2] = [("run-on", Overnight::RunOn), ("cut", Overnight::Cut)];

const OBSERVED: [(&str, Observed); 3] = [
    ("nearest-weekday", Observed::NearestWeekday),
    ("next-monday", Observed::NextMonday),
    ("next-tuesday", Observed::NextTuesday),
];

fn schedule_entry(section: &Section<'_>, findings: &mut Findings) -> Option<ScheduleEntry> {
    let name = section.required_text("name", findings);
    let timezone = section.required_text("timezone", findings);
    let weekly = section.lists_by_name("weekly", findings);
    let special_days = section.texts("special_days", findings).unwrap_or_default();
    let special = section
        .sections("special", &schema::SPECIAL_DAY, findings)
        .iter()
        .map(|day| special_day_entry(day, findings))
        .collect();
    let overnight = section.choice("overnight", &OVERNIGHT, findings);
    Some(ScheduleEntry {
        name: name?,
        timezone,
        weekly,
        special_days,
        special,
        overnight: overnight.map(|it| it.value).unwrap_or_default(),
    })
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

fn special_days_entry(section: &Section<'_>, findings: &mut Findings) -> Option<SpecialDaysEntry> {
    let name = section.required_text("name", findings);
    let days = section
        .sections("days", &schema::SPECIAL_DAY, findings)
        .iter()
        .map(|day| special_day_entry(day, findings))
        .collect();
    Some(SpecialDaysEntry { name: name?, days })
}

fn special_day_entry(section: &Section<'_>, findings: &mut Findings) -> SpecialDayEntry {
    if !section.has("hours") {
        let message = "a special day needs `hours`: hours = [] for closed, hours = [\"08:00-12:00\"] for other hours.";
        findings.error(&section.place(), message);
    }
    SpecialDayEntry {
        place: section.place(),
        date: section.text("date", findings),
        from: section.text("from", findings),
        to: section.text("to", findings),
        yearly: section.text("yearly", findings),
        weekday: section.text("weekday", findings),
        nth: section.whole("nth", -5..=5, findings),
        month: section.whole("month", 1..=12, findings),
        easter: section.whole("easter", -366..=366, findings),
        observed: section
            .choice("observed", &OBSERVED, findings)
            .map(|it| it.value),
        overnight: section
            .choice("overnight", &OVERNIGHT, findings)
            .map(|it| it.value),
        name: section.text("name", findings),
        hours: section.texts("hours", findings).unwrap_or_default(),
        prompt: section.text("prompt", findings),
    }
}

fn prompt_entry(section: &Section<'_>, findings: &mut Findings) -> Option<PromptEntry> {
    let name = section.required_text("name", findings);
    let file = section.text("file", findings);
    Some(PromptEntry { name: name?, file })
}

fn channel_entry(section: &Section<'_>, findings: &mut Findings) -> Option<ChannelEntry> {
    let name = section.required_text("name", findings);
    let inbox = section.text("inbox", findings);
    let numbers = section.texts("numbers", findings).unwrap_or_default();
    let schedule = section.text("schedule", findings);
    let notify = section.texts("notify", findings).unwrap_or_default();
    let voicemail_limit = section.seconds("voicemail_seconds", VOICEMAIL_SECONDS, findings);
    let working_hours = rule_entry(section, "working_hours", RuleName::WorkingHours, findings);
    let break_ = rule_entry(section, "break", RuleName::Break, findings);
    let after_hours = rule_entry(section, "after_hours", RuleName::AfterHours, findings);
    let special_prompts = section.texts_by_name("special_prompts", findings);
    Some(ChannelEntry {
        name: name?,
        inbox,
        numbers,
        schedule,
        notify,
        voicemail_limit,
        working_hours,
        break_,
        after_hours,
        special_prompts,
    })
}

/// False for the kinds that this version lacks, whose other keys are then not looked at.
fn is_call(section: &Section<'_>, findings: &mut Findings) -> bool {
    let Some(kind) = section.text("kind", findings) else {
        return true;
    };
    let message = match kind.value.as_str() {
        "call" => return true,
        later @ ("email" | "form" | "chat") => {
            format!(
                "channels of kind \"{later}\" are not available in this version. Remove this channel."
            )
        }
        other => format!("`kind` cannot be \"{other}\": it is \"call\"."),
    };
    findings.error(&kind.place, message);
    false
}

fn rule_entry(
    channel: &Section<'_>,
    key: &'static str,
    name: RuleName,
    findings: &mut Findings,
) -> Option<RuleEntry> {
    let section = channel.section(key, &schema::RULE, findings)?;
    let mut voicemail = section.text("voicemail", findings);
    let mut steps: Vec<StepEntry> = step_entry(&section, findings).into_iter().collect();
    let then = section.sections("then", &schema::STEP, findings);
    let last = then.len().checked_sub(1);
    for (index, step) in then.iter().enumerate() {
        if let Some(prompt) = step.text("voicemail", findings) {
            if Some(index) != last {
                let message = "a voicemail ends a rule: it can only be the last step of `then`.";
                findings.error(&prompt.place, message);
            } else if let Some(first) = &voicemail {
                let message = format!(
                    "the rule says its voicemail in {} already. Keep one.",
                    first.place
                );
                findings.error(&prompt.place, message);
            } else {
                voicemail = Some(prompt);
            }
        }
        match step_entry(step, findings) {
            Some(step) => steps.push(step),
            None if step.has("voicemail") => {}
            None => findings.error(
                &step.place(),
                "this step names nobody. Give it `users`, `teams` or, as the last one, `voicemail`.",
            ),
        }
    }
    Some(RuleEntry {
        name,
        place: section.place(),
        steps,
        voicemail,
    })
}

/// `None` where nobody is named.
fn step_entry(section: &Section<'_>, findings: &mut Findings) -> Option<StepEntry> {
    let strategies = [
        ("ring-all", Strategy::RingAll),
        ("progressive", Strategy::Progressive),
        ("sequential", Strategy::Sequential),
        ("round-robin", Strategy::RoundRobin),
        ("least-busy", Strategy::LeastBusy),
        ("longest-idle", Strategy::LongestIdle),
        ("random", Strategy::Random),
    ];
    let tie_breaks = [
        ("most-recently-assigned", TieBreak::MostRecentlyAssigned),
        ("least-recently-assigned", TieBreak::LeastRecentlyAssigned),
        ("listed", TieBreak::Listed),
        ("random", TieBreak::Random),
    ];
    let users = section.texts("users", findings).unwrap_or_default();
    let teams = section.texts("teams", findings).unwrap_or_default();
    let target = target(section, findings);
    let strategy = section
        .choice("strategy", &strategies, findings)
        .map_or(Strategy::RingAll, |strategy| strategy.value);
    let tie_break = section
        .choice("tie_break", &tie_breaks, findings)
        .map_or(TieBreak::LeastRecentlyAssigned, |tie_break| tie_break.value);
    let ring = section.seconds("ring_seconds", RING_SECONDS, findings);
    let ring_each = section.seconds("ring_each", RING_SECONDS, findings);
    let max_ringing = section.whole("max_ringing", MAX_RINGING, findings);
    let names_somebody = !users.is_empty() || !teams.is_empty();
    (names_somebody || target == Target::Nobody).then(|| StepEntry {
        target,
        users,
        teams,
        strategy,
        tie_break,
        ring: ring.unwrap_or(default_ring(strategy)),
        ring_each: ring_each.unwrap_or(default_ring_each(strategy)),
        max_ringing: max_ringing
            .and_then(|number| usize::try_from(number.value).ok())
            .unwrap_or(DEFAULT_MAX_RINGING),
    })
}

fn target(section: &Section<'_>, findings: &mut Findings) -> Target {
    let Some(to) = section.text("to", findings) else {
        return Target::Lists;
    };
    let message = match to.value.as_str() {
        "nobody" => return Target::Nobody,
        "contact-owner" => {
            "`to = \"contact-owner\"` is not available in this version. Name `users` or `teams`."
                .to_owned()
        }
        "customer-agent" => {
            "`to = \"customer-agent\"` is for messages, not for calls. Name `users` or `teams`."
                .to_owned()
        }
        other => format!(
            "`to` cannot be \"{other}\": it is \"nobody\". Without `to`, the `users` and `teams` ring."
        ),
    };
    findings.error(&to.place, message);
    Target::Lists
}

fn default_ring(strategy: Strategy) -> Duration {
    match strategy {
        Strategy::RingAll | Strategy::Progressive => Duration::from_secs(25),
        Strategy::Sequential
        | Strategy::RoundRobin
        | Strategy::LeastBusy
        | Strategy::LongestIdle
        | Strategy::Random => Duration::from_secs(60),
    }
}

fn default_ring_each(strategy: Strategy) -> Duration {
    match strategy {
        Strategy::Progressive => Duration::from_secs(10),
        Strategy::RingAll
        | Strategy::Sequential
        | Strategy::RoundRobin
        | Strategy::LeastBusy
        | Strategy::LongestIdle
        | Strategy::Random => Duration::from_secs(15),
    }
}

fn expect_entry(section: &Section<'_>, findings: &mut Findings) -> Option<ExpectEntry> {
    let states = [
        ("open", Openness::Open),
        ("break", Openness::Break),
        ("closed", Openness::Closed),
    ];
    let at = section.required_text("at", findings);
    let channel = section.required_text("channel", findings);
    let voicemail = section.text("voicemail", findings);
    let rings = section.texts("rings", findings);
    let hours = section.choice("hours", &states, findings);
    if !["voicemail", "rings", "hours"]
        .iter()
        .any(|key| section.has(key))
    {
        findings.error(
            &section.place(),
            "[[expect]] expects nothing. Give it `voicemail`, `rings` or `hours`.",
        );
    }
    Some(ExpectEntry {
        place: section.place(),
        at: at?,
        channel: channel?,
        voicemail,
        rings,
        hours,
    })
}
