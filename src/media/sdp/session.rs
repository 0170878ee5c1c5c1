//! Our side of one leg's offers and answers.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use sdp_types::{Attribute, Connection, Media, Origin, Session, Time};

use crate::media::command::{Agreement, Codec, Direction};

use super::read::{Audio, Format, Kind, first_audio, parse, read_audio};
use super::{SdpError, is_private};

/// Our payload type of telephone-event where we offer: the one that most systems use.
const EVENTS: u8 = 101;

/// Audio per packet where the other side does not say (RFC 3551 §4.5), and what we ask for.
const PTIME: u32 = 20;

/// The least and the most audio per packet that we send, in ms.
const PTIME_RANGE: (u32, u32) = (10, 60);

/// What one leg's media is on our side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalMedia {
    /// Our address as this leg sees it.
    pub address: IpAddr,
    /// Our even RTP port; RTCP is on the next one.
    pub port: u16,
    /// What we speak, in the order in which we offer it: [`CODECS`](super::CODECS), or as
    /// [`codecs_offered`](super::codecs_offered) says.
    pub codecs: Vec<Codec>,
    /// Where this leg's signalling comes from.
    pub signalling: IpAddr,
}

/// The offers and answers of one leg: what was said last, so that the next thing said is right.
///
/// Reading never changes what was said; an offer or answer that turns out wrong leaves all as it
/// was.
#[derive(Clone, Debug)]
pub struct SdpSession {
    local: LocalMedia,
    id: u64,
    version: u64,
    /// The body that was sent last.
    said: Option<Vec<u8>>,
    /// The media lines of the session; one of them is ours.
    lines: Vec<Line>,
    /// The place of our line.
    line: usize,
    /// The payload types of our line: ours, with what they mean.
    formats: Vec<Format>,
    direction: Direction,
    agreed: Option<Agreement>,
}

/// A media line as both sides must keep repeating it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    media: String,
    protocol: String,
    format: String,
}

impl SdpSession {
    /// A leg of which nothing has been said. `id` goes into `o=` and should be unlike other legs'.
    pub fn new(local: LocalMedia, id: u64) -> SdpSession {
        SdpSession {
            local,
            // RFC 3264 §5: a value that fits a signed 64-bit number.
            id: id >> 2,
            version: 1,
            said: None,
            lines: Vec::new(),
            line: 0,
            formats: Vec::new(),
            direction: Direction::SendRecv,
            agreed: None,
        }
    }

    /// The same media offered to a device whose signalling comes from elsewhere; nothing has been
    /// said to that one yet.
    pub fn towards(&self, signalling: IpAddr) -> SdpSession {
        let local = LocalMedia {
            signalling,
            ..self.local.clone()
        };
        SdpSession::new(local, self.id << 2)
    }

    /// What was agreed on last.
    pub fn agreed(&self) -> Option<&Agreement> {
        self.agreed.as_ref()
    }

    /// An offer of all that we speak: the first one, or another one in the course of the call
    /// (RFC 3264 §8).
    pub fn offer(&mut self, direction: Direction) -> Bytes {
        if self.lines.is_empty() {
            self.lines.push(Line {
                media: "audio".to_owned(),
                protocol: "RTP/AVP".to_owned(),
                format: String::new(),
            });
        }
        self.direction = direction;
        self.formats = self.formats_to_offer();
        self.say(Some(PTIME))
    }

    /// Reads the answer to our latest offer.
    pub fn accept(&mut self, answer: &[u8]) -> Result<Agreement, SdpError> {
        let session = parse(answer)?;
        let audio = read_audio(&session, self.line, self.local.address, &self.formats);
        let audio = match (audio, &self.agreed) {
            (Err(SdpError::NoAudio { .. }), Some(agreed)) => {
                let agreed = agreed.clone();
                return Ok(self.rest(agreed));
            }
            (audio, _) => audio?,
        };
        let (send_payload_type, codec) = self
            .choose(&audio, None)
            .ok_or_else(|| nothing_in_common(&audio))?;
        let events = events(&audio.formats).zip(events(&self.formats));
        Ok(self.agree(&audio, codec, send_payload_type, events))
    }

