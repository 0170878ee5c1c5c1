//! Prompts: audio brought to 8 kHz mono and encoded once per codec. What lies in the directory of
//! prompts is WAV; what is uploaded may be MP3, FLAC and Ogg Vorbis too ([`upload`]), and is kept in a
//! [`Library`].

mod compressed;
mod decode;
mod header;
mod kind;
mod library;
mod mix;
mod report;
mod resample;
mod shipped;
pub mod upload;
mod usage;
mod vorbis;
mod wav;
mod worker;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use crate::core::prompt::PromptAudio;
use crate::media::tone::encode;

pub use decode::{Decoded, LONGEST, MOST_CHANNELS, SAMPLE_RATES, SourceFormat, decode};
pub use kind::AudioFormat;
pub use library::{Existing, Library, LibraryError, Prompt, PromptSource};
pub use report::{LONG_END, LONG_START, LOUD_DBFS, QUIET_DBFS, Report};
pub use shipped::SHIPPED;
pub use usage::uses;

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
    /// More octets than a prompt needs.
    #[error("is too large for a prompt; save it as WAV, 16 bit PCM, 48 kHz or less")]
    TooLarge,
    /// A file without contents.
    #[error("is empty; choose it again, or export it again")]
    NoOctets,
    /// More octets than an upload may have.
    #[error(
        "is larger than {} MB; save it as MP3, or as WAV with one channel and 16 bits",
        upload::MOST_UPLOADED / 1_000_000
    )]
    TooManyOctets,
    /// Something that is known and is no prompt, by name.
    #[error("is {0}; save it as WAV, MP3, FLAC or Ogg Vorbis")]
    OtherFormat(&'static str),
    /// Nothing that is known.
    #[error("is no sound file that can be read; save it as WAV, MP3, FLAC or Ogg Vorbis")]
    Unrecognised,
    /// The decoder gave up.
    #[error("cannot be decoded as {format} ({what}); export it again, or save it as WAV")]
    Broken {
        /// Which decoder.
        format: &'static str,
        /// In its words.
        what: String,
    },
    /// Too much of the audio is damaged.
    #[error(
        "is damaged: of its {packets} parts of {format} audio, {broken} cannot be decoded; export it again"
    )]
    BrokenPackets {
        /// Which decoder.
        format: &'static str,
        /// These cannot be decoded.
        broken: u64,
        /// Of these.
        packets: u64,
    },
    /// The audio is not the one that was written, by its own checksum.
    #[error("is damaged: it sounds otherwise than when it was written; copy or export it again")]
    Differs,
    /// Several recordings one after the other.
    #[error(
        "changes from {0} to {1} samples a second midway; join its parts in an audio program and export it again"
    )]
    ChangesRate(u32, u32),
    /// More audio than a caller would listen to; how much, nobody has counted.
    #[error("plays for more than {:.0} s, the most for a prompt; shorten it", LONGEST.as_secs_f64())]
    Longer,
    /// A stream without its end.
    #[error("is cut off after {:.1} s: its end is missing; copy or export it again", .0.as_secs_f64())]
    NoEnd(Duration),
    /// A file that keeps the decoder busy.
    #[error("takes too long to decode, or too much memory; save it as WAV, 16 bit PCM")]
    TooMuchWork,
    /// The decoder came to an end that it should not have.
    #[error("makes the decoder fail, so it is damaged; save it as WAV, 16 bit PCM")]
    Fault,
    /// Others come first.
    #[error("cannot be looked at yet: other files are being decoded; try again in a few seconds")]
    Busy,
    /// Not one of those that come with the program.
    #[error("does not come with the program")]
    NotShipped,
}

impl PromptError {
    /// The HTTP status (RFC 9110 §15) of an answer that says so.
    pub fn status(&self) -> u16 {
        match self {
            PromptError::TooManyOctets | PromptError::TooLarge => 413,
            PromptError::NotWav(_)
            | PromptError::Encoding(_)
            | PromptError::OtherFormat(_)
            | PromptError::Unrecognised => 415,
            PromptError::Busy => 503,
            PromptError::Unreadable(_) => 500,
            PromptError::NotShipped => 404,
            PromptError::CutOff { .. }
            | PromptError::SampleRate(_)
            | PromptError::Channels(_)
            | PromptError::Empty
            | PromptError::TooLong(_)
            | PromptError::NoOctets
            | PromptError::Broken { .. }
            | PromptError::BrokenPackets { .. }
            | PromptError::Differs
            | PromptError::ChangesRate(..)
            | PromptError::Longer
            | PromptError::NoEnd(_)
            | PromptError::TooMuchWork
            | PromptError::Fault => 422,
        }
    }

    /// A word for programs that stays the same, as `too-long`.
    pub fn code(&self) -> &'static str {
        match self {
            PromptError::TooManyOctets | PromptError::TooLarge => "too-large",
            PromptError::NotWav(_)
            | PromptError::Encoding(_)
            | PromptError::OtherFormat(_)
            | PromptError::Unrecognised => "format",
            PromptError::Busy => "busy",
            PromptError::Unreadable(_) => "unreadable",
            PromptError::NotShipped => "unknown",
            PromptError::CutOff { .. } | PromptError::NoEnd(_) => "cut-off",
            PromptError::SampleRate(_) | PromptError::ChangesRate(..) => "sample-rate",
            PromptError::Channels(_) => "channels",
            PromptError::Empty | PromptError::NoOctets => "empty",
            PromptError::TooLong(_) | PromptError::Longer => "too-long",
            PromptError::Broken { .. }
            | PromptError::BrokenPackets { .. }
            | PromptError::Differs
            | PromptError::Fault => "damaged",
            PromptError::TooMuchWork => "too-much-work",
        }
    }
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
