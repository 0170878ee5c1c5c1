//! G.711 (ITU-T Recommendation G.711, 11/1988): µ-law and A-law to and from 16-bit linear audio, and
//! from one to the other by the Recommendation's own conversion tables.
//!
//! Linear values are left-justified in 16 bits: the 14 bits of µ-law and the 13 of A-law end up in
//! the upper bits.

use crate::media::command::Codec;

/// Samples a second of G.711.
pub const SAMPLE_RATE: u32 = 8_000;

/// A µ-law octet that decodes to zero.
pub const PCMU_SILENCE: u8 = 0xff;

/// An A-law octet that decodes to the smallest positive value (A-law has no zero).
pub const PCMA_SILENCE: u8 = 0xd5;

impl Codec {
    /// The octet that sounds like nothing.
    pub const fn silence(self) -> u8 {
        match self {
            Codec::Pcmu => PCMU_SILENCE,
            Codec::Pcma => PCMA_SILENCE,
        }
    }

    /// One sample in this law.
    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Codec::Pcmu => encode_pcmu(sample),
            Codec::Pcma => encode_pcma(sample),
        }
    }

    /// The sample that an octet of this law means.
    pub const fn decode(self, octet: u8) -> i16 {
        match self {
            Codec::Pcmu => decode_pcmu(octet),
            Codec::Pcma => decode_pcma(octet),
        }
    }

    /// Decodes `octets` into `samples`, as far as the shorter of the two goes; returns how many.
    pub fn decode_into(self, octets: &[u8], samples: &mut [i16]) -> usize {
        let table = match self {
            Codec::Pcmu => &PCMU_DECODED,
            Codec::Pcma => &PCMA_DECODED,
        };
        for (sample, &octet) in samples.iter_mut().zip(octets) {
            *sample = table[usize::from(octet)];
        }
        octets.len().min(samples.len())
    }
}

/// Rewrites octets of one law as octets of the other, in place; of the same law, leaves them alone.
pub fn transcode(from: Codec, to: Codec, octets: &mut [u8]) {
    let table = match (from, to) {
        (Codec::Pcmu, Codec::Pcma) => &PCMU_TO_PCMA,
        (Codec::Pcma, Codec::Pcmu) => &PCMA_TO_PCMU,
        (Codec::Pcmu, Codec::Pcmu) | (Codec::Pcma, Codec::Pcma) => return,
    };
    for octet in octets {
        *octet = table[usize::from(*octet)];
    }
}

/// The A-law octet for a µ-law one (G.711 table 3).
pub const fn pcmu_to_pcma(octet: u8) -> u8 {
    PCMU_TO_PCMA[octet as usize]
}

/// The µ-law octet for an A-law one (G.711 table 4).
pub const fn pcma_to_pcmu(octet: u8) -> u8 {
    PCMA_TO_PCMU[octet as usize]
}

/// What a µ-law octet means, −32,124 to 32,124.
pub const fn decode_pcmu(octet: u8) -> i16 {
    PCMU_DECODED[octet as usize]
}

/// What an A-law octet means, −32,256 to 32,256.
pub const fn decode_pcma(octet: u8) -> i16 {
    PCMA_DECODED[octet as usize]
}

/// One sample in µ-law (G.711 table 2). Louder than the law can say becomes its loudest.
pub const fn encode_pcmu(sample: i16) -> u8 {
    const BIAS: u16 = 33;
    const LOUDEST: u16 = 0x1fff;
    let biased = (magnitude(sample) >> 2) + BIAS;
    let biased = if biased > LOUDEST { LOUDEST } else { biased };
    // The bias puts the highest set bit at 5..=12: its place is the segment.
    let segment = 10 - biased.leading_zeros() as u16;
    let step = (biased >> (segment + 1)) & 0x0f;
    let code = !((segment << 4) | step) as u8;
    if sample < 0 { code & 0x7f } else { code | 0x80 }
}

/// One sample in A-law (G.711 table 1), even bits inverted.
pub const fn encode_pcma(sample: i16) -> u8 {
    let magnitude = magnitude(sample) >> 4;
    let code = if magnitude < 32 {
        magnitude
    } else {
        let segment = 12 - magnitude.leading_zeros() as u16;
        (segment << 4) | ((magnitude >> (segment - 1)) & 0x0f)
    };
    let code = code as u8;
    if sample < 0 { code ^ 0x55 } else { code ^ 0xd5 }
}

/// The distance from zero in ones' complement, so that −1 is as near as 0 and −32,768 has one.
const fn magnitude(sample: i16) -> u16 {
    (if sample < 0 { !sample } else { sample }) as u16
}

