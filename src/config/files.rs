//! Files that the configuration names: where they are, and passwords in them.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use super::diagnostic::Findings;
use super::section::Placed;
use crate::core::snapshot::Secret;

/// The longest password that is taken, in octets; a longer file is not a password.
const MAX_PASSWORD_OCTETS: u64 = 256;

/// The configuration directory, which relative paths start from.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
}

/// A password file that is there, or not yet.
pub(super) enum Password {
    Read(Secret),
    Missing,
    Unusable,
}

impl Files {
    /// Files of the configuration in `dir`.
    pub fn new(dir: &Path) -> Files {
        Files {
            dir: fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned()),
        }
    }

    /// Where a written path is: relative ones start from the directory.
    pub fn path(&self, written: &str) -> PathBuf {
        beside(&self.dir, written)
    }

    /// Reads a password: the first and only line of its file.
    pub fn password(&self, file: &Placed<String>, findings: &mut Findings) -> Password {
        let path = self.path(&file.value);
        match read_line(&path) {
            Ok(Some(password)) => {
                self.warn_when_public(file, &path, findings);
                Password::Read(Secret(password))
            }
            Ok(None) => Password::Missing,
            Err(problem) => {
                let message = format!("the password file {} {problem}", path.display());
                findings.error(&file.place, message);
                Password::Unusable
            }
        }
    }

    /// Reads a text of at most so many characters. The error says what is wrong with its file.
    pub fn text(&self, written: &str, most: usize) -> Result<String, String> {
        let path = self.path(written);
        let unreadable = |error| format!("the file {} cannot be read: {error}.", path.display());
        // A character has four octets at most; one more octet shows that there are too many.
        let octets = u64::try_from(most).unwrap_or(u64::MAX).saturating_mul(4);
        let mut text = String::new();
        let file = fs::File::open(&path).map_err(unreadable)?;
        file.take(octets.saturating_add(1))
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        Ok(text)
    }

    fn warn_when_public(&self, file: &Placed<String>, path: &Path, findings: &mut Findings) {
        let Ok(metadata) = fs::metadata(path) else {
            return;
        };
        let mode = metadata.permissions().mode();
        if mode & 0o004 != 0 {
            let path = path.display();
            let message = format!(
                "everybody on this machine can read the password in {path}. Run: chmod 600 {path}"
            );
            findings.warning(&file.place, message);
        }
    }
}

/// The path `written` as seen from `dir`, which is free of links, so that `..` can be taken back.
pub(super) fn beside(dir: &Path, written: &str) -> PathBuf {
    let mut path = dir.to_owned();
    let mut rising = true;
    for component in Path::new(written).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if rising => {
                path.pop();
            }
            other => {
                rising = false;
                path.push(other);
            }
        }
    }
    path
}

fn read_line(path: &Path) -> Result<Option<String>, String> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read: {error}.")),
    };
    let mut text = String::new();
    file.take(MAX_PASSWORD_OCTETS.saturating_add(1))
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot be read: {error}."))?;
    let password = text.trim();
    if password.is_empty() {
        Err("is empty. Write the password into its first line.".to_owned())
    } else if text.len() as u64 > MAX_PASSWORD_OCTETS || password.chars().any(char::is_control) {
        Err(format!(
            "holds more than one line, or more than {MAX_PASSWORD_OCTETS} octets. It holds the password and nothing else."
        ))
    } else {
        Ok(Some(password.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_start_from_the_directory_and_absolute_ones_do_not() {
        for (written, expected) in [
            ("secrets/anna", "/etc/ringdesk/secrets/anna"),
            ("../data/audio", "/etc/data/audio"),
            ("./a/../b", "/etc/ringdesk/a/../b"),
            ("/var/lib/x", "/var/lib/x"),
            ("../../../..", "/"),
        ] {
            let path = beside(Path::new("/etc/ringdesk"), written);
            assert_eq!(path, Path::new(expected), "{written}");
        }
    }
}
