//! A media leg as a machine: packets, commands and time go in; packets, samples and events come
//! out. It opens no socket and reads no clock.
//!
//! **Handle one thing, then drain [`MediaLeg::poll_transmit`], [`MediaLeg::poll_event`] and
//! [`MediaLeg::drain_recorded`], then wait until [`MediaLeg::next_timeout`].** Two legs that are
//! bridged know nothing of each other: what one has [`Heard`], its owner gives to the other's
//! [`MediaLeg::forward`].

mod agreed;
mod outgoing;
mod playing;
mod reports;
mod source;
mod take;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use crate::core::prompt::Audio;
use crate::core::time::{Mono, Now};
use crate::media::command::{Agreement, Codec, MediaCounters, MediaEvent, MediaId, RecordingEnd};
use crate::media::dtmf::{KeyReader, PressId};
use crate::media::g711::transcode;
use crate::media::rtp::rtcp::Report;
use crate::media::rtp::{Datagram, HEADER_LENGTH, Header, Packet, Reception, demultiplex};

use agreed::{Agreed, MAX_FRAME, Meaning, sendable};
use outgoing::{Carried, Outgoing};
use playing::Playing;
use reports::Reports;
use source::SourceLock;
use take::Take;

/// How long neither RTP nor RTCP may come before [`MediaEvent::Silent`].
pub const SILENT_AFTER: Duration = Duration::from_secs(30);

/// One side of a call's audio.
#[derive(Debug)]
pub struct MediaLeg {
    media: MediaId,
    now: Mono,
    agreed: Option<Agreed>,
    reception: Option<Reception>,
    lost_earlier: u64,
    keys: KeyReader,
    /// The press under way when this leg's bridge changed: it was meant for us, so that none of it,
    /// its end included, goes to the other side.
    kept_press: Option<PressId>,
    outgoing: Outgoing,
    playing: Option<Playing>,
    take: Option<Take>,
    reports: Reports,
    attention: Attention,
    rtcp_from: Option<SocketAddr>,
    leaving: bool,
    events: VecDeque<MediaEvent>,
    counters: MediaCounters,
}

/// Whether anything comes.
#[derive(Debug)]
struct Attention {
    /// Since when we listen, or when something came last.
    since: Mono,
    ever_heard: bool,
    silent: bool,
}

/// A packet that a leg took and that another may be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    packet: Packet,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Audio(Codec),
    Event,
    Nothing,
}

/// Which of a leg's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    /// RTP.
    Rtp,
    /// RTCP.
    Rtcp,
}

/// A datagram of our own to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// From which socket.
    pub socket: Socket,
    /// To where.
    pub to: SocketAddr,
    /// How many octets of the buffer that was given.
    pub length: usize,
}

impl MediaLeg {
    /// A leg without an agreement: it takes and sends nothing. `seed` must not be guessable.
    pub fn new(media: MediaId, seed: u64, now: Now) -> MediaLeg {
        MediaLeg {
            media,
            now: now.mono,
            agreed: None,
            reception: None,
            lost_earlier: 0,
            keys: KeyReader::default(),
            kept_press: None,
            outgoing: Outgoing::new(seed, now.mono),
            playing: None,
            take: None,
            reports: Reports::new(seed, now),
            attention: Attention {
                since: now.mono,
                ever_heard: false,
                silent: false,
            },
            rtcp_from: None,
            leaving: false,
            events: VecDeque::with_capacity(8),
            counters: MediaCounters::default(),
        }
    }

    /// Uses what offer and answer agreed on, from now on.
    pub fn agree(&mut self, agreement: &Agreement, now: Mono) {
        self.pass(now);
        let was_receiving = self.is_receiving();
        let source = match self.agreed.take() {
            Some(mut earlier) => {
                earlier.source.agree(agreement, now);
                earlier.source
            }
            None => {
                if let Some(playing) = &mut self.playing {
                    playing.start(now);
                }
                SourceLock::new(agreement, now)
            }
        };
        self.agreed = Some(Agreed::new(agreement, source));
        if !was_receiving {
            self.attention.since = now;
            self.attention.silent = false;
        }
        self.reports.start(now);
    }

