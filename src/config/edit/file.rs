//! Writing a file so that it is whole at every moment.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Puts `text` in the place of the file, with the mode and the owner that the file has. A link stays
/// one; the file that it leads to is replaced.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let parent = path.parent().ok_or(io::ErrorKind::NotFound)?;
    let beside = beside(parent, &path);
    let written = write(&beside, &path, text).and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        // Whatever went wrong is told; a leftover would be in the way of the next try.
        let _ = fs::remove_file(&beside);
    }
    written?;
    File::open(parent)?.sync_all()
}

/// A name that the loader leaves out, in the same directory, so that a rename is enough.
fn beside(parent: &Path, path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    parent.join(format!(".{name}.{}.new", std::process::id()))
}

fn write(beside: &Path, path: &Path, text: &str) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    if beside.exists() {
        fs::remove_file(beside)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(beside)?;
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (metadata.uid(), metadata.gid()) {
        fchown(&file, Some(metadata.uid()), Some(metadata.gid()))?;
    }
    file.set_permissions(Permissions::from_mode(metadata.mode() & 0o7777))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
