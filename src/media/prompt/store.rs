//! A new prompt on its way into the directory of prompts.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Decoded, PromptError, decode, read};

/// Checks the WAV file `source` and copies it to `NAME.wav` in `directory`, which is made if it is
/// not there. Whoever reads the directory meanwhile finds the whole old file or the whole new one.
/// Unless `replace`, a prompt that is there already is left alone.
///
/// Returns where it is now, and what was heard in it.
pub fn store(
    source: &Path,
    directory: &Path,
    name: &str,
    replace: bool,
) -> Result<(PathBuf, Decoded), PromptError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(PromptError::Name(name.to_owned()));
    }
    let wav = read(source)?;
    let decoded = decode(&wav)?;
    let path = directory.join(format!("{name}.wav"));
    if !replace && path.exists() {
        return Err(PromptError::Exists(path));
    }
    match write(&path, &wav) {
        Ok(()) => Ok((path, decoded)),
        Err(source) => Err(PromptError::Unwritable { path, source }),
    }
}

fn write(path: &Path, wav: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let new = path.with_extension("wav.new");
    let written = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&new)?;
        file.write_all(wav)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    written().inspect_err(|_| {
        // The first error is the one to tell.
        let _ = fs::remove_file(&new);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped(name: &str) -> PathBuf {
        let prompts = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts");
        prompts.join(name)
    }

    #[test]
    fn a_prompt_is_stored_octet_for_octet_under_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let prompts = directory.path().join("prompts");
        let (path, decoded) = store(&shipped("hold.wav"), &prompts, "music", false).unwrap();
        assert_eq!(path, prompts.join("music.wav"));
        assert_eq!(decoded.samples.len(), 102_400);
        assert_eq!(
            fs::read(path).unwrap(),
            fs::read(shipped("hold.wav")).unwrap()
        );
        assert_eq!(fs::read_dir(prompts).unwrap().count(), 1);
    }

    #[test]
    fn a_prompt_that_is_there_is_replaced_only_when_asked() {
        let directory = tempfile::tempdir().unwrap();
        store(&shipped("hold.wav"), directory.path(), "a", false).unwrap();
        let error = store(&shipped("closed.wav"), directory.path(), "a", false).unwrap_err();
        assert!(matches!(error, PromptError::Exists(_)));
        let path = directory.path().join("a.wav");
        assert_eq!(
            fs::read(&path).unwrap(),
            fs::read(shipped("hold.wav")).unwrap()
        );
        store(&shipped("closed.wav"), directory.path(), "a", true).unwrap();
        assert_eq!(
            fs::read(&path).unwrap(),
            fs::read(shipped("closed.wav")).unwrap()
        );
    }

    #[test]
    fn what_cannot_be_played_is_not_stored() {
        let directory = tempfile::tempdir().unwrap();
        let error = store(&shipped("README.md"), directory.path(), "a", false).unwrap_err();
        assert!(matches!(error, PromptError::NotWav(_)));
        for name in ["", "../a", "a b", ".a", "å"] {
            let error = store(&shipped("hold.wav"), directory.path(), name, false).unwrap_err();
            assert!(matches!(error, PromptError::Name(_)), "{name:?}");
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "in the way").unwrap();
        let error = store(&shipped("hold.wav"), &file, "a", false).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot be written to "),
            "{error}"
        );
    }
}
