//! `ringdesk token`: a new token for a program, and what to write into the configuration for it.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use super::{ConfigDirectory, secret};
use crate::config::suggestion;
use crate::core::hex::hex;
use crate::core::snapshot::Snapshot;
use crate::http::token::{digest, new_token};
use crate::http::{SCOPES, scope_name};

/// Makes a token for a program, prints it once, and the lines to paste into the configuration.
#[derive(Args, Debug)]
pub struct Token {
    /// The name that the audit log shows.
    name: String,
    /// What the program may do: read-conversations, write-conversations, read-contacts,
    /// write-contacts, read-users, write-users, read-configuration, write-configuration,
    /// read-metrics, read-audit.
    #[arg(long = "scope", value_name = "SCOPE", required = true, num_args = 1)]
    scopes: Vec<String>,
    /// The user in whose name it acts, with that user's role and inboxes.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// An inbox that it sees; without any it sees all.
    #[arg(long = "inbox", value_name = "INBOX", conflicts_with = "user")]
    inboxes: Vec<String>,
    #[command(flatten)]
    directory: ConfigDirectory,
}

/// Prints the token and its block.
///
/// # Errors
/// The configuration cannot be used, a scope, user or inbox does not exist, or a token has that name
/// already.
pub fn run(arguments: &Token) -> anyhow::Result<ExitCode> {
    let loaded = arguments.directory.load()?;
    check(arguments, &loaded.snapshot)?;
    let token = new_token().map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    let mut out = io::stdout().lock();
    writeln!(out, "{token}")?;
    writeln!(
        out,
        "\nThe token stands here once and is kept nowhere. Write into the configuration, and reload (SIGHUP):\n"
    )?;
    write!(out, "{}", block(arguments, &digest(&token)))?;
    Ok(ExitCode::SUCCESS)
}

fn check(arguments: &Token, snapshot: &Snapshot) -> anyhow::Result<()> {
    let name = arguments.name.as_str();
    let plain = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
    anyhow::ensure!(
        !name.is_empty() && name.chars().all(plain),
        "the name {name:?} should be letters, digits, `-`, `_`, `.` and spaces"
    );
    anyhow::ensure!(
        !snapshot.tokens.iter().any(|token| token.name == name),
        "there is a token {name:?} already. Remove its [[token]], or take another name."
    );
    for scope in &arguments.scopes {
        let known = SCOPES.map(scope_name);
        anyhow::ensure!(
            known.contains(&scope.as_str()),
            "there is no scope {scope:?}.{} There are: {}.",
            suggestion(scope, known.into_iter()),
            known.join(", ")
        );
    }
    if let Some(user) = &arguments.user {
        secret::user(snapshot, user)?;
    }
    for inbox in &arguments.inboxes {
        anyhow::ensure!(
            snapshot.inbox(inbox).is_some(),
            "there is no inbox {inbox:?}.{}",
            suggestion(inbox, snapshot.inboxes.iter().map(|inbox| &*inbox.name))
        );
    }
    Ok(())
}

fn block(arguments: &Token, digest: &[u8]) -> String {
    let list = |items: &[String]| {
        let items: Vec<String> = items.iter().map(|item| format!("{item:?}")).collect();
        format!("[{}]", items.join(", "))
    };
    let mut block = format!(
        "[[token]]\nname = {:?}\nsha256 = \"{}\"\nscopes = {}\n",
        arguments.name,
        hex(digest),
        list(&arguments.scopes)
    );
    if let Some(user) = &arguments.user {
        block.push_str(&format!("user = {user:?}\n"));
    }
    if !arguments.inboxes.is_empty() {
        block.push_str(&format!("inboxes = {}\n", list(&arguments.inboxes)));
    }
    block
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::core::sample;

    fn token(name: &str, scope: &str) -> Token {
        Token {
            name: name.to_owned(),
            scopes: vec![scope.to_owned()],
            user: None,
            inboxes: vec!["customers".to_owned()],
            directory: ConfigDirectory {
                config: PathBuf::new(),
            },
        }
    }

    #[test]
    fn the_block_holds_the_digest_alone() {
        assert_eq!(
            block(&token("crm", "read-contacts"), &[0xab, 0x01]),
            "[[token]]\nname = \"crm\"\nsha256 = \"ab01\"\nscopes = [\"read-contacts\"]\ninboxes = [\"customers\"]\n"
        );
    }

    #[test]
    fn what_does_not_exist_is_told_with_the_nearest_name() {
        let mut snapshot = sample::snapshot(vec![], vec![], vec![]);
        sample::add(&mut snapshot.inboxes, sample::inbox("customers", &[]));
        let told = |token: Token| check(&token, &snapshot).unwrap_err().to_string();
        assert!(check(&token("crm", "read-contacts"), &snapshot).is_ok());
        assert!(told(token("crm", "read-contact")).contains("read-contacts"));
        assert!(told(token("a\n[evil]", "read-contacts")).contains("letters"));
        let mut other = token("crm", "read-contacts");
        other.inboxes = vec!["customer".to_owned()];
        assert!(told(other).contains("customers"));
    }
}
