//! The files of a configuration directory, and places in them.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{Findings, Place};

/// A configuration file of more octets than this is a mistake: a thousand users fit in a tenth.
const MAX_FILE_OCTETS: u64 = 4 * 1024 * 1024;

/// More `*.toml` files than this are a mistake: the directory is the wrong one.
const MAX_FILES: usize = 1000;

/// The text of one file.
#[derive(Debug)]
pub(super) struct Source {
    /// The file's name, without the directory.
    pub name: Arc<str>,
    /// What is in it.
    pub text: String,
    /// False for a file that could not be read: anything may stand in it.
    pub is_whole: bool,
    line_starts: Vec<usize>,
}

impl Source {
    /// A file of that name with that text.
    pub fn new(name: &str, text: String) -> Source {
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at.saturating_add(1)))
            .collect();
        Source {
            name: Arc::from(name),
            text,
            is_whole: true,
            line_starts,
        }
    }

    /// The place of an octet of the text.
    pub fn place(&self, octet: usize) -> Place {
        let octet = octet.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= octet);
        let start = line
            .checked_sub(1)
            .and_then(|index| self.line_starts.get(index))
            .copied()
            .unwrap_or(0);
        let before = self.text.as_bytes().get(start..octet).unwrap_or(&[]);
        let column = String::from_utf8_lossy(before).chars().count();
        Place {
            file: self.name.clone(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column.saturating_add(1)).unwrap_or(u32::MAX),
        }
    }
}

/// Reads every `*.toml` file of the directory, in the order of their names. Subdirectories and
/// names that begin with a dot are left out.
pub(super) fn read_directory(dir: &Path, findings: &mut Findings) -> Vec<Source> {
    let paths = match list(dir) {
        Ok(paths) => paths,
        Err(error) => {
            findings.error_nowhere(format!(
                "cannot read the configuration directory {}: {error}. Say which one with --config DIR.",
                dir.display()
            ));
            return Vec::new();
        }
    };
    if paths.is_empty() {
        findings.error_nowhere(format!(
            "there is no *.toml file in {}. Say which directory with --config DIR.",
            dir.display()
        ));
    }
    if paths.len() > MAX_FILES {
        findings.error_nowhere(format!(
            "there are more than {MAX_FILES} *.toml files in {}. Is it the right directory?",
            dir.display()
        ));
        return Vec::new();
    }
    let mut sources = Vec::with_capacity(paths.len());
    for path in &paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match read(path) {
            Ok(octets) => sources.push(decode(&name, octets, findings)),
            Err(problem) => {
                let source = Source::new(&name, String::new());
                findings.error(&source.place(0), problem);
                sources.push(Source {
                    is_whole: false,
                    ..source
                });
            }
        }
    }
    sources
}

/// A file in another encoding is an error, and its ASCII says enough to go on.
fn decode(name: &str, octets: Vec<u8>, findings: &mut Findings) -> Source {
    match String::from_utf8(octets) {
        Ok(text) => Source::new(name, text),
        Err(error) if is_utf16(error.as_bytes()) => {
            let source = Source::new(name, String::new());
            findings.error(
                &source.place(0),
                "is UTF-16, which some editors call Unicode. Save the file as UTF-8.",
            );
            Source {
                is_whole: false,
                ..source
            }
        }
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let source = Source::new(name, text);
            findings.error(
                &source.place(good),
                "is not UTF-8 text. Save the file as UTF-8.",
            );
            source
        }
    }
}

/// By its byte order mark.
fn is_utf16(octets: &[u8]) -> bool {
    octets.starts_with(&[0xff, 0xfe]) || octets.starts_with(&[0xfe, 0xff])
}

fn list(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_none_or(|name| name.to_string_lossy().starts_with('.'));
        let is_toml = path
            .extension()
            .is_some_and(|extension| extension == "toml");
        // A file that cannot be looked at is kept, so that reading it says why.
        let is_file = path.metadata().map_or(true, |metadata| metadata.is_file());
        if is_toml && !hidden && is_file {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}.");
    let mut octets = Vec::new();
    fs::File::open(path)
        .map_err(unreadable)?
        .take(MAX_FILE_OCTETS.saturating_add(1))
        .read_to_end(&mut octets)
        .map_err(unreadable)?;
    if octets.len() as u64 > MAX_FILE_OCTETS {
        return Err(format!(
            "is larger than {} MiB. Split it, or move it out of the configuration directory.",
            MAX_FILE_OCTETS / 1024 / 1024
        ));
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_begin_at_one() {
        let source = Source::new("a.toml", "å = 1\r\nname = \"é\" x".to_owned());
        for (needle, expected) in [
            ("å", "a.toml:1:1"),
            ("= 1", "a.toml:1:3"),
            ("name", "a.toml:2:1"),
            ("x", "a.toml:2:12"),
        ] {
            let octet = source.text.find(needle).unwrap();
            assert_eq!(source.place(octet).to_string(), expected);
        }
        assert_eq!(source.place(usize::MAX).to_string(), "a.toml:2:13");
        let inside_a_character = 1;
        assert_eq!(source.place(inside_a_character).line, 1);
    }
}
