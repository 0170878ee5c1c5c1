//! `ringdesk route`: what would become of a call, a mail, a form or a chat, without a daemon.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{ArgGroup, Args};
use serde::{Deserialize, Serialize};

use super::ConfigDirectory;
use crate::clock;
use crate::config::moment;
use crate::core::id::ContactId;
use crate::core::number::{Country, PhoneNumber, to_e164};
use crate::core::routing::{
    ContactFacts, Decision, Facts, FoundBy, Kind, Request, Selection, To, route, words,
};
use crate::core::snapshot::{Channel, Snapshot};
use crate::core::time::{Now, Wall};

/// Decides a call or a message without a daemon: what becomes of it, and why.
#[derive(Args, Debug)]
pub struct Route {
    #[command(flatten)]
    directory: ConfigDirectory,
    #[command(flatten)]
    question: Question,
}

/// Prints the decision. A refusal is one, too.
///
/// # Errors
/// The configuration or the facts cannot be read, or the question cannot be understood.
pub fn run(arguments: &Route) -> anyhow::Result<ExitCode> {
    let question = &arguments.question;
    let facts = match &question.facts {
        Some(file) => read_facts(file)?,
        None => Facts::default(),
    };
    let snapshot = arguments.directory.load()?.snapshot;
    let mut out = io::stdout().lock();
    print(&snapshot, question, &facts, clock::now(), &mut out)?;
    Ok(ExitCode::SUCCESS)
}

/// What to decide.
#[derive(Args, Clone, Debug, Default)]
#[command(group = ArgGroup::new("what").args(["to", "channel"]).required(true))]
pub struct Question {
    /// The dialled number; a national one is read as the trunks read it.
    #[arg(long, value_name = "NUMBER")]
    pub to: Option<String>,
    /// The channel, of any kind, instead of a number.
    #[arg(long, value_name = "NAME")]
    pub channel: Option<String>,
    /// The caller's number; of messages who writes, a mail address or a name.
    #[arg(long, value_name = "WHO")]
    pub from: Option<String>,
    /// The user who owns the contact; otherwise no contact is known.
    #[arg(long, value_name = "USER")]
    pub owner: Option<String>,
    /// When: 2026-12-24T12:30 in the channel's time, or 2026-12-24T12:30:00+01:00; otherwise now.
    #[arg(long, value_name = "WHEN")]
    pub at: Option<String>,
    /// One object, in the form that `explain --json` prints.
    #[arg(long)]
    pub json: bool,
    /// Who is free, in the form that `explain --json` prints; otherwise everybody with a seat is.
    #[arg(long, value_name = "FILE")]
    pub facts: Option<PathBuf>,
}

/// Decides and writes the outcome with its trace.
///
/// # Errors
/// The question cannot be understood, or nothing can be written.
pub fn print(
    snapshot: &Snapshot,
    question: &Question,
    facts: &Facts,
    now: Now,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let to = to(snapshot, question)?;
    let at = match &question.at {
        None => now.wall,
        // No channel, no schedule: it is refused at any time, and that is what must be said.
        Some(text) if channel(snapshot, &to).is_none() => {
            moment::parse(text, None).unwrap_or(now.wall)
        }
        Some(text) => at(snapshot, &to, text)?,
    };
    let kind = channel(snapshot, &to).map_or(Kind::Call, Channel::kind);
    let (from, sender) = match kind {
        Kind::Call => (from(snapshot, question)?, None),
        Kind::Email | Kind::Form | Kind::Chat => (None, question.from.clone()),
    };
    let request = Request {
        kind,
        to,
        from,
        sender,
        trunk: None,
        selection: Selection::First,
    };
    let mut facts = facts.clone();
    if let Some(owner) = &question.owner {
        facts.contact = Some(owned_by(snapshot, owner, kind)?);
    }
    let decision = route(snapshot, &facts, &request, Now::new(now.mono, at));
    if question.json {
        facts.keep_considered(&decision);
        let told = Told {
            at,
            request: &request,
            facts: &facts,
            decision: &decision,
        };
        writeln!(out, "{}", serde_json::to_string(&told)?)?;
    } else {
        writeln!(out, "{}", words::paragraph(&request, &decision))?;
    }
    Ok(())
}

/// Reads facts: an object of them, or a whole decision as `explain --json` and `route --json`
/// print it. Of several the first counts.
///
/// # Errors
/// The file cannot be read, or holds something else.
pub fn read_facts(file: &Path) -> anyhow::Result<Facts> {
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    parse_facts(&text).with_context(|| {
        format!("{name} holds no facts, in the form that `ringdesk explain --json` prints")
    })
}

