//! Media legs as the engine sees them: which call has which port, and what the threads report.

use std::net::IpAddr;

use bytes::Bytes;

use super::ongoing::OngoingCall;
use super::{Engine, Output, addresses};
use crate::core::call::{self, Side};
use crate::core::id::{CallId, LegId};
use crate::core::prompt::Audio;
use crate::core::time::Now;
use crate::media::command::{Codec, MediaCommand, MediaEvent, MediaId};
use crate::media::sdp::{LocalMedia, SdpSession};
use crate::sip::flow::Flow;

/// A media leg in use.
#[derive(Debug)]
pub(super) struct MediaUse {
    pub(super) call: CallId,
    pub(super) port: u16,
    /// The SIP leg whose media it is; `None` while it is only offered to devices that ring.
    pub(super) leg: Option<LegId>,
    /// The address that was advertised.
    pub(super) advertised: IpAddr,
    /// What to play once offer and answer have agreed on where to.
    pub(super) waiting: Option<(Audio, bool)>,
    /// `Close` was sent; the port is freed when `Closed` comes.
    pub(super) closing: bool,
}

/// A media leg that every ringing device of a call was offered; the first to answer takes it.
#[derive(Clone, Debug)]
pub(super) struct SharedMedia {
    pub(super) bound: IpAddr,
    pub(super) advertised: IpAddr,
    /// Where the devices' signalling comes from.
    pub(super) signalling: IpAddr,
    pub(super) media: MediaId,
    /// As it stands after the offer; each device's leg goes on with its own.
    pub(super) session: SdpSession,
    pub(super) offer: Bytes,
}

impl Engine {
    /// Takes a port and opens a media leg on it; `None` when no port is free.
    pub(super) fn open_media(
        &mut self,
        call: CallId,
        leg: Option<LegId>,
        flow: &Flow,
        codecs: &[Codec],
        now: Now,
    ) -> Option<(MediaId, SdpSession)> {
        let advertised = self.media_address(flow);
        let port = self.ports.take(now.mono)?;
        self.next_media = self.next_media.saturating_add(1);
        let media = MediaId(self.next_media);
        self.media.insert(
            media,
            MediaUse {
                call,
                port,
                leg,
                advertised,
                waiting: None,
                closing: false,
            },
        );
        let seed = self.random.next_u64();
        self.send_media(MediaCommand::Open {
            media,
            call,
            address: flow.local.ip(),
            port,
            seed,
        });
        let local = LocalMedia {
            address: advertised,
            port,
            codecs: codecs.to_vec(),
            signalling: flow.remote.ip(),
        };
        Some((media, SdpSession::new(local, self.random.next_u64())))
    }

    pub(super) fn send_media(&mut self, command: MediaCommand) {
        self.outputs.push_back(Output::Media(command));
    }

    pub(super) fn close_media(&mut self, media: MediaId) {
        if let Some(used) = self.media.get_mut(&media)
            && !used.closing
        {
            used.closing = true;
            self.send_media(MediaCommand::Close { media });
        }
    }

    /// Nobody rings any more: what devices were offered and none has taken is closed.
    pub(super) fn close_spare_media(&mut self, call: &mut OngoingCall) {
        for shared in std::mem::take(&mut call.device_media) {
            let used = self.media.get(&shared.media);
            if used.is_some_and(|used| used.leg.is_none()) {
                self.close_media(shared.media);
            }
        }
    }

    pub(super) fn close_media_of(&mut self, call: CallId) {
        let mut open: Vec<MediaId> = self
            .media
            .iter()
            .filter(|(_, used)| used.call == call && !used.closing)
            .map(|(media, _)| *media)
            .collect();
        open.sort_unstable();
        for media in open {
            self.close_media(media);
        }
    }

