//! What an SDP body says about audio that we could have.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use sdp_types::{Connection, Media, RtpMap, Session};

use crate::media::command::{Codec, Direction};

use super::{CODECS, MOST_MEDIA, MOST_OCTETS, SdpError};

/// The codecs that an offer allows, the caller's favourite first, then those of ours that it does
/// not have: the order in which to offer them to the other leg.
///
/// `address` is our own address towards the caller. The error is what the offer is refused with.
pub fn codecs_offered(offer: &[u8], address: IpAddr) -> Result<Vec<Codec>, SdpError> {
    let session = parse(offer)?;
    let audio = first_audio(&session, address, None)?;
    let mut codecs: Vec<Codec> = Vec::with_capacity(CODECS.len());
    let known = audio.formats.iter().filter_map(|format| format.codec());
    for codec in known.map(|(_, codec)| codec).chain(CODECS) {
        if !codecs.contains(&codec) {
            codecs.push(codec);
        }
    }
    Ok(codecs)
}

/// One media line that we can take, read.
#[derive(Clone, Debug)]
pub(super) struct Audio {
    /// Its place among the media lines.
    pub(super) line: usize,
    /// Formats that we know, in order of preference.
    pub(super) formats: Vec<Format>,
    /// Seen from the other side.
    pub(super) direction: Direction,
    pub(super) rtp: SocketAddr,
    pub(super) rtcp: SocketAddr,
    /// In ms.
    pub(super) ptime: Option<u32>,
    /// In ms.
    pub(super) maxptime: Option<u32>,
}

/// A payload type that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) payload_type: u8,
    pub(super) kind: Kind,
}

impl Format {
    /// Its number and codec, if it is one.
    pub(super) fn codec(self) -> Option<(u8, Codec)> {
        match self.kind {
            Kind::Audio(codec) => Some((self.payload_type, codec)),
            Kind::Events => None,
        }
    }
}

/// What a payload type means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Audio(Codec),
    Events,
}

/// A body as `sdp-types` reads it.
pub(super) fn parse(body: &[u8]) -> Result<Session, SdpError> {
    if body.len() > MOST_OCTETS {
        return Err(SdpError::TooLong { octets: body.len() });
    }
    let session = Session::parse(needed_lines(body).as_bytes())
        .map_err(|error| SdpError::Malformed(error.to_string()))?;
    if session.medias.len() > MOST_MEDIA {
        let why = format!("more than {MOST_MEDIA} media lines");
        return Err(SdpError::Malformed(why));
    }
    Ok(session)
}

/// The lines that are read, cleaned of what real phones do to them; the others are blank, so that
/// line numbers in errors stay right.
fn needed_lines(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut lines = String::with_capacity(text.len());
    let (mut in_session, mut connected) = (true, false);
    for line in text.split('\n') {
        let line = line.trim().trim_matches('\0');
        in_session &= !line.starts_with("m=");
        let repeated = in_session && connected && line.starts_with("c=");
        connected |= line.starts_with("c=");
        if matches!(line.as_bytes(), [b'v' | b'c' | b'm' | b'a', b'=', ..]) && !repeated {
            push_words(&mut lines, line);
        }
        lines.push('\n');
    }
    lines
}

/// Appends `line` with single spaces, and without the control characters that have no place in it.
fn push_words(lines: &mut String, line: &str) {
    for (position, word) in line.split_whitespace().enumerate() {
        if position > 0 {
            lines.push(' ');
        }
        lines.extend(word.chars().filter(|character| !character.is_control()));
    }
}