    /// Answers an offer: with `preferred` where the offer has it (the other leg's codec, so that
    /// nothing needs converting), without it with the codec in use, else with the first codec of the
    /// offer that we speak.
    /// `direction` is what we would do if the other side had no wish of its own.
    pub fn answer(
        &mut self,
        offer: &[u8],
        preferred: Option<Codec>,
        direction: Direction,
    ) -> Result<(Bytes, Agreement), SdpError> {
        let session = parse(offer)?;
        let line = self.said.is_some().then_some(self.line);
        let audio = first_audio(&session, self.local.address, line);
        let audio = match (audio, &self.agreed) {
            (Err(SdpError::NoAudio { .. }), Some(agreed)) => {
                let agreed = agreed.clone();
                return Ok(self.answer_disabled(&session, agreed));
            }
            (audio, _) => audio?,
        };
        let in_use = self.agreed.as_ref().map(|agreement| agreement.codec);
        let (payload_type, codec) = self
            .choose(&audio, preferred.or(in_use))
            .ok_or_else(|| nothing_in_common(&audio))?;
        let events = events(&audio.formats);

        self.line = audio.line;
        self.lines = session.medias.iter().map(Line::of).collect();
        // RFC 3264 §6.1: the same number means the same in both directions.
        let kind = Kind::Audio(codec);
        self.formats = vec![Format { payload_type, kind }];
        self.formats.extend(events.map(|payload_type| Format {
            payload_type,
            kind: Kind::Events,
        }));
        self.direction = direction.and(audio.direction.reversed());
        let agreement = self.agree(&audio, codec, payload_type, events.zip(events));
        let ptime = u32::try_from(agreement.ptime.as_millis()).unwrap_or(PTIME);
        Ok((self.say(Some(ptime)), agreement))
    }

    fn choose(&self, audio: &Audio, preferred: Option<Codec>) -> Option<(u8, Codec)> {
        let mut offered: Vec<(u8, Codec)> = audio
            .formats
            .iter()
            .filter_map(|format| format.codec())
            .filter(|(_, codec)| self.local.codecs.contains(codec))
            .collect();
        offered.sort_by_key(|(_, codec)| Some(*codec) != preferred);
        offered.first().copied()
    }

    /// The other side disables our media but stays: nothing flows until it offers again.
    fn answer_disabled(&mut self, session: &Session, agreed: Agreement) -> (Bytes, Agreement) {
        self.lines = session.medias.iter().map(Line::of).collect();
        (self.say(None), self.rest(agreed))
    }

    fn rest(&mut self, mut agreement: Agreement) -> Agreement {
        agreement.direction = Direction::Inactive;
        self.agreed = Some(agreement.clone());
        agreement
    }

    fn agree(
        &mut self,
        audio: &Audio,
        codec: Codec,
        send_payload_type: u8,
        events: Option<(u8, u8)>,
    ) -> Agreement {
        let ours = self.formats.iter().filter_map(|format| format.codec());
        let agreement = Agreement {
            codec,
            send_payload_type,
            receive_payload_types: ours.collect(),
            events,
            ptime: ptime(audio),
            direction: self.direction.and(audio.direction.reversed()),
            remote: audio.rtp,
            remote_rtcp: audio.rtcp,
            signalling: self.local.signalling,
            remote_is_private: is_private(audio.rtp.ip()),
        };
        self.agreed = Some(agreement.clone());
        agreement
    }

    /// All that we speak. A codec or telephone-event keeps the number that it had in this call, and
    /// no number gets another meaning (RFC 3264 §8.3.2).
    fn formats_to_offer(&self) -> Vec<Format> {
        let codecs = self.local.codecs.iter();
        let wanted = codecs
            .map(|codec| (codec.payload_type(), Kind::Audio(*codec)))
            .chain([(EVENTS, Kind::Events)]);
        let mut formats: Vec<Format> = Vec::new();
        for (usual, kind) in wanted {
            let had = self.formats.iter().find(|format| format.kind == kind);
            let is_free = |number: &u8| {
                let mut used = self.formats.iter().chain(&formats);
                !used.any(|format| format.payload_type == *number)
            };
            let number = had
                .map(|format| format.payload_type)
                .or_else(|| Some(usual).filter(is_free))
                .or_else(|| (96..128).find(is_free));
            formats.extend(number.map(|payload_type| Format { payload_type, kind }));
        }
        formats
    }

