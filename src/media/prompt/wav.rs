//! Writing what every player reads: WAV, 8 kHz, mono, 16 bit.

use crate::media::g711::SAMPLE_RATE;

/// The octets of a WAV file with these samples.
pub(super) fn write(samples: impl ExactSizeIterator<Item = i16>) -> Vec<u8> {
    const HEADER: u32 = 36;
    let length = u32::try_from(samples.len().saturating_mul(2)).unwrap_or(u32::MAX - HEADER);
    let mut wav = Vec::with_capacity(samples.len() * 2 + 44);
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&length.saturating_add(HEADER).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend_from_slice(&SAMPLE_RATE.to_le_bytes());
    wav.extend_from_slice(&(SAMPLE_RATE * 2).to_le_bytes());
    wav.extend_from_slice(b"\x02\0\x10\0data");
    wav.extend_from_slice(&length.to_le_bytes());
    for sample in samples {
        wav.extend_from_slice(&sample.to_le_bytes());
    }
    wav
}
