//! Channels of mail, forms and chats, and the programs beside them.

use std::fs;
use std::time::Duration;

use super::{directory, load_directory, write_secret};
use crate::core::snapshot::{
    AgentProtocol, ImapSecurity, LmtpListen, MailLogin, RuleName, Scope, SmtpSecurity, Strategy,
    Target, TieBreak, WhenAway,
};
use crate::core::time::Wall;

/// An office with all four kinds, as an admin would write it.
const OFFICE: &str = r##"
[http]
public_url = "https://desk.example.com/"
[smtp]
server = "submission://mail.example.com"
from = "desk@example.com"
[email]
lmtp = "unix:../data/lmtp"
[contacts]
by_number = false
[routing]
weights = { chat = 2 }
away_after_missed = 3

[[user]]
name = "anna"
email = "anna@example.com"
seat = "service"
role = "admin"
schedule = "oslo"
capacity = { chat = 4, email = 20 }
capacity_on_call = { chat = 0 }
presence_by_hours = true
out_of_office = [{ from = "2026-12-24", to = "2026-12-26" }, { from = "2026-12-21", to = "2026-12-23" }]
[[user]]
name = "bjorn"
email = "bjorn@example.com"
seat = "service"
timezone = "America/Chicago"
out_of_office = [{ from = 2026-03-08, to = 2026-03-08 }]
[[team]]
name = "support"
members = ["anna", "bjorn"]
[[inbox]]
name = "customers"
teams = ["support"]
[[schedule]]
name = "oslo"
timezone = "Europe/Oslo"
weekly = { mon-fri = ["08:00-11:30", "12:00-16:00"] }

[[channel]]
name = "mail"
kind = "email"
inbox = "customers"
schedule = "oslo"
address = "support@example.com"
aliases = ["help@example.com"]
authentication_servers = ["MX.example.com"]
signature = "Example Ltd"
when_away = "take-back"
[channel.assign]
to = "contact-owner"
then = [{ teams = ["support"], strategy = "round-robin" }, { to = "customer-agent", agent = "bot" }]
answer_within_minutes = 60
[[channel.mailbox]]
server = "imaps://imap.example.com"
username = "support"
password_file = "secrets/mail"
[[channel.mailbox]]
server = "imap+plain://127.0.0.1:1143"
username = "old"
oauth2_token_file = "secrets/mail"
folder = "Support"
[channel.smtp]
server = "smtps://mail.example.com"

[[channel]]
name = "contact"
kind = "form"
inbox = "customers"
allowed_origins = ["https://www.example.com"]
[[channel.field]]
name = "your_email"
type = "email"
required = true
[[channel.field]]
name = "photo"
type = "file"
largest_megabytes = 2
[channel.assign]
to = "contact-owner"

[[channel]]
name = "plain"
kind = "form"

[[channel]]
name = "web"
kind = "chat"
inbox = "customers"
schedule = "oslo"
[channel.chatflow]
greeting = "Hello"
users = ["anna"]
[[channel.chatflow.question]]
name = "topic"
text = "What is it about?"
type = "choice"
choices = ["An order", "Other"]
[channel.assign]
strategy = "longest-idle"
then = [{ teams = ["support"], only_available = false }]
[channel.after_hours]
to = "nobody"
reply = "We open at 8."

[[customer_agent]]
name = "bot"
endpoint = "http://127.0.0.1:9000/v1/chat/completions"
model = "small"
instructions = "Be kind."
secret_file = "secrets/mail"
allow_private = true
[[token]]
name = "crm"
sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
scopes = ["read-contacts", "write-contacts"]
inboxes = ["customers"]
[[webhook]]
name = "crm"
url = "https://crm.example.com/hook"
secret_file = "secrets/mail"
events = ["contact.changed"]

[[expect]]
at = "2026-12-02T10:00"
channel = "web"
assigned = ["anna"]
[[expect]]
at = "2026-12-02T17:00"
channel = "web"
hours = "closed"
assigned = []
"##;

fn office_with(text: &str) -> Result<crate::config::Loaded, crate::config::Diagnostics> {
    let dir = directory(&[("office.toml", text)]);
    write_secret(dir.path(), "mail", "swordfish", 0o600);
    load_directory(dir.path())
}

