//! `[[channel]]` of all kinds

use std::ops::RangeInclusive;

use super::{mail_login_entry, rules};
use crate::config::diagnostic::Findings;
use crate::config::schema::{self, Table};
use crate::config::section::{Placed, Section};
use crate::config::tree::{
    CallEntry, ChannelEntry, ChatEntry, ChatflowEntry, EmailEntry, FieldEntry, FormEntry,
    KindEntry, MailboxEntry, QuestionEntry, RuleEntry, StepEntry, WhenAwayEntry,
};
use crate::core::snapshot::{ChatSide, FieldType, Kind, RuleName, Target};

/// A voicemail that is shorter says nothing, and one that is longer is nobody's to listen to.
const VOICEMAIL_SECONDS: RangeInclusive<i64> = 5..=3600;

/// Up to a day away before the unanswered is taken back.
const TAKE_BACK_MINUTES: RangeInclusive<i64> = 0..=1440;

/// Ten minutes over a form are no sign of a program any more.
const MINIMUM_FILL_SECONDS: RangeInclusive<i64> = 0..=600;

/// What one address may send in an hour: beyond ten thousand it is no limit.
const HOURLY_LIMIT: RangeInclusive<i64> = 1..=10_000;

/// A chat that nobody has written in for a day is over.
const IDLE_MINUTES: RangeInclusive<i64> = 1..=1440;

/// The longest text of one field, in characters: a long letter.
const MAX_LENGTH: RangeInclusive<i64> = 1..=100_000;

/// The largest file of one field: what mail servers take.
const LARGEST_MEGABYTES: RangeInclusive<i64> = 1..=25;

const FIELD_TYPES: [(&str, FieldType); 11] = [
    ("text", FieldType::Text),
    ("multiline", FieldType::Multiline),
    ("email", FieldType::Email),
    ("phone", FieldType::Phone),
    ("name", FieldType::Name),
    ("subject", FieldType::Subject),
    ("number", FieldType::Number),
    ("date", FieldType::Date),
    ("choice", FieldType::Choice),
    ("checkbox", FieldType::Checkbox),
    ("file", FieldType::File),
];

const SIDES: [(&str, ChatSide); 2] = [("left", ChatSide::Left), ("right", ChatSide::Right)];

/// The kind of a channel; `None` for one that there is not, whose other keys are then not looked at.
pub(super) fn kind(section: &Section<'_>, findings: &mut Findings) -> Option<Kind> {
    if !section.has("kind") {
        return Some(Kind::Call);
    }
    let kinds = Kind::ALL.map(|kind| (kind.as_str(), kind));
    section
        .choice("kind", &kinds, findings)
        .map(|kind| kind.value)
}

/// A channel of that kind.
pub(super) fn entry(
    section: &Section<'_>,
    kind: Kind,
    findings: &mut Findings,
) -> Option<ChannelEntry> {
    let section = section.as_table(table(kind));
    section.check_keys(findings);
    let name = section.required_text("name", findings);
    let inbox = section.text("inbox", findings);
    let schedule = section.text("schedule", findings);
    let mut rule =
        |key, name| -> Option<RuleEntry> { rules::rule(&section, key, name, kind, findings) };
    let mut open = match kind {
        Kind::Call => rule("working_hours", RuleName::WorkingHours),
        Kind::Email | Kind::Form | Kind::Chat => rule("assign", RuleName::Assign),
    };
    let break_ = rule("break", RuleName::Break);
    let after_hours = rule("after_hours", RuleName::AfterHours);
    let when_away = match kind {
        Kind::Call => WhenAwayEntry::default(),
        Kind::Email | Kind::Form | Kind::Chat => when_away(&section, findings),
    };
    let own = match kind {
        Kind::Call => KindEntry::Call(call(&section, findings)),
        Kind::Email => KindEntry::Email(email(&section, findings)),
        Kind::Form => KindEntry::Form(form(&section, findings)),
        Kind::Chat => {
            let chat = chat(&section, findings);
            if let Some(chatflow) = &chat.chatflow {
                hand_over(chatflow, &mut open, findings);
            }
            KindEntry::Chat(chat)
        }
    };
    Some(ChannelEntry {
        name: name?,
        inbox,
        schedule,
        open,
        break_,
        after_hours,
        when_away,
        kind: own,
    })
}

