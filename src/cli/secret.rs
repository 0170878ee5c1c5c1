//! `ringdesk secret`: the three fields that a phone asks for, with a new password where there is none.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::ConfigDirectory;
use super::network::own_address;
use crate::config::suggestion;
use crate::core::snapshot::SipSettings;

/// The characters of a password: none that is taken for another on the screen of a phone. There
/// are 32, so that five random bits choose one.
const CHARACTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// 16 characters of five bits: more than anybody guesses over the network, and few enough to type.
const PASSWORD_CHARACTERS: usize = 16;

/// Makes a password for a user's phones, and prints the three fields that a phone asks for.
#[derive(Args, Debug)]
pub struct Secret {
    /// The user, as the configuration names the person.
    user: String,
    #[command(flatten)]
    directory: ConfigDirectory,
}

/// Prints server, user and password. A password that the configuration names a file for is kept
/// there, and made where the file is missing.
///
/// # Errors
/// The configuration cannot be used, there is no such user, or the file cannot be written.
pub fn run(arguments: &Secret) -> anyhow::Result<ExitCode> {
    let loaded = arguments.directory.load()?;
    let snapshot = &loaded.snapshot;
    let name = arguments.user.as_str();
    let Some(user) = snapshot.user(name) else {
        let names = snapshot.users.iter().map(|user| &*user.name);
        anyhow::bail!("there is no user \"{name}\".{}", suggestion(name, names));
    };
    let file = loaded.password_files.get(name);
    let (password, advice) = match (&user.sip_password, file) {
        (Some(password), Some(file)) => (
            password.0.clone(),
            format!(
                "The password is kept in {}. Remove that file to get a new one.",
                file.display()
            ),
        ),
        (_, Some(file)) => {
            let password = new_password()?;
            write(file, &password).with_context(|| format!("cannot write {}", file.display()))?;
            let advice = format!(
                "The password is now in {}. A running daemon knows it after a reload (SIGHUP).",
                file.display()
            );
            (password, advice)
        }
        (_, None) => {
            let advice = format!(
                "It is kept nowhere yet: write sip_password_file = \"secrets/{name}\" under [[user]] \"{name}\", and run this again."
            );
            (new_password()?, advice)
        }
    };
    let mut out = io::stdout().lock();
    writeln!(out, "server    {}", server(&snapshot.settings.sip))?;
    writeln!(out, "user      {name}")?;
    writeln!(out, "password  {password}")?;
    writeln!(out, "\n{advice}")?;
    Ok(ExitCode::SUCCESS)
}

fn new_password() -> anyhow::Result<String> {
    let mut random = [0_u8; PASSWORD_CHARACTERS];
    getrandom::fill(&mut random)
        .map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    Ok(password_from(random))
}

fn password_from(random: [u8; PASSWORD_CHARACTERS]) -> String {
    random
        .iter()
        .filter_map(|octet| CHARACTERS.get(usize::from(octet % 32)))
        .map(|character| char::from(*character))
        .collect()
}

/// Writes a new file that its owner alone can read. One that is there is never written over.
fn write(file: &Path, password: &str) -> io::Result<()> {
    if let Some(parent) = file.parent().filter(|parent| !parent.exists()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
    }
    let mut handle = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    let written = writeln!(handle, "{password}").and_then(|()| handle.sync_all());
    if written.is_err() {
        fs::remove_file(file)?;
    }
    written
}

/// What to enter as the server: an address that phones in the same network reach, with the port
/// where it is not the usual one.
fn server(sip: &SipSettings) -> String {
    let Some(listen) = sip.listen.first() else {
        return "(no listener)".to_owned();
    };
    let address = match listen.address.ip() {
        ip if ip.is_unspecified() => own_address(&sip.listen).or(sip.public_address),
        ip => Some(ip),
    };
    let Some(address) = address else {
        return "this machine's address".to_owned();
    };
    let inside = match (address, listen.address.port()) {
        (address, 5060) => address.to_string(),
        (IpAddr::V4(address), port) => format!("{address}:{port}"),
        (IpAddr::V6(address), port) => format!("[{address}]:{port}"),
    };
    match sip.public_address {
        Some(public) if public != address => format!("{inside}   (from outside: {public})"),
        _ => inside,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_password_is_written_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secrets/anna");
        write(&file, "swordfish").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "swordfish\n");
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(write(&file, "another").is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "swordfish\n");
    }

    #[test]
    fn a_password_has_no_character_that_is_taken_for_another() {
        let every_octet = (0..=255_u8).collect::<Vec<_>>();
        for octets in every_octet.chunks(PASSWORD_CHARACTERS) {
            let password = password_from(octets.try_into().unwrap());
            assert_eq!(password.len(), PASSWORD_CHARACTERS);
            assert!(!password.contains(['l', 'o', '0', '1']), "{password}");
        }
    }
}
