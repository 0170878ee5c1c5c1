//! What kind of file somebody has sent, by its first octets. Its name is not asked: it may lie.

use super::PromptError;

/// Kinds of files that are decoded.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum AudioFormat {
    /// RIFF WAVE.
    Wav,
    /// MPEG audio, layer III.
    Mp3,
    /// FLAC in its own container.
    Flac,
    /// Vorbis in Ogg.
    OggVorbis,
}

impl AudioFormat {
    /// As people call it.
    pub fn words(self) -> &'static str {
        match self {
            AudioFormat::Wav => "WAV",
            AudioFormat::Mp3 => "MP3",
            AudioFormat::Flac => "FLAC",
            AudioFormat::OggVorbis => "Ogg Vorbis",
        }
    }

    /// What the name of such a file ends with.
    pub fn extension(self) -> &'static str {
        match self {
            AudioFormat::Wav => "wav",
            AudioFormat::Mp3 => "mp3",
            AudioFormat::Flac => "flac",
            AudioFormat::OggVorbis => "ogg",
        }
    }

    /// The media type (IANA, or as browsers name it).
    pub fn media_type(self) -> &'static str {
        match self {
            AudioFormat::Wav => "audio/wav",
            AudioFormat::Mp3 => "audio/mpeg",
            AudioFormat::Flac => "audio/flac",
            AudioFormat::OggVorbis => "audio/ogg",
        }
    }

    /// Every kind.
    pub const ALL: [AudioFormat; 4] = [
        AudioFormat::Wav,
        AudioFormat::Mp3,
        AudioFormat::Flac,
        AudioFormat::OggVorbis,
    ];
}

/// The kind of `octets`, and where its audio begins: tags before it are for players.
///
/// # Errors
/// It is something else, by name where that is known.
pub(super) fn recognise(octets: &[u8]) -> Result<(AudioFormat, &[u8]), PromptError> {
    if octets.is_empty() {
        return Err(PromptError::NoOctets);
    }
    let audio = without_tag(octets);
    for (start, at, name) in FOREIGN {
        if audio.get(*at..).is_some_and(|rest| rest.starts_with(start)) {
            return Err(PromptError::OtherFormat(name));
        }
    }
    if audio.starts_with(b"RIFF") {
        return match audio.get(8..12) {
            Some(b"WAVE") | None => Ok((AudioFormat::Wav, audio)),
            Some(b"AVI ") => Err(PromptError::OtherFormat("a film (AVI)")),
            Some(b"WEBP") => Err(PromptError::OtherFormat("a picture")),
            Some(_) => Err(PromptError::Unrecognised),
        };
    }
    if audio.starts_with(b"fLaC") {
        return Ok((AudioFormat::Flac, audio));
    }
    if audio.starts_with(b"OggS") {
        return in_ogg(audio).map(|kind| (kind, audio));
    }
    if let Some(layer) = mpeg_layer(audio) {
        return match layer {
            0 => Err(PromptError::OtherFormat("AAC audio")),
            1 => Ok((AudioFormat::Mp3, audio)),
            _ => Err(PromptError::OtherFormat("MPEG audio of layer I or II")),
        };
    }
    if looks_like_text(octets) {
        return Err(PromptError::OtherFormat("a text"));
    }
    Err(PromptError::Unrecognised)
}

/// What people send by mistake: how it starts, at which octet, and what it is.
const FOREIGN: &[(&[u8], usize, &str)] = &[
    (b"ftyp", 4, "an MP4 or M4A file (AAC audio)"),
    (b"ADIF", 0, "AAC audio"),
    (b"PK\x03\x04", 0, "a ZIP archive"),
    (b"PK\x05\x06", 0, "a ZIP archive"),
    (b"\x1f\x8b", 0, "a gzip archive"),
    (b"7z\xbc\xaf", 0, "a 7z archive"),
    (b"Rar!", 0, "a RAR archive"),
    (b"FORM", 0, "an AIFF file"),
    (b"caff", 0, "a CAF file"),
    (b"#!AMR", 0, "an AMR recording"),
    (b"\x1aE\xdf\xa3", 0, "a WebM or Matroska file"),
    (b"\x30\x26\xb2\x75", 0, "a Windows Media file (WMA)"),
    (b".snd", 0, "an AU file"),
    (
        b"RF64",
        0,
        "a WAV file of the kind for more than 4 GB (RF64)",
    ),
    (b"MThd", 0, "a MIDI file"),
    (b"%PDF", 0, "a PDF document"),
    (b"\x89PNG", 0, "a picture"),
    (b"\xff\xd8\xff", 0, "a picture"),
    (b"GIF8", 0, "a picture"),
    (b"\x7fELF", 0, "a program"),
    (b"MZ", 0, "a program"),
];

/// What comes after an ID3v2 tag (id3.org, ID3v2.4 §3.1) and the zeros that some writers put there.
fn without_tag(octets: &[u8]) -> &[u8] {
    let mut rest = octets;
    if let Some([b'I', b'D', b'3', _, _, flags, a, b, c, d]) = octets.first_chunk::<10>() {
        let size = [a, b, c, d]
            .into_iter()
            .fold(0usize, |size, part| (size << 7) | usize::from(part & 0x7f));
        let footer = if flags & 0x10 != 0 { 10 } else { 0 };
        rest = octets.get(10 + size + footer..).unwrap_or_default();
        let sound = rest.iter().position(|octet| *octet != 0);
        rest = rest.get(sound.unwrap_or(rest.len())..).unwrap_or_default();
    }
    rest
}

/// The layer bits of an MPEG audio frame (ISO/IEC 11172-3 §2.4.2.3): 1 is layer III, 0 is AAC's.
fn mpeg_layer(octets: &[u8]) -> Option<u8> {
    let [0xff, second, third, ..] = octets else {
        return None;
    };
    let is_frame = second & 0xe0 == 0xe0 && second & 0x18 != 0x08 && third & 0xf0 != 0xf0;
    is_frame.then_some((second >> 1) & 3)
}

/// What the first page of an Ogg stream says (RFC 3533 §6): its header has 27 octets and one for each
/// segment.
fn in_ogg(octets: &[u8]) -> Result<AudioFormat, PromptError> {
    let segments = octets.get(26).copied().unwrap_or(0);
    let first = octets.get(27 + usize::from(segments)..).unwrap_or_default();
    let other = |name| Err(PromptError::OtherFormat(name));
    match first {
        [1, b'v', b'o', b'r', b'b', b'i', b's', ..] => Ok(AudioFormat::OggVorbis),
        [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', ..] => other("Ogg Opus"),
        [0x7f, b'F', b'L', b'A', b'C', ..] => other("FLAC inside Ogg"),
        [b'S', b'p', b'e', b'e', b'x', ..] => other("Ogg Speex"),
        [0x80, b't', b'h', b'e', b'o', b'r', b'a', ..] | [b'f', b'i', b's', b'h', ..] => {
            other("a film (Ogg Theora)")
        }
        _ if first.len() < 8 => Err(PromptError::Broken {
            format: "Ogg",
            what: "it ends within its header".to_owned(),
        }),
        _ => other("an Ogg file without Vorbis audio"),
    }
}

fn looks_like_text(octets: &[u8]) -> bool {
    let start = octets.get(..512).unwrap_or(octets);
    let is_plain = |octet: &u8| matches!(octet, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..);
    start.iter().all(is_plain) && std::str::from_utf8(start).is_ok_and(|text| !text.is_empty())
}
