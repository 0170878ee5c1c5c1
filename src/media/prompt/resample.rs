//! From any sample rate to 8 kHz, without aliases, without delay.

use rubato::{FftFixedInOut, Resampler};

use crate::media::g711::SAMPLE_RATE;

/// Samples at 8 kHz that are made at a time, about. The filter is as long: 64 ms, which puts all of
/// its slope between 3.8 and 4 kHz.
const BLOCK: usize = 512;

/// Takes samples at one rate and gives the same sound at 8 kHz, as long as it was to the sample.
pub(super) struct To8k {
    rate: u32,
    resampler: FftFixedInOut<f64>,
    waiting: Vec<f64>,
    taken: u64,
    /// Samples at the beginning that are the filter's delay and not yet sound.
    delay: usize,
    made: Vec<f64>,
}

impl To8k {
    /// From `rate` Hz, which must not be 0.
    pub(super) fn new(rate: u32) -> Option<To8k> {
        let (from, to) = (usize::try_from(rate).ok()?, SAMPLE_RATE as usize);
        let common = greatest_common_divisor(rate, SAMPLE_RATE) as usize;
        let smallest = to.checked_div(common)?;
        // An even number of the smallest blocks makes the delay a whole number of samples.
        let blocks = BLOCK.div_ceil(smallest).next_multiple_of(2);
        let block = from.checked_div(common)?.checked_mul(blocks)?;
        let resampler = FftFixedInOut::new(from, to, block, 1).ok()?;
        Some(To8k {
            rate,
            delay: resampler.output_delay(),
            resampler,
            waiting: Vec::new(),
            taken: 0,
            made: Vec::new(),
        })
    }

    /// The next sample.
    pub(super) fn push(&mut self, sample: f64) {
        self.waiting.push(sample);
        self.taken += 1;
        if self.waiting.len() == self.resampler.input_frames_next() {
            self.process();
        }
    }

    /// All that was pushed, at 8 kHz.
    pub(super) fn finish(mut self) -> Vec<f64> {
        let exact = self.taken as f64 * f64::from(SAMPLE_RATE) / f64::from(self.rate);
        let length = exact.round() as usize;
        while self.made.len() < self.delay + length {
            self.waiting.resize(self.resampler.input_frames_next(), 0.0);
            self.process();
        }
        self.made.drain(..self.delay);
        self.made.truncate(length);
        self.made
    }

    fn process(&mut self) {
        // Fails only if a block has another size than it asked for.
        if let Ok(mut made) = self.resampler.process(&[&self.waiting], None) {
            self.made.append(&mut made.swap_remove(0));
        }
        self.waiting.clear();
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    match b {
        0 => a,
        _ => greatest_common_divisor(b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn resampled(rate: u32, samples: impl Iterator<Item = f64>) -> Vec<f64> {
        let mut resampler = To8k::new(rate).unwrap();
        samples.for_each(|sample| resampler.push(sample));
        resampler.finish()
    }

    fn tone(rate: u32, hz: f64, seconds: f64) -> impl Iterator<Item = f64> {
        let length = (f64::from(rate) * seconds) as u32;
        (0..length).map(move |index| 0.5 * (TAU * hz * f64::from(index) / f64::from(rate)).sin())
    }

    /// The level of `hz` in the middle of `samples`, in dB relative to a sine of 0.5.
    fn level(samples: &[f64], hz: f64) -> f64 {
        let middle = &samples[samples.len() / 4..samples.len() / 4 * 3];
        let (mut re, mut im) = (0.0, 0.0);
        for (index, sample) in middle.iter().enumerate() {
            let phase = TAU * hz * index as f64 / 8_000.0;
            re += sample * phase.cos();
            im += sample * phase.sin();
        }
        let amplitude = 2.0 * (re * re + im * im).sqrt() / middle.len() as f64;
        20.0 * (amplitude / 0.5).log10()
    }

    const RATES: [u32; 9] = [
        6_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000,
    ];

    #[test]
    fn a_tone_keeps_its_level_and_its_place() {
        for rate in RATES {
            let made = resampled(rate, tone(rate, 1_000.0, 1.0));
            let level = level(&made, 1_000.0);
            assert!(level.abs() < 0.2, "{level} dB at {rate} Hz");
            for (index, (sample, expected)) in
                made.iter().zip(tone(8_000, 1_000.0, 1.0)).enumerate()
            {
                if (400..7_600).contains(&index) {
                    assert!(
                        (sample - expected).abs() < 0.005,
                        "{rate} Hz, sample {index}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_telephone_band_comes_through_whole() {
        for hz in [100.0, 300.0, 3_000.0, 3_400.0] {
            let level = level(&resampled(48_000, tone(48_000, hz, 1.0)), hz);
            assert!(level.abs() < 0.2, "{level} dB at {hz} Hz");
        }
    }

    #[test]
    fn what_8_khz_cannot_hold_is_gone_and_leaves_no_alias() {
        for (rate, hz) in [
            (48_000, 5_000.0),
            (44_100, 4_500.0),
            (16_000, 7_000.0),
            (96_000, 12_000.0),
        ] {
            let made = resampled(rate, tone(rate, hz, 1.0));
            let loudest = made[400..made.len() - 400]
                .iter()
                .fold(0.0f64, |loudest, sample| loudest.max(sample.abs()));
            let level = 20.0 * (loudest / 0.5).log10();
            assert!(level < -50.0, "{level} dB of {hz} Hz at {rate} Hz");
        }
    }

    #[test]
    fn the_length_is_exact() {
        for rate in RATES.into_iter().chain([7_919]) {
            for frames in [1u32, 2, 100, 4_411] {
                let made = resampled(rate, (0..frames).map(|_| 0.1));
                let expected = (f64::from(frames) * 8_000.0 / f64::from(rate)).round();
                assert_eq!(
                    made.len(),
                    expected as usize,
                    "{frames} frames at {rate} Hz"
                );
            }
        }
    }

    #[test]
    fn sound_at_the_very_end_is_kept() {
        let quiet = std::iter::repeat_n(0.0, 47_900);
        let made = resampled(48_000, quiet.chain(tone(48_000, 1_000.0, 0.002)));
        let loudest = made
            .iter()
            .fold(0.0f64, |loudest, sample| loudest.max(sample.abs()));
        assert!(loudest > 0.4, "{loudest}");
        assert!(made[..7_900].iter().all(|sample| sample.abs() < 0.02));
    }
}
