//! From a WAV file to 8 kHz mono.

use std::ops::RangeInclusive;
use std::time::Duration;

use hound::{SampleFormat, WavReader, WavSpec};

use super::PromptError;
use super::header::tidy;
use super::mix::{Mix, Mixed};

/// The longest prompt: nobody listens to more before leaving a message, and every prompt stays in
/// memory in two codecs.
pub const LONGEST: Duration = Duration::from_secs(300);

/// Sample rates that are read, in Hz: from what old recorders make to what studios do.
pub const SAMPLE_RATES: RangeInclusive<u32> = 2_000..=384_000;

/// The most channels that are mixed.
pub const MOST_CHANNELS: u16 = 32;

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// 8 kHz mono.
    pub samples: Vec<i16>,
    /// How it was before.
    pub source: SourceFormat,
    /// Frames of the source in runs of three or more at full scale.
    pub clipped: u64,
}

/// How the audio is in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceFormat {
    /// In Hz.
    pub sample_rate: u32,
    /// Mixed to one.
    pub channels: u16,
    /// Per sample.
    pub bits: u16,
    /// Floating point instead of whole numbers.
    pub is_float: bool,
}

/// Reads a WAV file of 8, 16, 24 or 32 bits or of 32-bit floating point, of any sample rate and
/// number of channels. One of 16 bits at 8 kHz with one channel comes out sample for sample; another
/// is mixed and filtered, and made quieter as a whole where it would clip.
pub fn decode(wav: &[u8]) -> Result<Decoded, PromptError> {
    let wav = tidy(wav)?;
    let mut reader = WavReader::new(wav.as_slice()).map_err(unreadable)?;
    let spec = reader.spec();
    let frames = check(spec, reader.duration())?;
    let mut mix = Mix::new(spec.sample_rate, resolution(spec))
        .ok_or(PromptError::SampleRate(spec.sample_rate))?;
    let read = match spec.sample_format {
        SampleFormat::Float => {
            let samples = reader.samples::<f32>();
            mix_samples(&mut mix, samples.map(|sample| sample.map(f64::from)), spec)
        }
        SampleFormat::Int => {
            let full_scale = 2f64.powi(i32::from(spec.bits_per_sample) - 1);
            let samples = reader.samples::<i32>();
            let scaled = samples.map(|sample| sample.map(|sample| f64::from(sample) / full_scale));
            mix_samples(&mut mix, scaled, spec)
        }
    };
    let mixed = mix.finish();
    if read.is_err() || mixed.frames < u64::from(frames) {
        return Err(PromptError::CutOff {
            promised: playing_time(frames, spec),
            found: mixed.plays(spec.sample_rate),
        });
    }
    Ok(decoded(mixed, spec))
}

/// How fine the samples are, in bits, as far as clipping is concerned.
fn resolution(spec: WavSpec) -> u16 {
    match spec.sample_format {
        SampleFormat::Float => 16,
        SampleFormat::Int => spec.bits_per_sample,
    }
}

/// The error is a file that ends early.
fn mix_samples(
    mix: &mut Mix,
    samples: impl Iterator<Item = Result<f64, hound::Error>>,
    spec: WavSpec,
) -> Result<(), hound::Error> {
    let mut frame = Vec::with_capacity(usize::from(spec.channels));
    for sample in samples {
        frame.push(sample?);
        if frame.len() == usize::from(spec.channels) {
            mix.push(frame.drain(..));
        }
    }
    Ok(())
}

fn decoded(mixed: Mixed, spec: WavSpec) -> Decoded {
    Decoded {
        samples: mixed.samples,
        source: SourceFormat {
            sample_rate: spec.sample_rate,
            channels: spec.channels,
            bits: spec.bits_per_sample,
            is_float: spec.sample_format == SampleFormat::Float,
        },
        clipped: mixed.clipped,
    }
}

/// The number of frames, if all is within bounds.
fn check(spec: WavSpec, frames: u32) -> Result<u32, PromptError> {
    if !SAMPLE_RATES.contains(&spec.sample_rate) {
        return Err(PromptError::SampleRate(spec.sample_rate));
    }
    if spec.channels > MOST_CHANNELS {
        return Err(PromptError::Channels(spec.channels));
    }
    if frames == 0 {
        return Err(PromptError::Empty);
    }
    let plays = playing_time(frames, spec);
    if plays > LONGEST {
        return Err(PromptError::TooLong(plays));
    }
    Ok(frames)
}