static PCMU_DECODED: [i16; 256] = decoded_pcmu();
static PCMA_DECODED: [i16; 256] = decoded_pcma();
static PCMU_TO_PCMA: [u8; 256] = converted_from_pcmu();
static PCMA_TO_PCMU: [u8; 256] = converted_from_pcma();

const fn decoded_pcmu() -> [i16; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let code = !(octet as u8);
        let segment = (code >> 4) & 7;
        let step = (code & 0x0f) as i16;
        let value = (((step << 3) + 0x84) << segment) - 0x84;
        table[octet] = if code & 0x80 != 0 { -value } else { value };
        octet += 1;
    }
    table
}

const fn decoded_pcma() -> [i16; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let code = octet as u8 ^ 0x55;
        let segment = (code >> 4) & 7;
        let step = (code & 0x0f) as i16;
        let value = if segment == 0 {
            (step << 4) + 8
        } else {
            ((step << 4) + 0x108) << (segment - 1)
        };
        table[octet] = if code & 0x80 != 0 { value } else { -value };
        octet += 1;
    }
    table
}

/// G.711 table 3: the number of the A-law value (counted from 1) for each µ-law value (from 0).
#[rustfmt::skip]
const A_OF_U: [u8; 128] = [
      1,   1,   2,   2,   3,   3,   4,   4,   5,   5,   6,   6,   7,   7,   8,   8,
      9,  10,  11,  12,  13,  14,  15,  16,  17,  18,  19,  20,  21,  22,  23,  24,
     25,  27,  29,  31,  33,  34,  35,  36,  37,  38,  39,  40,  41,  42,  43,  44,
     46,  48,  49,  50,  51,  52,  53,  54,  55,  56,  57,  58,  59,  60,  61,  62,
     64,  65,  66,  67,  68,  69,  70,  71,  72,  73,  74,  75,  76,  77,  78,  79,
     81,  82,  83,  84,  85,  86,  87,  88,  89,  90,  91,  92,  93,  94,  95,  96,
     97,  98,  99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112,
    113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128,
];

/// G.711 table 4: the number of the µ-law value (from 0) for each A-law value (counted from 1).
#[rustfmt::skip]
const U_OF_A: [u8; 128] = [
      1,   3,   5,   7,   9,  11,  13,  15,  16,  17,  18,  19,  20,  21,  22,  23,
     24,  25,  26,  27,  28,  29,  30,  31,  32,  32,  33,  33,  34,  34,  35,  35,
     36,  37,  38,  39,  40,  41,  42,  43,  44,  45,  46,  47,  48,  48,  49,  49,
     50,  51,  52,  53,  54,  55,  56,  57,  58,  59,  60,  61,  62,  63,  64,  64,
     65,  66,  67,  68,  69,  70,  71,  72,  73,  74,  75,  76,  77,  78,  79,  79,
     80,  81,  82,  83,  84,  85,  86,  87,  88,  89,  90,  91,  92,  93,  94,  95,
     96,  97,  98,  99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111,
    112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127,
];

const fn converted_from_pcmu() -> [u8; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let sign = octet as u8 & 0x80;
        let number = A_OF_U[(!(octet as u8) & 0x7f) as usize];
        table[octet] = ((number - 1) | sign) ^ 0x55;
        octet += 1;
    }
    table
}