    /// Plays `audio` in place of whatever is sent.
    pub fn play(&mut self, audio: Audio, repeat: bool, now: Mono) {
        self.pass(now);
        self.outgoing.switch();
        let start = now.max(self.outgoing.ends_at());
        self.playing = Some(Playing::new(audio, repeat, start));
    }

    /// Stops playing; what is forwarded is heard again. No event follows.
    pub fn stop_playing(&mut self, now: Mono) {
        self.pass(now);
        if self.playing.take().is_some() {
            self.outgoing.switch();
        }
    }

    /// Says that packets of another leg are forwarded from now on, or are not.
    pub fn switch(&mut self, now: Mono) {
        self.pass(now);
        self.kept_press = self.keys.last_press();
        if self.playing.is_none() {
            self.outgoing.switch();
        }
    }

    /// Begins to record what comes, at most `limit` of it. One recording at a time: false if the
    /// last one has not been taken away.
    pub fn record(&mut self, limit: Duration, now: Mono) -> bool {
        self.pass(now);
        if self.take.is_some() {
            return false;
        }
        self.take = Some(Take::new(limit, now));
        true
    }

    /// Ends the recording, for the reason given.
    pub fn stop_recording(&mut self, why: RecordingEnd, now: Mono) {
        self.pass(now);
        if let Some(take) = &mut self.take {
            take.stop(why);
        }
    }

    /// Ends everything; a last RTCP packet is left to transmit.
    pub fn close(&mut self, now: Mono) {
        self.stop_recording(RecordingEnd::Stopped, now);
        self.playing = None;
        self.leaving = self.agreed.is_some();
    }

    /// Takes a datagram from the RTP socket. What is returned may be given to another leg.
    pub fn handle_datagram(
        &mut self,
        source: SocketAddr,
        datagram: &[u8],
        now: Mono,
    ) -> Option<Heard> {
        self.pass(now);
        match demultiplex(datagram) {
            Datagram::Rtp(packet) => self.handle_packet(source, packet, datagram, now),
            Datagram::Rtcp => {
                self.handle_rtcp(source, datagram, now);
                None
            }
            Datagram::Stun
            | Datagram::Dtls
            | Datagram::Turn
            | Datagram::Zrtp
            | Datagram::Unknown => {
                self.counters.malformed += 1;
                None
            }
        }
    }

    /// Takes a datagram from the RTCP socket.
    pub fn handle_rtcp(&mut self, source: SocketAddr, datagram: &[u8], now: Mono) {
        self.pass(now);
        let admitted = self
            .agreed
            .as_ref()
            .is_some_and(|agreed| agreed.source.admits_rtcp(source, agreed.remote_rtcp));
        if !admitted {
            self.counters.foreign += 1;
        } else if self.reports.handle(datagram, now).is_err() {
            self.counters.malformed += 1;
        } else {
            self.rtcp_from = Some(source);
            self.hear(now);
        }
    }