/// The audio to take: that of `line` if we can, else the first that we can.
pub(super) fn first_audio(
    session: &Session,
    local: IpAddr,
    line: Option<usize>,
) -> Result<Audio, SdpError> {
    if let Some(audio) = line.and_then(|line| read_audio(session, line, local, &[]).ok()) {
        return Ok(audio);
    }
    let mut why = None;
    for line in 0..session.medias.len() {
        match read_audio(session, line, local, &[]) {
            Ok(audio) => return Ok(audio),
            Err(SdpError::NoAudio { .. }) => {}
            Err(error) => why = why.or(Some(error)),
        }
    }
    Err(why.unwrap_or_else(|| no_audio(session)))
}

/// The audio of one media line, or why we cannot take it. `ours` are the formats of our offer, where
/// this is its answer: some answers repeat a number and leave out what it means.
pub(super) fn read_audio(
    session: &Session,
    line: usize,
    local: IpAddr,
    ours: &[Format],
) -> Result<Audio, SdpError> {
    let media = session
        .medias
        .get(line)
        .ok_or(SdpError::NotAnAnswer { line })?;
    if !media.media.eq_ignore_ascii_case("audio") || media.port == 0 {
        return Err(no_audio(session));
    }
    if !is_plain_rtp(&media.proto) {
        let protocol = media.proto.clone();
        return Err(SdpError::Transport { protocol });
    }
    let formats = formats(media, ours);
    if !formats.iter().any(|format| format.codec().is_some()) {
        let theirs = codec_names(media);
        return Err(SdpError::Codecs { theirs });
    }
    let ip = media_address(session, media, local)?;
    let rtp = SocketAddr::new(ip, media.port);
    let own = direction(|name| media.has_attribute(name));
    let common = direction(|name| session.has_attribute(name));
    let direction = own.or(common).unwrap_or(Direction::SendRecv);
    Ok(Audio {
        line,
        formats,
        // RFC 2543 put on hold with this address; nothing can be sent to it.
        direction: Direction::new(
            direction.sends(),
            direction.receives() && !ip.is_unspecified(),
        ),
        rtp,
        rtcp: rtcp_address(media, rtp),
        ptime: milliseconds(session, media, "ptime"),
        maxptime: milliseconds(session, media, "maxptime"),
    })
}

/// RFC 3551 §2, and the profile that adds early feedback to it (RFC 4585), which we need not send.
fn is_plain_rtp(protocol: &str) -> bool {
    ["RTP/AVP", "RTP/AVPF"]
        .iter()
        .any(|known| protocol.eq_ignore_ascii_case(known))
}

fn formats(media: &Media, ours: &[Format]) -> Vec<Format> {
    let mut formats: Vec<Format> = Vec::new();
    for payload_type in payload_types(media) {
        let known = formats
            .iter()
            .any(|format| format.payload_type == payload_type);
        if let (false, Some(kind)) = (known, kind(media, payload_type, ours)) {
            formats.push(Format { payload_type, kind });
        }
    }
    formats
}

fn payload_types(media: &Media) -> impl Iterator<Item = u8> {
    media
        .fmt
        .split(' ')
        .filter_map(|format| format.parse().ok())
        .filter(|payload_type| *payload_type < 128)
}

/// What a payload type means: by its rtpmap, or else by our offer or RFC 3551's static assignment.
fn kind(media: &Media, payload_type: u8, ours: &[Format]) -> Option<Kind> {
    let Some(map) = rtpmap(media, payload_type) else {
        let assigned = CODECS.map(|codec| Format {
            payload_type: codec.payload_type(),
            kind: Kind::Audio(codec),
        });
        return ours
            .iter()
            .chain(&assigned)
            .find(|format| format.payload_type == payload_type)
            .map(|format| format.kind);
    };
    let mono = matches!(map.encoding_params.as_deref(), None | Some("" | "1"));
    if map.clock_rate != crate::media::g711::SAMPLE_RATE || !mono {
        return None;
    }
    if map.encoding_name.eq_ignore_ascii_case("telephone-event") {
        return Some(Kind::Events);
    }
    CODECS
        .into_iter()
        .find(|codec| map.encoding_name.eq_ignore_ascii_case(codec.name()))
        .map(Kind::Audio)
}