/// A decision with all that is needed to make it again.
#[derive(Serialize)]
struct Told<'a> {
    at: Wall,
    request: &'a Request,
    facts: &'a Facts,
    decision: &'a Decision,
}

fn parse_facts(text: &str) -> anyhow::Result<Facts> {
    #[derive(Deserialize)]
    struct Whole {
        facts: Facts,
    }
    let first = serde_json::Deserializer::from_str(text)
        .into_iter::<serde_json::Value>()
        .next()
        .context("it is empty")??;
    let facts = match first.get("facts") {
        Some(_) => serde_json::from_value::<Whole>(first)?.facts,
        None if first.get("users").is_some() => serde_json::from_value(first)?,
        None => bail!("neither \"facts\" nor \"users\" stands in it"),
    };
    Ok(facts)
}

fn to(snapshot: &Snapshot, question: &Question) -> anyhow::Result<To> {
    match (&question.channel, &question.to) {
        (Some(name), _) => match snapshot.channel(name) {
            Some(channel) => Ok(To::Channel(channel.name.clone())),
            None => bail!("there is no channel {name:?}{}", known(snapshot)),
        },
        (None, Some(text)) => number(snapshot, text).map(To::Number),
        (None, None) => bail!("say what is called: --to NUMBER or --channel NAME"),
    }
}

/// A contact of this owner, found by what its kind knows people by.
fn owned_by(snapshot: &Snapshot, owner: &str, kind: Kind) -> anyhow::Result<ContactFacts> {
    let Some(user) = snapshot.user(owner) else {
        let names = snapshot.users.iter().map(|user| &*user.name);
        bail!("there is no user {owner:?}{}", listed(names));
    };
    Ok(ContactFacts {
        contact: ContactId::default(),
        owner: Some(user.name.clone()),
        found_by: match kind {
            Kind::Call => FoundBy::CallerNumber,
            Kind::Email => FoundBy::VerifiedSender,
            Kind::Form | Kind::Chat => FoundBy::Cookie,
        },
    })
}

fn known(snapshot: &Snapshot) -> String {
    listed(snapshot.channels.iter().map(|channel| &*channel.name))
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        ", nor any other".to_owned()
    } else {
        format!("; there are: {}", names.join(", "))
    }
}

fn from(snapshot: &Snapshot, question: &Question) -> anyhow::Result<Option<PhoneNumber>> {
    let from = question.from.as_deref();
    from.map(|text| number(snapshot, text)).transpose()
}

/// Reads a number as the trunks do. Where they are of several countries, one that only a single
/// country reads, or that is a channel's in a single one.
pub(super) fn number(snapshot: &Snapshot, text: &str) -> anyhow::Result<PhoneNumber> {
    let countries: Vec<Option<Country>> = if text.trim_start().starts_with('+') {
        vec![None]
    } else {
        snapshot.trunks.iter().map(|trunk| trunk.country).collect()
    };
    let read: BTreeSet<PhoneNumber> = countries
        .into_iter()
        .filter_map(|country| to_e164(text, country))
        .collect();
    let ours: BTreeSet<PhoneNumber> = read
        .iter()
        .filter(|number| snapshot.channel_of_number(number).is_some())
        .cloned()
        .collect();
    let mut found = if ours.is_empty() { read } else { ours };
    match (found.pop_first(), found.pop_first()) {
        (Some(number), None) => Ok(number),
        (Some(one), Some(other)) => bail!("{text:?} could be {one} or {other}: write it with +"),
        (None, _) => bail!("{text:?} is not a phone number; write it with +, like +4722334455"),
    }
}

pub(super) fn at(snapshot: &Snapshot, to: &To, text: &str) -> anyhow::Result<Wall> {
    let schedule = channel(snapshot, to).and_then(|channel| snapshot.schedule_of(channel));
    moment::parse(text, schedule.map(|schedule| schedule.zone())).map_err(anyhow::Error::msg)
}