const fn converted_from_pcma() -> [u8; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let code = octet as u8 ^ 0x55;
        let number = U_OF_A[(code & 0x7f) as usize];
        table[octet] = (!number & 0x7f) | (code & 0x80);
        octet += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G.711 tables 2a and 2b, right column, times four: the values at each segment's first code.
    const PCMU_SEGMENT_STARTS: [i16; 8] = [0, 132, 396, 924, 1_980, 4_092, 8_316, 16_764];

    /// G.711 tables 1a and 1b, right column, times eight.
    const PCMA_SEGMENT_STARTS: [i16; 8] = [8, 264, 528, 1_056, 2_112, 4_224, 8_448, 16_896];

    #[test]
    fn mu_law_octets_mean_what_the_recommendation_says() {
        for (segment, &value) in (0u8..).zip(&PCMU_SEGMENT_STARTS) {
            assert_eq!(decode_pcmu(0xff - (segment << 4)), value);
            assert_eq!(decode_pcmu(0x7f - (segment << 4)), -value);
        }
        assert_eq!(decode_pcmu(0x80), 32_124);
        assert_eq!(decode_pcmu(0x00), -32_124);
        assert_eq!(decode_pcmu(0xfe), 8);
    }

    #[test]
    fn a_law_octets_mean_what_the_recommendation_says() {
        for (segment, &value) in (0u8..).zip(&PCMA_SEGMENT_STARTS) {
            assert_eq!(decode_pcma(((segment << 4) | 0x80) ^ 0x55), value);
            assert_eq!(decode_pcma((segment << 4) ^ 0x55), -value);
        }
        assert_eq!(decode_pcma(0xaa), 32_256);
        assert_eq!(decode_pcma(0x2a), -32_256);
    }

    /// The digital milliwatt of G.711 tables 5 and 6: one period of 1 kHz at 0 dBm0.
    #[test]
    fn the_digital_milliwatt_of_both_laws_is_one_sine() {
        let pcmu = [0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e];
        let pcma = [0x34, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4];
        assert_eq!(pcmu.map(pcmu_to_pcma), pcma);
        assert_eq!(pcma.map(pcma_to_pcmu), pcmu);
        for (u, a) in pcmu.into_iter().zip(pcma) {
            let (u, a) = (f64::from(decode_pcmu(u)), f64::from(decode_pcma(a)));
            assert!((u / a - 1.0).abs() < 0.02, "{u} and {a}");
        }
    }

    #[test]
    fn every_octet_survives_decoding_and_encoding() {
        for octet in 0..=255u8 {
            assert_eq!(encode_pcma(decode_pcma(octet)), octet);
            // µ-law has two zeros; the linear zero is the positive one.
            let expected = if octet == 0x7f { 0xff } else { octet };
            assert_eq!(encode_pcmu(decode_pcmu(octet)), expected);
        }
    }

    #[test]
    fn every_sample_goes_to_the_nearest_value_of_its_segment() {
        for sample in i16::MIN..=i16::MAX {
            for codec in [Codec::Pcmu, Codec::Pcma] {
                let decoded = i32::from(codec.decode(codec.encode(sample)));
                let error = (decoded - i32::from(sample)).abs();
                let widest = i32::from(sample).abs() / 32 + 8;
                let clipped = i32::from(sample).abs() > 32_100;
                assert!(
                    error <= widest || clipped && error <= 644,
                    "{codec:?} {sample} became {decoded}"
                );
            }
        }
    }

    #[test]
    fn encoding_never_goes_down_when_the_sample_goes_up() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            for sample in i16::MIN..i16::MAX {
                let (lower, upper) = (codec.encode(sample), codec.encode(sample + 1));
                assert!(codec.decode(lower) <= codec.decode(upper), "at {sample}");
            }
        }
    }

    /// G.711 §3: after µ-A-µ only the values 0, 2, … 14 change, each to the next one.
    #[test]
    fn mu_law_over_an_a_law_link_changes_only_the_values_that_it_may() {
        for octet in 0..=255u8 {
            let number = !octet & 0x7f;
            let back = pcma_to_pcmu(pcmu_to_pcma(octet));
            let expected = number + u8::from(number < 16 && number % 2 == 0);
            assert_eq!((!back & 0x7f, back & 0x80), (expected, octet & 0x80));
        }
    }

    /// G.711 §3: after A-µ-A only eight values change, each to one beside it.
    #[test]
    fn a_law_over_a_mu_law_link_changes_only_the_values_that_it_may() {
        let mut changed = Vec::new();
        for octet in 0x80..=0xffu8 {
            for octet in [octet, octet & 0x7f] {
                let number = ((octet ^ 0x55) & 0x7f) + 1;
                let back = pcmu_to_pcma(pcma_to_pcmu(octet));
                assert_eq!((back ^ octet) & 0x80, 0);
                let after = ((back ^ 0x55) & 0x7f) + 1;
                assert!(after.abs_diff(number) <= 1, "{number} became {after}");
                if after != number {
                    changed.push(number);
                }
            }
        }
        changed.sort_unstable();
        changed.dedup();
        assert_eq!(changed, [26, 28, 30, 32, 45, 47, 63, 80]);
    }

    #[test]
    fn converting_a_packet_gives_the_same_sound_in_the_other_law() {
        let mut packet: Vec<u8> = (0..=255).collect();
        let before: Vec<i16> = packet.iter().map(|&octet| decode_pcmu(octet)).collect();
        transcode(Codec::Pcmu, Codec::Pcmu, &mut packet);
        assert_eq!(packet, (0..=255).collect::<Vec<u8>>());
        transcode(Codec::Pcmu, Codec::Pcma, &mut packet);
        let mut after = [0i16; 256];
        assert_eq!(Codec::Pcma.decode_into(&packet, &mut after), 256);
        for (before, after) in before.into_iter().zip(after) {
            let error = (i32::from(before) - i32::from(after)).abs();
            assert!(error <= i32::from(before).abs() / 16 + 8);
        }
    }

    #[test]
    fn silence_is_silent() {
        assert_eq!(Codec::Pcmu.decode(Codec::Pcmu.silence()), 0);
        assert_eq!(Codec::Pcma.decode(Codec::Pcma.silence()), 8);
        assert_eq!(pcmu_to_pcma(PCMU_SILENCE), PCMA_SILENCE);
    }
}
