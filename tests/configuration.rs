//! What `docs/configuration.md` and the shipped configuration say is true.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use argon2::{Argon2, PasswordVerifier};
use ringdesk::config::Loaded;
use ringdesk::config::schema::{ROOT, TABLES};
use ringdesk::core::snapshot::{Channel, Kind, RuleName};
use ringdesk::daemon;
use sha2::{Digest, Sha256};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn documentation() -> String {
    fs::read_to_string(root().join("docs/configuration.md")).unwrap()
}

fn load(dir: &Path) -> Loaded {
    daemon::load(dir, 1).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

/// A copy of the shipped prompts, with an empty configuration directory beside it.
fn empty_house() -> (tempfile::TempDir, PathBuf) {
    let house = tempfile::tempdir().unwrap();
    let prompts = house.path().join("prompts");
    fs::create_dir(&prompts).unwrap();
    for entry in fs::read_dir(root().join("prompts")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, prompts.join(path.file_name().unwrap())).unwrap();
    }
    let config = house.path().join("config");
    fs::create_dir(&config).unwrap();
    (house, config)
}

/// The text of each block of TOML.
fn toml_blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        match (&mut block, line) {
            (None, "```toml") => block = Some(String::new()),
            (None, _) => {}
            (Some(_), "```") => blocks.extend(block.take()),
            (Some(text), line) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    blocks
}

#[test]
fn the_examples_of_the_documentation_are_one_configuration_that_works() {
    let (_house, config) = empty_house();
    fs::create_dir(config.join("secrets")).unwrap();
    let secrets = [
        "anna",
        "carrier",
        "support-mail",
        "assistant",
        "crm-webhook",
    ];
    for name in secrets {
        fs::write(config.join("secrets").join(name), "swordfish\n").unwrap();
    }
    let blocks = toml_blocks(&documentation());
    assert!(blocks.len() > 10, "{} blocks", blocks.len());
    for (number, block) in blocks.iter().enumerate() {
        fs::write(config.join(format!("{number:02}.toml")), block).unwrap();
    }
    let loaded = load(&config);
    assert!(loaded.snapshot.channel("main-line").is_some());
    assert_eq!(loaded.snapshot.expectations.len(), 5);
    let kinds: BTreeSet<Kind> = loaded.snapshot.channels.iter().map(Channel::kind).collect();
    assert_eq!(kinds, BTreeSet::from(Kind::ALL));
}

#[test]
fn the_example_of_an_office_works_as_it_is_written() {
    let (_house, config) = empty_house();
    let text = fs::read_to_string(root().join("docs/example-office.md")).unwrap();
    let blocks = toml_blocks(&text);
    assert_eq!(blocks.len(), 1);
    fs::write(config.join("office.toml"), &blocks[0]).unwrap();
    let loaded = load(&config);
    assert_eq!(loaded.warnings, []);
    let snapshot = loaded.snapshot;
    let of_kind = |kind| {
        let channels = snapshot.channels.iter();
        channels.filter(|channel| channel.kind() == kind).count()
    };
    assert_eq!(Kind::ALL.map(of_kind), [2, 1, 1, 1]);
    assert_eq!(snapshot.schedules.len(), 2);
    assert_eq!(snapshot.expectations.len(), 5);
    let chat = snapshot.channel("website-chat").unwrap();
    let closed = chat.rule(RuleName::AfterHours).reply.as_deref().unwrap();
    assert!(closed.starts_with("We are here from Monday"), "{closed}");
    assert!(!chat.chat().unwrap().offline_form);
}

/// The heading that documents a table.
fn heading(table: &str) -> String {
    match table {
        "" => "### The top level".to_owned(),
        table if table.starts_with('[') => format!("### `{table}`"),
        table => format!("### A{}", &table[1..]),
    }
}

/// The keys in the first column of the section's first table.
fn documented_keys(documentation: &str, heading: &str) -> BTreeSet<String> {
    documentation
        .lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with('#'))
        .skip_while(|line| !line.starts_with("| key "))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.split('`').nth(1))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_key_is_documented_and_every_documented_key_exists() {
    let documentation = documentation();
    for table in TABLES {
        let tables: BTreeSet<&str> = if table.name == ROOT.name {
            ROOT.keys
                .iter()
                .map(|key| key.name)
                .filter(|name| *name != "drain_seconds")
                .collect()
        } else {
            BTreeSet::new()
        };
        let expected: BTreeSet<String> = table
            .keys
            .iter()
            .filter(|key| !tables.contains(key.name))
            .map(|key| key.name.to_owned())
            .collect();
        let documented = documented_keys(&documentation, &heading(table.name));
        assert_eq!(documented, expected, "{}", table.title());
    }
}