fn table(kind: Kind) -> &'static Table {
    match kind {
        Kind::Call => &schema::CALL_CHANNEL,
        Kind::Email => &schema::EMAIL_CHANNEL,
        Kind::Form => &schema::FORM_CHANNEL,
        Kind::Chat => &schema::CHAT_CHANNEL,
    }
}

/// Those whom a chatflow names are sought first, in place of those whom the rule itself names; the
/// rest of the rule stays.
fn hand_over(chatflow: &ChatflowEntry, open: &mut Option<RuleEntry>, findings: &mut Findings) {
    if chatflow.users.is_empty() && chatflow.teams.is_empty() {
        return;
    }
    let rule = open.get_or_insert_with(|| RuleEntry {
        name: RuleName::Assign,
        place: chatflow.place.clone(),
        steps: Vec::new(),
        own: rules::unwritten_step(Kind::Chat),
        names_somebody: false,
        voicemail: None,
        reply: None,
        answer_within: None,
    });
    let hand_over = StepEntry {
        target: Target::Lists,
        users: chatflow.users.clone(),
        teams: chatflow.teams.clone(),
        agent: None,
        ..rule.own.clone()
    };
    if rule.names_somebody {
        let message = "the chatflow names whom it hands over to, so that those named here are never asked. Remove one of both.";
        findings.warning(&rule.place, message);
        rule.steps.remove(0);
    }
    rule.steps.insert(0, hand_over);
    rule.names_somebody = true;
}

fn when_away(section: &Section<'_>, findings: &mut Findings) -> WhenAwayEntry {
    let choices = [("keep", false), ("take-back", true)];
    let take_back = section.choice("when_away", &choices, findings);
    let after = section.minutes("take_back_after_minutes", TAKE_BACK_MINUTES, findings);
    let take_back = take_back.map(|it| it.value);
    if let (Some(after), None | Some(false)) = (&after, take_back) {
        findings.error(
            &after.place,
            "`take_back_after_minutes` needs `when_away = \"take-back\"` beside it.",
        );
    }
    WhenAwayEntry {
        take_back: take_back.unwrap_or(false),
        after,
    }
}

fn call(section: &Section<'_>, findings: &mut Findings) -> CallEntry {
    CallEntry {
        numbers: section.texts("numbers", findings).unwrap_or_default(),
        notify: section.texts("notify", findings).unwrap_or_default(),
        voicemail_limit: section.seconds("voicemail_seconds", VOICEMAIL_SECONDS, findings),
        special_prompts: section.texts_by_name("special_prompts", findings),
    }
}

fn email(section: &Section<'_>, findings: &mut Findings) -> EmailEntry {
    let smtp = section.section("smtp", &schema::CHANNEL_SMTP, findings);
    EmailEntry {
        address: section.required_text("address", findings),
        sender_name: section.text("sender_name", findings),
        aliases: section.texts("aliases", findings).unwrap_or_default(),
        mailboxes: section
            .sections("mailbox", &schema::MAILBOX, findings)
            .iter()
            .filter_map(|mailbox| self::mailbox(mailbox, findings))
            .collect(),
        smtp: smtp.map(|smtp| {
            (
                smtp.required_text("server", findings),
                mail_login_entry(&smtp, findings),
            )
        }),
        authentication_servers: section
            .texts("authentication_servers", findings)
            .unwrap_or_default(),
        signature: section.text("signature", findings),
        reply_token: section
            .truth("reply_token", findings)
            .is_none_or(|truth| truth.value),
    }
}

fn mailbox(section: &Section<'_>, findings: &mut Findings) -> Option<MailboxEntry> {
    let server = section.required_text("server", findings);
    let username = section.required_text("username", findings);
    let password_file = section.text("password_file", findings);
    let oauth2_token_file = section.text("oauth2_token_file", findings);
    let folder = section.text("folder", findings);
    let has = |key| section.has(key);
    if has("password_file") == has("oauth2_token_file") {
        findings.error(
            &section.place(),
            "[[channel.mailbox]] needs `password_file` or `oauth2_token_file`, and not both.",
        );
    }
    Some(MailboxEntry {
        server: server?,
        username: username?,
        password_file,
        oauth2_token_file,
        folder,
    })
}

