//! The commands' side.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{ControlError, Question, Told, socket_path};

/// How long the status may take; the daemon itself gives up earlier, and says so.
const PATIENCE: Duration = Duration::from_secs(10);

/// The status of the daemon on the data in `directory`.
///
/// # Errors
/// No daemon runs there, or it does not answer.
pub fn status<T: DeserializeOwned>(directory: &Path) -> Result<T, ControlError> {
    #[derive(Deserialize)]
    struct Answer<T> {
        status: T,
    }
    let stream = ask(directory, Question::Status)?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .map_err(|error| ControlError::NoAnswer(error.to_string()))?;
    let mut line = String::new();
    BufReader::new(stream)
        .read_line(&mut line)
        .map_err(|error| ControlError::NoAnswer(error.to_string()))?;
    read::<Answer<T>>(&line).map(|answer| answer.status)
}

/// Everything that the daemon on the data in `directory` tells from now on.
///
/// # Errors
/// No daemon runs there, or it does not answer.
pub fn tail(directory: &Path) -> Result<Tail, ControlError> {
    let stream = ask(directory, Question::Tail)?;
    Ok(Tail(BufReader::new(stream)))
}

/// Lines as they come; ends when the daemon does.
pub struct Tail(BufReader<UnixStream>);

impl Iterator for Tail {
    type Item = Result<Told, ControlError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(read(&line)),
            Err(error) => Some(Err(ControlError::NoAnswer(error.to_string()))),
        }
    }
}

fn ask(directory: &Path, question: Question) -> Result<UnixStream, ControlError> {
    let path = socket_path(directory);
    let mut stream = UnixStream::connect(&path).map_err(|source| match source.kind() {
        ErrorKind::PermissionDenied => ControlError::Denied { path, source },
        _ => ControlError::NotRunning {
            directory: directory.to_owned(),
        },
    })?;
    let mut line = serde_json::to_vec(&question).unwrap_or_default();
    line.push(b'\n');
    stream
        .write_all(&line)
        .map_err(|error| ControlError::NoAnswer(error.to_string()))?;
    Ok(stream)
}

fn read<T: DeserializeOwned>(line: &str) -> Result<T, ControlError> {
    #[derive(Deserialize)]
    struct Complaint {
        error: String,
    }
    if let Ok(complaint) = serde_json::from_str::<Complaint>(line) {
        return Err(ControlError::NoAnswer(complaint.error));
    }
    serde_json::from_str(line).map_err(|error| {
        ControlError::NoAnswer(format!(
            "{error}; the daemon may be of another version than this command"
        ))
    })
}