fn playing_time(frames: u32, spec: WavSpec) -> Duration {
    Duration::from_secs_f64(f64::from(frames) / f64::from(spec.sample_rate))
}

fn unreadable(error: hound::Error) -> PromptError {
    match error {
        hound::Error::IoError(_) => PromptError::NotWav("it ends within its header"),
        hound::Error::FormatError(what) => PromptError::NotWav(what),
        hound::Error::Unsupported => PromptError::Encoding("compressed"),
        hound::Error::TooWide
        | hound::Error::UnfinishedSample
        | hound::Error::InvalidSampleFormat => PromptError::NotWav("its header contradicts itself"),
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;
    use std::io::Cursor;

    use hound::{Sample, WavWriter};
    use proptest::prelude::*;

    use super::*;

    fn spec(sample_rate: u32, channels: u16, bits_per_sample: u16, float: bool) -> WavSpec {
        WavSpec {
            sample_rate,
            channels,
            bits_per_sample,
            sample_format: if float {
                SampleFormat::Float
            } else {
                SampleFormat::Int
            },
        }
    }

    fn wav<S: Sample>(spec: WavSpec, samples: impl IntoIterator<Item = S>) -> Vec<u8> {
        let mut octets = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut octets, spec).unwrap();
        for sample in samples {
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();
        octets.into_inner()
    }

    fn problem(wav: &[u8]) -> String {
        decode(wav).unwrap_err().to_string()
    }

    /// A second of 440 Hz, −6 dB of full scale, at `rate`.
    fn tone(rate: u32) -> impl Iterator<Item = f64> {
        (0..rate).map(move |index| 0.5 * (TAU * 440.0 * f64::from(index) / f64::from(rate)).sin())
    }

    fn assert_is_the_tone(decoded: &Decoded, within: f64) {
        assert_eq!(decoded.samples.len(), 8_000);
        for (index, (sample, expected)) in decoded.samples.iter().zip(tone(8_000)).enumerate() {
            let error = (f64::from(*sample) / 32_768.0 - expected).abs();
            let edge = !(400..7_600).contains(&index);
            assert!(error < within || edge, "{error} at {index}");
        }
    }

    #[test]
    fn sixteen_bits_at_8_khz_come_through_sample_for_sample() {
        let samples: Vec<i16> = (i16::MIN..=i16::MAX).step_by(7).collect();
        let decoded = decode(&wav(spec(8_000, 1, 16, false), samples.iter().copied())).unwrap();
        assert_eq!(decoded.samples, samples);
    }

    #[test]
    fn every_width_and_rate_is_the_same_sound() {
        for rate in [8_000, 11_025, 16_000, 22_050, 44_100, 48_000] {
            for (bits, within) in [(8, 0.01), (16, 0.003), (24, 0.003), (32, 0.003)] {
                let scale = 2f64.powi(bits - 1) - 1.0;
                let samples = tone(rate).map(|sample| (sample * scale).round() as i32);
                let decoded = decode(&wav(spec(rate, 1, bits as u16, false), samples)).unwrap();
                assert_is_the_tone(&decoded, within);
                assert_eq!(decoded.source.bits, bits as u16);
            }
            let decoded =
                decode(&wav(spec(rate, 1, 32, true), tone(rate).map(|s| s as f32))).unwrap();
            assert_is_the_tone(&decoded, 0.003);
            assert!(decoded.source.is_float);
        }
    }

    #[test]
    fn channels_are_mixed() {
        let left_only = tone(8_000).flat_map(|sample| [(sample * 65_534.0) as i16 as i32, 0]);
        let decoded = decode(&wav(spec(8_000, 2, 16, false), left_only)).unwrap();
        assert_is_the_tone(&decoded, 0.003);
        assert_eq!(decoded.source.channels, 2);

        let six = tone(48_000).flat_map(|sample| [sample as f32; 6]);
        assert_is_the_tone(
            &decode(&wav(spec(48_000, 6, 32, true), six)).unwrap(),
            0.003,
        );

        let opposite = tone(8_000).flat_map(|sample| [sample as f32, -sample as f32]);
        let decoded = decode(&wav(spec(8_000, 2, 32, true), opposite)).unwrap();
        assert!(decoded.samples.iter().all(|sample| *sample == 0));
    }

    #[test]
    fn what_is_louder_than_full_scale_is_made_quieter_not_cut() {
        let loud = tone(8_000).map(|sample| (sample * 4.0) as f32);
        let decoded = decode(&wav(spec(8_000, 1, 32, true), loud)).unwrap();
        let halved: Vec<i16> = decoded.samples.iter().map(|sample| sample / 2).collect();
        assert_eq!(decoded.samples.iter().max(), Some(&i16::MAX));
        assert_is_the_tone(
            &Decoded {
                samples: halved,
                ..decoded
            },
            0.01,
        );
    }

    #[test]
    fn distortion_is_counted() {
        let count = |samples: &[i16]| {
            let wav = wav(spec(8_000, 1, 16, false), samples.iter().copied());
            decode(&wav).unwrap().clipped
        };
        assert_eq!(count(&[0, 32_767, 0, 32_767, 32_767, 0]), 0);
        assert_eq!(count(&[0, 32_767, 32_767, 32_767, 0, -32_768, 0]), 3);
        assert_eq!(count(&[-32_768; 50]), 50);
    }

    #[test]
    fn not_a_number_is_silence() {
        let samples = [f32::NAN, 0.5, f32::INFINITY, f32::NEG_INFINITY];
        let decoded = decode(&wav(spec(8_000, 1, 32, true), samples)).unwrap();
        assert_eq!(decoded.samples, [0, 16_384, 0, 0]);
    }

    #[test]
    fn broken_files_say_what_is_wrong() {
        let good = wav(spec(8_000, 1, 16, false), [5i16; 8_000]);
        let cases: [(Vec<u8>, &str); 7] = [
            (
                Vec::new(),
                "is not a WAV file (it ends within its header); save it as WAV, 16 bit PCM",
            ),
            (
                b"ID3\x04 and then an MP3 with more octets in it than a header has".to_vec(),
                "is not a WAV file (no RIFF tag found); save it as WAV, 16 bit PCM",
            ),
            (
                good[..20].to_vec(),
                "is not a WAV file (it ends within its header); save it as WAV, 16 bit PCM",
            ),
            (
                good[..good.len() - 6_000].to_vec(),
                "is cut off: its header promises 1.0 s of audio, there are 0.6 s; copy or export it again",
            ),
            (
                wav::<i16>(spec(8_000, 1, 16, false), []),
                "has no audio in it",
            ),
            (
                wav(spec(100, 1, 16, false), [5i16; 80]),
                "has a sample rate of 100 Hz; from 2000 to 384000 Hz can be played",
            ),
            (
                wav(spec(8_000, 40, 16, false), [5i16; 80]),
                "has 40 channels; at most 32 can be mixed",
            ),
        ];
        for (octets, expected) in cases {
            assert_eq!(problem(&octets), expected);
        }
    }

    #[test]
    fn too_long_files_are_refused() {
        let long = wav(spec(2_000, 1, 8, false), std::iter::repeat_n(0i8, 602_000));
        assert_eq!(
            problem(&long),
            "plays for 301 s; a prompt may play for 300 s"
        );
    }

    #[test]
    fn the_extensible_form_is_read_too() {
        // hound writes it for 24 bits.
        let wav = wav(spec(8_000, 1, 24, false), [1i32 << 22; 100]);
        assert_eq!(wav[20..22], [0xfe, 0xff]);
        assert_eq!(decode(&wav).unwrap().samples, [16_384; 100]);
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&octets);
        }

        #[test]
        fn no_damage_to_a_file_panics(
            damage in prop::collection::vec((0usize..144, any::<u8>()), 1..6),
            length in 0usize..=144,
        ) {
            let mut octets = wav(spec(16_000, 2, 16, false), [1_000i16; 50]);
            for (at, octet) in damage {
                octets[at] = octet;
            }
            octets.truncate(length);
            let _ = decode(&octets);
        }
    }
}
