//! Sounds in files.

use std::path::Path;

/// Writes a tone into a WAV file.
pub fn tone(path: &Path, seconds: f64, hertz: f64) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    let mut sample = 0.0;
    while sample < seconds * 8_000.0 {
        let value = (sample * hertz / 8_000.0 * std::f64::consts::TAU).sin();
        #[expect(clippy::cast_possible_truncation, reason = "at most 12,000")]
        writer.write_sample((value * 12_000.0) as i16).unwrap();
        sample += 1.0;
    }
    writer.finalize().unwrap();
}