fn rtpmap(media: &Media, payload_type: u8) -> Option<RtpMap> {
    media
        .attributes
        .iter()
        .filter(|attribute| attribute.attribute.eq_ignore_ascii_case("rtpmap"))
        .filter_map(|attribute| RtpMap::from_str(attribute.value.as_deref()?.trim()).ok())
        .find(|map| map.payload_type == payload_type)
}

fn media_address(session: &Session, media: &Media, local: IpAddr) -> Result<IpAddr, SdpError> {
    let connection: &Connection = media
        .connections
        .first()
        .or(session.connection.as_ref())
        .ok_or_else(|| SdpError::Malformed("audio without a c= line".to_owned()))?;
    let text = connection.connection_address.as_str();
    let refused = |what| SdpError::Address {
        address: text.chars().take(64).collect(),
        what,
    };
    let ip: IpAddr = text
        .split('/')
        .next()
        .unwrap_or_default()
        .parse()
        .map_err(|_| refused("no IP address; names are not looked up for media"))?;
    if ip.is_multicast() || matches!(ip, IpAddr::V4(v4) if v4.is_broadcast()) {
        return Err(refused("an address of many; we talk to one"));
    }
    match (ip, local) {
        (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => Ok(ip),
        (IpAddr::V4(_), IpAddr::V6(_)) => Err(refused("IPv4, and our side of this leg IPv6")),
        (IpAddr::V6(_), IpAddr::V4(_)) => Err(refused("IPv6, and our side of this leg IPv4")),
    }
}

/// RFC 3605, or the next port. RTCP on the RTP port itself (RFC 5761) is only what a side offers,
/// and we do not take that up.
fn rtcp_address(media: &Media, rtp: SocketAddr) -> SocketAddr {
    let next = SocketAddr::new(rtp.ip(), rtp.port().checked_add(1).unwrap_or(rtp.port()));
    let Some(Some(value)) = media.get_first_attribute_value("rtcp") else {
        return next;
    };
    let mut words = value.split_whitespace();
    let port = words.next().and_then(|port| port.parse::<u16>().ok());
    let address = words.nth(2).and_then(|address| address.parse().ok());
    match port {
        Some(port) if port > 0 && port != rtp.port() => SocketAddr::new(
            address
                .filter(|address: &IpAddr| address.is_ipv4() == rtp.is_ipv4())
                .unwrap_or(rtp.ip()),
            port,
        ),
        Some(_) | None => next,
    }
}

fn direction(has: impl Fn(&str) -> bool) -> Option<Direction> {
    [
        Direction::SendRecv,
        Direction::SendOnly,
        Direction::RecvOnly,
        Direction::Inactive,
    ]
    .into_iter()
    .find(|direction| has(direction.as_str()))
}

fn milliseconds(session: &Session, media: &Media, name: &str) -> Option<u32> {
    let value = media
        .get_first_attribute_value(name)
        .or_else(|| session.get_first_attribute_value(name))??;
    let whole = value.split('.').next().unwrap_or(value);
    whole.trim().parse().ok()
}

fn no_audio(session: &Session) -> SdpError {
    let lines = session
        .medias
        .iter()
        .map(|media| format!("{} {} {}", media.media, media.port, media.proto));
    SdpError::NoAudio {
        offered: in_short(lines),
    }
}

fn codec_names(media: &Media) -> String {
    let name = |payload_type| match rtpmap(media, payload_type) {
        Some(map) => format!("{}/{}", map.encoding_name, map.clock_rate),
        None => format!("payload type {payload_type}"),
    };
    in_short(payload_types(media).map(name))
}

/// The first few of a list that somebody else wrote.
fn in_short(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items
        .take(8)
        .map(|item| item.chars().take(40).collect())
        .collect();
    if items.is_empty() {
        "none".to_owned()
    } else {
        items.join(", ")
    }
}
