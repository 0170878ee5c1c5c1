//! What is to be known about a prompt before callers hear it.

use serde::{Deserialize, Serialize};

use crate::media::g711::SAMPLE_RATE;
use crate::media::level::{is_silent, peak_dbfs, rms_dbfs};

use super::kind::AudioFormat;

/// Prompts quieter than this on average, in dBFS, are hard to hear on a phone.
pub const QUIET_DBFS: f64 = -35.0;

/// Prompts louder than this on average, in dBFS, are louder than any speech on a phone.
pub const LOUD_DBFS: f64 = -10.0;

/// Callers take a longer silence at the start, in seconds, for a call that has failed.
pub const LONG_START: f64 = 1.5;

/// Callers who hear a longer silence after the words, in seconds, begin to speak before the beep.
pub const LONG_END: f64 = 2.0;

/// Less than this, in seconds, is no sentence.
const SHORT: f64 = 0.5;

/// The length of the blocks in which silence is looked for: 20 ms.
const BLOCK: usize = SAMPLE_RATE as usize / 50;

/// How a prompt sounds, and how it was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Report {
    /// The kind of file that was sent.
    pub format: AudioFormat,
    /// Samples a second in that file.
    pub sample_rate: u32,
    /// Channels in that file; callers hear all of them as one.
    pub channels: u16,
    /// Bits per sample in that file, for formats that have such a number.
    pub bits: Option<u16>,
    /// How long it plays, in seconds.
    pub seconds: f64,
    /// The root mean square between the silences at both ends, in dBFS as callers hear it; nothing for
    /// silence. Speech is at its best around -20.
    pub loudness_dbfs: Option<f64>,
    /// The loudest sample, in dBFS; nothing for silence.
    pub peak_dbfs: Option<f64>,
    /// Samples of the file that was sent, per channel, in runs of three or more at full scale: heard as
    /// distortion.
    pub clipped_samples: u64,
    /// These as a share of all, 0 to 1.
    pub clipped_share: f64,
    /// Silence before the first sound, in seconds.
    pub silence_at_start: f64,
    /// Silence after the last sound, in seconds.
    pub silence_at_end: f64,
    /// What should be done better, a sentence each.
    pub warnings: Vec<String>,
}

/// How audio came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub format: AudioFormat,
    pub sample_rate: u32,
    pub channels: u16,
    pub bits: Option<u16>,
    pub clipped: u64,
}

impl Report {
    /// Of 8 kHz mono `samples` that were made of `source`.
    pub(super) fn new(samples: &[i16], source: Source) -> Report {
        let (start, end) = silences(samples);
        let sounding = samples.get(start..samples.len() - end).unwrap_or_default();
        let seconds = seconds(samples.len());
        let frames = seconds * f64::from(source.sample_rate);
        let mut report = Report {
            format: source.format,
            sample_rate: source.sample_rate,
            channels: source.channels,
            bits: source.bits,
            seconds,
            loudness_dbfs: finite(rms_dbfs(sounding)),
            peak_dbfs: finite(peak_dbfs(samples)),
            clipped_samples: source.clipped,
            clipped_share: (source.clipped as f64 / frames.max(1.0)).min(1.0),
            silence_at_start: self::seconds(start),
            silence_at_end: self::seconds(end),
            warnings: Vec::new(),
        };
        report.warnings = warnings(&report);
        report
    }
}

fn seconds(samples: usize) -> f64 {
    samples as f64 / f64::from(SAMPLE_RATE)
}

/// JSON has no infinity, and a tenth is more than anybody hears.
fn finite(dbfs: f64) -> Option<f64> {
    // Without a sign where it rounds to zero.
    dbfs.is_finite().then(|| (dbfs * 10.0).round() / 10.0 + 0.0)
}

/// How many samples at both ends are silent, to the block. Silence throughout is all at the start.
fn silences(samples: &[i16]) -> (usize, usize) {
    let silent = |blocks: &mut dyn Iterator<Item = &[i16]>| -> usize {
        blocks
            .take_while(|block| is_silent(block))
            .map(<[i16]>::len)
            .sum()
    };
    let start = silent(&mut samples.chunks(BLOCK));
    let rest = samples.get(start..).unwrap_or_default();
    (start, silent(&mut rest.rchunks(BLOCK)))
}

