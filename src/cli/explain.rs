//! `ringdesk explain`: the stored decisions of a call, its legs and its end; or those of a
//! conversation, and who had it.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use chrono::FixedOffset;
use clap::{ArgGroup, Args};

use super::{ConfigDirectory, length, plain, route};
use crate::core::conversation::{ConversationRecord, Status};
use crate::core::record::{AssignmentRecord, DecisionRecord};
use crate::core::routing::words;
use crate::core::snapshot::{Kind, StoreSettings};
use crate::core::time::Wall;
use crate::store::{
    ConversationQuery, Found, Leg, Reader, Readers, Sight, StoreError, Subject, View, Voicemail,
};

/// The shortest beginning of an identifier that is looked for: enough to be meant, and not typed by
/// mistake.
const SHORTEST_BEGINNING: usize = 4;

/// Conversations of one beginning that are shown to choose from.
const CANDIDATES: u32 = 10;

/// Why a call or a conversation went as it did: every decision about it, whose phones rang or who
/// got it, and how it ended.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what").args(["id", "last", "to", "channel"]).required(true).multiple(true))]
pub struct Explain {
    #[command(flatten)]
    directory: ConfigDirectory,
    /// A call, conversation or voicemail by its identifier (or the beginning of it), or a SIP Call-ID.
    #[arg(value_name = "ID", conflicts_with_all = ["last", "to", "channel"])]
    id: Option<String>,
    /// What was decided about last: a call or a conversation.
    #[arg(long)]
    last: bool,
    /// With --last, of this kind: call, email, form or chat.
    #[arg(long, value_name = "KIND", requires = "last", value_parser = kind)]
    kind: Option<Kind>,
    /// The latest call to this number.
    #[arg(long, value_name = "NUMBER")]
    to: Option<String>,
    /// The latest conversation of this channel.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["last", "to"])]
    channel: Option<String>,
    /// One object for each decision, with its facts: `ringdesk route --facts FILE` takes them.
    #[arg(long)]
    json: bool,
}

/// Prints what is stored of a call or a conversation.
///
/// # Errors
/// There is none, or the database does not answer.
pub fn run(arguments: &Explain) -> anyhow::Result<ExitCode> {
    let store = arguments.directory.store()?;
    let mut out = io::stdout().lock();
    if let Some(conversation) = super::block_on(conversation(&store, arguments))? {
        if arguments.json {
            return print_json(&conversation.decisions, &mut out);
        }
        conversation.print(&mut out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let told = super::block_on(async {
        let mut reader = super::reader(&store).await?;
        let call = find(&mut reader, arguments).await?;
        Ok(Told {
            decisions: reader.decisions(call.call).await?,
            legs: reader.legs(call.call).await?,
            voicemail: reader.voicemail_of(call.call, &store.audio).await?,
            call,
        })
    })?;
    if arguments.json {
        return print_json(&told.decisions, &mut out);
    }
    told.print(&mut out)?;
    Ok(ExitCode::SUCCESS)
}

fn kind(text: &str) -> Result<Kind, String> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == text);
    kind.ok_or_else(|| "it is call, email, form or chat".to_owned())
}

