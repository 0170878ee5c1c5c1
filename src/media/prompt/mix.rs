//! From frames of any rate and number of channels to 16 bits, 8 kHz, mono.

use std::time::Duration;

use crate::media::g711::SAMPLE_RATE;

use super::resample::To8k;

/// A run of so many frames at full scale is heard as distortion.
const CLIPPED_RUN: u64 = 3;

/// Frames on their way to 8 kHz mono.
pub(super) struct Mix {
    out: Out,
    /// What counts as full scale.
    full: f64,
    frames: u64,
    clipped: u64,
    run: u64,
}

enum Out {
    Unchanged(Vec<f64>),
    Resampled(Box<To8k>),
}

/// What came out.
pub(super) struct Mixed {
    /// 8 kHz mono.
    pub samples: Vec<i16>,
    /// How many frames went in.
    pub frames: u64,
    /// How many of these were in runs of three or more at full scale.
    pub clipped: u64,
}

impl Mixed {
    /// How long the frames that went in play at `rate` Hz.
    pub fn plays(&self, rate: u32) -> Duration {
        Duration::from_secs_f64(self.frames as f64 / f64::from(rate.max(1)))
    }
}

impl Mix {
    /// From `rate` Hz and samples of `bits` bits; `None` for a rate that cannot be resampled.
    pub fn new(rate: u32, bits: u16) -> Option<Mix> {
        let out = if rate == SAMPLE_RATE {
            Out::Unchanged(Vec::new())
        } else {
            Out::Resampled(Box::new(To8k::new(rate)?))
        };
        Some(Mix {
            out,
            full: 1.0 - 2f64.powi(1 - i32::from(bits.min(16))),
            frames: 0,
            clipped: 0,
            run: 0,
        })
    }

    /// Takes one frame: a sample of each channel, full scale being 1. What is not a number is
    /// silence.
    pub fn push(&mut self, frame: impl Iterator<Item = f64>) {
        let (mut sum, mut loudest, mut channels) = (0.0, 0.0f64, 0u32);
        for sample in frame {
            let sample = if sample.is_finite() { sample } else { 0.0 };
            sum += sample;
            loudest = loudest.max(sample.abs());
            channels += 1;
        }
        let sample = sum / f64::from(channels.max(1));
        self.frames += 1;
        match &mut self.out {
            Out::Unchanged(samples) => samples.push(sample),
            Out::Resampled(resampler) => resampler.push(sample),
        }
        self.count_clipping(loudest);
    }

    /// How many frames were taken.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    fn count_clipping(&mut self, loudest: f64) {
        self.run = if loudest >= self.full {
            self.run + 1
        } else {
            0
        };
        if self.run == CLIPPED_RUN {
            self.clipped += CLIPPED_RUN;
        } else if self.run > CLIPPED_RUN {
            self.clipped += 1;
        }
    }

    /// All that was taken.
    pub fn finish(self) -> Mixed {
        let samples = match self.out {
            Out::Unchanged(samples) => samples,
            Out::Resampled(resampler) => resampler.finish(),
        };
        Mixed {
            samples: to_16_bit(&samples),
            frames: self.frames,
            clipped: self.clipped,
        }
    }
}

/// Rounds to 16 bits; if the loudest sample does not fit, all are made quieter until it does.
fn to_16_bit(samples: &[f64]) -> Vec<i16> {
    const SCALE: f64 = 32_768.0;
    let fits = |sample: f64| (-SCALE..=SCALE - 1.0).contains(&(sample * SCALE).round());
    let loudest = samples
        .iter()
        .filter(|sample| !fits(**sample))
        .fold(0.0f64, |loudest, sample| loudest.max(sample.abs()));
    let gain = if loudest > 0.0 {
        (SCALE - 1.0) / loudest
    } else {
        SCALE
    };
    samples
        .iter()
        .map(|sample| (sample * gain).round() as i16)
        .collect()
}