    pub(super) fn media_event(&mut self, event: MediaEvent, now: Now) {
        match event {
            MediaEvent::OpenFailed { media, error } => self.open_failed(media, &error, now),
            MediaEvent::PlayingEnded { media } => {
                self.media_happened(media, now, |side| {
                    (side == Side::Caller).then_some(call::Event::PlayingEnded)
                });
            }
            MediaEvent::Digit { media, digit } => {
                self.media_happened(media, now, |side| match side {
                    Side::Leg(leg) => Some(call::Event::DigitPressed { leg, digit }),
                    Side::Caller => None,
                })
            }
            MediaEvent::RecordingEnded {
                id, why, length, ..
            } => {
                if let Some(call) = self.voicemails.get(&id).copied() {
                    self.call_event(call, call::Event::RecordingEnded { why, length }, now);
                }
            }
            MediaEvent::Silent { media, ever_heard } => {
                if !ever_heard {
                    self.warn_of_silence(media, now);
                }
                self.media_happened(media, now, |side| Some(call::Event::FellSilent(side)));
            }
            MediaEvent::HeardAgain { media } => {
                self.media_happened(media, now, |side| Some(call::Event::HeardAgain(side)));
            }
            MediaEvent::Closed { media, .. } => {
                if let Some(used) = self.media.remove(&media) {
                    self.ports.release(used.port, now.mono);
                }
            }
        }
    }

    fn media_happened(
        &mut self,
        media: MediaId,
        now: Now,
        event: impl FnOnce(Side) -> Option<call::Event>,
    ) {
        let Some((call, side)) = self.side_of(media) else {
            return;
        };
        if let Some(event) = event(side) {
            self.call_event(call, event, now);
        }
    }

    fn side_of(&self, media: MediaId) -> Option<(CallId, Side)> {
        let used = self.media.get(&media)?;
        let leg = self.legs.get(&used.leg?)?;
        Some((used.call, leg.side()))
    }

    /// Another program has the port, or the media thread gave the leg up: it has no media, so it
    /// cannot go on.
    fn open_failed(&mut self, media: MediaId, error: &str, now: Now) {
        let Some(used) = self.media.remove(&media) else {
            return;
        };
        self.ports.forget(used.port, now.mono);
        self.warn(
            now,
            format!("audio on UDP port {} is not possible: {error}", used.port),
        );
        let call = used.call;
        match used.leg {
            Some(leg) if self.legs.get(&leg).is_some_and(|leg| leg.user.is_none()) => {
                let detail = "no UDP port for the caller's audio could be bound".to_owned();
                self.end_leg(leg, Some(503), now);
                self.call_event(call, call::Event::CallerFailed { detail }, now);
            }
            Some(leg) => {
                let is_answered = self
                    .legs
                    .get(&leg)
                    .is_some_and(|leg| leg.record.answered.is_some());
                self.end_leg(leg, None, now);
                let event = if is_answered {
                    call::Event::LegEnded { leg }
                } else {
                    call::Event::LegRejected { leg, status: 503 }
                };
                self.call_event(call, event, now);
            }
            None => self.with_call(call, now, |call, engine| {
                engine.shared_media_lost(call, media, now);
            }),
        }
    }

    /// Ends every leg that was offered this media leg.
    fn shared_media_lost(&mut self, call: &mut OngoingCall, media: MediaId, now: Now) {
        call.device_media.retain(|shared| shared.media != media);
        let mut legs: Vec<LegId> = self
            .legs
            .iter()
            .filter(|(_, leg)| leg.media == Some(media))
            .map(|(leg, _)| *leg)
            .collect();
        legs.sort_unstable();
        for leg in legs {
            self.end_leg(leg, None, now);
            call.machine
                .handle(call::Event::LegRejected { leg, status: 503 }, now);
        }
    }

    fn warn_of_silence(&mut self, media: MediaId, now: Now) {
        let Some(used) = self.media.get(&media) else {
            return;
        };
        let Some(leg) = used.leg.and_then(|leg| self.legs.get(&leg)) else {
            return;
        };
        let who = match (&leg.user, &leg.trunk) {
            (_, Some(trunk)) => format!("trunk {:?}", &**trunk),
            (Some(user), None) => format!("{user}'s phone"),
            (None, None) => "the caller".to_owned(),
        };
        let range = &self.snapshot.settings.media.ports;
        let ports = format!("{}-{}", range.start(), range.end());
        let advertised = used.advertised;
        let advice = if addresses::is_private(advertised)
            && !addresses::is_private(leg.flow.remote.ip())
        {
            format!(
                "we offered {advertised}, a private address. Set public_address and open UDP {ports}."
            )
        } else {
            format!("we offered {advertised}. Is UDP {ports} open in the firewall?")
        };
        self.warn(now, format!("no audio from {who} for 30 s: {advice}"));
    }
}