fn channel<'a>(snapshot: &'a Snapshot, to: &To) -> Option<&'a Channel> {
    match to {
        To::Number(number) => snapshot.channel_of_number(number),
        To::Channel(name) => snapshot.channel(name),
        To::Unread(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use insta::assert_snapshot;

    use super::*;
    use crate::core::sample::{add, at, channel, message_channel, oslo, snapshot, step, user};
    use crate::core::snapshot::{Strategy, Target};

    fn office() -> Snapshot {
        let mut main = channel(vec![step(Strategy::RingAll, &["anna", "bjorn"], &[])]);
        main.schedule = Some("oslo".into());
        let mut snapshot = snapshot(vec![user("anna"), user("bjorn")], vec![], vec![main]);
        add(&mut snapshot.schedules, Arc::new(oslo(vec![])));
        let mut owner = step(Strategy::LeastBusy, &[], &[]);
        owner.target = Target::ContactOwner;
        let both = vec![owner, step(Strategy::LeastBusy, &["anna", "bjorn"], &[])];
        for (kind, name) in MESSAGES {
            let mut channel = message_channel(kind, name, both.clone());
            channel.working_hours.reply = Some("We have it.".to_owned());
            add(&mut snapshot.channels, channel);
        }
        snapshot
    }

    const MESSAGES: [(Kind, &str); 3] = [
        (Kind::Email, "support"),
        (Kind::Form, "contact"),
        (Kind::Chat, "website"),
    ];

    fn ask(question: &Question, facts: &Facts) -> String {
        let mut out = Vec::new();
        match print(
            &office(),
            question,
            facts,
            at("2026-12-02T09:10:00Z"),
            &mut out,
        ) {
            Ok(()) => String::from_utf8(out).unwrap().trim_end().to_owned(),
            Err(error) => format!("{error:#}"),
        }
    }

    fn question(to: &str, at: Option<&str>) -> Question {
        Question {
            to: Some(to.to_owned()),
            at: at.map(str::to_owned),
            ..Question::default()
        }
    }

    #[test]
    fn everybody_with_a_seat_is_free_and_local_time_is_the_channels() {
        let open = question("+4722334455", None);
        assert_snapshot!(ask(&open, &Facts::default()), @r"
        +4722334455 (main-line) from anonymous: rings anna, bjorn for up to 25 s (ring-all)
          open: oslo, Wed 2026-12-02 10:10+01:00, hours 08:00-11:30 and 12:00-16:00; closes 11:30. Snapshot 41
          rule working_hours
          step 1 (ring-all):
            anna: chosen
            bjorn: chosen
        ");
        let lunch = question("+47 22 33 44 55", Some("2026-12-02T11:40"));
        assert_snapshot!(ask(&lunch, &Facts::default()), @r#"
        +4722334455 (main-line) from anonymous: voicemail "closed" (break)
          closed (break): oslo, Wed 2026-12-02 11:40+01:00, between 08:00-11:30 and 12:00-16:00; opens 12:00. Snapshot 41
          rule after_hours
          prompt "closed": voicemail of after_hours
        "#);
    }

    #[test]
    fn messages_of_each_kind_are_decided_like_calls() {
        let question = |channel: &str| Question {
            channel: Some(channel.to_owned()),
            from: Some("kari@example.com".to_owned()),
            owner: Some("bjorn".to_owned()),
            ..Question::default()
        };
        assert_snapshot!(ask(&question("support"), &Facts::default()), @r#"
        support from kari@example.com: assigned to bjorn
          open: no schedule. Snapshot 41
          rule assign
          step 1 (least-busy):
            bjorn (owner): chosen: 0 open
          automatic reply "We have it.": reply of assign
        "#);
        for (_, name) in MESSAGES {
            let told = ask(&question(name), &Facts::default());
            assert!(told.contains("bjorn (owner): chosen"), "{told}");
        }
        let stranger = Question {
            owner: None,
            ..question("website")
        };
        assert_snapshot!(ask(&stranger, &Facts::default()), @r#"
        website from kari@example.com: assigned to anna
          open: no schedule. Snapshot 41
          rule assign
          step 1 (least-busy): nobody
          step 2 (least-busy):
            anna: chosen: 0 open; of 2 equals the one listed first
            bjorn: lost-tie: 0 open
          step 1: the contact is not known
          automatic reply "We have it.": reply of assign
        "#);
        let nobody = Question {
            owner: Some("carl".to_owned()),
            ..question("website")
        };
        assert_snapshot!(ask(&nobody, &Facts::default()), @r#"there is no user "carl"; there are: anna, bjorn"#);
    }

    #[test]
    fn a_time_that_clocks_skip_is_an_error_and_one_that_comes_twice_is_the_first() {
        let told = |at| ask(&question("+4722334455", Some(at)), &Facts::default());
        assert_snapshot!(told("2027-03-28T02:30"), @r#""2027-03-28T02:30" does not exist in Europe/Oslo: clocks skip it. Write an earlier or a later time."#);
        assert!(told("2026-10-25T02:30").contains("Sun 2026-10-25 02:30+02:00"));
        assert!(told("2026-10-25T01:30:00Z").contains("Sun 2026-10-25 02:30+01:00"));
    }

    #[test]
    fn what_cannot_be_understood_is_said() {
        assert_snapshot!(ask(&question("acct4711", None), &Facts::default()), @r#""acct4711" is not a phone number; write it with +, like +4722334455"#);
        let channel = Question {
            channel: Some("sales".to_owned()),
            ..Question::default()
        };
        assert_snapshot!(ask(&channel, &Facts::default()), @r#"there is no channel "sales"; there are: main-line, support, contact, website"#);
        for at in [None, Some("2026-12-02T11:40")] {
            assert_eq!(
                ask(&question("+4700000000", at), &Facts::default()),
                "+4700000000 from anonymous: 404 unknown-number: +4700000000 is not a number of any channel\n  snapshot 41",
            );
        }
    }

    #[test]
    fn national_numbers_are_read_as_the_trunks_read_them() {
        use crate::core::number::Country;
        use phonenumber::country::{DE, DK};

        let trunks = |countries: &[phonenumber::country::Id]| {
            let mut office = office();
            let trunk = |country: &phonenumber::country::Id| crate::core::snapshot::Trunk {
                country: Some(Country(*country)),
                ..crate::core::sample::trunk()
            };
            office.trunks = countries.iter().map(trunk).collect();
            office
        };
        let read =
            |office: &Snapshot, text| number(office, text).map_err(|error| error.to_string());
        let of = |text: &str| Ok(text.parse().unwrap());
        let norway = office();
        assert_eq!(read(&norway, "22 33 44 55"), of("+4722334455"));
        assert_eq!(read(&norway, "004722334455"), of("+4722334455"));
        let denmark_too = trunks(&[phonenumber::country::NO, DK]);
        assert_eq!(
            read(&denmark_too, "22334455"),
            of("+4722334455"),
            "a channel has it"
        );
        assert_snapshot!(read(&denmark_too, "22334456").unwrap_err(), @r#""22334456" could be +4522334456 or +4722334456: write it with +"#);
        let germany = trunks(&[DE]);
        assert_eq!(read(&germany, "030 1234567"), of("+49301234567"));
        assert_snapshot!(read(&trunks(&[]), "22334455").unwrap_err(), @r#""22334455" is not a phone number; write it with +, like +4722334455"#);
    }

    #[test]
    fn what_it_prints_as_json_is_taken_as_facts() {
        let mut facts = Facts {
            seed: 7,
            ..Facts::default()
        };
        let anna = facts.users.of("anna");
        anna.devices.reachable = 0;
        facts.users.of("stranger");
        let json = Question {
            json: true,
            ..question("+4722334455", None)
        };
        let told = ask(&json, &facts);
        assert_snapshot!(told, @r#"{"at":"2026-12-02T09:10:00.000Z","request":{"kind":"call","to":{"number":"+4722334455"},"from":null,"trunk":null,"selection":"first"},"facts":{"users":{"anna":{"presence":"available","devices":{"reachable":0,"wrong_passwords":0},"busy":"free","open":{"call":0,"email":0,"form":0,"chat":0}}},"seed":7},"decision":{"outcome":{"ring":{"step":0,"users":["bjorn"],"strategy":"ring-all","ring_each":null,"ring":25000,"more":false}},"trace":{"snapshot":41,"channel":"main-line","hours":{"schedule":"oslo","openness":"open","because":"weekly","local":"Wed 2026-12-02 10:10+01:00","windows":["08:00-11:30","12:00-16:00"],"next_change":"2026-12-02T10:30:00.000Z","next_change_local":"11:30","special_prompt":null},"rule":"working_hours","steps":[{"step":0,"strategy":"ring-all","candidates":[{"user":"anna","via":"named","code":"no-device","detail":"no phone has registered"},{"user":"bjorn","via":"named","code":"chosen"}]}]}}}"#);
        let read = parse_facts(&told).unwrap();
        assert_eq!(ask(&json, &read), told);
        let bare = serde_json::to_string(&read).unwrap();
        assert_eq!(parse_facts(&bare).unwrap(), read);
        assert!(parse_facts("").is_err());
        assert!(parse_facts(r#"{"user": {}}"#).is_err());
    }
}
