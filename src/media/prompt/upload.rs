//! A file that somebody has sent, on its way to being a prompt: recognised, decoded, measured.

use bytes::Bytes;

use crate::media::command::Codec;

use super::compressed;
use super::kind::{AudioFormat, recognise};
use super::report::{Report, Source};
use super::{PromptError, decode, wav, worker};

/// The most octets of an upload: 5 minutes of speech as MP3 are 5 MB.
pub const MOST_UPLOADED: usize = 10_000_000;

/// The most characters of a file's name that are kept.
const MOST_NAME_CHARS: usize = 120;

/// A file that can be a prompt.
#[derive(Clone, Debug)]
pub struct Checked {
    /// How it sounds.
    pub report: Report,
    /// The name that it was sent with: the last part, without control characters. It is data, and may
    /// be empty.
    pub file_name: String,
    /// As it was sent.
    pub original: Bytes,
    /// 8 kHz mono.
    pub samples: Vec<i16>,
}

impl Checked {
    /// A WAV file of what callers will hear: through the codec, 8 kHz, mono, 16 bit.
    pub fn preview(&self, codec: Codec) -> Vec<u8> {
        preview(&self.samples, codec)
    }
}

/// Decodes and measures a file of any kind that can be a prompt: WAV, MP3, FLAC or Ogg Vorbis, up to
/// [`MOST_UPLOADED`] octets and [`LONGEST`](super::LONGEST). Its kind is found by its contents,
/// `file_name` is only remembered.
///
/// This takes up to half a minute of a core; asynchronous code calls it on a thread for blocking work.
/// Decoding itself happens on another thread, so that no file can harm the caller.
///
/// # Errors
/// What is wrong with the file, or [`PromptError::Busy`].
pub fn check(octets: Bytes, file_name: &str) -> Result<Checked, PromptError> {
    if octets.len() > MOST_UPLOADED {
        return Err(PromptError::TooManyOctets);
    }
    let original = octets.clone();
    let (samples, source) = worker::run(move |is_late| decode_any(&octets, is_late))?;
    if samples.is_empty() {
        return Err(PromptError::Empty);
    }
    Ok(Checked {
        report: Report::new(&samples, source),
        file_name: plain_name(file_name),
        original,
        samples,
    })
}

/// 8 kHz mono samples as callers hear them, as a WAV file of 16 bits.
pub fn preview(samples: &[i16], codec: Codec) -> Vec<u8> {
    let heard = samples
        .iter()
        .map(|sample| codec.decode(codec.encode(*sample)));
    wav::write(heard)
}

fn decode_any(
    octets: &[u8],
    is_late: &dyn Fn() -> bool,
) -> Result<(Vec<i16>, Source), PromptError> {
    let (format, audio) = recognise(octets)?;
    if format == AudioFormat::Wav {
        match decode(audio) {
            Ok(decoded) => {
                let source = Source {
                    format,
                    sample_rate: decoded.source.sample_rate,
                    channels: decoded.source.channels,
                    bits: Some(decoded.source.bits),
                    clipped: decoded.clipped,
                };
                return Ok((decoded.samples, source));
            }
            // What phone systems export, and what audio programs do at their finest.
            Err(PromptError::Encoding("A-law" | "µ-law" | "64-bit floating-point")) => {}
            Err(error) => return Err(error),
        }
    }
    let sound = compressed::decode(audio, format, is_late)?;
    let source = Source {
        format,
        sample_rate: sound.sample_rate,
        channels: sound.channels,
        bits: sound.bits,
        clipped: sound.clipped,
    };
    Ok((sound.samples, source))
}

/// The last part of a path as any system writes it, without what a terminal or a header could take for
/// a command.
fn plain_name(file_name: &str) -> String {
    let last = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    last.chars()
        .filter(|c| !is_hidden(*c))
        .take(MOST_NAME_CHARS)
        .collect()
}
