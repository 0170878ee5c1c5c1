//! MP3, FLAC, Ogg Vorbis, and WAV in the encodings of telephony, by a decoder that is not ours.
//!
//! It is given no more of a file than audio: tags and pictures are cut off before. Whoever calls this
//! does so on a thread that may panic.

use std::io::Cursor;
use std::time::Duration;

use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSourceStream, ReadOnlySource};
use symphonia::default::formats::{FlacReader, MpaReader, OggReader, WavReader};

use super::decode::{LONGEST, MOST_CHANNELS, SAMPLE_RATES};
use super::kind::AudioFormat;
use super::mix::Mix;
use super::{PromptError, vorbis};

/// One packet of so many may be broken: the first ones of an MP3 that was cut lean on what is gone,
/// and more than that is heard.
const BROKEN_PACKETS: u64 = 20;

/// What is wanted of the decoded file.
pub(super) struct Sound {
    /// 8 kHz mono.
    pub samples: Vec<i16>,
    /// In Hz.
    pub sample_rate: u32,
    /// Mixed to one.
    pub channels: u16,
    /// Per sample, where the format has such a number.
    pub bits: Option<u16>,
    /// Frames of the source in runs of three or more at full scale.
    pub clipped: u64,
}

/// Decodes `audio`. `is_late` is asked between packets; once true, decoding is given up.
pub(super) fn decode(
    audio: &[u8],
    format: AudioFormat,
    is_late: &dyn Fn() -> bool,
) -> Result<Sound, PromptError> {
    let octets = match format {
        AudioFormat::Flac => without_metadata(audio)?,
        AudioFormat::OggVorbis => {
            vorbis::check_headers(audio)?;
            audio.to_vec()
        }
        AudioFormat::Mp3 | AudioFormat::Wav => audio.to_vec(),
    };
    let mut reader = open(octets, format).map_err(|error| broken(format, &error))?;
    let track = reader
        .default_track(TrackType::Audio)
        .ok_or(PromptError::Empty)?;
    let (id, promised) = (track.id, track.num_frames);
    let mut decoder = decoder_of(track, format)?;
    Decoding {
        format,
        mix: None,
        packets: 0,
        broken: 0,
    }
    .run(&mut *reader, &mut *decoder, id, promised, is_late)
}

fn open(octets: Vec<u8>, format: AudioFormat) -> Result<Box<dyn FormatReader>, Error> {
    // Without seeking, lengths are not guessed from the size of the file, and ends are not looked for.
    let source = ReadOnlySource::new(Cursor::new(octets));
    let stream = MediaSourceStream::new(Box::new(source), Default::default());
    let options = FormatOptions::default();
    Ok(match format {
        AudioFormat::Wav => Box::new(WavReader::try_new(stream, options)?),
        AudioFormat::Mp3 => Box::new(MpaReader::try_new(stream, options)?),
        AudioFormat::Flac => Box::new(FlacReader::try_new(stream, options)?),
        AudioFormat::OggVorbis => Box::new(OggReader::try_new(stream, options)?),
    })
}

fn decoder_of(track: &Track, format: AudioFormat) -> Result<Box<dyn AudioDecoder>, PromptError> {
    let parameters = track.codec_params.as_ref().and_then(|it| it.audio());
    let parameters = parameters.ok_or(PromptError::Empty)?;
    if let Some(rate) = parameters.sample_rate {
        check_rate(rate)?;
    }
    if let Some(channels) = &parameters.channels {
        check_channels(channels.count())?;
    }
    let options = AudioDecoderOptions::default().verify(true);
    symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &options)
        .map_err(|error| broken(format, &error))
}

fn check_rate(rate: u32) -> Result<(), PromptError> {
    if SAMPLE_RATES.contains(&rate) {
        Ok(())
    } else {
        Err(PromptError::SampleRate(rate))
    }
}

fn check_channels(channels: usize) -> Result<u16, PromptError> {
    match u16::try_from(channels) {
        Ok(0) => Err(PromptError::Empty),
        Ok(channels) if channels <= MOST_CHANNELS => Ok(channels),
        Ok(channels) => Err(PromptError::Channels(channels)),
        Err(_) => Err(PromptError::Channels(u16::MAX)),
    }
}

fn broken(format: AudioFormat, error: &Error) -> PromptError {
    let what = match error {
        Error::IoError(_) => "it ends early",
        Error::DecodeError(what) | Error::Unsupported(what) | Error::LimitError(what) => what,
        _ => "its parts do not belong together",
    };
    // The decoder's words begin with the name of its part: `mpa: invalid sync`.
    let what = what.rsplit(": ").next().unwrap_or(what);
    PromptError::Broken {
        format: format.words(),
        what: what.to_owned(),
    }
}

struct Decoding {
    format: AudioFormat,
    /// Once the first packet has told the rate.
    mix: Option<(Mix, u32, u16)>,
    packets: u64,
    broken: u64,
}

