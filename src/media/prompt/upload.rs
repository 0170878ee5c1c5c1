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

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    const FIXTURES: [&str; 5] = [
        "tone.mp3",
        "tone-mono.mp3",
        "tone.flac",
        "tone.ogg",
        "tone-alaw.wav",
    ];

    fn fixture(name: &str) -> Vec<u8> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/prompts");
        fs::read(fixtures.join(name)).unwrap()
    }

    /// As [`check`] does it, without a place among those that run at once.
    fn decoded(octets: &[u8]) -> Result<(Vec<i16>, Report), PromptError> {
        let (samples, source) = decode_any(octets, &|| false)?;
        let report = Report::new(&samples, source);
        Ok((samples, report))
    }

    fn refusal(octets: &[u8]) -> String {
        decoded(octets).unwrap_err().to_string()
    }

    /// The level of `hz` in the middle of `samples`, in dB relative to full scale.
    fn level(samples: &[i16], hz: f64) -> f64 {
        let middle = &samples[samples.len() / 4..samples.len() / 4 * 3];
        let (mut re, mut im) = (0.0, 0.0);
        for (index, sample) in middle.iter().enumerate() {
            let phase = TAU * hz * index as f64 / 8_000.0;
            re += f64::from(*sample) * phase.cos();
            im += f64::from(*sample) * phase.sin();
        }
        let amplitude = 2.0 * (re * re + im * im).sqrt() / middle.len() as f64;
        20.0 * (amplitude / 32_768.0).log10()
    }

    #[test]
    fn every_format_is_the_same_sound() {
        for name in FIXTURES {
            let (samples, report) = decoded(&fixture(name)).unwrap();
            let is_stereo = report.channels == 2;
            // A sine on one of two channels is half as loud when mixed.
            let expected = 20.0 * if is_stereo { 0.125f64 } else { 0.25 }.log10();
            let left = level(&samples, 440.0);
            assert!((left - expected).abs() < 0.3, "{name}: {left}");
            let right = level(&samples, 1_000.0);
            if is_stereo {
                assert!((right - expected).abs() < 0.3, "{name}: {right}");
            } else {
                assert!(right < -50.0, "{name}: {right}");
            }
            for silent in [250.0, 700.0, 1_400.0, 3_000.0] {
                let level = level(&samples, silent);
                assert!(level < -50.0, "{name}: {level} at {silent}");
            }
            assert!(
                (report.seconds - 1.0).abs() < 0.06,
                "{name}: {}",
                report.seconds
            );
            let loudness = report.loudness_dbfs.unwrap();
            // Root mean square: of one sine at a quarter, or of two at an eighth.
            let expected = if is_stereo { -18.06 } else { -15.05 };
            assert!((loudness - expected).abs() < 0.2, "{name}: {loudness}");
            assert_eq!(report.clipped_samples, 0, "{name}");
            assert!(report.warnings.is_empty(), "{name}: {:?}", report.warnings);
        }
    }

    #[test]
    fn how_a_file_was_made_is_told() {
        let told = FIXTURES.map(|name| {
            let report = decoded(&fixture(name)).unwrap().1;
            let (format, rate) = (report.format.words(), report.sample_rate);
            format!("{format} {rate} {} {:?}", report.channels, report.bits)
        });
        insta::assert_snapshot!(told.join("\n"), @r"
        MP3 44100 2 None
        MP3 22050 1 None
        FLAC 16000 1 Some(16)
        Ogg Vorbis 44100 2 None
        WAV 8000 1 None
        ");
    }

    #[test]
    fn the_end_and_the_start_that_encoders_add_are_taken_off() {
        for name in ["tone.mp3", "tone.flac", "tone.ogg"] {
            let (samples, _) = decoded(&fixture(name)).unwrap();
            assert_eq!(samples.len(), 8_000, "{name}");
        }
    }

    #[test]
    fn tags_and_pictures_are_passed_over() {
        let mut tagged = b"ID3\x04\0\0\0\0\x07\x76".to_vec();
        tagged.extend_from_slice(&[b'x'; 1_014]);
        tagged.extend_from_slice(&fixture("tone.mp3"));
        assert_eq!(
            decoded(&tagged).unwrap(),
            decoded(&fixture("tone.mp3")).unwrap()
        );

        let flac = fixture("tone.flac");
        let mut pictured = flac[..42].to_vec();
        pictured.extend_from_slice(b"\x06\0\0\x20\0\0\0\x03\xff\xff\xff\xff");
        pictured.extend_from_slice(&[0; 24]);
        pictured.extend_from_slice(&flac[42..]);
        assert_eq!(decoded(&pictured).unwrap(), decoded(&flac).unwrap());
    }

    #[test]
    fn what_is_no_prompt_is_called_by_its_name() {
        let save_as = "save it as WAV, MP3, FLAC or Ogg Vorbis";
        let page = |first: &[u8]| {
            let mut page = b"OggS\0\x02".to_vec();
            page.extend_from_slice(&[0; 20]);
            page.extend_from_slice(&[1, u8::try_from(first.len()).unwrap()]);
            page.extend_from_slice(first);
            page
        };
        let cases: [(&[u8], &str); 14] = [
            (b"PK\x03\x04 and so on", "is a ZIP archive"),
            (
                b"\0\0\0\x20ftypM4A \0\0",
                "is an MP4 or M4A file (AAC audio)",
            ),
            (b"\xff\xf1\x50\x80\x20\x1f\xfc", "is AAC audio"),
            (
                b"\xff\xfd\x90\x04\0\0\0\0",
                "is MPEG audio of layer I or II",
            ),
            (b"<html><body>Not found</body></html>", "is a text"),
            ("Grüße aus Köln\n".as_bytes(), "is a text"),
            (b"\x89PNG\r\n\x1a\n", "is a picture"),
            (b"FORM\0\0\0\0AIFF", "is an AIFF file"),
            (b"#!AMR\n\x3c", "is an AMR recording"),
            (b"\x1aE\xdf\xa3\x9f", "is a WebM or Matroska file"),
            (&page(b"OpusHead\x01\x02"), "is Ogg Opus"),
            (&page(b"\x7fFLAC\x01\0"), "is FLAC inside Ogg"),
            (&page(b"\x80theora"), "is a film (Ogg Theora)"),
            (
                &page(b"nothing at all"),
                "is an Ogg file without Vorbis audio",
            ),
        ];
        for (octets, what) in cases {
            assert_eq!(refusal(octets), format!("{what}; {save_as}"));
        }
        assert_eq!(
            refusal(&[7, 1, 0, 3, 250, 5]),
            format!("is no sound file that can be read; {save_as}")
        );
        assert_eq!(
            refusal(b""),
            "is empty; choose it again, or export it again"
        );
        assert_eq!(refusal(b"ID3\x04\0\0\0\0\0\0"), refusal(&[7, 1]));
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let cut = FIXTURES.map(|name| {
            let whole = fixture(name);
            let most = refusal(&whole[..whole.len() / 10 * 9]);
            let header = refusal(&whole[..30]);
            format!("{name}: {most}\n{name}, 30 octets: {header}")
        });
        insta::assert_snapshot!(cut.join("\n"), @r"
        tone.mp3: is cut off: its header promises 1.0 s of audio, there are 0.9 s; copy or export it again
        tone.mp3, 30 octets: cannot be decoded as MP3 (it ends early); export it again, or save it as WAV
        tone-mono.mp3: is cut off: its header promises 1.0 s of audio, there are 1.0 s; copy or export it again
        tone-mono.mp3, 30 octets: cannot be decoded as MP3 (it ends early); export it again, or save it as WAV
        tone.flac: is cut off: its header promises 1.0 s of audio, there are 0.8 s; copy or export it again
        tone.flac, 30 octets: cannot be decoded as FLAC (it ends within its header); export it again, or save it as WAV
        tone.ogg: cannot be decoded as Ogg Vorbis (it ends early); export it again, or save it as WAV
        tone.ogg, 30 octets: cannot be decoded as Ogg (it ends within its header); export it again, or save it as WAV
        tone-alaw.wav: is cut off: its header promises 1.0 s of audio, there are 0.9 s; copy or export it again
        tone-alaw.wav, 30 octets: is not a WAV file (it ends within its header); save it as WAV, 16 bit PCM
        ");
    }

    #[test]
    fn headers_that_lie_are_refused() {
        let with = |name: &str, at: usize, octets: &[u8]| {
            let mut file = fixture(name);
            file[at..at + octets.len()].copy_from_slice(octets);
            refusal(&file)
        };
        let info = fixture("tone.mp3");
        let info = info.windows(4).position(|it| it == b"Xing").unwrap();
        let book = fixture("tone.ogg");
        let book = book.windows(3).position(|it| it == b"BCV").unwrap();
        let lies = [
            // 36 bits count the frames of a FLAC file: 19 hours at 1 MHz.
            with("tone.flac", 21, &[0xff, 0xff, 0xff, 0xff, 0xff]),
            // Its 20 bits of a sample rate.
            with("tone.flac", 18, &[0, 0, 0]),
            with("tone.flac", 18, &[0xff, 0xff, 0xf0]),
            // The checksum of what it should sound like.
            with("tone.flac", 26, b"sixteen octets!!"),
            with("tone.mp3", info + 8, &[0x7f, 0xff, 0xff, 0xff]),
            with("tone.ogg", 40, &[0, 0, 0, 0]),
            with("tone.ogg", 40, &4_000_000_000u32.to_le_bytes()),
            with("tone.ogg", 39, &[0]),
            with("tone.ogg", 39, &[200]),
            // A codebook with 65,535 dimensions and 16 million entries.
            with("tone.ogg", book + 3, &[0xff; 5]),
            with("tone-alaw.wav", 24, &[0, 0, 0, 0]),
            with("tone-alaw.wav", 24, &4_000_000_000u32.to_le_bytes()),
            with("tone-alaw.wav", 22, &[0, 0]),
        ];
        insta::assert_snapshot!(lies.join("\n"), @r"
        is cut off: its header promises 4294967.3 s of audio, there are 1.0 s; copy or export it again
        cannot be decoded as FLAC (stream sample rate out of bounds); export it again, or save it as WAV
        cannot be decoded as FLAC (stream sample rate out of bounds); export it again, or save it as WAV
        is damaged: it sounds otherwise than when it was written; copy or export it again
        is cut off: its header promises 56097532.0 s of audio, there are 1.0 s; copy or export it again
        has a sample rate of 0 Hz; from 2000 to 384000 Hz can be played
        has a sample rate of 4000000000 Hz; from 2000 to 384000 Hz can be played
        has no audio in it
        has 200 channels; at most 32 can be mixed
        takes too long to decode, or too much memory; save it as WAV, 16 bit PCM
        has a sample rate of 0 Hz; from 2000 to 384000 Hz can be played
        has a sample rate of 4000000000 Hz; from 2000 to 384000 Hz can be played
        cannot be decoded as WAV (invalid channel count); export it again, or save it as WAV
        ");
    }

    #[test]
    fn a_short_file_of_a_long_silence_is_refused_before_it_is_all_decoded() {
        // A frame of MP3 without any sound, for three hours: 8 kbit/s, 8 kHz, mono.
        let mut frame = [0; 72];
        frame[..4].copy_from_slice(&[0xff, 0xe3, 0x18, 0xc0]);
        let long = frame.repeat(MOST_UPLOADED / frame.len());
        assert_eq!(
            refusal(&long),
            "plays for more than 300 s, the most for a prompt; shorten it"
        );
    }

    #[test]
    fn time_that_is_over_ends_decoding() {
        let late = decode_any(&fixture("tone.mp3"), &|| true).unwrap_err();
        assert!(matches!(late, PromptError::TooMuchWork));
    }

    #[test]
    fn a_file_larger_than_10_mb_is_not_looked_at() {
        let large = Bytes::from(vec![0; MOST_UPLOADED + 1]);
        let error = check(large, "large.wav").unwrap_err();
        assert_eq!(
            error.to_string(),
            "is larger than 10 MB; save it as MP3, or as WAV with one channel and 16 bits"
        );
    }

    #[test]
    fn callers_hear_the_tone_with_the_noise_of_the_codec() {
        let (samples, _) = decoded(&fixture("tone.flac")).unwrap();
        for codec in [Codec::Pcma, Codec::Pcmu] {
            let heard = decode(&preview(&samples, codec)).unwrap();
            assert_eq!(heard.source.sample_rate, 8_000);
            assert_eq!((heard.source.channels, heard.source.bits), (1, 16));
            assert_eq!(heard.samples.len(), samples.len());
            let level = level(&heard.samples, 440.0);
            assert!((level + 12.04).abs() < 0.1, "{level}");
            let noise = heard.samples.iter().zip(&samples);
            let noise: f64 = noise
                .map(|(heard, sample)| f64::from(heard - sample).powi(2))
                .sum();
            let noise = 10.0 * (noise / samples.len() as f64 / 32_768f64.powi(2)).log10();
            // G.711 has some 38 dB between the signal and its noise.
            assert!((-60.0..-45.0).contains(&noise), "{noise}");
        }
    }

    #[test]
    fn names_of_files_are_shown_without_their_tricks() {
        for (sent, kept) in [
            ("greeting.mp3", "greeting.mp3"),
            ("C:\\Users\\anna\\Grüße.wav", "Grüße.wav"),
            ("../../etc/passwd", "passwd"),
            ("a\r\nSet-Cookie: b\x1b[2J.wav", "aSet-Cookie: b[2J.wav"),
            ("\u{202e}3pm.exe", "3pm.exe"),
            ("", ""),
        ] {
            assert_eq!(plain_name(sent), kept);
        }
        assert_eq!(plain_name(&"å".repeat(500)).chars().count(), 120);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn no_damage_to_a_file_harms_whoever_checks_it(
            which in 0usize..5,
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
            keep in any::<prop::sample::Index>(),
        ) {
            let mut octets = fixture(FIXTURES[which]);
            for (at, octet) in damage {
                let at = at.index(octets.len());
                octets[at] = octet;
            }
            let length = octets.len();
            // Half of them whole.
            octets.truncate(length.min(keep.index(2 * length) + 1));
            match worker::catch(move || decode_any(&octets, &|| false)) {
                Ok((samples, _)) => prop_assert!(samples.len() <= 2_400_001),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }

        #[test]
        fn no_damage_to_a_header_harms_whoever_checks_it(
            which in 0usize..5,
            damage in prop::collection::vec((0usize..160, any::<u8>()), 1..6),
        ) {
            let mut octets = fixture(FIXTURES[which]);
            for (at, octet) in damage {
                octets[at] = octet;
            }
            let _ = worker::catch(move || decode_any(&octets, &|| false));
        }
    }
}
