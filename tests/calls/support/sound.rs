//! Audio that is told apart sample by sample: noise from a seed, as G.711 octets.

use std::path::Path;

/// Octets of a frame of 20 ms at 8 kHz.
pub const FRAME: usize = 160;

/// A law of G.711.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// Payload type 0.
    Pcmu,
    /// Payload type 8.
    Pcma,
}

impl Law {
    /// Its RTP payload type.
    pub fn payload_type(self) -> u8 {
        match self {
            Law::Pcmu => 0,
            Law::Pcma => 8,
        }
    }

    /// ITU-T G.711 by its segments, scaled to 16 bit.
    pub fn decode(self, octet: u8) -> i16 {
        match self {
            Law::Pcmu => {
                let code = !octet;
                let magnitude =
                    (((i16::from(code & 0x0f) << 3) + 0x84) << ((code >> 4) & 0x07)) - 0x84;
                if code & 0x80 != 0 {
                    -magnitude
                } else {
                    magnitude
                }
            }
            Law::Pcma => {
                let code = octet ^ 0x55;
                let mantissa = (i16::from(code & 0x0f) << 4) + 8;
                let magnitude = match (code >> 4) & 0x07 {
                    0 => mantissa,
                    segment => (mantissa + 0x100) << (segment - 1),
                };
                if code & 0x80 != 0 {
                    magnitude
                } else {
                    -magnitude
                }
            }
        }
    }

    /// Half a quantisation step at `sample`, rounded up: what a conversion to this law may cost.
    pub fn tolerance(self, sample: i16) -> i32 {
        let magnitude = i32::from(sample).abs() + 0x84;
        (magnitude / 16).max(16)
    }
}

/// `frames` frames of loud noise that no other seed gives, without the two zeros of PCMU, so that
/// each octet is one sample and back.
pub fn speech(seed: u64, frames: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..frames * FRAME)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            match (state >> 32) as u8 {
                zero @ (0x7f | 0xff) => zero ^ 0x40,
                octet => octet,
            }
        })
        .collect()
}

/// What `octets` sound like.
pub fn decoded(law: Law, octets: &[u8]) -> Vec<i16> {
    octets.iter().map(|&octet| law.decode(octet)).collect()
}

/// Writes an audio file with the samples of `octets` (PCMU).
pub fn write_wav(path: &Path, octets: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for sample in decoded(Law::Pcmu, octets) {
        writer.write_sample(sample).unwrap();
    }
    writer.finalize().unwrap();
}

/// The samples of an audio file of 16 bit, 8 kHz, one channel.
pub fn read_wav(path: &Path) -> Vec<i16> {
    let reader =
        hound::WavReader::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let spec = reader.spec();
    let shape = (spec.channels, spec.sample_rate, spec.bits_per_sample);
    assert_eq!(shape, (1, 8_000, 16), "{}", path.display());
    reader.into_samples().map(Result::unwrap).collect()
}

/// Panics unless `heard` is `expected`, and says where they part.
pub fn assert_same<T: PartialEq + std::fmt::Debug>(what: &str, heard: &[T], expected: &[T]) {
    if heard == expected {
        return;
    }
    let same = heard
        .iter()
        .zip(expected)
        .take_while(|(heard, expected)| heard == expected)
        .count();
    panic!(
        "{what}: {} samples heard, {} expected, the first {same} are the same; then {:?} instead of {:?}",
        heard.len(),
        expected.len(),
        heard.get(same..heard.len().min(same + 8)),
        expected.get(same..expected.len().min(same + 8)),
    );
}