impl Decoding {
    fn run(
        mut self,
        reader: &mut dyn FormatReader,
        decoder: &mut dyn AudioDecoder,
        track: u32,
        promised: Option<u64>,
        is_late: &dyn Fn() -> bool,
    ) -> Result<Sound, PromptError> {
        let mut ends_early = false;
        loop {
            if is_late() {
                return Err(PromptError::TooMuchWork);
            }
            let packet = match reader.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                Err(Error::IoError(_)) => {
                    ends_early = true;
                    break;
                }
                Err(error) => return Err(broken(self.format, &error)),
            };
            if packet.track_id == track {
                self.take(decoder, &packet)?;
            }
        }
        let bits = decoder.codec_params().bits_per_sample;
        let is_as_written = decoder.finalize().verify_ok != Some(false);
        self.finish(promised, ends_early, bits, is_as_written)
    }

    fn take(
        &mut self,
        decoder: &mut dyn AudioDecoder,
        packet: &symphonia::core::packet::Packet,
    ) -> Result<(), PromptError> {
        self.packets += 1;
        let decoded = match decoder.decode(packet) {
            Ok(decoded) => decoded,
            Err(Error::DecodeError(_) | Error::IoError(_)) => {
                self.broken += 1;
                return Ok(());
            }
            Err(error) => return Err(broken(self.format, &error)),
        };
        let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count());
        let channels = check_channels(channels)?;
        if decoded.frames() == 0 {
            return Ok(());
        }
        let mut samples = Vec::<f32>::new();
        decoded.copy_to_vec_interleaved(&mut samples);
        let bits = decoder.codec_params().bits_per_sample.unwrap_or(16);
        let (mix, at_first, most) = match &mut self.mix {
            Some(mix) => mix,
            None => {
                check_rate(rate)?;
                let bits = u16::try_from(bits).unwrap_or(16);
                let mix = Mix::new(rate, bits).ok_or(PromptError::SampleRate(rate))?;
                self.mix.insert((mix, rate, channels))
            }
        };
        if rate != *at_first {
            return Err(PromptError::ChangesRate(*at_first, rate));
        }
        *most = channels.max(*most);
        for frame in samples.chunks(usize::from(channels)) {
            mix.push(frame.iter().copied().map(f64::from));
        }
        if mix.frames() > LONGEST.as_secs() * u64::from(rate) {
            return Err(PromptError::Longer);
        }
        Ok(())
    }

    fn finish(
        self,
        promised: Option<u64>,
        ends_early: bool,
        bits: Option<u32>,
        is_as_written: bool,
    ) -> Result<Sound, PromptError> {
        let format = self.format.words();
        let some_broken = || PromptError::BrokenPackets {
            format,
            broken: self.broken,
            packets: self.packets,
        };
        let Some((mix, sample_rate, channels)) = self.mix else {
            return Err(match self.broken {
                0 => PromptError::Empty,
                _ => some_broken(),
            });
        };
        let mixed = mix.finish();
        if let Some(promised) = promised.filter(|promised| mixed.frames < *promised) {
            return Err(PromptError::CutOff {
                promised: playing_time(promised, sample_rate),
                found: mixed.plays(sample_rate),
            });
        }
        if ends_early {
            return Err(PromptError::NoEnd(mixed.plays(sample_rate)));
        }
        if self.broken.saturating_mul(BROKEN_PACKETS) > self.packets {
            return Err(some_broken());
        }
        if !is_as_written {
            return Err(PromptError::Differs);
        }
        Ok(Sound {
            samples: mixed.samples,
            sample_rate,
            channels,
            bits: bits.and_then(|bits| u16::try_from(bits).ok()),
            clipped: mixed.clipped,
        })
    }
}

fn playing_time(frames: u64, rate: u32) -> Duration {
    Duration::try_from_secs_f64(frames as f64 / f64::from(rate.max(1))).unwrap_or(Duration::MAX)
}

/// A FLAC file (RFC 9639 §8) with the first of its metadata blocks, which says how to decode it, and
/// none of the others: pictures, comments and tables of places are for players.
fn without_metadata(flac: &[u8]) -> Result<Vec<u8>, PromptError> {
    const MARK: usize = 4;
    const STREAM_INFO: usize = 34;
    let ends_early = || PromptError::Broken {
        format: AudioFormat::Flac.words(),
        what: "it ends within its header".to_owned(),
    };
    let mut at = MARK;
    let mut kept = None;
    loop {
        let header = flac.get(at..at + 4).ok_or_else(ends_early)?;
        let [kind, size @ ..] = header else {
            return Err(ends_early());
        };
        let size = size
            .iter()
            .fold(0usize, |size, octet| (size << 8) | usize::from(*octet));
        let block = flac.get(at + 4..at + 4 + size).ok_or_else(ends_early)?;
        if kind & 0x7f == 0 && size == STREAM_INFO {
            kept.get_or_insert(block);
        }
        at += 4 + size;
        if kind & 0x80 != 0 {
            break;
        }
    }
    let kept = kept.ok_or_else(|| PromptError::Broken {
        format: AudioFormat::Flac.words(),
        what: "it does not say how it is to be decoded".to_owned(),
    })?;
    let frames = flac.get(at..).unwrap_or_default();
    let mut audio = Vec::with_capacity(MARK + 4 + kept.len() + frames.len());
    audio.extend_from_slice(b"fLaC");
    audio.extend_from_slice(&[0x80, 0, 0, STREAM_INFO as u8]);
    audio.extend_from_slice(kept);
    audio.extend_from_slice(frames);
    Ok(audio)
}
