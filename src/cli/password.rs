//! `ringdesk password`: the password with which a person signs in, kept as its hash.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::ConfigDirectory;
use crate::config::suggestion;
use crate::http::password;

/// Fewer characters than this are guessed too soon.
const SHORTEST: usize = 10;

/// Sets the password with which a person signs in. It is read from standard input; without any, one
/// is made and printed once.
#[derive(Args, Debug)]
pub struct Password {
    /// The user, as the configuration names the person.
    user: String,
    /// Read the password from standard input: its first line.
    #[arg(long)]
    stdin: bool,
    #[command(flatten)]
    directory: ConfigDirectory,
}

/// Writes the hash to the file that the configuration names as the user's `password_file`.
///
/// # Errors
/// The configuration cannot be used, there is no such user, the password is too short, or the file
/// cannot be written.
pub fn run(arguments: &Password) -> anyhow::Result<ExitCode> {
    let loaded = arguments.directory.load()?;
    let snapshot = &loaded.snapshot;
    let name = arguments.user.as_str();
    if snapshot.user(name).is_none() {
        let names = snapshot.users.iter().map(|user| &*user.name);
        anyhow::bail!("there is no user {name:?}.{}", suggestion(name, names));
    }
    let named = loaded.sign_in_files.get(name).cloned();
    let is_named = named.is_some();
    let file = named.unwrap_or_else(|| own_file(&arguments.directory.config, name));
    let (text, is_new) = match arguments.stdin {
        true => (typed()?, false),
        false => (made()?, true),
    };
    anyhow::ensure!(
        text.chars().count() >= SHORTEST,
        "the password is shorter than {SHORTEST} characters"
    );
    let hash = password::hash(&text).map_err(|error| anyhow::anyhow!("{error}"))?;
    write(&file, &hash).with_context(|| format!("cannot write {}", file.display()))?;
    let mut out = io::stdout().lock();
    if is_new {
        writeln!(out, "{text}\n\nThe password stands here once.")?;
    }
    writeln!(
        out,
        "Its hash is now in {}. A running daemon knows it after a reload (SIGHUP); who was signed in signs in again.",
        file.display()
    )?;
    if !is_named {
        writeln!(
            out,
            "The configuration does not name that file yet. Write under [[user]] {name:?}:\n    password_file = \"secrets/{name}-sign-in\""
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn own_file(config: &Path, name: &str) -> PathBuf {
    config.join("secrets").join(format!("{name}-sign-in"))
}

/// The first line of standard input.
fn typed() -> anyhow::Result<String> {
    if io::stdin().is_terminal() {
        eprintln!("Type the password, and Enter. It is shown as you type.");
    }
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .context("reading the password")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// A new password of 100 random bits.
fn made() -> anyhow::Result<String> {
    const CHARACTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0u8; 20];
    getrandom::fill(&mut random)
        .map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    let characters = random
        .iter()
        .filter_map(|octet| CHARACTERS.get(usize::from(octet % 32)));
    Ok(characters.map(|octet| char::from(*octet)).collect())
}

/// Writes a file that its owner alone can read, whole or not at all.
fn write(file: &Path, hash: &str) -> io::Result<()> {
    if let Some(parent) = file.parent().filter(|parent| !parent.exists()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
    }
    let mut fresh = file.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut handle = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    writeln!(handle, "{hash}")?;
    handle.sync_all()?;
    fs::rename(&fresh, file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_hash_is_replaced_and_is_its_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = own_file(directory.path(), "anna");
        for hash in ["one", "two"] {
            write(&file, hash).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), format!("{hash}\n"));
        }
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_password_that_is_made_is_long() {
        assert_eq!(made().unwrap().len(), 20);
        assert_ne!(made().unwrap(), made().unwrap());
    }
}
