//! What real programs write into WAV headers, and hound would misread or refuse.

use super::PromptError;

/// Integer samples.
const PCM: u16 = 1;
/// Floating-point samples.
const FLOAT: u16 = 3;
/// The encoding stands in a longer header (WAVE_FORMAT_EXTENSIBLE).
const EXTENSIBLE: u16 = 0xfffe;

/// A data size from here on means that the writer did not know it, because it wrote to a pipe.
const UNKNOWN_SIZE: u32 = 0x7fff_0000;

/// The same audio with a header that says what is meant and nothing else: samples narrower than their
/// container are left-justified in it, so they are as wide as it; data of unknown size ends with the
/// file; and chunks other than `fmt ` and `data`, which hound miscounts if they are odd, are left
/// out. What is broken in other ways stays as it is.
///
/// The error is an encoding that we do not decode.
pub(super) fn tidy(wav: &[u8]) -> Result<Vec<u8>, PromptError> {
    let Some(chunks) = find_chunks(wav) else {
        return Ok(wav.to_vec());
    };
    let (mut format, data) = (chunks.format.to_vec(), chunks.data);
    check_encoding(&format)?;
    widen(&mut format);
    let block = read_u16(&format, 12).unwrap_or(1);
    let mut tidy = Vec::with_capacity(data.len() + format.len() + 28);
    for part in [
        b"RIFF",
        &u32::MAX.to_le_bytes(),
        b"WAVEfmt ".as_slice(),
        &length(&format).to_le_bytes(),
        &format,
        b"data",
        &data_size(chunks.promised, length(data), block).to_le_bytes(),
        data,
    ] {
        tidy.extend_from_slice(part);
    }
    Ok(tidy)
}

/// What is needed of a file.
struct Chunks<'a> {
    format: &'a [u8],
    /// The size of the data by its header.
    promised: u32,
    data: &'a [u8],
}

fn find_chunks(wav: &[u8]) -> Option<Chunks<'_>> {
    let mut format = None;
    let mut at = if wav.starts_with(b"RIFF") {
        12
    } else {
        return None;
    };
    loop {
        let size = read_u32(wav, at + 4)?;
        let rest = wav.get(at + 8..)?;
        let length = usize::try_from(size).ok();
        let content = length.and_then(|length| rest.get(..length)).unwrap_or(rest);
        match wav.get(at..at + 4)? {
            b"fmt " => format = Some(content),
            b"data" => {
                let is_unknown = size == 0 || size >= UNKNOWN_SIZE;
                return Some(Chunks {
                    format: format?,
                    promised: size,
                    data: if is_unknown { rest } else { content },
                });
            }
            _ => {}
        }
        at += 8 + content.len() + content.len() % 2;
    }
}

fn length(content: &[u8]) -> u32 {
    u32::try_from(content.len()).unwrap_or(u32::MAX)
}

/// What the header promises, or all there is where it could not know.
fn data_size(promised: u32, there: u32, block: u16) -> u32 {
    let unknown = promised == 0 || (promised >= UNKNOWN_SIZE && promised > there);
    if unknown {
        there - there % u32::from(block.max(1))
    } else {
        promised
    }
}

fn check_encoding(format: &[u8]) -> Result<(), PromptError> {
    let tag = match read_u16(format, 0) {
        Some(EXTENSIBLE) if format.len() >= 40 => read_u16(format, 24),
        tag => tag,
    };
    let name = match (tag, read_u16(format, 14)) {
        (Some(FLOAT), Some(64)) => "64-bit floating-point",
        (Some(PCM | FLOAT | EXTENSIBLE) | None, _) => return Ok(()),
        (Some(2 | 17), _) => "ADPCM",
        (Some(6), _) => "A-law",
        (Some(7), _) => "µ-law",
        (Some(49), _) => "GSM",
        (Some(80 | 85), _) => "MP3",
        (Some(_), _) => "compressed",
    };
    Err(PromptError::Encoding(name))
}

