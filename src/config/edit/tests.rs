use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use proptest::prelude::*;

use super::*;

const PEOPLE: &str = "user = [{ name = \"anna\", seat = \"service\" }, { name = \"bjorn\", seat = \"service\" }]\n[[team]]\nname = \"support\"\nmembers = [\"anna\", \"bjorn\"]\n[http]\n";

const CHANNELS: &str = r##"# Ways in.

[[channel]]
name = "line"            # the old one
numbers = ["+4722334455"]

# In force while open.
[channel.working_hours]
teams = ["support"]      # all of them
strategy   =  'ring-all'
# Nobody there?
then = [
  { users = ["anna"] }, # she knows everything
]
ring_seconds = 25

# The chat of the website.
[[channel]]
name = "web"
kind = "chat"
[channel.assign]
users = ["anna"]

# The last word.
[[team]]
name = "other"
"##;

fn audio(_: PromptFile<'_>) -> Result<PromptAudio, String> {
    Ok(PromptAudio {
        pcmu: vec![0xff; 160].into(),
        pcma: vec![0xd5; 160].into(),
    })
}

const CHECKING: Checking<'_> = Checking {
    at: Wall::from_seconds(1_800_000_000),
    load_prompt: &audio,
};

fn directory(channels: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("people.toml"), PEOPLE).unwrap();
    fs::write(dir.path().join("channels.toml"), channels).unwrap();
    dir
}

fn text(dir: &tempfile::TempDir) -> String {
    fs::read_to_string(dir.path().join("channels.toml")).unwrap()
}

fn names(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(ToString::to_string).collect())
}

fn asked(json: &str) -> RuleChange {
    serde_json::from_str(json).unwrap()
}

/// The file after a change, which then reads as asked.
fn after(channels: &str, channel: &str, rule: RuleName, json: &str) -> String {
    let dir = directory(channels);
    let asked = asked(json);
    let changed = change(dir.path(), channel, rule, &asked, CHECKING);
    let changed = changed.unwrap_or_else(|error| panic!("{error}"));
    let read = rules(dir.path(), channel).unwrap();
    assert_eq!(read.rules.get(&rule), asked.rule.as_ref());
    assert_eq!(read.version, changed.version);
    text(&dir)
}

/// The lines from the first that differs to the last: those that went with `-`, those that came with `+`.
fn changes(before: &str, after: &str) -> String {
    let (mut before, mut after): (Vec<&str>, Vec<&str>) =
        (before.lines().collect(), after.lines().collect());
    while before.last().is_some_and(|line| after.last() == Some(line)) {
        before.pop();
        after.pop();
    }
    let same = before.iter().zip(&after).take_while(|(a, b)| a == b);
    let same = same.count();
    let gone = before[same..].iter().map(|line| format!("-{line}\n"));
    let come = after[same..].iter().map(|line| format!("+{line}\n"));
    gone.chain(come).collect()
}

#[test]
fn a_rule_is_read_as_it_is_written() {
    let dir = directory(CHANNELS);
    let read = rules(dir.path(), "line").unwrap();
    assert_eq!(
        (read.kind, read.file.as_str()),
        (Kind::Call, "channels.toml")
    );
    let rule = &read.rules[&RuleName::WorkingHours];
    assert_eq!(rule.teams, names(&["support"]));
    assert_eq!(rule.then.as_ref().unwrap()[0].users, names(&["anna"]));
    assert_eq!(rule.voicemail, None);
    let json = serde_json::to_value(&read).unwrap();
    assert_eq!(
        json["rules"]["working_hours"],
        serde_json::json!({
            "teams": ["support"], "strategy": "ring-all", "ring_seconds": 25, "then": [{"users": ["anna"]}]
        })
    );
}

