//! What a call is told, and what it asks for.

use std::time::Duration;

use crate::core::desk::OfferEnd;
use crate::core::id::LegId;
use crate::core::name::{PromptName, UserName};
use crate::core::record::CallOutcome;
use crate::core::routing::{Cause, Decision, Selection};
use crate::media::command::RecordingEnd;

/// One side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Whoever called us.
    Caller,
    /// Somebody we called.
    Leg(LegId),
}

/// What a leg to a user ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LegKind {
    /// A phone of the user: answering is accepting.
    Device,
    /// A number in the phone network: it must press 1 to accept, so that its own voicemail never wins.
    External,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The desk decided.
    Selected(Box<Decision>),
    /// The user's phones were dialled; none: there was nothing to dial.
    OfferStarted {
        /// Whose.
        user: UserName,
        /// The legs that began.
        legs: Vec<(LegId, LegKind)>,
    },
    /// A first or further provisional answer came.
    LegProgressed {
        /// From which leg.
        leg: LegId,
    },
    /// Somebody (or something) answered.
    LegAnswered {
        /// Which leg.
        leg: LegId,
        /// It can send digits (RFC 4733 was agreed on).
        digits: bool,
    },
    /// A leg ended before it was answered.
    LegRejected {
        /// Which leg.
        leg: LegId,
        /// The SIP status; 408 and 503 also where they were made here.
        status: u16,
    },
    /// An answered leg hung up or broke.
    LegEnded {
        /// Which leg.
        leg: LegId,
    },
    /// The caller sent CANCEL.
    CallerGaveUp,
    /// The caller sent BYE.
    CallerHungUp,
    /// The caller's leg broke.
    CallerFailed {
        /// What an admin should read.
        detail: String,
    },
    /// A key was pressed on a leg to a user.
    DigitPressed {
        /// Which leg.
        leg: LegId,
        /// Which key.
        digit: char,
    },
    /// The caller has heard the prompt or the beep to its end.
    PlayingEnded,
    /// The voicemail's record stands on disk, or could not be made.
    VoicemailPrepared(Result<(), String>),
    /// The recording is complete.
    RecordingEnded {
        /// Why.
        why: RecordingEnd,
        /// Its length without trailing silence.
        length: Duration,
    },
    /// A candidate of this call's step became free, or the last who could be reached did not.
    CandidatesChanged(Cause),
    /// One side put the other on hold.
    Held(Side),
    /// One side took the other back.
    Resumed(Side),
    /// Neither RTP nor RTCP came from this side for 30 s.
    FellSilent(Side),
    /// This side was heard again.
    HeardAgain(Side),
    /// This side was asked whether it still knows of the call.
    Pinged {
        /// Which side.
        side: Side,
        /// It does.
        alive: bool,
    },
    /// The daemon's time is over.
    ShutDown,
}

/// Why a leg that rings is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CancelReason {
    /// Another leg won; the phone should not show a missed call.
    AnsweredElsewhere,
    /// The same user declined on another phone.
    Declined,
    /// Its time is over.
    TimedOut,
    /// No provisional answer came in time.
    Unreachable,
    /// The caller hung up.
    CallerLeft,
}

/// How the call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// In a word.
    pub outcome: CallOutcome,
    /// In a sentence.
    pub detail: String,
    /// Who talked to the caller.
    pub answered_by: Option<UserName>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Ask the desk; `Selected` follows.
    Select(Selection),
    /// 180 to the caller.
    SendRinging,
    /// Dial the user's phones; `OfferStarted` follows.
    Offer {
        /// Whose.
        user: UserName,
    },
    /// Tell the desk that an offer is over.
    EndOffer {
        /// Whose.
        user: UserName,
        /// How.
        how: OfferEnd,
    },
    /// CANCEL a leg that has not been answered.
    CancelLeg {
        /// Which.
        leg: LegId,
        /// Why.
        reason: CancelReason,
    },
    /// BYE an answered leg.
    HangUpLeg {
        /// Which.
        leg: LegId,
        /// The call was answered elsewhere.
        elsewhere: bool,
    },
    /// Play "press 1 to accept" to a leg, again and again.
    AskToAccept {
        /// Which.
        leg: LegId,
    },
    /// Answer the caller and bridge with this leg; the user has the call.
    Connect {
        /// Which leg.
        leg: LegId,
        /// Whose.
        user: UserName,
    },
    /// Answer the caller and play this; `PlayingEnded` follows.
    AnswerWithPrompt {
        /// What.
        prompt: PromptName,
    },
    /// Make the voicemail's record on disk; `VoicemailPrepared` follows.
    PrepareVoicemail,
    /// Play the beep; `PlayingEnded` follows.
    Beep,
    /// Record the caller; `RecordingEnded` follows.
    Record,
    /// End the recording; `RecordingEnded` follows.
    StopRecording,
    /// The voicemail counts.
    KeepVoicemail {
        /// Its length.
        length: Duration,
        /// Why nobody talked to the caller: `nobody answered`.
        why: &'static str,
    },
    /// The voicemail does not count: away with record and audio.
    DiscardVoicemail,
    /// Play the hold prompt to this side, again and again.
    PlayHold(Side),
    /// Let this side hear the other again.
    StopHold(Side),
    /// Ask this side whether it still knows of the call; `Pinged` follows.
    Ping(Side),
    /// Answer the caller's INVITE with a final refusal.
    RefuseCaller {
        /// The SIP status.
        status: u16,
        /// Why, for people.
        text: String,
    },
    /// BYE to the caller.
    HangUpCaller {
        /// A Reason header (RFC 3326).
        reason: Option<&'static str>,
    },
    /// The call is over: keep this, free everything.
    Finish(Ending),
}
