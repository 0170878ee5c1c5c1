mod messages;

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::diagnostic::Findings;
use super::source::Source;
use super::{Diagnostics, Loaded, PromptFile, assemble, load};
use crate::core::prompt::PromptAudio;
use crate::core::time::Wall;

/// The example of the documentation, complete: what it names exists.
const EXAMPLE: &str = r#"
[sip]
listen = ["udp://0.0.0.0:5060", "tcp://0.0.0.0:5060"]
public_address = "203.0.113.7"
local_networks = ["10.0.0.0/8"]
digest = "md5"
[media]
ports = "16384-17383"
[store]
url = "sqlite:../data/ringdesk.db"
audio = "../data/audio"
[prompts]
dir = "prompts"
[smtp]
server = "smtp://localhost:25"
from = "ringdesk@example.com"

[[trunk]]
name = "carrier"
peers = ["198.51.100.0/24"]
country = "NO"
number_from = "request-uri"
outbound = "sip:sip.carrier.example"
username = "acct4711"
password_file = "secrets/carrier"

[[user]]
name = "anna"
display_name = "Anna Berg"
email = "anna@example.com"
seat = "service"
sip_password_file = "secrets/anna"
sip_contacts = []
external_number = "+4790000001"
schedule = "oslo"
wrap_up_seconds = 10
[[user]]
name = "bjorn"
seat = "service"
[[user]]
name = "carl"
seat = "sales"

[[team]]
name = "support"
members = ["anna", "bjorn"]
extra_members = ["carl"]

[[inbox]]
name = "customers"
teams = ["support"]

[[special_days]]
name = "norway"
days = [
  { easter = -2, name = "Good Friday", hours = [] },
  { yearly = "05-17", name = "Constitution Day", hours = [] },
  { yearly = "12-24", name = "Christmas Eve", hours = ["08:00-12:00"], prompt = "christmas" },
]

[[schedule]]
name = "oslo"
timezone = "Europe/Oslo"
weekly = { mon-thu = ["08:00-11:30", "12:00-16:00"], fri = ["08:00-15:00"] }
special_days = ["norway"]
special = [{ date = "2026-12-31", name = "New Year's Eve", hours = ["08:00-12:00"] }]

[[prompt]]
name = "unanswered"
file = "unanswered.wav"

[[channel]]
name = "main-line"
kind = "call"
inbox = "customers"
numbers = ["+4722334455"]
schedule = "oslo"
notify = ["office@example.com"]
[channel.working_hours]
teams = ["support"]
strategy = "ring-all"
ring_seconds = 25
then = [{ users = ["carl"] }]
voicemail = "unanswered"
[channel.break]
voicemail = "unanswered"
[channel.after_hours]
voicemail = "closed"
[channel.special_prompts]
"Christmas Eve" = "christmas-en"

[[expect]]
at = "2026-12-24T12:30"
channel = "main-line"
voicemail = "christmas-en"
"#;

