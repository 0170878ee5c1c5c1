//! The headers of Vorbis in Ogg (Vorbis I specification §4.2, RFC 3533), before a decoder believes
//! them: a few hundred octets can ask for gigabytes of tables.

use super::PromptError;
use super::decode::{MOST_CHANNELS, SAMPLE_RATES};
use super::kind::AudioFormat;

/// The most values in the tables of all codebooks together, of four octets each. Encoders make some
/// 100,000.
const MOST_TABLE_VALUES: u64 = 4_000_000;

/// The most octets of the three header packets; a picture in the comments is the largest part.
const MOST_HEADER_OCTETS: usize = 8_000_000;

/// Refuses what would take more memory than any prompt needs, or cannot be played for other reasons
/// that the headers show.
pub(super) fn check_headers(ogg: &[u8]) -> Result<(), PromptError> {
    let [identification, _, setup] = header_packets(ogg)?;
    check_identification(&identification)?;
    let setup = setup.strip_prefix(b"\x05vorbis").ok_or_else(damaged)?;
    check_codebooks(&mut Bits {
        octets: setup,
        at: 0,
    })
}

fn damaged() -> PromptError {
    PromptError::Broken {
        format: AudioFormat::OggVorbis.words(),
        what: "its headers are damaged".to_owned(),
    }
}

/// The first three packets of the first stream.
fn header_packets(ogg: &[u8]) -> Result<[Vec<u8>; 3], PromptError> {
    const HEADER: usize = 27;
    let mut packets: [Vec<u8>; 3] = Default::default();
    let (mut packet, mut octets, mut at) = (0, 0, 0);
    let mut serial = None;
    loop {
        let page = ogg.get(at..).ok_or_else(damaged)?;
        if !page.starts_with(b"OggS") {
            return Err(damaged());
        }
        let of = page.get(14..18).ok_or_else(damaged)?;
        let segments = usize::from(*page.get(26).ok_or_else(damaged)?);
        let sizes = page.get(HEADER..HEADER + segments).ok_or_else(damaged)?;
        let mut start = HEADER + segments;
        let is_ours = *serial.get_or_insert(of) == of;
        for size in sizes {
            let end = start + usize::from(*size);
            let segment = page.get(start..end).ok_or_else(damaged)?;
            start = end;
            if !is_ours {
                continue;
            }
            octets += segment.len();
            if octets > MOST_HEADER_OCTETS {
                return Err(damaged());
            }
            if let Some(packet) = packets.get_mut(packet) {
                packet.extend_from_slice(segment);
            }
            if *size < 255 {
                packet += 1;
                if packet == packets.len() {
                    return Ok(packets);
                }
            }
        }
        at += start;
    }
}

fn check_identification(packet: &[u8]) -> Result<(), PromptError> {
    let Some([_, _, _, _, channels, a, b, c, d]) = packet
        .strip_prefix(b"\x01vorbis")
        .and_then(|rest| rest.first_chunk::<9>())
    else {
        return Err(damaged());
    };
    let rate = u32::from_le_bytes([*a, *b, *c, *d]);
    if !SAMPLE_RATES.contains(&rate) {
        return Err(PromptError::SampleRate(rate));
    }
    match u16::from(*channels) {
        0 => Err(PromptError::Empty),
        channels if channels > MOST_CHANNELS => Err(PromptError::Channels(channels)),
        _ => Ok(()),
    }
}

/// Walks the codebooks (§3.2.1) and adds up what their tables would hold.
fn check_codebooks(bits: &mut Bits<'_>) -> Result<(), PromptError> {
    const SYNC: u64 = 0x56_43_42;
    let count = bits.take(8)? + 1;
    let mut values = 0u64;
    for _ in 0..count {
        if bits.take(24)? != SYNC {
            return Err(damaged());
        }
        let (dimensions, entries) = (bits.take(16)?, bits.take(24)?);
        // Both the table of codewords and that of vectors.
        values += entries * (dimensions + 1);
        if values > MOST_TABLE_VALUES {
            return Err(PromptError::TooMuchWork);
        }
        skip_lengths(bits, entries)?;
        skip_lookup(bits, entries, dimensions)?;
    }
    Ok(())
}

fn skip_lengths(bits: &mut Bits<'_>, entries: u64) -> Result<(), PromptError> {
    let is_ordered = bits.take(1)? == 1;
    if is_ordered {
        bits.take(5)?;
        let mut entry = 0;
        while entry < entries {
            entry += bits.take(u64::BITS - (entries - entry).leading_zeros())?;
        }
        return Ok(());
    }
    let is_sparse = bits.take(1)? == 1;
    for _ in 0..entries {
        if !is_sparse || bits.take(1)? == 1 {
            bits.take(5)?;
        }
    }
    Ok(())
}

fn skip_lookup(bits: &mut Bits<'_>, entries: u64, dimensions: u64) -> Result<(), PromptError> {
    let values = match bits.take(4)? {
        0 => return Ok(()),
        1 => first_kind_values(entries, dimensions),
        2 => entries * dimensions,
        _ => return Err(damaged()),
    };
    bits.take(32)?;
    bits.take(32)?;
    let width = bits.take(4)? + 1;
    bits.take(1)?;
    bits.skip(values * width)
}

/// The largest number whose power of `dimensions` is at most `entries` (§9.2.3).
fn first_kind_values(entries: u64, dimensions: u64) -> u64 {
    let exponent = u32::try_from(dimensions).unwrap_or(u32::MAX);
    let fits = |base: &u64| base.checked_pow(exponent).is_some_and(|it| it <= entries);
    (1..=entries).take_while(fits).last().unwrap_or(0)
}

/// Reads from the lowest bit of each octet upwards (§2.1.4).
struct Bits<'a> {
    octets: &'a [u8],
    at: u64,
}

impl Bits<'_> {
    /// The next `width` bits, 63 at most.
    fn take(&mut self, width: u32) -> Result<u64, PromptError> {
        let mut value = 0;
        for place in 0..width {
            let octet = usize::try_from(self.at / 8).ok();
            let octet = octet.and_then(|octet| self.octets.get(octet));
            let bit = (octet.ok_or_else(damaged)? >> (self.at % 8)) & 1;
            value |= u64::from(bit) << place;
            self.at += 1;
        }
        Ok(value)
    }

    fn skip(&mut self, width: u64) -> Result<(), PromptError> {
        self.at = self.at.checked_add(width).ok_or_else(damaged)?;
        let there = self.octets.len() as u64 * 8;
        if self.at > there {
            return Err(damaged());
        }
        Ok(())
    }
}