fn form(section: &Section<'_>, findings: &mut Findings) -> FormEntry {
    FormEntry {
        title: section.text("title", findings),
        fields: section
            .sections("field", &schema::FIELD, findings)
            .iter()
            .filter_map(|field| self::field(field, findings))
            .collect(),
        thanks: section.text("thanks", findings),
        redirect: section.text("redirect", findings),
        allowed_origins: section
            .texts("allowed_origins", findings)
            .unwrap_or_default(),
        minimum_fill: section.seconds("minimum_fill_seconds", MINIMUM_FILL_SECONDS, findings),
        hourly_limit: hourly_limit(section, findings),
        mail_owner: section.truth("mail_owner", findings),
    }
}

fn hourly_limit(section: &Section<'_>, findings: &mut Findings) -> Option<u32> {
    let limit = section.whole("hourly_limit", HOURLY_LIMIT, findings)?;
    u32::try_from(limit.value).ok()
}

fn field(section: &Section<'_>, findings: &mut Findings) -> Option<FieldEntry> {
    let name = section.required_text("name", findings);
    let label = section.text("label", findings);
    let field_type = field_type(section, findings);
    let required = section.truth("required", findings);
    let max_length = section.whole("max_length", MAX_LENGTH, findings);
    let largest_megabytes = section.whole("largest_megabytes", LARGEST_MEGABYTES, findings);
    let choices = section.texts("choices", findings).unwrap_or_default();
    let is_known = field_type.is_some() || !section.has("type");
    Some(FieldEntry {
        name: name?,
        label,
        field_type: field_type.unwrap_or_else(|| text(section)),
        required: required.is_some_and(|it| it.value),
        // A type that was written wrong is one error; what would not go with another is no second.
        max_length: max_length.filter(|_| is_known),
        largest_megabytes: largest_megabytes.filter(|_| is_known),
        choices: if is_known { choices } else { Vec::new() },
    })
}

fn field_type(section: &Section<'_>, findings: &mut Findings) -> Option<Placed<FieldType>> {
    section.choice("type", &FIELD_TYPES, findings)
}

fn text(section: &Section<'_>) -> Placed<FieldType> {
    Placed {
        value: FieldType::Text,
        place: section.place(),
    }
}

fn chat(section: &Section<'_>, findings: &mut Findings) -> ChatEntry {
    let idle_close = section.minutes("idle_close_minutes", IDLE_MINUTES, findings);
    ChatEntry {
        title: section.text("title", findings),
        colour: section.text("colour", findings),
        side: section
            .choice("side", &SIDES, findings)
            .map(|side| side.value)
            .unwrap_or_default(),
        button: section.text("button", findings),
        allowed_origins: section
            .texts("allowed_origins", findings)
            .unwrap_or_default(),
        chatflow: section
            .section("chatflow", &schema::CHATFLOW, findings)
            .map(|chatflow| self::chatflow(&chatflow, findings)),
        offline_form: section
            .truth("offline_form", findings)
            .map(|truth| truth.value),
        idle_close: idle_close.map(|it| it.value),
        hourly_limit: hourly_limit(section, findings),
    }
}

fn chatflow(section: &Section<'_>, findings: &mut Findings) -> ChatflowEntry {
    ChatflowEntry {
        place: section.place(),
        greeting: section.text("greeting", findings),
        questions: section
            .sections("question", &schema::QUESTION, findings)
            .iter()
            .filter_map(|question| self::question(question, findings))
            .collect(),
        users: section.texts("users", findings).unwrap_or_default(),
        teams: section.texts("teams", findings).unwrap_or_default(),
    }
}

fn question(section: &Section<'_>, findings: &mut Findings) -> Option<QuestionEntry> {
    let name = section.required_text("name", findings);
    let question = section.required_text("text", findings);
    let field_type = field_type(section, findings);
    let choices = section.texts("choices", findings).unwrap_or_default();
    let optional = section.truth("optional", findings);
    let is_known = field_type.is_some() || !section.has("type");
    Some(QuestionEntry {
        name: name?,
        text: question?,
        field_type: field_type.unwrap_or_else(|| text(section)),
        choices: if is_known { choices } else { Vec::new() },
        optional: optional.is_some_and(|it| it.value),
    })
}