fn office() -> crate::config::Loaded {
    office_with(OFFICE).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

/// What is said of the office with a change made to it, one a line; warnings are marked.
fn said_with(changes: &[(&str, &str)]) -> String {
    let mut text = OFFICE.to_owned();
    for (old, new) in changes {
        assert!(text.contains(old), "the office has no {old}");
        text = text.replacen(old, new, 1);
    }
    let dir = directory(&[("office.toml", &text)]);
    write_secret(dir.path(), "mail", "swordfish", 0o600);
    let path = fs::canonicalize(dir.path()).unwrap().display().to_string();
    let (errors, warnings) = match load_directory(dir.path()) {
        Ok(loaded) => (Vec::new(), loaded.warnings),
        Err(diagnostics) => (diagnostics.errors, diagnostics.warnings),
    };
    let errors = errors.iter().map(ToString::to_string);
    let warnings = warnings.iter().map(|it| format!("warning: {it}"));
    let lines: Vec<String> = errors.chain(warnings).collect();
    lines.join("\n").replace(&path, "DIR")
}

/// One change to the office after the other, each with what is said of it.
fn table(changes: &[(&str, &str)]) -> String {
    let lines = changes.iter().map(|(old, new)| {
        let said = said_with(&[(old, new)]);
        assert_ne!(said, "", "nothing is said of {new}");
        format!("{}\n{said}\n\n", new.trim())
    });
    lines.collect::<String>().trim_end().to_owned()
}

#[test]
fn an_office_with_all_four_kinds_loads_without_a_word() {
    assert_eq!(office().warnings, []);
}

#[test]
fn the_path_of_a_socket_is_no_longer_than_sockets_can_have() {
    let with = |octets: usize| {
        let path = format!("unix:/{}", "x".repeat(octets - 1));
        office_with(&OFFICE.replace("unix:../data/lmtp", &path)).map(|_| ())
    };
    assert_eq!(with(LmtpListen::LONGEST_PATH), Ok(()));
    let refused = with(LmtpListen::LONGEST_PATH + 1).unwrap_err().to_string();
    assert!(
        refused.contains("has 104 octets; 103 are the most"),
        "{refused}"
    );
}

#[test]
fn mail_is_taken_and_sent_as_its_channel_says() {
    let loaded = office();
    let channel = loaded.snapshot.channel("mail").unwrap();
    let email = channel.email().unwrap();
    assert_eq!(email.sender_name, "mail");
    assert_eq!(email.authentication_servers, ["mx.example.com"]);
    let [first, second] = email.mailboxes.as_slice() else {
        panic!("two mailboxes");
    };
    assert_eq!((first.host.as_str(), first.port), ("imap.example.com", 993));
    assert_eq!(first.security, ImapSecurity::Tls);
    assert_eq!(first.folder, "INBOX");
    assert!(matches!(&first.login, MailLogin::Password(it) if it.0 == "swordfish"));
    assert_eq!((second.port, second.security), (1143, ImapSecurity::None));
    assert!(matches!(&second.login, MailLogin::OAuth2(path) if path.ends_with("secrets/mail")));
    let smtp = email.smtp.as_ref().unwrap();
    assert_eq!((smtp.port, smtp.security), (465, SmtpSecurity::Tls));
    assert_eq!(smtp.from, "support@example.com");
    let settings = &loaded.snapshot.settings;
    let all = settings.smtp.as_ref().unwrap();
    assert_eq!((all.port, all.security), (587, SmtpSecurity::StartTls));
    assert_eq!(settings.email.largest, 25 * 1024 * 1024);
    let grace = Duration::from_secs(900);
    assert_eq!(channel.when_away, WhenAway::TakeBack { grace });
}

#[test]
fn rules_for_messages_have_the_defaults_of_their_kind() {
    let loaded = office();
    let mail = &loaded.snapshot.channel("mail").unwrap().working_hours;
    let [owner, lists, agent] = mail.steps.as_slice() else {
        panic!("three steps");
    };
    assert_eq!(owner.target, Target::ContactOwner);
    assert_eq!(lists.strategy, Strategy::RoundRobin);
    assert_eq!(lists.tie_break, TieBreak::LeastRecentlyAssigned);
    assert_eq!(agent.agent.as_deref(), Some("bot"));
    assert_eq!(mail.answer_within, Some(Duration::from_secs(3600)));
    let chat = loaded.snapshot.channel("web").unwrap();
    let [hand_over, then] = chat.working_hours.steps.as_slice() else {
        panic!("two steps");
    };
    assert_eq!(&*hand_over.users[0], "anna");
    assert_eq!(hand_over.tie_break, TieBreak::MostRecentlyAssigned);
    assert_eq!(hand_over.strategy, Strategy::LongestIdle);
    assert!(hand_over.only_available && !then.only_available);
    assert_eq!(then.strategy, Strategy::LeastBusy);
    assert_eq!(
        chat.rule(RuleName::Break).reply.as_deref(),
        Some("We open at 8.")
    );
    let plain = loaded.snapshot.channel("plain").unwrap();
    assert!(plain.working_hours.steps.is_empty() && plain.after_hours.is_none());
}

#[test]
fn what_a_chatflow_hands_over_to_takes_the_place_of_whom_the_rule_names() {
    let changes = [(
        "strategy = \"longest-idle\"",
        "strategy = \"random\"\nteams = [\"support\"]",
    )];
    insta::assert_snapshot!(said_with(&changes), @r#"warning: office.toml:101:1 the chatflow names whom it hands over to, so that those named here are never asked. Remove one of both."#);
    let text = OFFICE.replacen(changes[0].0, changes[0].1, 1);
    let loaded = office_with(&text).unwrap();
    let rule = &loaded.snapshot.channel("web").unwrap().working_hours;
    assert_eq!(rule.steps.len(), 2);
    assert_eq!(rule.steps[0].strategy, Strategy::Random);
    assert_eq!(
        (rule.steps[0].users.len(), rule.steps[0].teams.len()),
        (1, 0)
    );
}

#[test]
fn fields_of_forms_and_looks_of_chats_have_sensible_defaults() {
    let loaded = office();
    let form = loaded.snapshot.channel("contact").unwrap().form().unwrap();
    let [email, photo] = form.fields.as_slice() else {
        panic!("two fields");
    };
    assert_eq!(
        (email.label.as_str(), email.max_length),
        ("Your email", 254)
    );
    assert_eq!(photo.max_length, 2 * 1024 * 1024);
    assert!(form.mail_owner, "its rule seeks the owner");
    let plain = loaded.snapshot.channel("plain").unwrap().form().unwrap();
    let names: Vec<&str> = plain
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    assert_eq!(names, ["name", "email", "message"]);
    assert!(!plain.mail_owner);
    let chat = loaded.snapshot.channel("web").unwrap().chat().unwrap();
    assert_eq!(
        (chat.title.as_str(), chat.colour.as_str()),
        ("Chat with us", "#1a73e8")
    );
    assert!(!chat.offline_form, "after hours there is a word instead");
    assert_eq!(chat.questions[0].choices, ["An order", "Other"]);
}

#[test]
fn people_have_capacity_hours_and_absences() {
    let loaded = office();
    let anna = loaded.snapshot.user("anna").unwrap();
    assert_eq!(
        (anna.capacity.chat, anna.capacity.email, anna.capacity.form),
        (Some(4), Some(20), None)
    );
    assert_eq!(anna.capacity_on_call.chat, Some(0));
    let utc = |text: &str| Wall::from_utc(text.parse().unwrap());
    let [absence] = anna.out_of_office.as_slice() else {
        panic!("absences that touch are one");
    };
    assert_eq!(absence.from, utc("2026-12-20T23:00:00Z"));
    assert_eq!(absence.until, utc("2026-12-26T23:00:00Z"));
    let bjorn = loaded.snapshot.user("bjorn").unwrap();
    let short_day = bjorn.out_of_office[0];
    assert_eq!(
        short_day.until.since(short_day.from),
        Duration::from_secs(23 * 3600)
    );
}

#[test]
fn http_contacts_routing_and_programs_are_read() {
    let snapshot = office().snapshot;
    let http = snapshot.settings.http.as_ref().unwrap();
    assert_eq!(http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(http.public_url, "https://desk.example.com");
    assert_eq!(http.trusted_proxies.len(), 2);
    assert!(!snapshot.settings.contacts.by_number && snapshot.settings.contacts.by_cookie);
    assert_eq!(snapshot.settings.routing.weights.chat, 2);
    assert_eq!(snapshot.settings.routing.weights.call, 1);
    assert_eq!(snapshot.settings.routing.away_after_missed, Some(3));
    let bot = snapshot.customer_agent("bot").unwrap();
    assert!(
        matches!(&bot.protocol, AgentProtocol::ChatCompletions { model, .. } if model == "small")
    );
    assert_eq!((bot.timeout.as_secs(), bot.max_turns), (30, 10));
    let [token] = snapshot.tokens.as_slice() else {
        panic!("one token");
    };
    assert_eq!(token.sha256[..2], [0x9f, 0x86]);
    assert_eq!(token.scopes, [Scope::ReadContacts, Scope::WriteContacts]);
    assert_eq!(snapshot.webhooks[0].events, ["contact.changed"]);
    assert!(!format!("{snapshot:?}").contains("swordfish"));
}

#[test]
fn what_needs_http_or_mail_is_refused_without_it() {
    insta::assert_snapshot!(table(&[
        ("[http]\npublic_url = \"https://desk.example.com/\"\n", ""),
        ("[smtp]\nserver = \"submission://mail.example.com\"\nfrom = \"desk@example.com\"\n", ""),
        ("email = \"bjorn@example.com\"\n", ""),
    ]), @r#"
office.toml:67:8 a form is reached over HTTP, and there is no [http]. Add [http], which takes HTTP at 127.0.0.1:8080 where nothing else is said.
office.toml:83:8 a form is reached over HTTP, and there is no [http]. Add [http], which takes HTTP at 127.0.0.1:8080 where nothing else is said.
office.toml:87:8 a chat is reached over HTTP, and there is no [http]. Add [http], which takes HTTP at 127.0.0.1:8080 where nothing else is said.
office.toml:114:8 a token is for the API, and there is no [http]. Add [http], which takes HTTP at 127.0.0.1:8080 where nothing else is said.


office.toml:66:8 form "contact" mails submissions to owners who are offline, and there is no [smtp]. Add [smtp], or mail_owner = false.
warning: office.toml:82:8 there is no [smtp]: nobody can reply by mail to what form "plain" brings.


office.toml:68:8 form "contact" mails submissions to owners who are offline, and these who can be owners have no `email`: bjorn. Give each an address, or write mail_owner = false.
"#);
    let none = [
        (
            "[smtp]\nserver = \"submission://mail.example.com\"\nfrom = \"desk@example.com\"\n",
            "",
        ),
        (
            "[channel.smtp]\nserver = \"smtps://mail.example.com\"\n",
            "",
        ),
        (
            "allowed_origins = [\"https://www.example.com\"]\n",
            "mail_owner = false\n",
        ),
    ];
    insta::assert_snapshot!(said_with(&none), @r#"
warning: office.toml:40:8 channel "mail" has neither [channel.smtp] nor [smtp]: nobody can reply.
warning: office.toml:64:8 there is no [smtp]: nobody can reply by mail to what form "contact" brings.
warning: office.toml:80:8 there is no [smtp]: nobody can reply by mail to what form "plain" brings.
"#);
}

#[test]
fn a_rule_for_messages_is_refused_for_what_it_cannot_mean() {
    insta::assert_snapshot!(table(&[
        ("strategy = \"round-robin\"", "strategy = \"ring-all\""),
        ("to = \"contact-owner\"\nthen", "to = \"contact-owner\"\nusers = [\"anna\"]\nthen"),
        ("to = \"contact-owner\"\nthen", "to = \"contact_owner\"\nthen"),
        ("agent = \"bot\" }]", "agent = \"bat\" }]"),
        ("to = \"customer-agent\", agent = \"bot\"", "to = \"customer-agent\""),
        ("to = \"customer-agent\", agent = \"bot\"", "agent = \"bot\""),
        ("to = \"customer-agent\", agent = \"bot\"", "only_available = \"no\""),
        ("answer_within_minutes = 60", "ring_seconds = 25"),
        ("answer_within_minutes = 60", "voicemail = \"closed\""),
        ("reply = \"We open at 8.\"", "reply = \"  \""),
        ("when_away = \"take-back\"", "take_back_after_minutes = 5"),
        ("[channel.assign]\nstrategy", "[channel.working_hours]\nstrategy"),
        ("inbox = \"customers\"\nallowed", "inbox = \"customers\"\nnumbers = [\"+4722334455\"]\nallowed"),
        ("users = [\"anna\"]\n[[channel.chatflow", "users = [\"ana\"]\n[[channel.chatflow"),
        ("name = \"bjorn\"\nemail = \"bjorn@example.com\"\nseat = \"service\"", "name = \"bjorn\"\nemail = \"bjorn@example.com\""),
        ("teams = [\"support\"]\n[[schedule]]", "teams = []\n[[schedule]]"),
    ]), @r#"
strategy = "ring-all"
office.toml:54:43 `ring-all` and `progressive` are for calls: a message goes to one person. Write least-busy, round-robin, longest-idle, sequential or random.

to = "contact-owner"
users = ["anna"]
then
office.toml:52:1 `users` and `teams` beside this `to` would never be asked. Put them into `then`, for when it finds nobody.

to = "contact_owner"
then
office.toml:53:6 `to` cannot be "contact_owner". Did you mean "contact-owner"? Without `to`, the `users` and `teams` are asked.

agent = "bat" }]
office.toml:54:93 there is no customer agent "bat". Did you mean "bot"?

to = "customer-agent"
office.toml:54:60 `to = "customer-agent"` needs `agent` beside it, the name of a [[customer_agent]].

agent = "bot"
office.toml:54:70 `agent` needs `to = "customer-agent"` beside it.

only_available = "no"
office.toml:54:60 this step names nobody. Give it `users`, `teams` or `to`.
office.toml:54:79 `only_available` takes true or false, without quotes, as in only_available = true. This is the text "no".

ring_seconds = 25
office.toml:55:1 `ring_seconds` belongs to a rule for calls, and this is a rule for messages. Remove it.

voicemail = "closed"
office.toml:55:1 `voicemail` belongs to a rule for calls, and this is a rule for messages. Remove it.

reply = "  "
office.toml:106:9 `reply` is empty. Write a text, or leave it out.

take_back_after_minutes = 5
office.toml:51:27 `take_back_after_minutes` needs `when_away = "take-back"` beside it.

[channel.working_hours]
strategy
office.toml:101:10 `working_hours` belongs to a call channel, and this is a chat channel. Remove it.

inbox = "customers"
numbers = ["+4722334455"]
allowed
office.toml:72:1 `numbers` belongs to a call channel, and this is a form channel. Remove it.

users = ["ana"]
[[channel.chatflow
office.toml:95:10 there is no user "ana". Did you mean "anna"?

name = "bjorn"
email = "bjorn@example.com"
warning: office.toml:32:20 "bjorn" of team "support" has no seat: rules that name the team pass bjorn over.

teams = []
[[schedule]]
office.toml:54:20 team "support" has no access to inbox "customers" (teams: none). Add support to the teams of the inbox (office.toml:35:8).
office.toml:95:10 user "anna" has no access to inbox "customers" (teams: none). Give inbox "customers" a team that anna is in.
office.toml:103:20 team "support" has no access to inbox "customers" (teams: none). Add support to the teams of the inbox (office.toml:35:8).
"#);
}

#[test]
fn mail_channels_are_refused_for_what_cannot_work() {
    insta::assert_snapshot!(table(&[
        ("address = \"support@example.com\"", ""),
        ("address = \"support@example.com\"", "address = \"support\""),
        ("aliases = [\"help@example.com\"]", "aliases = [\"Support@example.com\"]"),
        ("[[channel]]\nname = \"contact\"", "[[channel]]\nname = \"second\"\nkind = \"email\"\naddress = \"help@example.com\"\n[[channel]]\nname = \"contact\""),
        ("imaps://imap.example.com", "pop3://imap.example.com"),
        ("imap+plain://127.0.0.1:1143", "imap+plain://imap.example.com"),
        ("password_file = \"secrets/mail\"\n[[", "[["),
        ("password_file = \"secrets/mail\"\n[[", "password_file = \"secrets/none\"\n[["),
        ("oauth2_token_file = \"secrets/mail\"", "oauth2_token_file = \"secrets/none\""),
        ("server = \"smtps://mail.example.com\"", "server = \"mail.example.com\""),
        ("server = \"smtps://mail.example.com\"", "server = \"smtps://mail.example.com\"\nfrom = \"a@example.com\""),
        ("server = \"smtps://mail.example.com\"", "server = \"smtps://mail.example.com\"\noauth2_token_file = \"secrets/mail\""),
        ("server = \"smtps://mail.example.com\"", "server = \"smtps://mail.example.com\"\nusername = \"desk\"\npassword_file = \"secrets/mail\"\noauth2_token_file = \"secrets/mail\""),
        ("server = \"smtps://mail.example.com\"", "server = \"smtps://mail.example.com\"\nusername = \"desk\"\noauth2_token_file = \"secrets/none\""),
        ("imap+plain://127.0.0.1:1143\"\nusername = \"old\"\noauth2_token_file = \"secrets/mail\"\nfolder = \"Support\"", "imap://IMAP.example.com\"\nusername = \"support\"\npassword_file = \"secrets/mail\""),
        ("lmtp = \"unix:../data/lmtp\"", "lmtp = \"unix:../data/lmtp\"\nlargest_megabytes = 26"),
        ("authentication_servers = [\"MX.example.com\"]\n", ""),
        ("authentication_servers = [\"MX.example.com\"]", "authentication_servers = [\"mx example\"]"),
        ("lmtp = \"unix:../data/lmtp\"", "lmtp = \"localhost\""),
        ("lmtp = \"unix:../data/lmtp\"", "lmtp = \"0.0.0.0:2424\""),
    ]), @r#"
office.toml:42:1 an email channel needs `address`, as in address = "support@example.com".

address = "support"
office.toml:47:11 `address`: "support" is not a mail address, like office@example.com.

aliases = ["Support@example.com"]
office.toml:48:12 Support@example.com stands in office.toml:47:11 already. Remove one.

[[channel]]
name = "second"
kind = "email"
address = "help@example.com"
[[channel]]
name = "contact"
office.toml:71:11 help@example.com belongs to channel "mail" already (office.toml:48:12). An address has one channel: remove one.

pop3://imap.example.com
office.toml:57:10 "pop3://imap.example.com" is no mail server. Write it like imaps://imap.example.com:993, or imap://imap.example.com:143, which must offer STARTTLS.

imap+plain://imap.example.com
office.toml:61:10 "imap+plain://imap.example.com" sends the password readable for all. imap+plain:// is for this machine alone. Write it like imaps://imap.example.com:993, or imap://imap.example.com:143, which must offer STARTTLS.

[[
office.toml:56:1 [[channel.mailbox]] needs `password_file` or `oauth2_token_file`, and not both.

password_file = "secrets/none"
[[
office.toml:59:17 there is no file DIR/secrets/none. Write the password of "support" into it.

oauth2_token_file = "secrets/none"
warning: office.toml:63:21 there is no file DIR/secrets/none yet: the mailbox opens once a token stands in it.

server = "mail.example.com"
office.toml:66:10 "mail.example.com" does not begin with smtp://, submission:// or smtps://. Write it like smtp://localhost:25, or submission://mail.example.com:587.

server = "smtps://mail.example.com"
from = "a@example.com"
office.toml:67:1 there is no key `from` in [channel.smtp]. There are: server, username, password_file, oauth2_token_file.

server = "smtps://mail.example.com"
oauth2_token_file = "secrets/mail"
office.toml:67:21 `oauth2_token_file` needs `username` beside it.

server = "smtps://mail.example.com"
username = "desk"
password_file = "secrets/mail"
oauth2_token_file = "secrets/mail"
office.toml:68:17 there is `oauth2_token_file` as well: a login has one of the two. Remove the other.

server = "smtps://mail.example.com"
username = "desk"
oauth2_token_file = "secrets/none"
warning: office.toml:68:21 there is no file DIR/secrets/none yet: mail is sent once a token stands in it.

imap://IMAP.example.com"
username = "support"
password_file = "secrets/mail"
office.toml:61:10 this mailbox is read for channel "mail" already (office.toml:57:10). It is read for one: remove the other.

lmtp = "unix:../data/lmtp"
largest_megabytes = 26
office.toml:9:21 `largest_megabytes` takes a whole number from 1 to 25, as in largest_megabytes = 25. This is 26.


warning: office.toml:43:8 channel "mail" seeks the contact's owner, and no sender is ever verified: name the server that checks mail for you in `authentication_servers`.

authentication_servers = ["mx example"]
office.toml:49:27 "mx example" is no name that stands in Authentication-Results, like mx.example.com.

lmtp = "localhost"
office.toml:8:8 "localhost" is nowhere to take mail. Write lmtp = "unix:../data/lmtp" or lmtp = "127.0.0.1:2424".

lmtp = "0.0.0.0:2424"
warning: office.toml:8:8 whoever reaches this address can hand in mail, for LMTP asks nobody who it is. Write 127.0.0.1, or a Unix socket.
"#);
}

#[test]
fn forms_and_chats_are_refused_for_what_visitors_could_not_use() {
    insta::assert_snapshot!(table(&[
        ("name = \"contact\"", "name = \"contact us\""),
        ("name = \"your_email\"", "name = \"Your Email\""),
        ("name = \"your_email\"", "name = \"photo\""),
        ("type = \"file\"\nlargest_megabytes = 2", "type = \"email\""),
        ("largest_megabytes = 2", "max_length = 100"),
        ("type = \"file\"\nlargest_megabytes = 2", "largest_megabytes = 2"),
        ("type = \"file\"\nlargest_megabytes = 2", "type = \"choice\""),
        ("type = \"file\"\nlargest_megabytes = 2", "choices = [\"a\"]"),
        ("type = \"file\"", "type = \"upload\""),
        ("[\"https://www.example.com\"]", "[\"https://www.example.com/\"]"),
        ("[\"https://www.example.com\"]", "[\"www.example.com\"]"),
        ("[\"https://www.example.com\"]", "[\"*\"]"),
        ("allowed_origins = [", "redirect = \"javascript:alert(1)\"\nallowed_origins = ["),
        ("allowed_origins = [", "title = \"a\\nb\"\nallowed_origins = ["),
        ("greeting = \"Hello\"", "greeting = \"\\u001b[2J\""),
        ("[channel.chatflow]", "colour = \"red\"\n[channel.chatflow]"),
        ("type = \"choice\"\nchoices = [\"An order\", \"Other\"]", "type = \"file\""),
        ("choices = [\"An order\", \"Other\"]", "choices = [\"Other\", \"Other\"]"),
    ]), @r##"
name = "contact us"
office.toml:69:8 "contact us" cannot name a form, whose address ends with its name: use letters a to z, digits, `-`, `_` and `.`.

name = "Your Email"
office.toml:74:8 "Your Email" cannot name a field: it begins with a letter a to z, and has letters, digits, `-` and `_`, 64 at most.

name = "photo"
office.toml:78:8 there is a field "photo" in office.toml:74:8 already. Give this one another name.

type = "email"
office.toml:79:8 there is a field of type "email" in office.toml:75:8 already, and a conversation has one. Make this one type = "text".

max_length = 100
office.toml:80:14 `max_length` is for texts. Write how large a file may be as largest_megabytes = 5.

largest_megabytes = 2
office.toml:79:21 `largest_megabytes` is for fields of type "file". Texts have `max_length`, in characters.

type = "choice"
office.toml:79:8 "photo" is a choice of nothing. Add choices = ["An order", "Something else"].

choices = ["a"]
office.toml:79:12 `choices` is for type = "choice". Write that beside it.

type = "upload"
office.toml:79:8 `type` cannot be "upload": it is one of text, multiline, email, phone, name, subject, number, date, choice, checkbox, file.

["https://www.example.com/"]
office.toml:72:20 "https://www.example.com/" is not an origin. Write https://www.example.com: scheme, host and port alone.

["www.example.com"]
office.toml:72:20 "www.example.com" is not an origin. Write it like https://example.com or http://localhost:3000.

["*"]
office.toml:72:20 "*" is every page. Leave `allowed_origins` out of a chat for that; a form names its pages.

redirect = "javascript:alert(1)"
allowed_origins = [
office.toml:72:12 `redirect`: "javascript:alert(1)" is not an address of the web. Write it like https://example.com/path.

title = "a\nb"
allowed_origins = [
office.toml:72:9 `title` takes one line of text.

greeting = "\u001b[2J"
office.toml:94:12 `greeting` holds a control character. Write it as plain text.

colour = "red"
[channel.chatflow]
office.toml:93:10 "red" is not a colour. Write # and six digits of red, green and blue, as in colour = "#1a73e8".

type = "file"
office.toml:99:8 a chat asks for words: type is text, multiline, email, phone, name, subject, number, date or choice.

choices = ["Other", "Other"]
office.toml:100:21 "Other" stands twice.
"##);
}

#[test]
fn people_and_programs_are_refused_for_what_cannot_work() {
    insta::assert_snapshot!(table(&[
        ("capacity = { chat = 4, email = 20 }", "capacity = { chats = 4 }"),
        ("capacity = { chat = 4, email = 20 }", "capacity = { call = 1 }"),
        ("capacity = { chat = 4, email = 20 }", "capacity = { chat = -1 }"),
        ("capacity = { chat = 4, email = 20 }", "capacity = 4"),
        ("role = \"admin\"\nschedule = \"oslo\"", "role = \"admin\""),
        ("timezone = \"America/Chicago\"\n", ""),
        ("timezone = \"America/Chicago\"", "timezone = \"Chicago\""),
        ("timezone = \"America/Chicago\"", "schedule = \"oslo\"\ntimezone = \"Europe/Oslo\""),
        ("from = \"2026-12-24\", to = \"2026-12-26\"", "from = \"2026-12-26\", to = \"2026-12-24\""),
        ("from = \"2026-12-24\", to = \"2026-12-26\"", "from = \"24.12.2026\", to = \"2026-12-26\""),
        ("role = \"admin\"", "role = \"boss\""),
        ("role = \"admin\"", "password_file = \"secrets/none\""),
        ("role = \"admin\"", "password_file = \"secrets/mail\""),
        ("public_url", "listen = \"0.0.0.0:8080\"\n#"),
        ("public_url = \"https://desk.example.com/\"", "public_url = \"https://desk.example.com/desk\""),
        ("public_url", "trusted_proxies = [\"proxy\"]\npublic_url"),
        ("weights = { chat = 2 }", "weights = { chat = 101 }"),
        ("allow_private = true", ""),
        ("model = \"small\"", ""),
        ("instructions = \"Be kind.\"", ""),
        ("instructions = \"Be kind.\"", "instructions_file = \"none.txt\""),
        ("model = \"small\"", "protocol = \"webhook\""),
        ("http://127.0.0.1:9000", "ftp://127.0.0.1:9000"),
        ("http://127.0.0.1:9000", "http://user:pass@127.0.0.1:9000"),
        ("\"9f86", "\""),
        ("[\"read-contacts\", \"write-contacts\"]", "[\"read-contact\"]"),
        ("inboxes = [\"customers\"]\n[[web", "inboxes = [\"customer\"]\n[[web"),
        ("inboxes = [\"customers\"]\n[[web", "inboxes = [\"customers\"]\nuser = \"anna\"\n[[web"),
        ("events = [\"contact.changed\"]", "events = [\"contact.change\"]"),
        ("https://crm.example.com/hook", "http://crm.example.com/hook"),
        ("https://crm.example.com/hook", "https://10.0.0.5/hook"),
    ]), @r#"
capacity = { chats = 4 }
office.toml:21:14 `chats` in `capacity` is no kind: there are chat, email, form. Did you mean `chat`?

capacity = { call = 1 }
office.toml:21:14 `capacity` takes no `call`: a user on a call gets no other. Remove it.

capacity = { chat = -1 }
office.toml:21:21 `capacity` takes a whole number from 0 to 1000 for each of its keys, as in capacity = { chat = 4, email = 20, form = 20 }. This is -1.

capacity = 4
office.toml:21:12 `capacity` takes a table, as in capacity = { chat = 4, email = 20, form = 20 }. This is 4.

role = "admin"
office.toml:22:21 `presence_by_hours` needs `schedule` beside it: the hours that set presence.
office.toml:23:27 a date begins at another moment in each time zone: write `schedule` or timezone = "Europe/Oslo" beside `out_of_office`.


office.toml:29:27 a date begins at another moment in each time zone: write `schedule` or timezone = "Europe/Oslo" beside `out_of_office`.

timezone = "Chicago"
office.toml:29:12 there is no time zone "Chicago". Did you mean "America/Chicago"?

schedule = "oslo"
timezone = "Europe/Oslo"
office.toml:30:12 `timezone` is for users without a schedule; this one has "oslo", with a time zone of its own. Remove it.

from = "2026-12-26", to = "2026-12-24"
office.toml:24:46 2026-12-24 is before 2026-12-26. An absence ends on its first day or later.

from = "24.12.2026", to = "2026-12-26"
office.toml:24:27 "24.12.2026" is not a date, like 2026-12-21.

role = "boss"
office.toml:19:8 `role` cannot be "boss": it is one of agent, admin.

password_file = "secrets/none"
warning: office.toml:19:17 anna cannot sign in yet: there is no file secrets/none. Run: ringdesk password anna

password_file = "secrets/mail"
office.toml:19:17 the file DIR/secrets/mail holds no argon2id hash of a password. Remove it: `ringdesk password anna` makes a right one.

listen = "0.0.0.0:8080"
#
warning: office.toml:3:10 others than this machine reach HTTP here, and nothing encrypts it: passwords and messages can be read on the way. Put a proxy with TLS before it, and write its address: public_url = "https://desk.example.com".

public_url = "https://desk.example.com/desk"
office.toml:3:14 `public_url` has something behind its host. Write https://desk.example.com: Ringdesk has a host of its own.

trusted_proxies = ["proxy"]
public_url
office.toml:3:20 "proxy" is a name. Write the addresses behind it.

weights = { chat = 101 }
office.toml:12:20 `weights` takes a whole number from 0 to 100 for each of its keys, as in weights = { chat = 2 }. This is 101.


office.toml:110:12 `endpoint` is within this machine or its network, which is refused unless allowed. Write allow_private = true where that is meant.


office.toml:109:8 a customer agent of chat completions needs `model`, as in model = "small-1".


warning: office.toml:109:8 this customer agent has no `instructions`: it is not told what its task is.

instructions_file = "none.txt"
office.toml:112:21 the file DIR/none.txt cannot be read: No such file or directory (os error 2).

protocol = "webhook"
office.toml:112:16 `model`, `instructions` and `instructions_file` are for protocol = "chat-completions". Remove them.

ftp://127.0.0.1:9000
office.toml:110:12 `endpoint`: "ftp://127.0.0.1:9000/v1/chat/completions" is not an address of the web. Write it like https://example.com/path.

http://user:pass@127.0.0.1:9000
office.toml:110:12 `endpoint` holds a user name or a password. Secrets stand in files of their own.

"
office.toml:117:10 `sha256` takes the 64 digits of the token's SHA-256, not the token. Remove this [[token]]: `ringdesk token` makes a new one.

["read-contact"]
office.toml:118:11 `scopes` cannot hold "read-contact": there are read-conversations, write-conversations, read-contacts, write-contacts, read-users, write-users, read-configuration, write-configuration, read-metrics, read-audit. Did you mean "read-contacts"?

inboxes = ["customer"]
[[web
office.toml:119:12 there is no inbox "customer". Did you mean "customers"?

inboxes = ["customers"]
user = "anna"
[[web
office.toml:119:12 the token acts for anna, and sees what anna sees. Remove `inboxes` or `user`.

events = ["contact.change"]
office.toml:124:11 there is no event "contact.change". Did you mean "contact.changed"?

http://crm.example.com/hook
warning: office.toml:122:7 `url` is not encrypted: what customers write can be read on the way. Use https://.

https://10.0.0.5/hook
office.toml:122:7 `url` is within this machine or its network, which is refused unless allowed. Write allow_private = true where that is meant.
"#);
}

#[test]
fn expectations_of_messages_say_what_happened_instead() {
    insta::assert_snapshot!(table(&[
        ("assigned = [\"anna\"]", "assigned = [\"bjorn\"]"),
        ("assigned = [\"anna\"]", "rings = [\"anna\"]"),
        ("hours = \"closed\"\nassigned = []", "voicemail = \"break\""),
        ("hours = \"closed\"\nassigned = []", "assigned = [\"anna\"]"),
        ("assigned = [\"anna\"]", "assigned = [\"ana\"]"),
    ]), @r#"
assigned = ["bjorn"]
office.toml:126:1 expected that it is assigned to bjorn at 2026-12-02T10:00 on channel "web", but: web: assigned to anna. open: oslo, Wed 2026-12-02 10:00+01:00, hours 08:00-11:30 and 12:00-16:00; closes 11:30. Snapshot 1

rings = ["anna"]
office.toml:126:1 `rings` cannot be expected of channel "web", which is of kind chat. Write `assigned`.

voicemail = "break"
office.toml:133:13 `voicemail` cannot be expected of channel "web", which is of kind chat. Write `assigned`.

assigned = ["anna"]
office.toml:130:1 expected that it is assigned to anna at 2026-12-02T17:00 on channel "web", but: web: stays unassigned (to = "nobody"). closed: oslo, Wed 2026-12-02 17:00+01:00, hours 08:00-11:30 and 12:00-16:00; opens Thu 2026-12-03 08:00. Snapshot 1

assigned = ["ana"]
office.toml:129:13 there is no user "ana". Did you mean "anna"?
"#);
}

/// How long this thread has run, in nanoseconds (proc(5), schedstat).
fn cpu_time() -> u64 {
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    schedstat.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn an_office_of_a_thousand_with_two_hundred_channels_loads() {
    let mut text = OFFICE.to_owned();
    for number in 0..1000 {
        text.push_str(&format!(
            "[[user]]\nname = \"user{number}\"\nemail = \"user{number}@example.com\"\nseat = \"service\"\nschedule = \"oslo\"\ncapacity = {{ chat = 4 }}\nout_of_office = [{{ from = \"2026-07-01\", to = \"2026-07-21\" }}]\n"
        ));
    }
    for team in 0..50 {
        let members: Vec<String> = (0..20)
            .map(|it| format!("\"user{}\"", team * 20 + it))
            .collect();
        text.push_str(&format!(
            "[[team]]\nname = \"team{team}\"\nmembers = [{0}]\n[[inbox]]\nname = \"inbox{team}\"\nteams = [\"team{team}\"]\n",
            members.join(", ")
        ));
    }
    for number in 0..200 {
        let team = number % 50;
        let kind = [
            "kind = \"form\"",
            "kind = \"chat\"",
            "kind = \"email\"\naddress = \"box{}@example.com\"",
        ][number % 3];
        text.push_str(&format!(
            "[[channel]]\nname = \"channel{number}\"\n{}\ninbox = \"inbox{team}\"\nschedule = \"oslo\"\n[channel.assign]\nusers = [\"user{}\"]\nteams = [\"team{team}\"]\nthen = [{{ teams = [\"team{team}\"], only_available = false }}]\n[channel.after_hours]\nreply = \"Closed.\"\n",
            kind.replace("{}", &number.to_string()),
            team * 20
        ));
    }
    let before = cpu_time();
    let loaded = office_with(&text).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    let milliseconds = (cpu_time() - before) / 1_000_000;
    println!(
        "1,000 users and 200 channels, {} lines: {milliseconds} ms of CPU time",
        text.lines().count()
    );
    assert_eq!(loaded.snapshot.users.len(), 1002);
    assert_eq!(loaded.snapshot.channels.len(), 204);
}