fn widen(format: &mut [u8]) {
    let is_extensible = read_u16(format, 0) == Some(EXTENSIBLE) && format.len() >= 40;
    let is_integer = read_u16(format, 24) == Some(PCM);
    let (container, valid) = (read_u16(format, 14), read_u16(format, 18));
    if let (true, true, Some(container), Some(valid)) =
        (is_extensible, is_integer, container, valid)
        && valid > 0
        && valid < container
        && container % 8 == 0
        && let Some(place) = format.get_mut(18..20)
    {
        place.copy_from_slice(&container.to_le_bytes());
    }
}

fn read_u16(wav: &[u8], at: usize) -> Option<u16> {
    let octets = wav.get(at..at.checked_add(2)?)?;
    octets.try_into().ok().map(u16::from_le_bytes)
}

fn read_u32(wav: &[u8], at: usize) -> Option<u32> {
    let octets = wav.get(at..at.checked_add(4)?)?;
    octets.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::super::decode;
    use super::*;

    fn wav(fmt: &[u8], data: &[u8], data_size: u32) -> Vec<u8> {
        let mut wav = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt ".to_vec();
        wav.extend((fmt.len() as u32).to_le_bytes());
        wav.extend(fmt);
        wav.extend(b"data");
        wav.extend(data_size.to_le_bytes());
        wav.extend(data);
        wav
    }

    fn fmt(tag: u16, bits: u16) -> Vec<u8> {
        let block = bits / 8;
        let mut fmt = Vec::new();
        fmt.extend(tag.to_le_bytes());
        fmt.extend(1u16.to_le_bytes());
        fmt.extend(8_000u32.to_le_bytes());
        fmt.extend((8_000 * u32::from(block)).to_le_bytes());
        fmt.extend(block.to_le_bytes());
        fmt.extend(bits.to_le_bytes());
        fmt
    }

    fn extensible(tag: u16, valid: u16, container: u16) -> Vec<u8> {
        let mut fmt = fmt(EXTENSIBLE, container);
        fmt.extend(22u16.to_le_bytes());
        fmt.extend(valid.to_le_bytes());
        fmt.extend(4u32.to_le_bytes());
        fmt.extend(tag.to_le_bytes());
        fmt.extend(*b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71");
        fmt
    }

    #[test]
    fn narrow_samples_in_wide_containers_are_as_loud_as_they_are() {
        for (valid, container) in [(24, 32), (20, 24), (12, 16), (24, 24), (16, 16), (32, 32)] {
            let mut data = vec![0; usize::from(container / 8)];
            *data.last_mut().unwrap() = 0x40;
            let wav = wav(&extensible(PCM, valid, container), &data, data.len() as u32);
            assert_eq!(
                decode(&wav).unwrap().samples,
                [16_384],
                "{valid} in {container}"
            );
        }
    }

    #[test]
    fn data_of_unknown_size_ends_with_the_file() {
        for size in [0xffff_ffff, 0x7fff_f024, 0] {
            let wav = wav(&fmt(PCM, 16), &[1, 0, 2, 0, 3], size);
            assert_eq!(decode(&wav).unwrap().samples, [1, 2], "size {size:#x}");
        }
    }

    #[test]
    fn encodings_that_are_not_decoded_are_named() {
        for (fmt, name) in [
            (fmt(6, 8), "A-law"),
            (fmt(7, 8), "µ-law"),
            (extensible(7, 8, 8), "µ-law"),
            (fmt(2, 4), "ADPCM"),
            (fmt(85, 0), "MP3"),
            (fmt(0x1234, 0), "compressed"),
            (fmt(FLOAT, 64), "64-bit floating-point"),
        ] {
            let problem = decode(&wav(&fmt, &[0; 16], 16)).unwrap_err();
            assert_eq!(
                problem.to_string(),
                format!("is a WAV file with {name} audio; save it as WAV, 16 bit PCM")
            );
        }
    }

    #[test]
    fn a_chunk_longer_than_the_file_ends_the_search() {
        let wav = b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xff and no more";
        assert_eq!(tidy(wav).unwrap(), wav);
    }

    #[test]
    fn what_follows_the_data_is_not_heard() {
        let mut wav = wav(&fmt(PCM, 16), &[1, 0, 2, 0], 4);
        wav.extend(b"LIST\x04\0\0\0abcd");
        assert_eq!(decode(&wav).unwrap().samples, [1, 2]);
    }
}