#[test]
fn what_is_not_asked_for_stays_as_it_is_written() {
    let json = r#"{"rule": {"teams": ["support"], "strategy": "round-robin", "then": [{"users": ["bjorn"]}, {"to": "contact-owner"}], "voicemail": "after_hours"}}"#;
    let text = after(CHANNELS, "line", RuleName::WorkingHours, json);
    insta::assert_snapshot!(changes(CHANNELS, &text), @r#"
-strategy   =  'ring-all'
-# Nobody there?
-then = [
-  { users = ["anna"] }, # she knows everything
-]
-ring_seconds = 25
+strategy   =  "round-robin"
+# Nobody there?
+# she knows everything
+then = [{ users = ["bjorn"] }, { to = "contact-owner" }]
+voicemail = "after_hours"
"#);
}

#[test]
fn a_rule_of_its_own_is_added_and_taken_away() {
    let json = r#"{"rule": {"to": "nobody", "reply": "We open at 8.\nWrite to \"us\"."}}"#;
    let dir = directory(CHANNELS);
    let asked = asked(json);
    change(dir.path(), "web", RuleName::AfterHours, &asked, CHECKING).unwrap();
    insta::assert_snapshot!(changes(CHANNELS, &text(&dir)), @r#"
+
+[channel.after_hours]
+to = "nobody"
+reply = """
+We open at 8.
+Write to \"us\"."""
"#);
    let none = RuleChange::default();
    change(dir.path(), "web", RuleName::AfterHours, &none, CHECKING).unwrap();
    let text = text(&dir);
    assert!(!text.contains("after_hours"), "{text}");
    assert_eq!(text.replace("\n\n\n", "\n\n"), CHANNELS);
}

#[test]
fn rules_are_changed_in_whichever_form_they_are_written() {
    let json = r#"{"rule": {"users": ["bjorn"], "strategy": "random"}}"#;
    let forms = [
        "channel = [\n  # the chat\n  { name = \"web\", kind = \"chat\", assign = { users = [\n    \"anna\", # she\n  ] } }, # one\n]\n",
        "channel = [{ name = \"web\", kind = \"chat\" }]",
        "[[channel]]\nname = \"web\"\nkind = \"chat\"\nassign = { users = [\"anna\"] } # her\n",
        "[[channel]]\nname = \"web\"\nkind = \"chat\"\nassign.users = [\"anna\"] # her\nassign.tie_break = \"listed\"\n# end\n",
        "[[channel]]\nname = \"web\"\nkind = \"chat\"\n  [channel.assign]\n  users = [\"anna\"]\n  # then\n  [[channel.assign.then]]\n  # him\n  users = [\"bjorn\"] # him\n[[team]]\nname = \"x\"\n",
        "[[channel]]\r\nname = \"web\"\r\nkind = \"chat\"\r\n[channel.assign]\r\n# her\r\nusers = [\"anna\"]",
        "\u{feff}[[channel]]\nname = \"web\"\nkind = \"chat\"\n[channel.assign]\n[channel.chatflow]\ngreeting = \"Hi\"\n",
    ];
    let written: Vec<String> = forms
        .iter()
        .map(|form| after(form, "web", RuleName::Assign, json))
        .collect();
    assert!(written[5].matches('\n').count() == written[5].matches("\r\n").count());
    insta::assert_snapshot!(written.join("\n--------\n").replace('\r', "\\r").replace('\u{feff}', "BOM"), @r#"
# she
channel = [
  # the chat
  { name = "web", kind = "chat", assign = { users = ["bjorn"], strategy = "random" } }, # one
]

--------
channel = [{ name = "web", kind = "chat", assign = { users = ["bjorn"], strategy = "random" } }]
--------
[[channel]]
name = "web"
kind = "chat"
assign = { users = ["bjorn"], strategy = "random" } # her

--------
[[channel]]
name = "web"
kind = "chat"
assign.users = ["bjorn"] # her
assign.strategy = "random"
# end

--------
[[channel]]
name = "web"
kind = "chat"
  [channel.assign]
  users = ["bjorn"]
  strategy = "random"
  # then
  # him
  # him
[[team]]
name = "x"

--------
[[channel]]\r
name = "web"\r
kind = "chat"\r
[channel.assign]\r
# her\r
users = ["bjorn"]\r
strategy = "random"\r

--------
BOM[[channel]]
name = "web"
kind = "chat"
[channel.assign]
users = ["bjorn"]
strategy = "random"
[channel.chatflow]
greeting = "Hi"
"#);
    let none = r#"{"rule": null}"#;
    let without: Vec<String> = forms
        .iter()
        .map(|form| after(form, "web", RuleName::Assign, none))
        .collect();
    insta::assert_snapshot!(without.join("\n--------\n").replace('\r', "\\r").replace('\u{feff}', "BOM"), @r#"
# she
channel = [
  # the chat
  { name = "web", kind = "chat" }, # one
]

--------
channel = [{ name = "web", kind = "chat" }]
--------
[[channel]]
name = "web"
kind = "chat"
# her

--------
[[channel]]
name = "web"
kind = "chat"
# her
# end

--------
[[channel]]
name = "web"
kind = "chat"
  # then
  # him
  # him
[[team]]
name = "x"

--------
[[channel]]\r
name = "web"\r
kind = "chat"\r
# her\r

--------
BOM[[channel]]
name = "web"
kind = "chat"
[channel.chatflow]
greeting = "Hi"
"#);
}

#[test]
fn a_change_that_would_be_wrong_is_refused_with_everything_and_writes_nothing() {
    let dir = directory(CHANNELS);
    let refused = |channel: &str, rule, json: &str| {
        let error = change(dir.path(), channel, rule, &asked(json), CHECKING).unwrap_err();
        assert_eq!(text(&dir), CHANNELS);
        error.to_string()
    };
    let lines = [
        refused(
            "web",
            RuleName::Assign,
            r#"{"rule": {"users": ["ana"], "strategy": "ring-all", "voicemail": "x"}}"#,
        ),
        refused(
            "line",
            RuleName::WorkingHours,
            r#"{"rule": {"only_available": false, "to": "customer-agent"}}"#,
        ),
        refused("line", RuleName::Assign, r#"{"rule": {}}"#),
        refused("lime", RuleName::WorkingHours, r#"{"rule": {}}"#),
        refused("web", RuleName::Assign, r#"{"version": "0", "rule": {}}"#),
    ];
    insta::assert_snapshot!(lines.join("\n\n"), @r#"
channels.toml:22:10 there is no user "ana". Did you mean "anna"?
channels.toml:23:12 `ring-all` and `progressive` are for calls: a message goes to one person. Write least-busy, round-robin, longest-idle, sequential or random.
channels.toml:24:1 `voicemail` belongs to a rule for calls, and this is a rule for messages. Remove it.

channels.toml:12:6 `to = "customer-agent"` is for messages, not for calls. Name `users` or `teams`.
channels.toml:13:18 `only_available = false` is for messages: a call rings only those who are available. Remove it.

a call channel has no `assign`: its rules are working_hours, break, after_hours

there is no channel "lime". Did you mean "line"?

channels.toml has changed since the rule was read. Read it again, and repeat the change
"#);
    assert!(serde_json::from_str::<RuleChange>(r#"{"rule": {"user": ["anna"]}}"#).is_err());
}

#[test]
fn a_file_that_somebody_else_changes_meanwhile_is_left_as_they_wrote_it() {
    let dir = directory(CHANNELS);
    let read = rules(dir.path(), "web").unwrap();
    let theirs = format!("{CHANNELS}# theirs\n");
    let path = dir.path().join("channels.toml");
    let checking = Checking {
        load_prompt: &|file| {
            fs::write(&path, &theirs).unwrap();
            audio(file)
        },
        ..CHECKING
    };
    let asked = RuleChange {
        version: Some(read.version),
        rule: Some(RuleText::default()),
    };
    let error = change(dir.path(), "web", RuleName::Assign, &asked, checking).unwrap_err();
    assert!(matches!(error, EditError::Conflict { .. }), "{error}");
    assert_eq!(text(&dir), theirs);
    let error = change(dir.path(), "web", RuleName::Assign, &asked, CHECKING).unwrap_err();
    assert!(matches!(error, EditError::Conflict { .. }), "{error}");
    assert_eq!(text(&dir), theirs);
}

#[test]
fn mode_and_link_of_the_file_stay_and_nothing_is_left_beside_it() {
    let dir = directory(CHANNELS);
    let elsewhere = dir.path().join("kept");
    fs::create_dir(&elsewhere).unwrap();
    let link = dir.path().join("channels.toml");
    let target = elsewhere.join("channels.text");
    fs::rename(&link, &target).unwrap();
    symlink(&target, &link).unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    let asked = asked(r#"{"rule": {"teams": ["support"]}}"#);
    let changed = change(dir.path(), "web", RuleName::Assign, &asked, CHECKING).unwrap();
    assert!(changed.is_changed);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let mode = fs::metadata(&target).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert!(text(&dir).contains("teams = [\"support\"]"));
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 1);
    let modified = fs::metadata(&target).unwrap().modified().unwrap();
    let again = change(dir.path(), "web", RuleName::Assign, &asked, CHECKING).unwrap();
    assert!(!again.is_changed && again.version == changed.version);
    assert_eq!(fs::metadata(&target).unwrap().modified().unwrap(), modified);
}

/// Texts that would end a string of TOML, or begin something else, if they were not data.
fn hostile_text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("\"\"\"\n[[token]]\nname = \"x\"".to_owned()),
        Just("'''\\\"\\".to_owned()),
        Just("a # no comment\r\n\u{7f}\u{1b}\t\u{85}".to_owned()),
        any::<String>(),
    ]
}

fn some_names() -> impl Strategy<Value = Option<Vec<String>>> {
    prop::option::of(prop::collection::vec(
        prop_oneof![Just("anna".to_owned()), hostile_text()],
        0..3,
    ))
}

fn any_step() -> impl Strategy<Value = StepText> {
    (
        some_names(),
        some_names(),
        prop::option::of(hostile_text()),
        prop::option::of(any::<bool>()),
    )
        .prop_map(|(users, teams, to, only_available)| StepText {
            users,
            teams,
            to,
            only_available,
            ..StepText::default()
        })
}

fn any_rule() -> impl Strategy<Value = RuleText> {
    (
        any_step(),
        prop::option::of(prop::collection::vec(any_step(), 0..4)),
        prop::option::of(hostile_text()),
        prop::option::of(any::<i64>()),
    )
        .prop_map(|(step, then, reply, answer_within_minutes)| RuleText {
            users: step.users,
            teams: step.teams,
            to: step.to,
            only_available: step.only_available,
            then,
            reply,
            answer_within_minutes,
            ..RuleText::default()
        })
}

/// A file in which one channel has a rule, in one of the forms that TOML has for it, with comments at
/// every place that takes one. `{}` stands for a number that no other comment has.
fn any_file() -> impl Strategy<Value = String> {
    let before = prop_oneof![
        Just(""),
        Just(
            "# {}\n\n[[channel]] # {}\nname = \"other\" # {}\n[channel.assign]\nusers = [\"x\"] # {}\n# {}\n"
        ),
        Just("[[user]]\nname = '# \"no\" comment' # {}\n"),
    ];
    let channel = prop_oneof![
        Just("[[channel]] # {}\n# {}\nname = \"web\" # {}\n# {}\n"),
        Just("  [[ channel ]]\n  kind = \"chat\"\n  name = 'web'\n"),
    ];
    let rule = prop_oneof![
        Just(""),
        Just("assign = { users = [ # {}\n 'a', # {}\n ], to = \"x\" } # {}\n# {}\n"),
        Just("assign.users = [\"a\"] # {}\nassign.reply = \"\"\"\n# no comment\\\"\"\"\"\"# {}\n"),
        Just(
            "# {}\n[channel.assign] # {}\n# {}\nusers = [\"a\"] # {}\n# {}\nthen = [ # {}\n { users = ['#', \"\\\"#\"] }, # {}\n # {}\n]\n# {}\n"
        ),
        Just(
            "[channel.assign]\nreply = '''\n# no comment'''\n[[channel.assign.then]] # {}\n# {}\nusers = [] # {}\n"
        ),
        Just("[[channel.assign.then]] # {}\nteams = ['a'] # {}\n# {}\n"),
    ];
    let after = prop_oneof![
        Just(""),
        Just("# {}\n[channel.after_hours] # {}\nto = \"nobody\" # {}\n"),
        Just("\n# {}\n[[channel]]\nname = \"next\" # {}"),
        Just("[channel.after_hours]\n[[team]] # {}\nname = \"t\"\n# {}"),
    ];
    (before, channel, rule, after, any::<bool>()).prop_map(
        |(before, channel, rule, after, windows)| {
            let mut text = String::new();
            let whole = [before, channel, rule, after].concat();
            for (number, piece) in whole.split("{}").enumerate() {
                if number > 0 {
                    text.push_str(&format!("c{number}c"));
                }
                text.push_str(piece);
            }
            match windows {
                true => text.replace('\n', "\r\n"),
                false => text,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_change_gives_what_was_asked_and_touches_nothing_else(
        text in any_file(),
        rule in prop::option::of(any_rule()),
        second in prop::option::of(any_rule()),
    ) {
        let whole = text.parse::<Table>().unwrap();
        let mut text = text;
        for asked in [&rule, &second] {
            let sources = [Source::new("a.toml", text.clone())];
            let found = Found::find(&sources, "web").unwrap();
            let new = match found.changed(RuleName::Assign, asked.as_ref()) {
                Ok(new) => new,
                // A rule of which nothing is written has no form with dots.
                Err(EditError::Unusual { .. }) if text.contains("assign.") && *asked == Some(RuleText::default()) => return Ok(()),
                Err(error) => return Err(TestCaseError::fail(format!("{error}\n{text}"))),
            };
            let again = [Source::new("a.toml", new.clone())];
            let read = Found::find(&again, "web").unwrap().rule(RuleName::Assign).unwrap();
            prop_assert_eq!(&read, asked);
            let comments = |text: &str| text.matches("# c").count();
            prop_assert_eq!(comments(&new), comments(&text), "{}\n{}", text, new);
            text = new;
        }
        let mut expected = whole;
        let mut actual = text.parse::<Table>().unwrap();
        for table in [&mut expected, &mut actual] {
            for channel in table["channel"].as_array_mut().unwrap() {
                if channel["name"].as_str() == Some("web") {
                    channel.as_table_mut().unwrap().remove("assign");
                }
            }
        }
        prop_assert_eq!(expected, actual);
    }
}