#[test]
fn every_table_has_its_section() {
    let documentation = documentation();
    for key in ROOT.keys.iter().filter(|key| key.example.starts_with('[')) {
        let heading = format!("### `{}`", key.example);
        assert!(
            documentation.lines().any(|line| line == heading),
            "{heading}"
        );
    }
}

#[test]
fn links_within_the_documentation_lead_somewhere() {
    let documentation = documentation();
    let anchors: BTreeSet<String> = documentation
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .map(|title| {
            title
                .replace(' ', "-")
                .replace(|c: char| !c.is_alphanumeric() && c != '-' && c != '_', "")
        })
        .collect();
    for link in documentation.split("](#").skip(1) {
        let anchor = link.split(')').next().unwrap();
        assert!(anchors.contains(anchor), "#{anchor}");
    }
}

#[test]
fn the_shipped_configuration_works_in_a_fresh_clone_and_asks_for_passwords_alone() {
    let (_house, config) = empty_house();
    for entry in fs::read_dir(root().join("config")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, config.join(path.file_name().unwrap())).unwrap();
        }
    }
    let loaded = load(&config);
    for listen in &loaded.snapshot.settings.sip.listen {
        assert!(listen.address.ip().is_loopback());
    }
    assert_eq!(loaded.warnings.len(), 2 * loaded.snapshot.users.len());
    for warning in &loaded.warnings {
        assert!(warning.message.contains("Run: ringdesk "), "{warning}");
    }
    let config = config.to_str().unwrap();
    for user in &loaded.snapshot.users {
        let (printed, code) = ringdesk(&["secret", &user.name, "--config", config]);
        assert_eq!(code, Some(0), "{printed}");
        assert!(
            printed.contains(&format!("user      {}\n", user.name)),
            "{printed}"
        );
        let (printed, code) = ringdesk(&["password", &user.name, "--config", config]);
        assert_eq!(code, Some(0), "{printed}");
        let password = printed.lines().next().unwrap();
        let file = Path::new(config).join(format!("secrets/{}-sign-in", user.name));
        let hash = fs::read_to_string(file).unwrap();
        assert!(!hash.contains(password), "{hash}");
        let verified = Argon2::default().verify_password(password.as_bytes(), hash.trim());
        assert_eq!(verified, Ok(()));
    }
    assert_eq!(load(Path::new(config)).warnings, []);
}

#[test]
fn a_comment_that_shows_a_key_is_right_when_its_mark_is_taken_away() {
    for entry in fs::read_dir(root().join("config")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        for line in fs::read_to_string(&path).unwrap().lines() {
            let Some(key) = line
                .strip_prefix("# ")
                .and_then(|line| line.split(" = ").next())
            else {
                continue;
            };
            let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            let exists = TABLES.iter().any(|table| table.key(key).is_some());
            assert!(
                !is_key || !line.contains(" = ") || exists,
                "{}: {line}",
                path.display()
            );
        }
    }
}

#[test]
fn a_token_is_printed_once_with_what_to_write_for_it() {
    let (_house, config) = empty_house();
    let directory = config.to_str().unwrap();
    fs::write(config.join("a.toml"), "[http]\n").unwrap();
    let make = |name: &str| {
        let scope = ["--scope", "read-contacts"];
        ringdesk(&["token", name, scope[0], scope[1], "--config", directory])
    };
    let (printed, code) = make("crm");
    assert_eq!(code, Some(0), "{printed}");
    let at = printed.find("[[token]]").unwrap();
    let written = &printed[at..];
    fs::write(config.join("a.toml"), format!("[http]\n{written}")).unwrap();
    let loaded = load(&config);
    let token = printed.lines().next().unwrap();
    let [of_program] = loaded.snapshot.tokens.as_slice() else {
        panic!("one token");
    };
    assert_eq!(
        of_program.sha256.as_slice(),
        Sha256::digest(token).as_slice()
    );
    assert_eq!(make("x\"y").1, Some(1));
}

