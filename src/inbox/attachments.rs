//! Files that came with messages, and the whole of mail as it came: stored and synced before the
//! message that names them is.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock;
use crate::core::conversation::Attachment;
use crate::core::id::AttachmentId;

/// The largest file, in octets: what mail servers commonly take.
pub const LARGEST_ATTACHMENT: usize = 25 * 1024 * 1024;

/// The longest file name that is kept, in characters.
const LONGEST_NAME: usize = 150;

/// Why a file could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum AttachmentError {
    /// It is larger than [`LARGEST_ATTACHMENT`].
    #[error("the file {name:?} has {size} octets; {LARGEST_ATTACHMENT} are allowed")]
    TooLarge {
        /// Its name.
        name: String,
        /// Octets.
        size: usize,
    },
    /// The disk refused.
    #[error("the file {name:?} could not be stored: {source}")]
    Disk {
        /// Its name.
        name: String,
        /// The system's reason.
        source: io::Error,
    },
}

/// The directory of stored files. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Attachments {
    directory: Arc<Path>,
}

impl Attachments {
    pub(super) fn new(directory: PathBuf) -> Attachments {
        Attachments {
            directory: directory.into(),
        }
    }

    /// Stores a file, on the disk when this returns. Blocks: call it where blocking is right.
    ///
    /// # Errors
    /// It is too large, or the disk refuses.
    pub fn store(
        &self,
        name: &str,
        content_type: &str,
        content_id: Option<&str>,
        octets: &[u8],
    ) -> Result<Attachment, AttachmentError> {
        let name = clean_file_name(name);
        if octets.len() > LARGEST_ATTACHMENT {
            let size = octets.len();
            return Err(AttachmentError::TooLarge { name, size });
        }
        let failed = |source| AttachmentError::Disk {
            name: name.clone(),
            source,
        };
        let now = clock::wall();
        let mut random = [0u8; 10];
        getrandom::fill(&mut random).map_err(|error| failed(io::Error::other(error)))?;
        let millis = now.as_millis().max(0).unsigned_abs();
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        let path = PathBuf::from(format!("{}/{id}", now.to_utc().format("%Y/%m/%d")));
        write(&self.directory.join(&path), octets).map_err(failed)?;
        let content_type = clean_content_type(content_type);
        Ok(Attachment {
            id: AttachmentId(id),
            file_name: name,
            content_type,
            size: octets.len() as u64,
            path,
            content_id: content_id.map(str::to_owned),
        })
    }

    /// The directory, which paths of stored files are relative to.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where a stored file lies.
    pub fn path(&self, attachment: &Attachment) -> PathBuf {
        self.directory.join(&attachment.path)
    }

    /// Removes a file that no message names. Blocks.
    pub fn discard(&self, attachment: &Attachment) {
        // What is gone already needs no removing.
        let _ = fs::remove_file(self.path(attachment));
    }
}

fn write(path: &Path, octets: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let mut file = File::create_new(path)?;
    file.write_all(octets)?;
    file.sync_all()?;
    File::open(directory)?.sync_all()
}

/// A file name as it may be shown and offered for saving: the last part of a path, without control
/// characters and marks that turn the direction of text, never empty.
pub fn clean_file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last
        .chars()
        .filter(|c| !c.is_control() && !matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        .take(LONGEST_NAME)
        .collect();
    let kept = kept.trim().trim_start_matches('.').to_owned();
    if kept.is_empty() {
        "file".to_owned()
    } else {
        kept
    }
}

/// `type/subtype` in lower case, or what says nothing.
fn clean_content_type(content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c);
    let is_type = essence.split_once('/').is_some_and(|(a, b)| {
        !a.is_empty() && !b.is_empty() && (a.chars().chain(b.chars())).all(is_token)
    });
    if is_type && essence.len() <= 100 {
        essence.to_ascii_lowercase()
    } else {
        "application/octet-stream".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_no_path_and_hides_nothing() {
        for (name, kept) in [
            ("invoice.pdf", "invoice.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\temp\\a.exe", "a.exe"),
            ("a\r\nX-Evil: 1.txt", "aX-Evil: 1.txt"),
            ("\u{202e}fdp.exe", "fdp.exe"),
            (".bashrc", "bashrc"),
            ("..", "file"),
            ("", "file"),
        ] {
            assert_eq!(clean_file_name(name), kept, "{name:?}");
        }
    }

    #[test]
    fn a_content_type_that_is_none_says_nothing() {
        assert_eq!(clean_content_type("Image/PNG; name=x"), "image/png");
        for bad in ["", "image", "text/html\r\nX: y", "a/b/c", "/x"] {
            assert_eq!(
                clean_content_type(bad),
                "application/octet-stream",
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_stored_file_reads_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let files = Attachments::new(directory.path().to_owned());
        let stored = files.store("a.txt", "text/plain", None, b"hello").unwrap();
        assert_eq!(fs::read(files.path(&stored)).unwrap(), b"hello");
        assert_eq!(stored.size, 5);
        files.discard(&stored);
        assert!(!files.path(&stored).exists());
    }
}