fn print_json(decisions: &[DecisionRecord], out: &mut impl Write) -> anyhow::Result<ExitCode> {
    for decision in decisions {
        writeln!(out, "{}", serde_json::to_string(decision)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The conversation of messages that is asked for, if it is one.
async fn conversation(
    store: &StoreSettings,
    arguments: &Explain,
) -> anyhow::Result<Option<Conversation>> {
    let mut reader = super::reader(store).await?;
    let readers = Readers::open(&store.database, 1).await?;
    let row = match (&arguments.id, &arguments.channel) {
        (Some(id), _) => {
            let id = id.trim().to_ascii_lowercase();
            if id.len() < SHORTEST_BEGINNING {
                return Ok(None);
            }
            let rows = readers.conversations_beginning(&id, CANDIDATES).await?;
            let mut rows = rows.into_iter().filter(|row| row.kind != Kind::Call);
            match (rows.next(), rows.next()) {
                (Some(row), None) => row,
                (Some(one), Some(other)) => {
                    let rows = [one, other].into_iter().chain(rows);
                    let list: Vec<String> = rows.map(|row| title(&row)).collect();
                    bail!("several begin with {id}:\n  {}", list.join("\n  "))
                }
                (None, _) => return Ok(None),
            }
        }
        (None, Some(channel)) => {
            let query = ConversationQuery {
                view: View::Everything,
                channel: Some(channel.as_str().into()),
                limit: 1,
                ..ConversationQuery::default()
            };
            let page = readers.conversations(&Sight::Everything, &query).await?;
            match page.items.into_iter().next() {
                Some(listed) => listed.conversation,
                None => bail!("{}", nothing_of(channel, &arguments.directory)),
            }
        }
        (None, None) if arguments.last => match reader.decided_last(arguments.kind).await? {
            Some(Subject::Conversation(id)) => {
                let found = readers.conversation(&Sight::Everything, id).await?;
                found.with_context(|| format!("the conversation {id} is not stored"))?
            }
            Some(Subject::Call(_)) => return Ok(None),
            None => match arguments.kind {
                Some(kind) => bail!("nothing of the kind {kind} is stored yet"),
                None => bail!("no call or conversation is stored yet"),
            },
        },
        (None, None) => return Ok(None),
    };
    Ok(Some(Conversation {
        decisions: readers.decisions(&Sight::Everything, row.id).await?,
        assignments: readers.assignments(&Sight::Everything, row.id).await?,
        row,
    }))
}

/// Why there is nothing of a channel: it may be none.
fn nothing_of(channel: &str, directory: &ConfigDirectory) -> String {
    // A configuration with mistakes in it does not say which channels there are.
    let loaded = directory.load().ok();
    let channels = loaded.map(|loaded| loaded.snapshot.channels);
    let names: Vec<String> = channels
        .iter()
        .flat_map(|channels| channels.iter())
        .map(|channel| channel.name.to_string())
        .collect();
    if names.is_empty() || names.iter().any(|name| name == channel) {
        format!("no conversation of channel {channel:?} is stored yet")
    } else {
        format!(
            "there is no channel {channel:?}, and no conversation of one of that name is stored; there are: {}",
            names.join(", ")
        )
    }
}

/// `0193…  chat website from Kari Nordmann <kari@example.com>, 2026-12-02T10:40:00.000Z`
fn title(row: &ConversationRecord) -> String {
    let from = match &row.contact_address {
        Some(address) if *address != row.contact_name => {
            format!("{} <{}>", plain(&row.contact_name), plain(address))
        }
        Some(_) | None => plain(&row.contact_name),
    };
    let (id, kind, channel, began) = (row.id, row.kind, &row.channel, row.began);
    format!("{id}  {kind} {channel} from {from}, {began}")
}

/// Everything about who got a conversation.
struct Conversation {
    row: ConversationRecord,
    decisions: Vec<DecisionRecord>,
    assignments: Vec<AssignmentRecord>,
}

impl Conversation {
    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let row = &self.row;
        let clock = Clock::of(&self.decisions);
        writeln!(out, "conversation {}", title(row))?;
        let status = match row.status {
            Status::Open => "open",
            Status::Waiting => "waiting for the other side",
            Status::Closed => "closed",
        };
        let whose = match &row.assignee {
            Some(assignee) => format!("assigned to {assignee}"),
            None => "unassigned".to_owned(),
        };
        writeln!(out, "  {:?}; {status}, {whose}", plain(&row.subject))?;
        for (at, text) in self.course() {
            writeln!(out, "{} {text}", clock.time(at))?;
        }
        if self.decisions.is_empty() {
            writeln!(out, "no decision about it is stored")?;
        }
        Ok(())
    }

    /// Decisions, and what people and programs did by hand, in order.
    fn course(&self) -> Vec<(Wall, String)> {
        let decided = self.decisions.iter().map(|record| {
            let mut text = paragraph(&words::paragraph(&record.request, &record.decision));
            if let Some(remark) = &record.remark {
                text.push_str(&format!("\n  {}", plain(remark)));
            }
            (record.at, text)
        });
        let by_hand = self.assignments.iter().filter(|row| row.decision.is_none());
        let given = by_hand.map(|row| {
            let by = plain(&row.by);
            let text = match &row.to {
                Some(to) => format!("assigned to {to} by {by}"),
                None => format!("unassigned by {by}"),
            };
            (row.at, text)
        });
        let mut course: Vec<(Wall, String)> = decided.chain(given).collect();
        course.sort_by_key(|(at, _)| *at);
        course
    }
}

async fn find(reader: &mut Reader, arguments: &Explain) -> anyhow::Result<Found> {
    match (&arguments.id, &arguments.to) {
        (Some(id), _) => by_identifier(reader, id.trim()).await,
        (None, Some(number)) => match by_number(reader, number, &arguments.directory).await? {
            Some(call) => Ok(call),
            None => bail!("no call to {number} is stored"),
        },
        (None, None) => match reader.decided_last(arguments.kind).await? {
            Some(Subject::Call(call)) => by_identifier(reader, &call.to_string()).await,
            Some(Subject::Conversation(_)) | None => bail!("no call is stored yet"),
        },
    }
}

async fn by_identifier(reader: &mut Reader, id: &str) -> anyhow::Result<Found> {
    if let Some(call) = reader.find(id).await? {
        return Ok(call);
    }
    let mut candidates = if id.len() < SHORTEST_BEGINNING {
        Vec::new()
    } else {
        reader.find_beginning(&id.to_ascii_lowercase()).await?
    };
    match (candidates.pop(), candidates.as_slice()) {
        (Some(call), []) => Ok(call),
        (Some(last), others) => {
            let calls: Vec<String> = others.iter().chain([&last]).map(headline).collect();
            bail!("several begin with {id}:\n  {}", calls.join("\n  "))
        }
        (None, _) => bail!(
            "no call, conversation or voicemail {id:?} is stored, and no call with that SIP Call-ID; `ringdesk explain --last` tells of what was decided last"
        ),
    }
}

/// As it was dialled, or as it would be read from a trunk.
async fn by_number(
    reader: &mut Reader,
    number: &str,
    directory: &ConfigDirectory,
) -> Result<Option<Found>, StoreError> {
    let written = number.trim();
    if let Some(call) = reader.last(Some(written)).await? {
        return Ok(Some(call));
    }
    let read = match written.parse() {
        Ok(number) => Some(number),
        Err(_) => directory
            .load()
            .ok()
            .and_then(|loaded| route::number(&loaded.snapshot, written).ok()),
    };
    match read {
        Some(read) => reader.last(Some(read.as_str())).await,
        None => Ok(None),
    }
}

/// `0193…  +4790000001 to +4722334455 (main-line), 2026-12-02T10:40:00.000Z`
fn headline(call: &Found) -> String {
    let from = call.from.as_deref().unwrap_or("anonymous");
    let channel = match &call.channel {
        Some(channel) => format!(" ({channel})"),
        None => String::new(),
    };
    let (id, to, began) = (call.call, plain(&call.to), call.began);
    format!("{id}  {from} to {to}{channel}, {began}")
}

/// Everything that is stored of a call.
struct Told {
    call: Found,
    decisions: Vec<DecisionRecord>,
    legs: Vec<Leg>,
    voicemail: Option<Voicemail>,
}

impl Told {
    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let call = &self.call;
        let clock = Clock::of(&self.decisions);
        writeln!(out, "call {}", headline(call))?;
        let through = match &call.trunk {
            Some(trunk) => format!("through trunk {trunk:?}"),
            None => "from a phone of ours, or refused".to_owned(),
        };
        writeln!(out, "  {through}; SIP Call-ID {}", plain(&call.sip_call_id))?;
        for decision in &self.decisions {
            let text = words::paragraph(&decision.request, &decision.decision);
            writeln!(out, "{} {}", clock.time(decision.at), paragraph(&text))?;
            if let Some(remark) = &decision.remark {
                writeln!(out, "  {}", plain(remark))?;
            }
        }
        if self.decisions.is_empty() {
            writeln!(out, "no decision about it is stored")?;
        }
        if !self.legs.is_empty() {
            writeln!(out, "legs:")?;
        }
        for leg in &self.legs {
            writeln!(out, "  {}", clock.leg(leg))?;
        }
        writeln!(out, "{}", self.end(&clock))?;
        if let Some(voicemail) = &self.voicemail {
            let seconds = voicemail.seconds.unwrap_or_default();
            let (id, path) = (&voicemail.id, voicemail.path.display());
            writeln!(out, "voicemail {id}: {seconds:.1} s, {path}")?;
        }
        Ok(())
    }

    fn end(&self, clock: &Clock) -> String {
        let call = &self.call;
        let Some(ended) = call.ended else {
            return "not over yet".to_owned();
        };
        let outcome = call.outcome.as_deref().unwrap_or("over");
        let lasted = length(ended.since(call.began));
        let detail = plain(&call.detail);
        let time = clock.time(ended);
        format!("{time} {outcome} after {lasted}: {detail}")
    }
}

/// The text of a decision without control characters, which a caller may have sent; its own line
/// breaks stay.
fn paragraph(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(plain).collect();
    lines.join("\n")
}

/// Writes instants as the clock showed them where the call was decided.
struct Clock(Option<FixedOffset>);

impl Clock {
    /// The offset stands at the end of what the hours say, `Wed 2026-12-02 11:40+01:00`.
    fn of(decisions: &[DecisionRecord]) -> Clock {
        let local = decisions
            .iter()
            .find_map(|record| record.decision.trace.hours.as_ref())
            .map(|hours| hours.local.as_str());
        let start = local.and_then(|local| local.rfind(['+', '-']).filter(|at| *at > 10));
        let offset = local
            .zip(start)
            .and_then(|(local, start)| local.get(start..));
        Clock(offset.and_then(|offset| offset.parse().ok()))
    }

    fn time(&self, at: Wall) -> String {
        match self.0 {
            Some(offset) => at
                .to_utc()
                .with_timezone(&offset)
                .format("%H:%M:%S")
                .to_string(),
            None => at.to_utc().format("%H:%M:%SZ").to_string(),
        }
    }

    /// `anna sip:anna@10.0.3.4:5060: 11:40:00, 487 after 12 s: somebody else answered`
    fn leg(&self, leg: &Leg) -> String {
        let who = leg.user.as_deref().unwrap_or("caller");
        let mut text = format!("{who} {}: {}", plain(&leg.uri), self.time(leg.began));
        if let Some(answered) = leg.answered {
            text.push_str(&format!(", answered {}", self.time(answered)));
        }
        let status = leg.status.map(|status| format!(" {status}"));
        match leg.ended {
            Some(ended) => {
                let after = length(ended.since(leg.began));
                let status = status.unwrap_or_default();
                text.push_str(&format!(", ended{status} after {after}"));
            }
            None => text.push_str(", not over yet"),
        }
        if !leg.reason.is_empty() {
            text.push_str(&format!(": {}", plain(&leg.reason)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use uuid::Uuid;

    use super::*;
    use crate::core::id::{CallId, DecisionId};
    use crate::core::routing::{Facts, Request, Selection, To, route};
    use crate::core::sample::{at, channel, snapshot, step, user};
    use crate::core::snapshot::Strategy;

    fn told() -> Told {
        let main = channel(vec![step(Strategy::RingAll, &["anna", "bjorn"], &[])]);
        let snapshot = snapshot(vec![user("anna"), user("bjorn")], vec![], vec![main]);
        let now = at("2026-12-02T10:40:00Z");
        let request = Request {
            kind: Kind::Call,
            to: To::Number("+4722334455".parse().unwrap()),
            from: Some("+4790000001".parse().unwrap()),
            sender: None,
            trunk: Some("no".into()),
            selection: Selection::First,
        };
        let mut decision = route(&snapshot, &Facts::default(), &request, now);
        if let Some(hours) = &mut decision.trace.hours {
            hours.local = "Wed 2026-12-02 11:40+01:00".to_owned();
        }
        let second = |second| Wall::from_seconds(now.wall.as_seconds() + second);
        let call = CallId(Uuid::from_u128(7));
        Told {
            call: Found {
                call,
                began: now.wall,
                channel: Some("main-line".to_owned()),
                trunk: Some("no".to_owned()),
                from: Some("+4790000001".to_owned()),
                to: "+4722334455".to_owned(),
                answered: Some(second(4)),
                ended: Some(second(65)),
                outcome: Some("answered".to_owned()),
                detail: "talked to anna".to_owned(),
                sip_call_id: "a\u{1b}[2J@carrier".to_owned(),
            },
            decisions: vec![DecisionRecord {
                id: DecisionId(Uuid::from_u128(8)),
                call: Some(call),
                conversation: None,
                at: now.wall,
                request,
                facts: Facts::default(),
                decision,
                remark: Some(
                    "the reload of 09:30Z was refused (2 errors: ringdesk check)".to_owned(),
                ),
            }],
            legs: vec![
                Leg {
                    user: Some("anna".to_owned()),
                    uri: "sip:anna@10.0.3.4:5060".to_owned(),
                    began: now.wall,
                    answered: Some(second(4)),
                    ended: Some(second(65)),
                    status: Some(200),
                    reason: String::new(),
                },
                Leg {
                    user: Some("bjorn".to_owned()),
                    uri: "sip:bjorn@10.0.3.5:5060".to_owned(),
                    began: now.wall,
                    answered: None,
                    ended: Some(second(4)),
                    status: Some(487),
                    reason: "somebody else answered".to_owned(),
                },
            ],
            voicemail: None,
        }
    }

    fn print(told: &Told) -> String {
        let mut out = Vec::new();
        told.print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_call_is_told_from_its_arrival_to_its_end_in_the_time_of_its_channel() {
        assert_snapshot!(print(&told()), @r#"
        call 00000000-0000-0000-0000-000000000007  +4790000001 to +4722334455 (main-line), 2026-12-02T10:40:00.000Z
          through trunk "no"; SIP Call-ID a\u{1b}[2J@carrier
        11:40:00 +4722334455 (main-line) from +4790000001: rings anna, bjorn for up to 25 s (ring-all)
          open: no schedule. Snapshot 41
          rule working_hours
          step 1 (ring-all):
            anna: chosen
            bjorn: chosen
          the reload of 09:30Z was refused (2 errors: ringdesk check)
        legs:
          anna sip:anna@10.0.3.4:5060: 11:40:00, answered 11:40:04, ended 200 after 65 s
          bjorn sip:bjorn@10.0.3.5:5060: 11:40:00, ended 487 after 4 s: somebody else answered
        11:41:05 answered after 65 s: talked to anna
        "#);
    }

    #[test]
    fn a_conversation_is_told_with_every_decision_and_who_gave_it_by_hand() {
        use crate::core::conversation::Assignee;
        use crate::core::id::ConversationId;
        use crate::core::sample::message_channel;

        let chat = message_channel(
            Kind::Chat,
            "website",
            vec![step(Strategy::LeastBusy, &["anna", "bjorn"], &[])],
        );
        let snapshot = snapshot(vec![user("anna"), user("bjorn")], vec![], vec![chat]);
        let now = at("2026-12-02T10:40:00Z");
        let from = "Kari <kari@example.com>\u{1b}[2J".to_owned();
        let request = Request::message(Kind::Chat, &"website".into(), Some(from));
        let decision = route(&snapshot, &Facts::default(), &request, now);
        let id = ConversationId(Uuid::from_u128(9));
        let later = Wall::from_seconds(now.wall.as_seconds() + 65);
        let told = Conversation {
            row: ConversationRecord {
                contact_name: "Kari\u{1b}[2J".to_owned(),
                contact_address: Some("kari@example.com".to_owned()),
                subject: "Where is my parcel?".to_owned(),
                assignee: Some(Assignee::User("bjorn".into())),
                ..row(id, now.wall)
            },
            decisions: vec![DecisionRecord {
                id: DecisionId(Uuid::from_u128(8)),
                call: None,
                conversation: Some(id),
                at: now.wall,
                request,
                facts: Facts::default(),
                decision,
                remark: None,
            }],
            assignments: vec![
                AssignmentRecord {
                    conversation: id,
                    to: Some(Assignee::User("anna".into())),
                    by: "rule".to_owned(),
                    at: now.wall,
                    decision: Some(DecisionId(Uuid::from_u128(8))),
                },
                AssignmentRecord {
                    conversation: id,
                    to: Some(Assignee::User("bjorn".into())),
                    by: "user mona".to_owned(),
                    at: later,
                    decision: None,
                },
            ],
        };
        let mut out = Vec::new();
        told.print(&mut out).unwrap();
        assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
        conversation 00000000-0000-0000-0000-000000000009  chat website from Kari\u{1b}[2J <kari@example.com>, 2026-12-02T10:40:00.000Z
          "Where is my parcel?"; open, assigned to bjorn
        10:40:00Z website from "Kari <kari@example.com>\u{1b}[2J": assigned to anna
          open: no schedule. Snapshot 41
          rule assign
          step 1 (least-busy):
            anna: chosen: 0 open; of 2 equals the one listed first
            bjorn: lost-tie: 0 open
        10:41:05Z assigned to bjorn by user mona
        "#);
    }

    fn row(id: crate::core::id::ConversationId, began: Wall) -> ConversationRecord {
        ConversationRecord::begun(id, Kind::Chat, "website".into(), began)
    }

    #[test]
    fn a_call_that_goes_on_and_has_no_hours_is_told_in_utc() {
        let mut told = told();
        told.call.ended = None;
        told.decisions.clear();
        told.legs.truncate(1);
        told.legs[0].ended = None;
        told.legs[0].answered = None;
        assert_snapshot!(print(&told), @r#"
        call 00000000-0000-0000-0000-000000000007  +4790000001 to +4722334455 (main-line), 2026-12-02T10:40:00.000Z
          through trunk "no"; SIP Call-ID a\u{1b}[2J@carrier
        no decision about it is stored
        legs:
          anna sip:anna@10.0.3.4:5060: 10:40:00Z, not over yet
        not over yet
        "#);
    }
}
