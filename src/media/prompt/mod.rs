//! Prompts: WAV files of any common kind, brought to 8 kHz mono and encoded once per codec.

mod decode;
mod header;
mod resample;
mod shipped;
mod store;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::core::prompt::PromptAudio;
use crate::media::tone::encode;

pub use decode::{Decoded, LONGEST, MOST_CHANNELS, SAMPLE_RATES, SourceFormat, decode};
pub use shipped::SHIPPED;
pub use store::store;

/// Why a file is no prompt. The sentence does not name the file; its reader does.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// It cannot be read at all.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// Not a WAV file.
    #[error("is not a WAV file ({0}); save it as WAV, 16 bit PCM")]
    NotWav(&'static str),
    /// A WAV file in an encoding that is not decoded, by name.
    #[error("is a WAV file with {0} audio; save it as WAV, 16 bit PCM")]
    Encoding(&'static str),
    /// The file ends before the audio that its header promises.
    #[error(
        "is cut off: its header promises {:.1} s of audio, there are {:.1} s; copy or export it again",
        promised.as_secs_f64(), found.as_secs_f64()
    )]
    CutOff {
        /// By the header.
        promised: Duration,
        /// In the file.
        found: Duration,
    },
    /// A sample rate that no recording has.
    #[error(
        "has a sample rate of {0} Hz; from {least} to {most} Hz can be played",
        least = SAMPLE_RATES.start(), most = SAMPLE_RATES.end()
    )]
    SampleRate(u32),
    /// More channels than any recording has.
    #[error("has {0} channels; at most {MOST_CHANNELS} can be mixed")]
    Channels(u16),
    /// Nothing to hear.
    #[error("has no audio in it")]
    Empty,
    /// More audio than a caller would listen to.
    #[error("plays for {:.0} s; a prompt may play for {:.0} s", .0.as_secs_f64(), LONGEST.as_secs_f64())]
    TooLong(Duration),
    /// A name that no prompt can have.
    #[error("cannot be named {0:?}: a prompt's name has letters a to z, digits, `-`, `_` and `.`")]
    Name(String),
    /// More octets than a prompt needs.
    #[error("is too large for a prompt; save it as WAV, 16 bit PCM, 48 kHz or less")]
    TooLarge,
    /// There is one already.
    #[error("is not stored: {} is there already. To put this in its place, add --replace", .0.display())]
    Exists(PathBuf),
    /// The directory of prompts refused.
    #[error("cannot be written to {}: {source}", path.display())]
    Unwritable {
        /// Where it should have gone.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Not one of those that come with the program.
    #[error("does not come with the program")]
    NotShipped,
}

/// The most octets of a file: 5 minutes of 24-bit stereo at 48 kHz are 86 MB.
pub const MOST_OCTETS: u64 = 100_000_000;

/// Reads the WAV file at `path` as a prompt.
pub fn load(path: &Path) -> Result<PromptAudio, PromptError> {
    let decoded = decode(&read(path)?)?;
    Ok(encode(&decoded.samples))
}

/// The prompt of that name that comes with the program.
pub fn shipped(name: &str) -> Result<PromptAudio, PromptError> {
    let found = SHIPPED.iter().find(|(known, _)| *known == name);
    let (_, wav) = found.ok_or(PromptError::NotShipped)?;
    let decoded = decode(wav)?;
    Ok(encode(&decoded.samples))
}

/// The octets of a file, for [`decode()`].
pub fn read(path: &Path) -> Result<Vec<u8>, PromptError> {
    let mut wav = Vec::new();
    let file = File::open(path)?;
    file.take(MOST_OCTETS + 1).read_to_end(&mut wav)?;
    if wav.len() as u64 > MOST_OCTETS {
        return Err(PromptError::TooLarge);
    }
    Ok(wav)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::level::{peak_dbfs, rms_dbfs};

    #[test]
    fn every_prompt_that_comes_along_can_be_played_as_it_is() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts");
        let mut wavs = 0;
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "wav") {
                continue;
            }
            wavs += 1;
            let decoded = decode(&read(&path).unwrap()).unwrap();
            let source = decoded.source;
            assert_eq!(
                (source.sample_rate, source.channels, source.bits),
                (8_000, 1, 16)
            );
            assert_eq!(decoded.clipped, 0, "{}", path.display());
            let (peak, loudness) = (peak_dbfs(&decoded.samples), rms_dbfs(&decoded.samples));
            assert!(
                (-20.0..-3.0).contains(&peak),
                "{peak} in {}",
                path.display()
            );
            assert!(
                (-30.0..-18.0).contains(&loudness),
                "{loudness} in {}",
                path.display()
            );
        }
        assert_eq!(wavs, 9);
    }

    #[test]
    fn those_in_the_program_are_those_in_the_directory() {
        for (name, _) in SHIPPED {
            let file = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("prompts")
                .join(name)
                .with_extension("wav");
            assert_eq!(shipped(name).unwrap(), load(&file).unwrap());
        }
        let unknown = shipped("easter").unwrap_err();
        assert_eq!(unknown.to_string(), "does not come with the program");
    }

    #[test]
    fn a_missing_file_and_a_directory_say_so() {
        let nowhere = load(Path::new("/nowhere/at/all.wav")).unwrap_err();
        assert_eq!(
            nowhere.to_string(),
            "cannot be read: No such file or directory (os error 2)"
        );
        let directory = load(Path::new("/")).unwrap_err();
        assert_eq!(
            directory.to_string(),
            "cannot be read: Is a directory (os error 21)"
        );
    }
}
