//! `ringdesk secret`: what proves who somebody is. The three fields that a phone asks for, with a new
//! password where there is none; a password for signing in; a token for a program.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use argon2::{Argon2, PasswordHasher};
use clap::Args;
use sha2::{Digest, Sha256};

use super::ConfigDirectory;
use super::network::own_address;
use crate::config::{Loaded, suggestion};
use crate::core::snapshot::{SipSettings, User};

/// The characters of a password: none that is taken for another on the screen of a phone. There
/// are 32, so that five random bits choose one.
const CHARACTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// 16 characters of five bits: more than anybody guesses over the network, and few enough to type.
const PASSWORD_CHARACTERS: usize = 16;

/// The port that phones take where none is entered (RFC 3261 §19.1.2).
const SIP_PORT: u16 = 5060;

/// 40 characters of five bits: a program types nothing, and a token is tried against all at once.
const TOKEN_CHARACTERS: usize = 40;

/// Makes a password for a user's phones, and prints the three fields that a phone asks for; or one for
/// signing in, or a token for a program.
#[derive(Args, Debug)]
pub struct Secret {
    /// The user, as the configuration names the person.
    #[arg(required_unless_present = "token", conflicts_with = "token")]
    user: Option<String>,
    /// Make the password that the user signs in with.
    #[arg(long, conflicts_with = "token")]
    sign_in: bool,
    /// Make a token for a program of that name.
    #[arg(long, value_name = "NAME")]
    token: Option<String>,
    #[command(flatten)]
    directory: ConfigDirectory,
}

/// Prints what was asked for. What the configuration names a file for is kept there, and made where
/// the file is missing; a token is kept nowhere.
///
/// # Errors
/// The configuration cannot be used, there is no such user, or the file cannot be written.
pub fn run(arguments: &Secret) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    if let Some(program) = &arguments.token {
        write!(out, "{}", token(program)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let loaded = arguments.directory.load()?;
    let snapshot = &loaded.snapshot;
    let name = arguments.user.as_deref().unwrap_or_default();
    let Some(user) = snapshot.user(name) else {
        let names = snapshot.users.iter().map(|user| &*user.name);
        anyhow::bail!("there is no user \"{name}\".{}", suggestion(name, names));
    };
    let config = &arguments.directory.config;
    let text = if arguments.sign_in {
        sign_in(user, loaded.sign_in_files.get(name), config)?
    } else {
        phone(user, &loaded, config)?
    };
    write!(out, "{text}")?;
    Ok(ExitCode::SUCCESS)
}

/// A token, and what to write for it.
fn token(program: &str) -> anyhow::Result<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    anyhow::ensure!(
        !program.is_empty() && program.chars().all(fits),
        "a token's name has letters, digits, `-`, `_` and `.`, as in ringdesk secret --token crm"
    );
    let token = new_password::<TOKEN_CHARACTERS>()?;
    let digest = Sha256::digest(&token);
    let sha256: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
    Ok(format!(
        "token     {token}\n\nThe token is kept nowhere: give it to the program now. Write into the configuration, with the scopes it needs:\n    [[token]]\n    name = \"{program}\"\n    sha256 = \"{sha256}\"\n    scopes = [\"read-conversations\"]\n"
    ))
}

/// A password for signing in, of which the hash alone is kept.
fn sign_in(user: &User, named: Option<&PathBuf>, config: &Path) -> anyhow::Result<String> {
    let name = &user.name;
    let default = config.join("secrets").join(format!("{name}-sign-in"));
    let file = named.unwrap_or(&default);
    anyhow::ensure!(
        !file.exists(),
        "{name} has a password already, of which {} keeps a hash. Remove that file to make a new one.",
        file.display()
    );
    let password = new_password::<PASSWORD_CHARACTERS>()?;
    let hash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|error| anyhow::anyhow!("the password cannot be hashed: {error}"))?;
    write(file, &hash.to_string()).with_context(|| format!("cannot write {}", file.display()))?;
    let mut text = format!(
        "user      {name}\npassword  {password}\n\nThe password is kept nowhere, a hash of it in {}. A running daemon knows it after a reload (SIGHUP).\n",
        file.display()
    );
    if named.is_none() {
        text.push_str(&format!(
            "The configuration does not name that file yet. Write under [[user]] \"{name}\":\n    password_file = \"secrets/{name}-sign-in\"\n"
        ));
    }
    Ok(text)
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

fn new_password<const CHARACTERS: usize>() -> anyhow::Result<String> {
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
    fn a_password_has_no_character_that_is_taken_for_another() {
        let every_octet = (0..=255_u8).collect::<Vec<_>>();
        for octets in every_octet.chunks(PASSWORD_CHARACTERS) {
            let password = password_from(octets);
            assert_eq!(password.len(), PASSWORD_CHARACTERS);
            assert!(!password.contains(['l', 'o', '0', '1']), "{password}");
        }
    }
}
