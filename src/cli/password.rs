//! `ringdesk password`: the password with which a person signs in, kept as its hash.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::{ConfigDirectory, secret};
use crate::http::password;

/// Fewer characters than this are guessed too soon.
const SHORTEST: usize = 10;

/// Characters of a new one, of five bits each: the hash of it may be stolen, and guessed at length.
const NEW_PASSWORD: usize = 20;

/// Sets the password with which a person signs in: a new one, printed once, or the one on standard
/// input.
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
    let name = &*secret::user(&loaded.snapshot, &arguments.user)?.name;
    let named = loaded.sign_in_files.get(name).cloned();
    let is_named = named.is_some();
    let file = named.unwrap_or_else(|| own_file(&arguments.directory.config, name));
    let (text, is_new) = match arguments.stdin {
        true => (typed()?, false),
        false => (secret::new_password::<NEW_PASSWORD>()?, true),
    };
    anyhow::ensure!(
        text.chars().count() >= SHORTEST,
        "the password is shorter than {SHORTEST} characters"
    );
    let hash = password::hash(&text).map_err(|error| anyhow::anyhow!("{error}"))?;
    replace(&file, &hash).with_context(|| format!("cannot write {}", file.display()))?;
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

/// Replaces a file that its owner alone can read, whole or not at all.
fn replace(file: &Path, hash: &str) -> io::Result<()> {
    let mut fresh = file.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    secret::write(&fresh, hash)?;
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
            replace(&file, hash).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), format!("{hash}\n"));
        }
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }
}
