//! `ringdesk secret`: the three fields that a phone asks for, with a new password where there is none.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::ConfigDirectory;
use super::network::own_address;
use crate::config::{Loaded, suggestion};
use crate::core::snapshot::{SipSettings, Snapshot, User};

/// The characters of a password: none that is taken for another on the screen of a phone. There
/// are 32, so that five random bits choose one.
const CHARACTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// 16 characters of five bits: more than anybody guesses over the network, and few enough to type.
const PASSWORD_CHARACTERS: usize = 16;

/// The port that phones take where none is entered (RFC 3261 §19.1.2).
const SIP_PORT: u16 = 5060;

/// Makes a password for a user's phones, and prints the three fields that a phone asks for.
#[derive(Args, Debug)]
#[command(
    after_help = "`ringdesk password` makes what a person signs in with, `ringdesk token` what a program sends."
)]
pub struct Secret {
    /// The user, as the configuration names the person.
    user: String,
    #[command(flatten)]
    directory: ConfigDirectory,
}

/// Prints the fields. The password is kept in the file that the configuration names, which is made
/// where it is missing.
///
/// # Errors
/// The configuration cannot be used, there is no such user, or the file cannot be written.
pub fn run(arguments: &Secret) -> anyhow::Result<ExitCode> {
    let loaded = arguments.directory.load()?;
    let user = user(&loaded.snapshot, &arguments.user)?;
    let text = phone(user, &loaded, &arguments.directory.config)?;
    write!(io::stdout().lock(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}

/// The user of that name.
///
/// # Errors
/// There is none: the name most like it.
pub(super) fn user<'a>(snapshot: &'a Snapshot, name: &str) -> anyhow::Result<&'a User> {
    snapshot.user(name).ok_or_else(|| {
        let names = snapshot.users.iter().map(|user| &*user.name);
        anyhow::anyhow!("there is no user {name:?}.{}", suggestion(name, names))
    })
}

/// Server, user and password of a phone.
fn phone(user: &User, loaded: &Loaded, config: &Path) -> anyhow::Result<String> {
    let name = &*user.name;
    let named = loaded.password_files.get(name).cloned();
    let is_named = named.is_some();
    let file = named.unwrap_or_else(|| config.join("secrets").join(name));
    let (password, mut advice) = match &user.sip_password {
        Some(password) => (password.0.clone(), kept(&file)),
        None if file.exists() => (read(&file)?, kept(&file)),
        None => {
            let password = new_password::<PASSWORD_CHARACTERS>()?;
            write(&file, &password).with_context(|| format!("cannot write {}", file.display()))?;
            let file = file.display();
            let advice = format!(
                "The password is now in {file}. A running daemon knows it after a reload (SIGHUP)."
            );
            (password, advice)
        }
    };
    if !is_named {
        advice.push_str(&format!(
            "\nThe configuration does not name that file yet. Write under [[user]] \"{name}\":\n    sip_password_file = \"secrets/{name}\""
        ));
    }
    let sip = &loaded.snapshot.settings.sip;
    let address = own_address(&sip.listen);
    if address.is_some_and(|address| address.is_loopback()) {
        advice.push_str("\nOnly programs on this machine reach that server. For a phone on the desk, change `listen` in [sip].");
    }
    let server = server(sip, address);
    Ok(format!(
        "server    {server}\nuser      {name}\npassword  {password}\n\n{advice}\n"
    ))
}

fn kept(file: &Path) -> String {
    let file = file.display();
    format!("The password is kept in {file}. Remove that file to get a new one.")
}

fn read(file: &Path) -> anyhow::Result<String> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.trim().to_owned())
}

/// A new password of so many random characters, each of five bits.
///
/// # Errors
/// The system gives no random numbers.
pub(super) fn new_password<const CHARACTERS: usize>() -> anyhow::Result<String> {
    let mut random = [0_u8; CHARACTERS];
    getrandom::fill(&mut random)
        .map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    Ok(password_from(&random))
}

fn password_from(random: &[u8]) -> String {
    random
        .iter()
        .filter_map(|octet| CHARACTERS.get(usize::from(octet % 32)))
        .map(|character| char::from(*character))
        .collect()
}

/// Writes a new file that its owner alone can read. One that is there is never written over.
///
/// # Errors
/// There is such a file, or the disk refuses.
pub(super) fn write(file: &Path, password: &str) -> io::Result<()> {
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
fn server(sip: &SipSettings, address: Option<IpAddr>) -> String {
    let Some(address) = address.or(sip.public_address) else {
        return "(the address of this machine)".to_owned();
    };
    let port = sip
        .listen
        .first()
        .map_or(SIP_PORT, |listen| listen.address.port());
    let inside = match address {
        address if port == SIP_PORT => address.to_string(),
        address => SocketAddr::new(address, port).to_string(),
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
    use crate::core::snapshot::{DigestOffer, Listen, Protocol};

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
    fn the_server_is_an_address_that_the_phone_can_reach() {
        let listening = |address: &str, public: Option<&str>| SipSettings {
            listen: vec![Listen {
                protocol: Protocol::Udp,
                address: address.parse().unwrap(),
            }],
            public_address: public.map(|public| public.parse().unwrap()),
            local_networks: None,
            digest: DigestOffer::Md5,
            realm: "ringdesk".to_owned(),
        };
        let everywhere = "0.0.0.0:5060";
        for (listen, public, own, expected) in [
            (everywhere, None, Some("10.0.0.5"), "10.0.0.5"),
            ("0.0.0.0:5070", None, Some("10.0.0.5"), "10.0.0.5:5070"),
            ("[::]:5070", None, Some("fd00::5"), "[fd00::5]:5070"),
            (
                everywhere,
                Some("203.0.113.7"),
                Some("10.0.0.5"),
                "10.0.0.5   (from outside: 203.0.113.7)",
            ),
            (everywhere, Some("203.0.113.7"), None, "203.0.113.7"),
            (everywhere, None, None, "(the address of this machine)"),
        ] {
            let own = own.map(|own| own.parse().unwrap());
            assert_eq!(server(&listening(listen, public), own), expected);
        }
    }

    #[test]
    fn a_new_password_is_another_one_each_time() {
        let made = || new_password::<20>().unwrap();
        assert_eq!(made().len(), 20);
        assert_ne!(made(), made());
    }

    #[test]
    fn a_password_has_no_character_that_is_taken_for_another() {
        let every_octet = (0..=255_u8).collect::<Vec<_>>();
        for octets in every_octet.chunks(PASSWORD_CHARACTERS) {
            let password = password_from(octets);
            assert_eq!(password.len(), PASSWORD_CHARACTERS);
            assert!(!password.contains(['l', 'o', '0', '1']), "{password}");
        }
    }
}