fn warnings(report: &Report) -> Vec<String> {
    let mut warnings = Vec::new();
    match report.loudness_dbfs {
        _ if report.silence_at_start >= report.seconds => warnings.push(
            "Nothing can be heard in it: it is silent throughout. Check the recording.".to_owned(),
        ),
        Some(level) if level < QUIET_DBFS => warnings.push(format!(
            "It is too quiet: {level:.0} dBFS on average. Callers will hardly hear it; record it louder, around -20 dBFS."
        )),
        Some(level) if level > LOUD_DBFS => warnings.push(format!(
            "It is very loud: {level:.0} dBFS on average. Around -20 dBFS is comfortable on a phone."
        )),
        Some(_) | None => {}
    }
    if report.clipped_samples > 0 {
        warnings.push(format!(
            "It is clipped: {} samples are at full scale, which sounds harsh. Record it again with less gain.",
            report.clipped_samples
        ));
    }
    let is_silent = report.silence_at_start >= report.seconds;
    if report.silence_at_start > LONG_START && !is_silent {
        warnings.push(format!(
            "It begins with {:.1} s of silence: callers may think that the call has failed. Cut it off.",
            report.silence_at_start
        ));
    }
    if report.silence_at_end > LONG_END {
        warnings.push(format!(
            "It ends with {:.1} s of silence: callers begin to speak before the beep. Cut it off.",
            report.silence_at_end
        ));
    }
    if report.seconds < SHORT {
        warnings.push(format!(
            "It plays for {:.2} s only. Check that all of it was recorded.",
            report.seconds
        ));
    }
    if report.sample_rate < SAMPLE_RATE {
        warnings.push(format!(
            "It was recorded with {} samples a second, fewer than a phone has: it sounds dull.",
            report.sample_rate
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Source = Source {
        format: AudioFormat::Wav,
        sample_rate: 8_000,
        channels: 1,
        bits: Some(16),
        clipped: 0,
    };

    /// A square wave of that height.
    fn noise(seconds: f64, height: i16) -> Vec<i16> {
        let length = (seconds * 8_000.0) as usize;
        let sample = |index: usize| {
            if (index / 8).is_multiple_of(2) {
                height
            } else {
                -height
            }
        };
        (0..length).map(sample).collect()
    }

    fn joined(parts: &[Vec<i16>]) -> Vec<i16> {
        parts.concat()
    }

    #[test]
    fn silence_at_both_ends_is_measured_and_not_part_of_the_loudness() {
        let samples = joined(&[noise(1.0, 0), noise(2.0, 3_277), noise(0.5, 100)]);
        let report = Report::new(&samples, SOURCE);
        assert_eq!(report.seconds, 3.5);
        assert_eq!(report.silence_at_start, 1.0);
        assert_eq!(report.silence_at_end, 0.5);
        assert_eq!(report.loudness_dbfs, Some(-20.0));
        assert_eq!(report.peak_dbfs, Some(-20.0));
        assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    }

    #[test]
    fn what_should_be_better_is_said() {
        let bad = |samples: &[i16], source: Source| Report::new(samples, source).warnings;
        let clipped = Source {
            clipped: 80,
            sample_rate: 6_000,
            ..SOURCE
        };
        let told = [
            bad(&noise(2.0, 300), SOURCE),
            bad(&noise(2.0, 20_000), SOURCE),
            bad(&noise(2.0, 3_000), clipped),
            bad(
                &joined(&[noise(2.0, 0), noise(2.0, 3_000), noise(3.0, 0)]),
                SOURCE,
            ),
            bad(&noise(0.25, 3_000), SOURCE),
            bad(&noise(3.0, 0), SOURCE),
        ];
        insta::assert_snapshot!(told.concat().join("\n"), @r"
        It is too quiet: -41 dBFS on average. Callers will hardly hear it; record it louder, around -20 dBFS.
        It is very loud: -4 dBFS on average. Around -20 dBFS is comfortable on a phone.
        It is clipped: 80 samples are at full scale, which sounds harsh. Record it again with less gain.
        It was recorded with 6000 samples a second, fewer than a phone has: it sounds dull.
        It begins with 2.0 s of silence: callers may think that the call has failed. Cut it off.
        It ends with 3.0 s of silence: callers begin to speak before the beep. Cut it off.
        It plays for 0.25 s only. Check that all of it was recorded.
        Nothing can be heard in it: it is silent throughout. Check the recording.
        ");
    }

    #[test]
    fn silence_throughout_has_no_level() {
        let report = Report::new(&noise(1.0, 0), SOURCE);
        assert_eq!(report.loudness_dbfs, None);
        assert_eq!(report.peak_dbfs, None);
        assert_eq!((report.silence_at_start, report.silence_at_end), (1.0, 0.0));
        assert!(
            serde_json::to_string(&report)
                .unwrap()
                .contains("\"loudness_dbfs\":null")
        );
    }

    #[test]
    fn clipping_is_a_share_of_what_was_sent() {
        let source = Source {
            clipped: 480,
            sample_rate: 48_000,
            ..SOURCE
        };
        assert_eq!(Report::new(&noise(1.0, 3_000), source).clipped_share, 0.01);
    }
}
