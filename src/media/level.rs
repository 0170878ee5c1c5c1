//! How loud audio is, in dBFS: dB below the largest sample value.

/// What is quieter than this counts as silence: under any speech, over the noise of a quiet line.
pub const SILENCE_DBFS: f64 = -45.0;

/// The mean of squares at [`SILENCE_DBFS`]: 32,768² × 10^(−45 / 10).
const SILENCE_MEAN_SQUARE: u64 = 33_954;

/// Root mean square of `samples` in dBFS; negative infinity for digital silence and for nothing.
pub fn rms_dbfs(samples: &[i16]) -> f64 {
    let mean = sum_of_squares(samples) as f64 / samples.len().max(1) as f64;
    10.0 * (mean / (32_768.0 * 32_768.0)).log10()
}

/// The largest sample of `samples` in dBFS; negative infinity for digital silence.
pub fn peak_dbfs(samples: &[i16]) -> f64 {
    let peak = samples.iter().map(|sample| sample.unsigned_abs()).max();
    20.0 * (f64::from(peak.unwrap_or(0)) / 32_768.0).log10()
}

/// True if `samples` as a whole are under [`SILENCE_DBFS`]. Meant for blocks of some 20 ms.
pub fn is_silent(samples: &[i16]) -> bool {
    sum_of_squares(samples) < SILENCE_MEAN_SQUARE * samples.len().max(1) as u64
}

fn sum_of_squares(samples: &[i16]) -> u64 {
    samples
        .iter()
        .map(|&sample| u64::from(sample.unsigned_abs()).pow(2))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_relative_to_full_scale() {
        assert_eq!(rms_dbfs(&[i16::MIN; 100]), 0.0);
        assert!((rms_dbfs(&[16_384, -16_384]) + 6.02).abs() < 0.01);
        assert!((peak_dbfs(&[0, 3_277, -12]) + 20.0).abs() < 0.01);
        assert_eq!(rms_dbfs(&[]), f64::NEG_INFINITY);
        assert_eq!(peak_dbfs(&[0, 0]), f64::NEG_INFINITY);
    }

    #[test]
    fn silence_ends_at_its_threshold() {
        assert!(is_silent(&[]));
        assert!(is_silent(&[184; 160]));
        assert!(!is_silent(&[185; 160]));
        assert!((rms_dbfs(&[185; 160]) - SILENCE_DBFS).abs() < 0.1);
    }
}