    /// Turns a packet that the other leg of a bridge heard into one to send, within `datagram`;
    /// `None`: nothing is to be sent. The payload stays as it is where both legs have the codec.
    pub fn forward<'a>(
        &mut self,
        heard: &Heard,
        datagram: &'a mut [u8],
        now: Mono,
    ) -> Option<(SocketAddr, &'a [u8])> {
        self.pass(now);
        if self.playing.is_some() {
            return None;
        }
        let agreed = self.agreed.as_ref()?;
        let to = agreed.destination()?;
        let payload = heard.packet.payload.clone();
        let (carried, payload_type) = match (heard.what, agreed.send_event_type) {
            (What::Audio(_), _) => (
                Carried::Audio(payload.len() as u32),
                agreed.send_payload_type,
            ),
            (What::Event, Some(payload_type)) => (Carried::Event, payload_type),
            (What::Event, None) | (What::Nothing, _) => (Carried::Nothing, 0),
        };
        let codec = agreed.codec;
        let header = &heard.packet.header;
        let header = self.outgoing.carry(header, carried, payload_type, now)?;
        if let What::Audio(from) = heard.what {
            transcode(from, codec, datagram.get_mut(payload.clone())?);
        }
        // The payload stays in its place and our header goes right before it.
        let start = payload.start.checked_sub(HEADER_LENGTH)?;
        let packet = datagram.get_mut(start..payload.end)?;
        if !header.write(packet) {
            return None;
        }
        self.outgoing.count(payload.len());
        Some((to, packet))
    }

    /// The next datagram of our own, written into `buffer` (of at least
    /// [`MAX_DATAGRAM`](crate::media::rtp::MAX_DATAGRAM) octets); `None`: nothing more for now.
    pub fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<Transmit> {
        while self.agreed.is_some() && self.playing.as_ref().is_some_and(|p| p.is_due(self.now)) {
            if let Some(transmit) = self.play_frame(buffer) {
                return Some(transmit);
            }
        }
        let is_due = self.reports.due().is_some_and(|due| due <= self.now);
        if is_due || self.leaving {
            return self.report(buffer);
        }
        None
    }

    /// What has happened.
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.pop_front()
    }

    /// Hands over what was recorded since the last call. Returns why the recording ended, once,
    /// after its last sample; the leg can then record again.
    pub fn drain_recorded(&mut self, out: impl FnMut(&[i16])) -> Option<RecordingEnd> {
        let take = self.take.as_mut()?;
        take.drain(out);
        let end = take.end()?;
        self.take = None;
        Some(end)
    }

    /// When to call [`MediaLeg::handle_timeout`].
    pub fn next_timeout(&self) -> Option<Mono> {
        let playing = self.playing.as_ref().filter(|_| self.agreed.is_some());
        [
            playing.and_then(Playing::due),
            self.reports.due(),
            self.take.as_ref().and_then(Take::next_timeout),
            self.silent_at(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Mono) {
        self.pass(now);
        if let Some(take) = &mut self.take {
            take.pull(now);
        }
        if self.silent_at().is_some_and(|at| at <= now) {
            self.attention.silent = true;
            self.events.push_back(MediaEvent::Silent {
                media: self.media,
                ever_heard: self.attention.ever_heard,
            });
        }
        self.end_playing();
    }

    /// Where RTP comes from, once that is known.
    pub fn source(&self) -> Option<SocketAddr> {
        self.agreed.as_ref()?.source.locked()
    }

    /// What was counted so far.
    pub fn counters(&self) -> MediaCounters {
        let lost = self.reception.as_ref().map_or(0, Reception::lost);
        MediaCounters {
            sent: self.outgoing.packets(),
            lost: self.lost_earlier + lost,
            jitter: self.reception.as_ref().map_or(0, Reception::jitter),
            ..self.counters
        }
    }

    fn handle_packet(
        &mut self,
        source: SocketAddr,
        packet: Packet,
        datagram: &[u8],
        now: Mono,
    ) -> Option<Heard> {
        let header = packet.header;
        let Some(agreed) = &mut self.agreed else {
            self.counters.foreign += 1;
            return None;
        };
        if !agreed.source.admit(source, header.ssrc, now) {
            self.counters.foreign += 1;
            return None;
        }
        let meaning = agreed.receive[usize::from(header.payload_type & 0x7f)];
        let receives = agreed.receives();
        self.count(&header, meaning, now);
        self.hear(now);
        if !receives {
            return None;
        }
        let payload = datagram.get(packet.payload.clone()).unwrap_or_default();
        let what = match meaning {
            Meaning::Audio(codec) => {
                if let Some(take) = &mut self.take {
                    take.hear(&header, codec, payload, now);
                }
                What::Audio(codec)
            }
            Meaning::Event => {
                if let Some(digit) = self.keys.handle(&header, payload) {
                    self.press(digit);
                }
                let press = self.keys.last_press();
                if press.is_some() && press == self.kept_press {
                    What::Nothing
                } else {
                    What::Event
                }
            }
            Meaning::ComfortNoise | Meaning::NotAgreed => What::Nothing,
        };
        Some(Heard { packet, what })
    }

    fn count(&mut self, header: &Header, meaning: Meaning, now: Mono) {
        match &mut self.reception {
            Some(reception) if reception.ssrc() == header.ssrc => reception.count(header, now),
            reception => {
                let earlier = reception.replace(Reception::new(header, now));
                self.lost_earlier += earlier.map_or(0, |reception| reception.lost());
            }
        }
        match meaning {
            Meaning::NotAgreed => self.counters.malformed += 1,
            Meaning::Audio(_) | Meaning::Event | Meaning::ComfortNoise => {
                self.counters.received += 1;
            }
        }
    }

    fn press(&mut self, digit: char) {
        let media = self.media;
        self.events.push_back(MediaEvent::Digit { media, digit });
        if let Some(take) = self.take.as_mut().filter(|_| digit == '#') {
            take.stop(RecordingEnd::Pound);
        }
    }

    fn hear(&mut self, now: Mono) {
        self.attention.since = now;
        self.attention.ever_heard = true;
        if std::mem::take(&mut self.attention.silent) {
            let media = self.media;
            self.events.push_back(MediaEvent::HeardAgain { media });
        }
    }

    /// The next frame of what is playing; `None` where it may not be sent: its time passes unheard.
    fn play_frame(&mut self, buffer: &mut [u8]) -> Option<Transmit> {
        let playing = self.playing.as_mut()?;
        let agreed = self.agreed.as_ref()?;
        let mut frame = [0; MAX_FRAME];
        let frame = &mut frame[..agreed.frame];
        let due = playing.next_frame(agreed.codec, frame, self.now);
        let to = agreed.destination()?;
        let header = self
            .outgoing
            .next(agreed.send_payload_type, frame.len() as u32, due);
        let length = HEADER_LENGTH + frame.len();
        let packet = buffer.get_mut(..length)?;
        if !header.write(packet) {
            return None;
        }
        packet[HEADER_LENGTH..].copy_from_slice(frame);
        self.outgoing.count(frame.len());
        Some(Transmit {
            socket: Socket::Rtp,
            to,
            length,
        })
    }

    fn end_playing(&mut self) {
        let ready = self.agreed.is_some();
        if ready && self.playing.as_ref().is_some_and(|p| p.is_over(self.now)) {
            self.playing = None;
            self.outgoing.switch();
            let media = self.media;
            self.events.push_back(MediaEvent::PlayingEnded { media });
        }
    }

    fn report(&mut self, buffer: &mut [u8]) -> Option<Transmit> {
        let goodbye = std::mem::take(&mut self.leaving);
        self.reports.schedule(self.now);
        let to = self.rtcp_destination()?;
        let ntp = self.reports.ntp(self.now);
        let mut block = self.reception.as_mut().map(Reception::report);
        if let Some(block) = &mut block {
            self.reports.complete(block, self.now);
        }
        let report = Report {
            ssrc: self.outgoing.ssrc(),
            sender: self.outgoing.report(ntp, self.now),
            block,
            cname: self.reports.cname(),
            goodbye,
        };
        let length = report.write(buffer);
        (length > 0).then_some(Transmit {
            socket: Socket::Rtcp,
            to,
            length,
        })
    }

    /// Where RTCP goes: to where it comes from; else beside the RTP that comes from elsewhere than
    /// the SDP says; else where the SDP says.
    fn rtcp_destination(&self) -> Option<SocketAddr> {
        let agreed = self.agreed.as_ref()?;
        let rtp = agreed.source.destination();
        let to = match self.rtcp_from {
            Some(from) if from.ip() == rtp.ip() => from,
            Some(_) | None if agreed.source.is_elsewhere() => {
                SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?)
            }
            Some(_) | None => agreed.remote_rtcp,
        };
        sendable(to)
    }

    fn is_receiving(&self) -> bool {
        self.agreed.as_ref().is_some_and(Agreed::receives)
    }

    fn silent_at(&self) -> Option<Mono> {
        let listening = self.is_receiving() && !self.attention.silent;
        listening.then(|| self.attention.since + SILENT_AFTER)
    }

    fn pass(&mut self, now: Mono) {
        self.now = self.now.max(now);
    }
}

#[cfg(test)]
mod tests;