/// A directory with these files, and the prompts and passwords that the example names.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("prompts")).unwrap();
    fs::create_dir(dir.path().join("secrets")).unwrap();
    for name in ["unanswered", "closed", "christmas", "christmas-en"] {
        fs::write(dir.path().join(format!("prompts/{name}.wav")), "audio").unwrap();
    }
    for name in ["anna", "carrier"] {
        write_secret(dir.path(), name, "swordfish\n", 0o600);
    }
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn write_secret(dir: &Path, name: &str, text: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("secrets").join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

const LOADED_AT: Wall = Wall::from_seconds(1_800_000_000);

fn load_directory(dir: &Path) -> Result<Loaded, Diagnostics> {
    load(dir, 1, LOADED_AT, &load_prompt)
}

/// Takes every file that holds the word "audio" for a prompt.
fn load_prompt(file: PromptFile<'_>) -> Result<PromptAudio, String> {
    let text = match file {
        PromptFile::Shipped(_) => "audio".to_owned(),
        PromptFile::At(path) => {
            fs::read_to_string(path).map_err(|_| "cannot be read".to_owned())?
        }
    };
    match text.as_str() {
        "audio" => Ok(PromptAudio {
            pcmu: vec![0xff; 160].into(),
            pcma: vec![0xd5; 160].into(),
        }),
        _ => Err("is not a WAV file".to_owned()),
    }
}

fn load_files(files: &[(&str, &str)]) -> Result<Loaded, Diagnostics> {
    load_directory(directory(files).path())
}

#[test]
fn the_example_loads() {
    let loaded = load_files(&[("ringdesk.toml", EXAMPLE)]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(loaded.warnings, []);
}

/// The errors of the example with a change made to it, one a line.
fn errors_with(changes: &[(&str, &str)]) -> String {
    let mut text = EXAMPLE.to_owned();
    for (old, new) in changes {
        assert!(text.contains(old), "the example has no {old}");
        text = text.replacen(old, new, 1);
    }
    errors(&[("ringdesk.toml", &text)])
}

/// The errors of a directory with these files, one a line; the directory's own path is `DIR`.
fn errors(files: &[(&str, &str)]) -> String {
    let dir = directory(files);
    let path = fs::canonicalize(dir.path()).unwrap();
    let text = match load_directory(dir.path()) {
        Ok(loaded) => format!("loads, with warnings {:?}", loaded.warnings),
        Err(diagnostics) => diagnostics.to_string(),
    };
    text.replace(&path.display().to_string(), "DIR")
}

/// The warnings of a directory with these files, one a line.
fn warnings(files: &[(&str, &str)]) -> String {
    let dir = directory(files);
    let path = fs::canonicalize(dir.path()).unwrap();
    let warnings = match load_directory(dir.path()) {
        Ok(loaded) => loaded.warnings,
        Err(diagnostics) => panic!("{diagnostics}"),
    };
    let lines: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    lines.join("\n").replace(&path.display().to_string(), "DIR")
}

/// One change to the example after the other, each with the errors that it leads to.
fn table(changes: &[(&str, &str)]) -> String {
    let mut lines = String::new();
    for (old, new) in changes {
        lines.push_str(&format!(
            "{}\n{}\n\n",
            new.trim(),
            errors_with(&[(old, new)])
        ));
    }
    lines.trim_end().to_owned()
}

#[test]
fn a_rule_names_only_whom_the_inbox_is_open_to() {
    let files = [
        (
            "people.toml",
            "inbox = [{ name = \"customers\", teams = [\"oslo\", \"austin\"] }]\n\
             user = [{ name = \"vakt\", seat = \"service\" }, { name = \"anna\", seat = \"sales\" }]\n\
             [[team]]\nname = \"oslo\"\nmembers = [\"anna\"]\n[[team]]\nname = \"austin\"\n\
             [[team]]\nname = \"night\"\nmembers = [\"vakt\"]\n",
        ),
        (
            "channels.toml",
            "# the line\n\n[[channel]]\nname = \"line\"\nnumbers = [\"+4722000001\"]\n\
             inbox = \"customers\"\n[channel.working_hours]\nteams = [\"oslo\", \"night\"]\n\
             users = [\"vakt\"]\n",
        ),
    ];
    insta::assert_snapshot!(errors(&files), @r#"
channels.toml:8:18 team "night" has no access to inbox "customers" (teams: oslo, austin). Add night to the teams of the inbox (people.toml:1:19).
channels.toml:9:10 user "vakt" has no access to inbox "customers" (teams: oslo, austin). Add vakt to one of them.
"#);
}

#[test]
fn wrong_keys_are_named_with_what_was_meant() {
    insta::assert_snapshot!(table(&[
        ("ring_seconds = 25", "ring_second = 25"),
        ("[[team]]", "[[teams]]"),
        ("[[team]]", "[team]"),
        ("[smtp]", "[mail]"),
        ("seat = \"service\"", "colour = \"red\""),
        ("wrap_up_seconds = 10", "message_waiting = true"),
        ("strategy = \"ring-all\"", "only_available = false"),
        ("{ easter = -2,", "{ eastern = -2,"),
        ("[[expect]]", "[tls]\nlisten = \"0.0.0.0:80\"\n[[expect]]"),
    ]), @r#"
ring_second = 25
ringdesk.toml:82:1 there is no key `ring_second` in a rule for calls. Did you mean `ring_seconds`?

[[teams]]
ringdesk.toml:44:3 there is no key `teams` at the top level. Did you mean `team`?

[team]
ringdesk.toml:44:1 `team` takes a list of tables, written [[team]]. This is a table.

[mail]
ringdesk.toml:14:2 there is no key `mail` at the top level. Did you mean `email`?
ringdesk.toml:15:1 there is no key `server` in [email]. There are: lmtp, largest_megabytes.
ringdesk.toml:16:1 there is no key `from` in [email]. There are: lmtp, largest_megabytes.

colour = "red"
ringdesk.toml:31:1 there is no key `colour` in [[user]]. There are: name, display_name, email, seat, sip_password_file, sip_contacts, external_number, external_trunk, schedule, timezone, wrap_up_seconds, role, and 5 more.

message_waiting = true
ringdesk.toml:36:1 `message_waiting` in [[user]] is not available in this version. Remove it.

only_available = false
ringdesk.toml:81:18 `only_available = false` is for messages: a call rings only those who are available. Remove it.

{ eastern = -2,
ringdesk.toml:56:5 there is no key `eastern` in a special day. Did you mean `easter`?

[tls]
listen = "0.0.0.0:80"
[[expect]]
ringdesk.toml:92:2 `tls` at the top level is not available in this version. Remove it.
"#);
}

#[test]
fn wrong_values_are_named_with_what_was_expected() {
    insta::assert_snapshot!(table(&[
        ("digest = \"md5\"", "digest = \"sha256\""),
        ("listen = [\"udp://0.0.0.0:5060\", ", "listen = [\"tls://0.0.0.0:5061\", "),
        ("listen = [\"udp://0.0.0.0:5060\", \"tcp://0.0.0.0:5060\"]", "listen = []"),
        ("public_address = \"203.0.113.7\"", "public_address = \"pbx.example.com\""),
        ("\"10.0.0.0/8\"", "\"10.0.0.1/8\""),
        ("ports = \"16384-17383\"", "ports = \"16385-16386\""),
        ("ports = \"16384-17383\"", "ports = \"5000-6000\""),
        ("ports = \"16384-17383\"", "ports = 16384"),
        ("sqlite:../data/ringdesk.db", "postgres://localhost/ringdesk"),
        ("smtp://localhost:25", "localhost"),
        ("country = \"NO\"", "country = \"Norway\""),
        ("number_from = \"request-uri\"", "number_from = \"request_uri\""),
        ("sip:sip.carrier.example", "sips:sip.carrier.example"),
        ("password_file = \"secrets/carrier\"", "password_file = \"secrets/nothing\""),
        ("password_file = \"secrets/carrier\"", ""),
        ("username = \"acct4711\"\npassword_file = \"secrets/carrier\"", "realm = \"carrier.example\""),
        ("email = \"anna@example.com\"", "email = \"anna\""),
        ("external_number = \"+4790000001\"", "external_number = \"90000001\""),
        ("external_number = \"+4790000001\"", "external_number = \"+47 22 33 44 55\""),
        ("seat = \"service\"", "seat = \"services\""),
        ("wrap_up_seconds = 10", "wrap_up_seconds = -1"),
        ("name = \"bjorn\"", "name = \"Bjørn\""),
        ("name = \"bjorn\"", "nome = \"bjorn\""),
        ("timezone = \"Europe/Oslo\"", "timezone = \"Oslo\""),
        ("timezone = \"Europe/Oslo\"", "timezone = \"Europe/Olso\""),
        ("timezone = \"Europe/Oslo\"", ""),
        ("mon-thu", "mon-thur"),
        ("fri = [\"08:00-15:00\"]", "thu = [\"08:00-15:00\"]"),
        ("fri = [\"08:00-15:00\"]", "fri = \"08:00-15:00\""),
        ("[\"08:00-15:00\"]", "[\"8-15\"]"),
        ("yearly = \"05-17\"", "yearly = \"17-05\""),
        ("yearly = \"05-17\", name", "name"),
        ("easter = -2, name = \"Good Friday\", hours = []", "easter = -2, name = \"Good Friday\""),
        ("file = \"unanswered.wav\"", "file = \"ringdesk.toml\""),
        ("file = \"unanswered.wav\"", "file = \"../ringdesk.toml\""),
        ("numbers = [\"+4722334455\"]", "numbers = \"+4722334455\""),
        ("kind = \"call\"", "kind = \"phone\""),
        ("ring_seconds = 25", "ring_seconds = \"25\""),
        ("ring_seconds = 25", "max_ringing = 101"),
        ("ring_seconds = 25", "to = \"contact-owners\""),
        ("ring_seconds = 25", "to = \"customer-agent\""),
        ("then = [{ users = [\"carl\"] }]", "then = [{ voicemail = \"closed\" }, { users = [\"carl\"] }]"),
        ("then = [{ users = [\"carl\"] }]", "then = [{ voicemail = \"closed\" }]"),
        ("then = [{ users = [\"carl\"] }]", "then = [{ ring_seconds = 5 }]"),
        ("at = \"2026-12-24T12:30\"", "at = \"2026-03-29T02:30\""),
        ("at = \"2026-12-24T12:30\"", "at = \"Christmas\""),
    ]), @r#"
digest = "sha256"
ringdesk.toml:6:10 `digest` cannot be "sha256": it is one of md5, sha-256, both. Did you mean "sha-256"?

listen = ["tls://0.0.0.0:5061",
ringdesk.toml:3:11 "tls://0.0.0.0:5061": tls listeners are not available in this version. Use udp:// or tcp://.

listen = []
ringdesk.toml:2:1 `listen` is empty, so that no call can arrive. Leave it out for port 5060 on every address.

public_address = "pbx.example.com"
ringdesk.toml:4:18 "pbx.example.com" is not an IP address, as in public_address = "203.0.113.7".

"10.0.0.1/8"
ringdesk.toml:5:19 "10.0.0.1/8" is an address within a network. Write 10.0.0.0/8 for the network, or 10.0.0.1 for the address alone.

ports = "16385-16386"
ringdesk.toml:8:9 "16385-16386" holds no pair of an even port and the next one. Each call needs several pairs, as in ports = "16384-17383".

ports = "5000-6000"
ringdesk.toml:8:9 "5000-6000" includes port 5060, which SIP listens on. Choose other ports for audio.

ports = 16384
ringdesk.toml:8:9 `ports` takes a text in quotes, as in ports = "16384-17383". This is 16384.

postgres://localhost/ringdesk
ringdesk.toml:10:7 PostgreSQL is not available in this version. Write it like url = "sqlite:../data/ringdesk.db".

localhost
ringdesk.toml:15:10 "localhost" does not begin with smtp://, submission:// or smtps://. Write it like smtp://localhost:25, or submission://mail.example.com:587.

country = "Norway"
ringdesk.toml:21:11 "Norway" is not a country's two letters, as in country = "NO".

number_from = "request_uri"
ringdesk.toml:22:15 `number_from` cannot be "request_uri": it is one of request-uri, to, p-called-party-id, diversion. Did you mean "request-uri"?

sips:sip.carrier.example
ringdesk.toml:23:12 "sips:sip.carrier.example": TLS is not available in this version. Write sip:HOST.

password_file = "secrets/nothing"
ringdesk.toml:25:17 there is no file DIR/secrets/nothing. Write the password of "acct4711" into it.


ringdesk.toml:24:12 `username` needs `password_file` beside it.

realm = "carrier.example"
ringdesk.toml:24:9 `realm` says whose questions for `username` and its password are answered. Add those, or remove `realm`.

email = "anna"
ringdesk.toml:30:9 `email`: "anna" is not a mail address, like office@example.com.

external_number = "90000001"
ringdesk.toml:34:19 "90000001" is not a number in international form, like +4722334455.

external_number = "+47 22 33 44 55"
ringdesk.toml:34:19 +4722334455 is a number of channel "main-line" (ringdesk.toml:76:12): a call to it would come back for ever. Write a number elsewhere.

seat = "services"
ringdesk.toml:31:8 `seat` cannot be "services": it is one of sales, service. Did you mean "service"?

wrap_up_seconds = -1
ringdesk.toml:36:19 `wrap_up_seconds` takes a whole number from 0 to 86400, as in wrap_up_seconds = 10. This is -1.

name = "Bjørn"
ringdesk.toml:38:8 "Bjørn" cannot name a user: use letters a to z, digits, `-`, `_` and `.`.
ringdesk.toml:46:20 there is no user "bjorn". Did you mean "Bjørn"?

nome = "bjorn"
ringdesk.toml:38:1 there is no key `nome` in [[user]]. Did you mean `name`?

timezone = "Oslo"
ringdesk.toml:63:12 there is no time zone "Oslo". Did you mean "Europe/Oslo"?

timezone = "Europe/Olso"
ringdesk.toml:63:12 there is no time zone "Europe/Olso". Did you mean "Europe/Oslo"?


ringdesk.toml:61:1 [[schedule]] needs `timezone`, as in timezone = "Europe/Oslo".

mon-thur
ringdesk.toml:64:12 "thur" is not a day of the week; expected mon, tue, wed, thu, fri, sat or sun, a range such as mon-fri, or a list such as mon,wed.

thu = ["08:00-15:00"]
ringdesk.toml:64:54 thu is named twice in weekly: by "mon-thu" and by "thu". Write its windows in one place.

fri = "08:00-15:00"
ringdesk.toml:64:60 `weekly` takes a list of texts for each of its keys, as in weekly = { mon-fri = ["09:00-17:00"] }. This is the text "08:00-15:00".

["8-15"]
ringdesk.toml:64:61 "8" in "8-15" is not a time of day; expected HH:MM from 00:00 to 23:59, or 24:00 as an end.

yearly = "17-05"
ringdesk.toml:57:3 "17-05" is not a day of the year; expected MM-DD, such as "05-17".

name
ringdesk.toml:57:3 a special day says when it is: `date`, `from` and `to`, `yearly`, `weekday` with `nth` and `month`, or `easter`.

easter = -2, name = "Good Friday"
ringdesk.toml:56:3 a special day needs `hours`: hours = [] for closed, hours = ["08:00-12:00"] for other hours.

file = "ringdesk.toml"
ringdesk.toml:70:8 prompt "unanswered": DIR/prompts/ringdesk.toml cannot be read.

file = "../ringdesk.toml"
ringdesk.toml:70:8 prompt "unanswered": DIR/ringdesk.toml is not a WAV file.

numbers = "+4722334455"
ringdesk.toml:76:11 `numbers` takes a list of texts, as in numbers = ["+4722334455"]. This is the text "+4722334455".

kind = "phone"
ringdesk.toml:74:8 `kind` cannot be "phone": it is one of call, email, form, chat.

ring_seconds = "25"
ringdesk.toml:82:16 `ring_seconds` takes a whole number from 1 to 600, as in ring_seconds = 25. This is the text "25".

max_ringing = 101
ringdesk.toml:82:15 `max_ringing` takes a whole number from 1 to 100, as in max_ringing = 20. This is 101.

to = "contact-owners"
ringdesk.toml:82:6 `to` cannot be "contact-owners". Did you mean "contact-owner"? Without `to`, the `users` and `teams` are asked.

to = "customer-agent"
ringdesk.toml:82:6 `to = "customer-agent"` is for messages, not for calls. Name `users` or `teams`.

then = [{ voicemail = "closed" }, { users = ["carl"] }]
ringdesk.toml:83:23 a voicemail ends a rule: it can only be the last step of `then`.

then = [{ voicemail = "closed" }]
ringdesk.toml:83:23 the rule says its voicemail in ringdesk.toml:84:13 already. Keep one.

then = [{ ring_seconds = 5 }]
ringdesk.toml:83:9 this step names nobody. Give it `users`, `teams` or, as the last one, `voicemail`.

at = "2026-03-29T02:30"
ringdesk.toml:93:6 "2026-03-29T02:30" does not exist in Europe/Oslo: clocks skip it. Write an earlier or a later time.

at = "Christmas"
ringdesk.toml:93:6 "Christmas" is not a time, like 2026-12-24T12:30 or 2026-12-24T12:30:00+01:00.
"#);
}

#[test]
fn names_that_do_not_exist_are_named_with_the_nearest() {
    insta::assert_snapshot!(table(&[
        ("extra_members = [\"carl\"]", "extra_members = [\"karl\"]"),
        ("members = [\"anna\", \"bjorn\"]", "members = [\"anna\", \"anna\"]"),
        ("teams = [\"support\"]", "teams = [\"suport\"]"),
        ("schedule = \"oslo\"\nwrap", "schedule = \"olso\"\nwrap"),
        ("special_days = [\"norway\"]", "special_days = [\"norge\"]"),
        ("special_days = [\"norway\"]", "special_days = [\"sweden\"]"),
        ("inbox = \"customers\"", "inbox = \"customer\""),
        ("voicemail = \"closed\"", "voicemail = \"close\""),
        ("voicemail = \"christmas-en\"", "voicemail = \"easter\""),
        ("\"Christmas Eve\" = \"christmas-en\"", "\"Xmas Eve\" = \"christmas-en\""),
        ("channel = \"main-line\"", "channel = \"mainline\""),
        ("external_number", "external_trunk = \"cartier\"\nexternal_number"),
    ]), @r#"
extra_members = ["karl"]
ringdesk.toml:47:18 there is no user "karl". Did you mean "carl"?

members = ["anna", "anna"]
ringdesk.toml:46:20 "anna" stands in team "support" already (ringdesk.toml:46:12). Remove one.

teams = ["suport"]
ringdesk.toml:51:10 there is no team "suport". Did you mean "support"?

schedule = "olso"
wrap
ringdesk.toml:35:12 there is no schedule "olso". Did you mean "oslo"?

special_days = ["norge"]
ringdesk.toml:65:17 there is no list of special days "norge". There are: germany, germany-baden-wuerttemberg, germany-bavaria, germany-berlin, germany-brandenburg, germany-bremen, germany-hamburg, germany-hesse, germany-lower-saxony, germany-mecklenburg-western-pomerania, germany-north-rhine-westphalia, germany-rhineland-palatinate, and 10 more.

special_days = ["sweden"]
ringdesk.toml:65:17 there is no list of special days "sweden". There are: germany, germany-baden-wuerttemberg, germany-bavaria, germany-berlin, germany-brandenburg, germany-bremen, germany-hamburg, germany-hesse, germany-lower-saxony, germany-mecklenburg-western-pomerania, germany-north-rhine-westphalia, germany-rhineland-palatinate, and 10 more.

inbox = "customer"
ringdesk.toml:75:9 there is no inbox "customer". Did you mean "customers"?

voicemail = "close"
ringdesk.toml:88:13 there is no prompt "close": no [[prompt]] of that name, and no file DIR/prompts/close.wav. Did you mean "closed"?

voicemail = "easter"
ringdesk.toml:95:13 there is no prompt "easter": no [[prompt]] of that name, and no file DIR/prompts/easter.wav. There are: accept, after_hours, break, christmas, christmas-en, closed, hold, unanswered, working_hours. Make it: `ringdesk prompts add RECORDING --name easter`.

"Xmas Eve" = "christmas-en"
ringdesk.toml:90:1 schedule "oslo" has no special day "Xmas Eve". There are: New Year's Eve, Good Friday, Constitution Day, Christmas Eve.

channel = "mainline"
ringdesk.toml:94:11 there is no channel "mainline". Did you mean "main-line"?

external_trunk = "cartier"
external_number
ringdesk.toml:34:18 there is no trunk "cartier". Did you mean "carrier"?
"#);
}

#[test]
fn what_may_exist_once_says_where_the_first_is() {
    insta::assert_snapshot!(table(&[
        ("[[team]]", "[[user]]\nname = \"anna\"\n[[team]]"),
        ("[[expect]]", "[[channel]]\nname = \"second\"\nnumbers = [\"+47 22 33 44 55\"]\n[channel.working_hours]\n[[expect]]"),
        ("[[user]]", "[[trunk]]\nname = \"second\"\npeers = [\"198.51.100.0/24\"]\n[[user]]"),
        ("digest = \"md5\"", "digest = \"md5\"\ndigest = \"both\""),
    ]), @r#"
[[user]]
name = "anna"
[[team]]
ringdesk.toml:45:8 there is a user "anna" in ringdesk.toml:28:8 already. Give this one another name.

[[channel]]
name = "second"
numbers = ["+47 22 33 44 55"]
[channel.working_hours]
[[expect]]
ringdesk.toml:94:12 +4722334455 belongs to channel "main-line" already (ringdesk.toml:76:12). A number has one channel: remove one.

[[trunk]]
name = "second"
peers = ["198.51.100.0/24"]
[[user]]
ringdesk.toml:29:10 "198.51.100.0/24" is a peer of trunk "carrier" already (ringdesk.toml:20:10): whose a call from there is could not be said. Remove one, or write ports, as in "198.51.100.7:5060".

digest = "md5"
digest = "both"
ringdesk.toml:7:1 is not TOML: duplicate key (at `digest`). It may stand once in its table.
"#);
    let twice = [
        ("a.toml", "[sip]\nrealm = \"a\""),
        ("b.toml", "[sip]\nrealm = \"b\""),
    ];
    insta::assert_snapshot!(errors(&twice), @r#"b.toml:1:2 `sip` stands in a.toml:1:2 already. Put both into one."#);
}

#[test]
fn everything_that_is_wrong_is_said_at_once_and_a_broken_file_does_not_hide_another() {
    let files = [
        ("a.toml", "[[user]]\nname = \"anna\nseat = \"service\"\n"),
        (
            "b.toml",
            "[sip]\ndigest = \"sha\"\n[[team]]\nname = \"support\"\nmembers = [\"anna\", \"bo\"]\n",
        ),
        (
            "c.toml",
            "[[schedule]]\nname = \"oslo\"\ntimezone = \"Oslo\"\nweekly = { mon = [\"9-17\", \"25:00-26:00\"] }\n",
        ),
        ("notes.txt", "not = toml = at all"),
    ];
    insta::assert_snapshot!(errors(&files), @r#"
a.toml:2:13 is not TOML: invalid basic string, expected `"`.
b.toml:2:10 `digest` cannot be "sha": it is one of md5, sha-256, both.
b.toml:5:20 there is no user "bo". There is: anna.
c.toml:3:12 there is no time zone "Oslo". Did you mean "Europe/Oslo"?
c.toml:4:19 "9" in "9-17" is not a time of day; expected HH:MM from 00:00 to 23:59, or 24:00 as an end.
c.toml:4:27 "25:00" in "25:00-26:00" is not a time of day; expected HH:MM from 00:00 to 23:59, or 24:00 as an end.
"#);
}

#[test]
fn a_heading_that_is_misspelt_or_has_single_brackets_is_told_and_not_what_follows_from_it() {
    let channels = "[[channel]]\nname = \"a\"\n[channel.working_hours]\nusers = []\n\
                    [[channel]]\nname = \"b\"\n[channel.working_hours]\nusers = []\n";
    let misspelt = channels.replacen("[[channel]]", "[[chanel]]", 1);
    insta::assert_snapshot!(errors(&[("a.toml", &misspelt)]), @r#"a.toml:1:1 there is no key `chanel` at the top level. Did you mean `channel`?"#);
    let misspelt = channels.replacen(
        "b\"\n[channel",
        "b\"\n[[chanel]]\nname = \"c\"\n[channel",
        1,
    );
    let misspelt = misspelt + "[channel.working_hours]\nusers = []\n";
    insta::assert_snapshot!(errors(&[("a.toml", &misspelt)]), @r#"a.toml:7:1 there is no key `chanel` at the top level. Did you mean `channel`?"#);
    let missing = channels.replacen("[[channel]]\nname = \"a\"\n", "", 1);
    insta::assert_snapshot!(errors(&[("a.toml", &missing)]), @r#"a.toml:1:1 [channel.working_hours] stands above the first [[channel]] of this file. Is the heading above it missing, or misspelt?"#);
    let single = "[user]\nname = \"anna\"\n[[user]]\nname = \"bjorn\"\n[[user]]\nname = \"carl\"\n";
    insta::assert_snapshot!(errors(&[("a.toml", single)]), @r#"a.toml:1:1 [user] has single brackets, and [[user]] stands below it. Write [[user]] here too."#);
}

#[test]
fn what_editors_do_to_a_file_is_named() {
    let text = "[[user]]\nname = \"anna\"\n";
    let files = [
        ("curly.toml", "[[user]]\nname = \u{201c}anna\u{201d}\n"),
        ("null.toml", "[[team]]\nname = \"a\"\n\0"),
        ("yaml.toml", "[[inbox]]\nname: \"a\"\n"),
    ];
    insta::assert_snapshot!(errors(&files), @r#"
curly.toml:2:8 "“anna”" cannot name a user: use letters a to z, digits, `-`, `_` and `.`.
curly.toml:2:8 is not TOML: string values must be quoted, expected literal string (at `“anna”`). Write straight quotation marks: "like these".
null.toml:3:1 is not TOML: invalid unquoted key, expected letters, numbers, `-`, `_` (at `\u{0}`).
null.toml:3:2 is not TOML: key with no value, expected `=`.
yaml.toml:2:5 is not TOML: invalid unquoted key, expected letters, numbers, `-`, `_` (at `:`). Between a key and its value stands `=`.
yaml.toml:2:7 is not TOML: key with no value, expected `=`.
"#);
    for (octets, expected) in [
        (
            text.encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<u8>>(),
            "a.toml:1:1 is UTF-16, which some editors call Unicode. Save the file as UTF-8.",
        ),
        (
            b"[[user]]\nname = \"bj\xf8rn\"".to_vec(),
            "a.toml:2:11 is not UTF-8 text. Save the file as UTF-8.",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mark: &[u8] = if octets.contains(&0) {
            &[0xff, 0xfe]
        } else {
            &[]
        };
        fs::write(directory.path().join("a.toml"), [mark, &octets].concat()).unwrap();
        let mut findings = Findings::default();
        let sources = super::source::read_directory(directory.path(), &mut findings);
        let _ = super::parse::parse(&sources, &mut findings);
        let said = findings.into_result().unwrap_err().to_string();
        assert!(said.starts_with(expected), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_time_zone_is_suggested_only_where_it_is_surely_meant() {
    for (written, said) in [
        ("CST", "Write area and city"),
        ("America/Texas", "Write area and city"),
        ("America/Chigago", "Did you mean \"America/Chicago\"?"),
    ] {
        let text = format!("[[schedule]]\nname = \"a\"\ntimezone = \"{written}\"\n");
        let errors = errors(&[("a.toml", &text)]);
        assert!(errors.contains(said), "{errors}");
    }
}

#[test]
fn an_expectation_that_is_not_met_says_what_happens_instead() {
    insta::assert_snapshot!(table(&[
        ("at = \"2026-12-24T12:30\"", "at = \"2026-12-24T11:30\""),
        ("voicemail = \"christmas-en\"", "rings = [\"anna\", \"bjorn\"]"),
        ("voicemail = \"christmas-en\"", "hours = \"break\""),
        ("voicemail = \"christmas-en\"", ""),
    ]), @r#"
at = "2026-12-24T11:30"
ringdesk.toml:92:1 expected voicemail "christmas-en" at 2026-12-24T11:30 on channel "main-line", but: main-line from anonymous: rings anna, bjorn for up to 25 s (ring-all). open (special day Christmas Eve): oslo, Thu 2026-12-24 11:30+01:00, hours 08:00-12:00; closes 12:00. Snapshot 1

rings = ["anna", "bjorn"]
ringdesk.toml:92:1 expected that anna, bjorn ring at 2026-12-24T12:30 on channel "main-line", but: main-line from anonymous: voicemail "christmas-en" (closed). closed (special day Christmas Eve): oslo, Thu 2026-12-24 12:30+01:00, hours 08:00-12:00; opens Fri 2026-12-25 08:00. Snapshot 1

hours = "break"
ringdesk.toml:92:1 expected hours "break" at 2026-12-24T12:30 on channel "main-line", but: main-line from anonymous: voicemail "christmas-en" (closed). closed (special day Christmas Eve): oslo, Thu 2026-12-24 12:30+01:00, hours 08:00-12:00; opens Fri 2026-12-25 08:00. Snapshot 1


ringdesk.toml:92:1 [[expect]] expects nothing. Give it `voicemail`, `rings`, `assigned` or `hours`.
"#);
    let met = |text: &str| {
        errors_with(&[(
            "at = \"2026-12-24T12:30\"\nchannel = \"main-line\"\nvoicemail = \"christmas-en\"",
            text,
        )])
    };
    assert_eq!(
        met(
            "channel = \"main-line\"\nat = 2026-12-02T09:00:00+01:00\nrings = [\"bjorn\", \"anna\"]\nhours = \"open\""
        ),
        "loads, with warnings []"
    );
}

#[test]
fn what_an_admin_should_know_is_a_warning() {
    let files = [
        (
            "a.toml",
            "[[user]]\nname = \"bo\"\nsip_password_file = \"secrets/bo\"\n[[user]]\nname = \"anna\"\nsip_password_file = \"secrets/public\"\nexternal_number = \"+4790000001\"\n[[team]]\nname = \"t\"\nmembers = [\"bo\"]\n[[trunk]]\nname = \"x\"\n[[trunk]]\nname = \"y\"\npeers = [\"0.0.0.0/0\"]\n",
        ),
        (
            "b.toml",
            "[[channel]]\nname = \"line\"\nnotify = [\"a@example.com\"]\n[channel.break]\nteams = [\"t\"]\n",
        ),
    ];
    let dir = directory(&files);
    write_secret(dir.path(), "public", "swordfish", 0o644);
    let loaded = load_directory(dir.path()).unwrap_or_else(|e| panic!("{e}"));
    let path = fs::canonicalize(dir.path()).unwrap().display().to_string();
    let lines: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n").replace(&path, "DIR"), @r#"
a.toml:3:21 bo's phones cannot register yet: there is no file secrets/bo. Run: ringdesk secret bo
a.toml:6:21 everybody on this machine can read the password in DIR/secrets/public. Run: chmod 600 DIR/secrets/public
a.toml:7:19 anna's external number cannot ring: no trunk has `outbound`.
a.toml:10:12 "bo" of team "t" has no seat: rules that name the team pass bo over.
a.toml:12:8 trunk "x" has neither `peers`, who may send us calls, nor `outbound`, where calls go: it does nothing.
a.toml:15:10 "0.0.0.0/0" is everybody: whoever finds this machine can call as trunk "y". Write the carrier's addresses.
b.toml:2:8 channel "line" has no [channel.working_hours]: its callers go straight to voicemail.
b.toml:2:8 channel "line" has no `numbers`: no call can reach it.
b.toml:3:11 channel "line" notifies by mail, and there is no [smtp]: no mail is sent.
b.toml:4:1 channel "line" has no `schedule`: it is always open, and this rule is never used.
"#);
}

#[test]
fn a_directory_with_a_single_schedule_is_valid() {
    let schedule =
        "[[schedule]]\nname = \"oslo\"\ntimezone = \"Europe/Oslo\"\nspecial_days = [\"norway\"]\n";
    assert_eq!(warnings(&[("hours.toml", schedule)]), "");
}

#[test]
fn a_directory_that_is_none_or_empty_is_an_error() {
    insta::assert_snapshot!(errors(&[]), @r#"there is no *.toml file in DIR. Say which directory with --config DIR."#);
    let missing = load_directory(Path::new("/nonexistent/config")).unwrap_err();
    insta::assert_snapshot!(missing, @r#"cannot read the configuration directory /nonexistent/config: No such file or directory (os error 2). Say which one with --config DIR."#);
}

#[test]
fn what_a_later_version_takes_is_refused_as_such_and_never_ignored() {
    let mail = "[[channel]]\nname = \"mail\"\nkind = \"email\"\naddress = \"a@example.com\"\npop3 = \"pop3://mail\"\n[[expect]]";
    insta::assert_snapshot!(errors_with(&[
        ("wrap_up_seconds = 10", "message_waiting = true\nwrap_up_seconds = 10"),
        ("[[expect]]", mail),
        ("channel = \"main-line\"", "channel = \"mail\""),
    ]), @r#"
ringdesk.toml:36:1 `message_waiting` in [[user]] is not available in this version. Remove it.
ringdesk.toml:97:1 `pop3` in an email channel is not available in this version. Remove it.
"#);
}

#[test]
fn a_rule_without_a_voicemail_has_the_prompt_of_its_name_and_steps_have_their_defaults() {
    let text = EXAMPLE
        .replace(
            "voicemail = \"unanswered\"\n[channel.break]\nvoicemail = \"unanswered\"",
            "[channel.break]",
        )
        .replace("ring_seconds = 25", "")
        .replace(
            "{ users = [\"carl\"] }",
            "{ users = [\"carl\"], strategy = \"sequential\" }, { voicemail = \"closed\" }",
        );
    let loaded = load_files(&[("ringdesk.toml", &text)]).unwrap_or_else(|e| panic!("{e}"));
    let channel = loaded.snapshot.channel("main-line").unwrap();
    assert_eq!(&**channel.working_hours.voicemail().unwrap(), "closed");
    assert_eq!(
        &**channel.break_.as_ref().unwrap().voicemail().unwrap(),
        "break"
    );
    let [first, second] = channel.working_hours.steps.as_slice() else {
        panic!("two steps");
    };
    assert_eq!(
        (
            first.ring.as_secs(),
            first.ring_each.as_secs(),
            first.max_ringing
        ),
        (25, 15, 20)
    );
    assert_eq!(
        (second.ring.as_secs(), second.ring_each.as_secs()),
        (60, 15)
    );
    assert_eq!(channel.call().unwrap().voicemail_limit.as_secs(), 180);
}

#[test]
fn relative_paths_and_defaults_become_whole() {
    let dir = directory(&[("ringdesk.toml", EXAMPLE)]);
    let settings = load_directory(dir.path()).unwrap().snapshot.settings;
    let root = fs::canonicalize(dir.path()).unwrap();
    let parent = root.parent().unwrap();
    assert_eq!(settings.store.database, parent.join("data/ringdesk.db"));
    assert_eq!(settings.store.audio, parent.join("data/audio"));
    assert_eq!(settings.drain.as_secs(), 60);
    assert_eq!(settings.sip.realm, "ringdesk");
    assert_eq!(settings.media.ports, 16384..=17383);
}

#[test]
fn passwords_are_read_without_the_end_of_their_line_and_never_printed() {
    let loaded = load_files(&[("ringdesk.toml", EXAMPLE)]).unwrap();
    let anna = loaded.snapshot.user("anna").unwrap();
    assert_eq!(anna.sip_password.as_ref().unwrap().0, "swordfish");
    assert!(!format!("{:?}", loaded.snapshot).contains("swordfish"));
}

fn assemble_text(dir: &Path, text: String) -> Result<Loaded, Diagnostics> {
    let sources = [Source::new("a.toml", text)];
    assemble(
        &sources,
        dir,
        1,
        LOADED_AT,
        &load_prompt,
        Findings::default(),
    )
}

/// The example with a few stretches of it cut out, doubled, or replaced by something else.
fn mutated_example() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(String::new()),
        "[\\[\\]{}=\"',.#\\n]{1,3}",
        "[a-z_]{1,8}",
        "-?[0-9:T+-]{1,12}",
        Just("[[channel]]\n".to_owned()),
        Just("99999999999999999999".to_owned()),
        any::<char>().prop_map(String::from),
    ];
    let change = (any::<prop::sample::Index>(), 0..40_usize, piece);
    prop::collection::vec(change, 1..4).prop_map(|changes| {
        let mut characters: Vec<char> = EXAMPLE.chars().collect();
        for (at, length, piece) in changes {
            let start = at.index(characters.len());
            let end = (start + length).min(characters.len());
            characters.splice(start..end, piece.chars());
        }
        characters.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_text_is_too_strange_to_be_refused_with_a_place(text in any::<String>()) {
        let dir = directory(&[]);
        let _ = assemble_text(dir.path(), text);
    }

    #[test]
    fn no_slip_in_a_configuration_is_without_an_answer(text in mutated_example()) {
        let dir = directory(&[]);
        let lines = text.split('\n').count();
        match assemble_text(dir.path(), text) {
            Ok(loaded) => prop_assert!(loaded.snapshot.prompts.contains_key("break")),
            Err(diagnostics) => {
                prop_assert!(!diagnostics.errors.is_empty());
                for error in diagnostics.errors {
                    let place = error.place.unwrap();
                    prop_assert!(place.line >= 1 && place.line as usize <= lines, "{place}");
                    prop_assert!(error.message.ends_with(['.', '?', ')']) || error.message.contains("Snapshot"), "{}", error.message);
                }
            }
        }
    }
}

#[test]
fn files_of_other_editors_and_other_systems_are_read_and_what_is_no_file_is_left_out() {
    let dir = directory(&[
        (
            "windows.toml",
            "\u{feff}[[team]]\r\nname = \"support\"\r\nmembers = []\r\n",
        ),
        (".hidden.toml", "broken"),
        ("channels.toml~", "broken"),
    ]);
    fs::create_dir(dir.path().join("directory.toml")).unwrap();
    fs::create_dir(dir.path().join("more")).unwrap();
    fs::write(dir.path().join("more/a.toml"), "broken").unwrap();
    let loaded = load_directory(dir.path()).unwrap_or_else(|e| panic!("{e}"));
    assert!(loaded.snapshot.team("support").is_some());
    std::os::unix::fs::symlink("/nonexistent", dir.path().join("gone.toml")).unwrap();
    fs::write(
        dir.path().join("latin1.toml"),
        b"[sip]\n# caf\xe9\ndigest = \"sha\"\n",
    )
    .unwrap();
    fs::write(
        dir.path().join("z.toml"),
        "[[inbox]]\nname = \"i\"\nteams = [\"perhaps-in-gone\"]\n",
    )
    .unwrap();
    insta::assert_snapshot!(load_directory(dir.path()).unwrap_err(), @r#"
gone.toml:1:1 cannot be read: No such file or directory (os error 2).
latin1.toml:2:6 is not UTF-8 text. Save the file as UTF-8.
latin1.toml:3:10 `digest` cannot be "sha": it is one of md5, sha-256, both.
"#);
}