#[test]
fn check_prints_every_error_with_its_place_and_fails() {
    let (_house, config) = empty_house();
    fs::write(config.join("a.toml"), "[sip]\ndigst = \"md5\"\n[[usr]]\n").unwrap();
    let (printed, code) = ringdesk(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(printed, @r#"
a.toml:2:1 there is no key `digst` in [sip]. Did you mean `digest`?
a.toml:3:1 [[user]] needs `name`, as in name = "anna".
a.toml:3:3 there is no key `usr` at the top level. Did you mean `user`?
3 errors: this configuration would not be used.
"#);
    fs::write(
        config.join("a.toml"),
        "[[schedule]]\nname = \"oslo\"\ntimezone = \"Europe/Oslo\"\n",
    )
    .unwrap();
    let (printed, code) = ringdesk(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(printed, @r#"ok: 0 channels, 0 numbers, 0 trunks, 0 users, 0 teams, 1 schedule, 5 prompts, 0 expectations"#);
}

#[test]
fn a_prompt_is_added_to_a_configuration_that_lacks_it() {
    let (house, config) = empty_house();
    let text = "[[channel]]\nname = \"line\"\nnumbers = [\"+4722000001\"]\n[channel.working_hours]\nvoicemail = \"moved\"\n";
    fs::write(config.join("a.toml"), text).unwrap();
    let directory = config.to_str().unwrap();
    let (printed, code) = ringdesk(&["check", "--config", directory]);
    assert_eq!(code, Some(1));
    assert!(
        printed.contains("there is no prompt \"moved\""),
        "{printed}"
    );

    let wav = root().join("prompts/closed.wav");
    let wav_path = wav.to_str().unwrap();
    let add = [
        "prompts", "add", wav_path, "--name", "moved", "--config", directory,
    ];
    let (printed, code) = ringdesk(&add);
    assert_eq!(code, Some(0), "{printed}");
    let stored = house.path().join("prompts/moved.wav");
    assert_eq!(fs::read(&stored).unwrap(), fs::read(&wav).unwrap());
    assert_eq!(ringdesk(&["check", "--config", directory]).1, Some(0));
    let (shown, code) = ringdesk(&["prompts", "show", "moved", "--config", directory]);
    assert_eq!(code, Some(0));
    assert!(
        shown.contains("format   WAV, 8000 Hz, 16 bit, mono"),
        "{shown}"
    );
    assert!(
        shown.contains("used by  channel \"line\", working_hours"),
        "{shown}"
    );

    let (printed, code) = ringdesk(&add);
    assert_eq!(code, Some(1), "{printed}");
    let (printed, code) = ringdesk(&[
        "prompts", "add", wav_path, "--name", "../up", "--config", directory,
    ]);
    assert_eq!(code, Some(1), "{printed}");
}

#[test]
fn what_the_readme_and_the_first_call_show_takes_a_call() {
    for name in ["README.md", "docs/first-call.md"] {
        let (_house, config) = empty_house();
        let text = fs::read_to_string(root().join(name)).unwrap();
        for (number, block) in toml_blocks(&text).iter().enumerate() {
            fs::write(config.join(format!("{number}.toml")), block).unwrap();
        }
        let at = "2026-12-02T10:00:00+01:00";
        let directory = config.to_str().unwrap();
        let (printed, _) = ringdesk(&[
            "route", "--to", "22334455", "--at", at, "--config", directory,
        ]);
        let expected = "+4722334455 (main-line) from anonymous: rings anna for up to 25 s";
        assert!(printed.starts_with(expected), "{name}: {printed}");
    }
}

#[test]
fn the_traces_of_the_readme_are_what_the_shipped_configuration_gives() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mut shown = 0;
    for block in readme.split("```").skip(1).step_by(2) {
        let Some((command, trace)) = block.trim().split_once('\n') else {
            continue;
        };
        let Some(arguments) = command.strip_prefix("$ ringdesk ") else {
            continue;
        };
        let directory = root().join("config");
        let arguments = arguments
            .split(' ')
            .chain(["--config", directory.to_str().unwrap()]);
        let (printed, code) = ringdesk(&arguments.collect::<Vec<_>>());
        assert_eq!(code, Some(0), "{printed}");
        assert_eq!(printed.trim_end(), trace.trim_end());
        shown += 1;
    }
    assert_eq!(shown, 2);
}

fn ringdesk(arguments: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_ringdesk"))
        .args(arguments)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code())
}
