//! Sounds that are computed: the beep before a recording.

use crate::core::prompt::PromptAudio;
use crate::media::g711::{SAMPLE_RATE, encode_pcma, encode_pcmu};

/// Pitch of the beep in Hz: well inside the telephone band, and none of the DTMF frequencies.
pub const BEEP_HZ: f64 = 1_000.0;

/// Length of the beep in ms: long enough not to be taken for a click.
pub const BEEP_MILLIS: u32 = 500;

/// Peak of the beep in dBFS: as loud as speech, not louder.
pub const BEEP_PEAK_DBFS: f64 = -10.0;

/// Length of the soft edges in ms, without which it would begin and end with a click.
const EDGE_MILLIS: u32 = 15;

/// The beep after which the caller is recorded.
pub fn beep() -> PromptAudio {
    let peak = f64::from(i16::MAX) * 10f64.powf(BEEP_PEAK_DBFS / 20.0);
    encode(&tone(BEEP_HZ, peak, BEEP_MILLIS))
}

/// Linear 8 kHz samples as prompt audio.
pub fn encode(samples: &[i16]) -> PromptAudio {
    PromptAudio {
        pcmu: samples.iter().map(|&sample| encode_pcmu(sample)).collect(),
        pcma: samples.iter().map(|&sample| encode_pcma(sample)).collect(),
    }
}

/// A sine that swells and fades over its first and last [`EDGE_MILLIS`].
fn tone(hz: f64, peak: f64, millis: u32) -> Vec<i16> {
    let rate = f64::from(SAMPLE_RATE);
    let length = SAMPLE_RATE / 1_000 * millis;
    let edge = f64::from(SAMPLE_RATE / 1_000 * EDGE_MILLIS);
    (0..length)
        .map(|index| {
            let from_edge = f64::from(index.min(length - 1 - index)) / edge;
            let envelope = 0.5 - 0.5 * (std::f64::consts::PI * from_edge.min(1.0)).cos();
            let phase = std::f64::consts::TAU * hz * f64::from(index) / rate;
            (peak * envelope * phase.sin()).round() as i16
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::media::g711::{decode_pcma, decode_pcmu};

    #[test]
    fn the_beep_lasts_half_a_second_in_both_laws() {
        let beep = beep();
        assert_eq!(beep.duration(), Duration::from_millis(500));
        assert_eq!(beep.pcmu.len(), beep.pcma.len());
    }

    #[test]
    fn the_beep_peaks_at_its_level_and_has_soft_edges() {
        let beep = beep();
        let decoded: Vec<i16> = beep.pcmu.iter().map(|&octet| decode_pcmu(octet)).collect();
        let peak = decoded.iter().map(|sample| sample.abs()).max().unwrap();
        let level = 20.0 * (f64::from(peak) / 32_767.0).log10();
        assert!((level - BEEP_PEAK_DBFS).abs() < 0.3, "{level} dBFS");
        assert!(decoded[..8].iter().all(|sample| sample.abs() < 100));
        assert!(decoded[3_992..].iter().all(|sample| sample.abs() < 100));
    }

    #[test]
    fn the_beep_is_its_pitch_in_both_laws() {
        let beep = beep();
        for decoded in [
            beep.pcmu
                .iter()
                .map(|&octet| decode_pcmu(octet))
                .collect::<Vec<i16>>(),
            beep.pcma.iter().map(|&octet| decode_pcma(octet)).collect(),
        ] {
            let rising = decoded
                .windows(2)
                .filter(|pair| pair[0] < -50 && pair[1] >= -50)
                .count();
            assert!((498..=500).contains(&rising), "{rising} periods");
        }
    }
}