    /// The body for what we have to say now: our line with this `ptime`, or no line enabled. Its
    /// version goes up when it differs from the last one (RFC 3264 §8).
    fn say(&mut self, ptime: Option<u32>) -> Bytes {
        let same = self.write(ptime);
        let body = match &self.said {
            None => same,
            Some(said) if *said == same => same,
            Some(_) => {
                self.version += 1;
                self.write(ptime)
            }
        };
        self.said = Some(body.clone());
        body.into()
    }

    fn write(&self, ptime: Option<u32>) -> Vec<u8> {
        let address = self.local.address;
        let mut origin = Origin::with_ip_addr(self.id, self.version, address);
        origin.username = Some("-".to_owned());
        let mut session = Session::new(origin, "-");
        session.connection = Some(Connection::from_ip_addr(address));
        session.times = vec![Time::new(0, 0)];
        session.medias = self
            .lines
            .iter()
            .enumerate()
            .map(|(place, line)| match ptime {
                Some(ptime) if place == self.line => self.our_line(line, ptime),
                Some(_) | None => line.refused(),
            })
            .collect();
        let mut body = Vec::with_capacity(400);
        // Writing to memory does not fail.
        let _ = session.write(&mut body);
        body
    }

    fn our_line(&self, line: &Line, ptime: u32) -> Media {
        let numbers = self
            .formats
            .iter()
            .map(|format| format.payload_type.to_string());
        let numbers: Vec<String> = numbers.collect();
        let mut attributes = Vec::new();
        let mut add = |name: &str, value: Option<String>| {
            attributes.push(Attribute {
                attribute: name.to_owned(),
                value,
            });
        };
        for Format { payload_type, kind } in &self.formats {
            let name = match kind {
                Kind::Audio(codec) => codec.name(),
                Kind::Events => "telephone-event",
            };
            add("rtpmap", Some(format!("{payload_type} {name}/8000")));
            if *kind == Kind::Events {
                add("fmtp", Some(format!("{payload_type} 0-15")));
            }
        }
        add("ptime", Some(ptime.to_string()));
        add("maxptime", Some(PTIME_RANGE.1.to_string()));
        add(self.direction.as_str(), None);
        Media {
            media: "audio".to_owned(),
            port: self.local.port,
            num_ports: None,
            proto: line.protocol.clone(),
            fmt: numbers.join(" "),
            media_title: None,
            connections: Vec::new(),
            bandwidths: Vec::new(),
            key: None,
            attributes,
        }
    }
}

impl Line {
    fn of(media: &Media) -> Line {
        Line {
            media: media.media.clone(),
            protocol: media.proto.clone(),
            format: media.fmt.split(' ').next().unwrap_or("0").to_owned(),
        }
    }

    fn refused(&self) -> Media {
        Media {
            media: self.media.clone(),
            port: 0,
            num_ports: None,
            proto: self.protocol.clone(),
            fmt: self.format.clone(),
            media_title: None,
            connections: Vec::new(),
            bandwidths: Vec::new(),
            key: None,
            attributes: Vec::new(),
        }
    }
}

fn events(formats: &[Format]) -> Option<u8> {
    formats
        .iter()
        .find(|format| format.kind == Kind::Events)
        .map(|format| format.payload_type)
}

fn nothing_in_common(audio: &Audio) -> SdpError {
    let theirs = audio.formats.iter().filter_map(|format| format.codec());
    let theirs: Vec<&str> = theirs.map(|(_, codec)| codec.name()).collect();
    SdpError::Codecs {
        theirs: theirs.join(", "),
    }
}

/// What the other side would like, in whole 10 ms within our range and its longest.
fn ptime(audio: &Audio) -> Duration {
    let (least, most) = PTIME_RANGE;
    let wanted = audio.ptime.filter(|ptime| *ptime > 0).unwrap_or(PTIME);
    let longest = audio
        .maxptime
        .filter(|longest| *longest > 0)
        .unwrap_or(most);
    let millis = wanted.min(longest).clamp(least, most) / 10 * 10;
    Duration::from_millis(millis.into())
}
