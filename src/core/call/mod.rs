//! A call from its arrival to its end, as a machine: **handle one event, drain the actions, then
//! wait** until `next_timeout`.
//!
//! The machine knows people, phones and prompts; it knows neither SIP nor RTP nor SDP. What it asks
//! for comes back as an event, also when it failed.

mod event;
mod ringing;
mod timer;

use std::collections::VecDeque;
use std::time::Duration;

pub use event::{Action, CancelReason, Ending, Event, LegKind, Side};
pub use ringing::Ringing;
pub use timer::Timer;

use crate::core::desk::OfferEnd;
use crate::core::id::LegId;
use crate::core::name::{PromptName, UserName};
use crate::core::record::{CallOutcome, SHORTEST_VOICEMAIL};
use crate::core::routing::{Attempt, Cause, Decision, Outcome, Selection, VoicemailReason};
use crate::core::time::{Mono, Now};
use crate::media::command::RecordingEnd;
use ringing::LegState;
use timer::Timers;

/// How often the caller is told that it rings, so that no proxy on the way gives up: the RFC asks
/// for a provisional response every minute (RFC 3261 §13.3.1.1).
const REPEAT_RINGING: Duration = Duration::from_secs(60);

/// How long a device may take to its first provisional answer; a phone that is on answers within a
/// few hundred milliseconds, and 4 s are three retransmissions lost on the way.
const FIRST_ANSWER: Duration = Duration::from_secs(4);

/// How long the disk may take to make the voicemail's record after the prompt has ended.
const PREPARE_VOICEMAIL: Duration = Duration::from_secs(3);

/// How often a side that is not heard is asked whether it still knows of the call: as often as the
/// silence itself is noticed.
const ASK_SILENT: Duration = Duration::from_secs(30);

/// How long the recording's file may take to be complete after the caller has left. Nobody waits for
/// it, and a disk that stalls for half a minute costs no message.
const COMPLETE_RECORDING: Duration = Duration::from_secs(60);

/// One call.
#[derive(Debug)]
pub struct Call {
    state: State,
    caller_present: bool,
    actions: VecDeque<Action>,
    /// The desk is to be asked whom to ring next, and why; once all else is done, so that it is asked
    /// once and hears of everything that happened.
    asks: Option<Cause>,
    timers: Timers,
}

/// Where a call stands.
#[derive(Debug)]
enum State {
    /// The desk was asked for the first time.
    Deciding,
    /// The caller hears ringing.
    Ringing(Box<Ringing>),
    /// The caller hears the voicemail prompt.
    Announcing {
        reason: VoicemailReason,
        prepared: Prepared,
        prompt_ended: bool,
    },
    /// The caller hears the beep.
    Beeping { reason: VoicemailReason },
    /// The caller is being recorded.
    Recording { reason: VoicemailReason },
    /// The recording was stopped or has ended; its file is being completed.
    Completing { reason: VoicemailReason },
    /// The caller talks to somebody.
    Talking(Talking),
    /// Over.
    Ended,
}

/// Whether the voicemail's record stands on disk.
#[derive(Debug)]
enum Prepared {
    NotYet,
    Ready,
    Failed(String),
}

/// A conversation between the caller and a user.
#[derive(Debug)]
struct Talking {
    leg: LegId,
    user: UserName,
    caller: Party,
    callee: Party,
}

impl Talking {
    /// Nobody is heard any more, though nobody waits.
    fn is_dead(&self) -> bool {
        let on_hold = self.caller.holds || self.callee.holds;
        self.caller.silent && self.callee.silent && !on_hold
    }
}

/// What is known of one side of a conversation.
#[derive(Debug, Default)]
struct Party {
    /// Has put the other side on hold.
    holds: bool,
    /// Has not been heard for 30 s.
    silent: bool,
}

impl Call {
    /// A call that has just arrived: asks for its first selection.
    pub fn new() -> Call {
        let mut call = Call {
            state: State::Deciding,
            caller_present: true,
            actions: VecDeque::new(),
            asks: None,
            timers: Timers::default(),
        };
        call.actions.push_back(Action::Select(Selection::First));
        call
    }

    /// Takes in what happened.
    pub fn handle(&mut self, event: Event, now: Now) {
        match event {
            Event::Selected(decision) => self.selected(*decision, now),
            Event::OfferStarted { user, legs } => self.offer_started(&user, legs, now),
            Event::LegProgressed { leg } => self.leg_progressed(leg),
            Event::LegAnswered { leg, digits } => self.leg_answered(leg, digits, now),
            Event::LegRejected { leg, status } => self.leg_rejected(leg, status),
            Event::LegEnded { leg } => self.leg_ended(leg),
            Event::CallerGaveUp => self.caller_left("the caller hung up", now),
            Event::CallerHungUp => self.caller_left("the caller hung up", now),
            Event::CallerFailed { detail } => self.caller_left(&detail, now),
            Event::DigitPressed { leg, digit } => self.digit_pressed(leg, digit, now),
            Event::PlayingEnded => self.playing_ended(now),
            Event::VoicemailPrepared(result) => self.voicemail_prepared(result, now),
            Event::RecordingEnded { why, length } => self.recording_ended(why, length),
            Event::CandidatesChanged(cause) => self.ask(cause),
            Event::Held(side) => self.set_hold(side, true, now),
            Event::Resumed(side) => self.set_hold(side, false, now),
            Event::FellSilent(side) => self.fell_silent(side, now),
            Event::HeardAgain(side) => self.party(side, |party| party.silent = false),
            Event::Pinged { side, alive } => self.pinged(side, alive, now),
            Event::ShutDown => self.shut_down(now),
        }
    }

    /// Acts on every timer that is due.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(timer) = self.timers.take_due(now.mono) {
            match timer {
                Timer::RepeatRinging => {
                    self.actions.push_back(Action::SendRinging);
                    self.timers
                        .set(Timer::RepeatRinging, now.mono + REPEAT_RINGING);
                }
                Timer::EndStep => self.step_ended(now),
                Timer::EndTurn => self.turn_ended(),
                Timer::GiveUpLeg(leg) => {
                    self.actions.push_back(Action::CancelLeg {
                        leg,
                        reason: CancelReason::Unreachable,
                    });
                    self.leg_rejected(leg, 408);
                }
                Timer::AskSilent => self.silence_goes_on(now),
                Timer::GiveUpPreparing => {
                    self.voicemail_prepared(Err("the disk did not answer in time".to_owned()), now);
                }
                Timer::GiveUpCompleting => {
                    self.recording_ended(RecordingEnd::Failed, Duration::ZERO)
                }
            }
        }
    }

    /// The next thing to do, until `None`.
    pub fn poll_action(&mut self) -> Option<Action> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        let cause = self.asks.take()?;
        match &self.state {
            State::Ringing(ringing) => {
                Some(Action::Select(Selection::Next(ringing.progress(cause))))
            }
            State::Deciding
            | State::Announcing { .. }
            | State::Beeping { .. }
            | State::Recording { .. }
            | State::Completing { .. }
            | State::Talking(_)
            | State::Ended => None,
        }
    }

    /// What this call waits for, and until when.
    pub fn next_timeout(&self) -> Option<(Timer, Mono)> {
        self.timers.next()
    }

    /// What this call is doing, for people: `ringing anna, bjorn`.
    pub fn describe(&self) -> String {
        match &self.state {
            State::Deciding => "deciding".to_owned(),
            State::Ringing(ringing) => ringing.describe(),
            State::Announcing { .. } => "hears the voicemail prompt".to_owned(),
            State::Beeping { .. } => "hears the beep".to_owned(),
            State::Recording { .. } => "leaves a voicemail".to_owned(),
            State::Completing { .. } => "voicemail being completed".to_owned(),
            State::Talking(talking) => format!("talks to {}", talking.user),
            State::Ended => "over".to_owned(),
        }
    }

    /// True once nothing more will come from this machine.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    fn selected(&mut self, decision: Decision, now: Now) {
        let ringing = match &mut self.state {
            State::Deciding => None,
            State::Ringing(ringing) => Some(ringing),
            State::Announcing { .. }
            | State::Beeping { .. }
            | State::Recording { .. }
            | State::Completing { .. }
            | State::Talking(_)
            | State::Ended => return,
        };
        let deciding = ringing.is_none();
        match &decision.outcome {
            Outcome::Ring(ring) => {
                self.go_on_ringing(&decision, ring.ring, now);
                let State::Ringing(ringing) = &mut self.state else {
                    return;
                };
                for user in &ring.users {
                    ringing.begin_offer(user.clone());
                    self.actions.push_back(Action::Offer { user: user.clone() });
                }
                match ringing.begin_turn(ring) {
                    Some(turn) => self.timers.set(Timer::EndTurn, now.mono + turn),
                    None => self.timers.clear(Timer::EndTurn),
                }
            }
            Outcome::Wait { ring, .. } => self.go_on_ringing(&decision, *ring, now),
            Outcome::Voicemail { prompt, reason } => {
                if deciding {
                    self.actions.push_back(Action::SendRinging);
                }
                self.announce(prompt.clone(), *reason);
            }
            // A call's rule never assigns: the loader refuses it, and routing has no such step for calls.
            Outcome::Assign { .. } | Outcome::CustomerAgent { .. } | Outcome::Unassigned { .. } => {
            }
            Outcome::Refuse { status, code, text } => {
                let (status, detail) = (*status, format!("{status} {code}: {text}"));
                self.actions.push_back(Action::RefuseCaller {
                    status,
                    text: text.clone(),
                });
                self.caller_present = false;
                self.finish(CallOutcome::Refused, detail, None);
            }
        }
    }

    /// Takes in a decision to ring or to wait: the first one, one in the same step, or one that
    /// begins another.
    fn go_on_ringing(&mut self, decision: &Decision, step: Duration, now: Now) {
        match &mut self.state {
            State::Ringing(ringing) => {
                if ringing.advance(decision, now) {
                    self.timers.clear(Timer::EndTurn);
                    self.timers.set(Timer::EndStep, now.mono + step);
                }
            }
            State::Deciding
            | State::Announcing { .. }
            | State::Beeping { .. }
            | State::Recording { .. }
            | State::Completing { .. }
            | State::Talking(_)
            | State::Ended => {
                let Some(ringing) = Ringing::new(decision, now) else {
                    return;
                };
                self.state = State::Ringing(Box::new(ringing));
                self.actions.push_back(Action::SendRinging);
                self.timers
                    .set(Timer::RepeatRinging, now.mono + REPEAT_RINGING);
                self.timers.set(Timer::EndStep, now.mono + step);
            }
        }
    }

    fn announce(&mut self, prompt: PromptName, reason: VoicemailReason) {
        self.timers.clear_all();
        self.actions.push_back(Action::AnswerWithPrompt { prompt });
        self.actions.push_back(Action::PrepareVoicemail);
        self.state = State::Announcing {
            reason,
            prepared: Prepared::NotYet,
            prompt_ended: false,
        };
    }

    fn offer_started(&mut self, user: &UserName, legs: Vec<(LegId, LegKind)>, now: Now) {
        let State::Ringing(ringing) = &mut self.state else {
            for (leg, _) in legs {
                self.actions.push_back(Action::CancelLeg {
                    leg,
                    reason: CancelReason::CallerLeft,
                });
            }
            return;
        };
        if legs.is_empty() {
            self.offer_ended(user, Attempt::Unreachable);
            return;
        }
        for (leg, _) in &legs {
            self.timers
                .set(Timer::GiveUpLeg(*leg), now.mono + FIRST_ANSWER);
        }
        ringing.legs_started(user, legs);
    }

    fn leg_progressed(&mut self, leg: LegId) {
        self.timers.clear(Timer::GiveUpLeg(leg));
    }

    fn leg_answered(&mut self, leg: LegId, digits: bool, now: Now) {
        self.timers.clear(Timer::GiveUpLeg(leg));
        let State::Ringing(ringing) = &mut self.state else {
            self.actions.push_back(Action::HangUpLeg {
                leg,
                elsewhere: true,
            });
            return;
        };
        let Some((user, state)) = ringing.leg_mut(leg) else {
            self.actions.push_back(Action::HangUpLeg {
                leg,
                elsewhere: true,
            });
            return;
        };
        match state.kind {
            LegKind::Device => {
                let user = user.clone();
                self.connect(leg, user, now);
            }
            LegKind::External if digits => {
                state.asked_to_accept = true;
                self.actions.push_back(Action::AskToAccept { leg });
            }
            LegKind::External => {
                self.actions.push_back(Action::HangUpLeg {
                    leg,
                    elsewhere: false,
                });
                self.leg_rejected(leg, 488);
            }
        }
    }

    fn digit_pressed(&mut self, leg: LegId, digit: char, now: Now) {
        let State::Ringing(ringing) = &mut self.state else {
            return;
        };
        let Some((user, state)) = ringing.leg_mut(leg) else {
            return;
        };
        if digit == '1' && state.asked_to_accept {
            let user = user.clone();
            self.connect(leg, user, now);
        }
    }

    /// `user` has taken the call on `leg`: everyone else is told so.
    fn connect(&mut self, leg: LegId, user: UserName, _now: Now) {
        let State::Ringing(ringing) = std::mem::replace(&mut self.state, State::Ended) else {
            return;
        };
        self.timers.clear_all();
        self.actions.push_back(Action::Connect {
            leg,
            user: user.clone(),
        });
        for offer in ringing.into_offers() {
            for other in offer.legs.iter().filter(|other| other.leg != leg) {
                self.drop_leg(other, CancelReason::AnsweredElsewhere);
            }
            if offer.user != user {
                self.actions.push_back(Action::EndOffer {
                    user: offer.user,
                    how: OfferEnd::Withdrawn,
                });
            }
        }
        self.state = State::Talking(Talking {
            leg,
            user,
            caller: Party::default(),
            callee: Party::default(),
        });
    }

    /// Ends a leg that rings, or one that waits for its key.
    fn drop_leg(&mut self, state: &LegState, reason: CancelReason) {
        self.timers.clear(Timer::GiveUpLeg(state.leg));
        let leg = state.leg;
        self.actions.push_back(if state.asked_to_accept {
            Action::HangUpLeg {
                leg,
                elsewhere: reason == CancelReason::AnsweredElsewhere,
            }
        } else {
            Action::CancelLeg { leg, reason }
        });
    }

    fn leg_rejected(&mut self, leg: LegId, status: u16) {
        self.timers.clear(Timer::GiveUpLeg(leg));
        let State::Ringing(ringing) = &mut self.state else {
            return;
        };
        let Some(user) = ringing.leg_rejected(leg, status) else {
            return;
        };
        let declined_for_user = matches!(status, 600 | 603);
        if declined_for_user {
            self.withdraw_legs(&user, CancelReason::Declined);
            self.offer_ended(&user, Attempt::Declined);
        } else if let State::Ringing(ringing) = &self.state
            && let Some(attempt) = ringing.offer_result(&user)
        {
            self.offer_ended(&user, attempt);
        }
    }

    fn leg_ended(&mut self, leg: LegId) {
        match &self.state {
            State::Talking(talking) if talking.leg == leg => {
                let user = talking.user.clone();
                self.hang_up_caller(None);
                self.finish(CallOutcome::Answered, format!("{user} hung up"), Some(user));
            }
            State::Ringing(_) => self.leg_rejected(leg, 480),
            State::Talking(_)
            | State::Deciding
            | State::Announcing { .. }
            | State::Beeping { .. }
            | State::Recording { .. }
            | State::Completing { .. }
            | State::Ended => {}
        }
    }

    /// Ends what still rings of `user`'s offer.
    fn withdraw_legs(&mut self, user: &UserName, reason: CancelReason) {
        let State::Ringing(ringing) = &mut self.state else {
            return;
        };
        for leg in ringing.take_legs(user) {
            self.drop_leg(&leg, reason);
        }
    }

    /// An offer is over without a conversation: the desk is told, and asked what next.
    fn offer_ended(&mut self, user: &UserName, attempt: Attempt) {
        let State::Ringing(ringing) = &mut self.state else {
            return;
        };
        if !ringing.end_offer(user, attempt) {
            return;
        }
        self.actions.push_back(Action::EndOffer {
            user: user.clone(),
            how: OfferEnd::Failed(attempt),
        });
        self.ask(Cause::OfferEnded);
    }

    /// Asks the desk whom to ring next. That a step has ended says more than all else.
    fn ask(&mut self, cause: Cause) {
        if self.asks != Some(Cause::StepEnded) {
            self.asks = Some(cause);
        }
    }

    /// `ring_each` is over: one more is added, or the next takes the turn.
    fn turn_ended(&mut self) {
        let State::Ringing(ringing) = &mut self.state else {
            return;
        };
        if ringing.is_progressive() {
            self.ask(Cause::AddOne);
            return;
        }
        for user in ringing.offered_users() {
            self.withdraw_legs(&user, CancelReason::TimedOut);
            self.offer_ended(&user, Attempt::TimedOut);
        }
    }

    fn step_ended(&mut self, now: Now) {
        let State::Ringing(ringing) = &mut self.state else {
            return;
        };
        let users = ringing.offered_users();
        self.timers.clear(Timer::EndTurn);
        for user in users {
            self.withdraw_legs(&user, CancelReason::TimedOut);
            let State::Ringing(ringing) = &mut self.state else {
                return;
            };
            if ringing.end_offer(&user, Attempt::TimedOut) {
                let how = OfferEnd::Failed(Attempt::TimedOut);
                self.actions.push_back(Action::EndOffer { user, how });
            }
        }
        let State::Ringing(ringing) = &mut self.state else {
            return;
        };
        ringing.end_step(now);
        // Until the desk has decided, the step has no end of its own.
        self.ask(Cause::StepEnded);
    }

    fn playing_ended(&mut self, now: Now) {
        match &mut self.state {
            State::Announcing { prompt_ended, .. } => {
                *prompt_ended = true;
                self.timers
                    .set(Timer::GiveUpPreparing, now.mono + PREPARE_VOICEMAIL);
                self.beep_when_ready();
            }
            State::Beeping { reason } => {
                let reason = *reason;
                self.state = State::Recording { reason };
                self.actions.push_back(Action::Record);
            }
            State::Deciding
            | State::Ringing(_)
            | State::Recording { .. }
            | State::Completing { .. }
            | State::Talking(_)
            | State::Ended => {}
        }
    }

    fn voicemail_prepared(&mut self, result: Result<(), String>, _now: Now) {
        if let State::Announcing {
            prepared: prepared @ Prepared::NotYet,
            ..
        } = &mut self.state
        {
            *prepared = match result {
                Ok(()) => Prepared::Ready,
                Err(error) => Prepared::Failed(error),
            };
            self.beep_when_ready();
        }
    }

    fn beep_when_ready(&mut self) {
        let State::Announcing {
            reason,
            prepared,
            prompt_ended: true,
        } = &self.state
        else {
            return;
        };
        match prepared {
            Prepared::NotYet => {}
            Prepared::Ready => {
                let reason = *reason;
                self.timers.clear_all();
                self.actions.push_back(Action::Beep);
                self.state = State::Beeping { reason };
            }
            Prepared::Failed(error) => {
                let detail = format!("no voicemail could be stored: {error}");
                self.hang_up_caller(None);
                self.actions.push_back(Action::DiscardVoicemail);
                self.finish(CallOutcome::Missed, detail, None);
            }
        }
    }

    fn recording_ended(&mut self, why: RecordingEnd, length: Duration) {
        let reason = match &self.state {
            State::Recording { reason } | State::Completing { reason } => *reason,
            State::Deciding
            | State::Ringing(_)
            | State::Announcing { .. }
            | State::Beeping { .. }
            | State::Talking(_)
            | State::Ended => return,
        };
        self.hang_up_caller(None);
        let seconds = length.as_secs_f64();
        if length >= SHORTEST_VOICEMAIL {
            let why = describe_reason(reason);
            self.actions
                .push_back(Action::KeepVoicemail { length, why });
            let detail = format!("{}, voicemail of {seconds:.1} s", describe_reason(reason));
            self.finish(CallOutcome::Voicemail, detail, None);
        } else if why == RecordingEnd::Failed {
            // What reached the disk stays there and is looked at when the daemon starts again.
            let detail = format!("{}, the recording broke off", describe_reason(reason));
            self.finish(CallOutcome::Failed, detail, None);
        } else {
            self.actions.push_back(Action::DiscardVoicemail);
            let detail = format!("{}, no message left", describe_reason(reason));
            self.finish(CallOutcome::Missed, detail, None);
        }
    }

    fn caller_left(&mut self, detail: &str, now: Now) {
        self.caller_present = false;
        match &self.state {
            State::Deciding => self.finish(CallOutcome::Missed, detail.to_owned(), None),
            State::Ringing(_) => self.caller_left_ringing(detail),
            State::Announcing { reason, .. } | State::Beeping { reason } => {
                let detail = format!("{}, {detail} before the beep", describe_reason(*reason));
                self.actions.push_back(Action::DiscardVoicemail);
                self.finish(CallOutcome::Missed, detail, None);
            }
            State::Recording { reason } => {
                let reason = *reason;
                self.actions.push_back(Action::StopRecording);
                self.timers.clear_all();
                self.timers
                    .set(Timer::GiveUpCompleting, now.mono + COMPLETE_RECORDING);
                self.state = State::Completing { reason };
            }
            State::Talking(talking) => {
                let (leg, user) = (talking.leg, talking.user.clone());
                self.actions.push_back(Action::HangUpLeg {
                    leg,
                    elsewhere: false,
                });
                self.finish(CallOutcome::Answered, detail.to_owned(), Some(user));
            }
            State::Completing { .. } | State::Ended => {}
        }
    }

    fn caller_left_ringing(&mut self, detail: &str) {
        let State::Ringing(ringing) = std::mem::replace(&mut self.state, State::Ended) else {
            return;
        };
        for offer in ringing.into_offers() {
            for leg in &offer.legs {
                self.drop_leg(leg, CancelReason::CallerLeft);
            }
            self.actions.push_back(Action::EndOffer {
                user: offer.user,
                how: OfferEnd::Withdrawn,
            });
        }
        self.finish(CallOutcome::Missed, format!("{detail} while ringing"), None);
    }

    fn party(&mut self, side: Side, change: impl FnOnce(&mut Party)) {
        if let State::Talking(talking) = &mut self.state {
            match side {
                Side::Caller => change(&mut talking.caller),
                Side::Leg(leg) if leg == talking.leg => change(&mut talking.callee),
                Side::Leg(_) => {}
            }
        }
    }

    fn set_hold(&mut self, side: Side, holds: bool, now: Now) {
        let State::Talking(talking) = &mut self.state else {
            return;
        };
        let (party, other) = match side {
            Side::Caller => (&mut talking.caller, Side::Leg(talking.leg)),
            Side::Leg(leg) if leg == talking.leg => (&mut talking.callee, Side::Caller),
            Side::Leg(_) => return,
        };
        if party.holds != holds {
            party.holds = holds;
            self.timers.set(Timer::AskSilent, now.mono + ASK_SILENT);
            self.actions.push_back(if holds {
                Action::PlayHold(other)
            } else {
                Action::StopHold(other)
            });
        }
    }

    fn fell_silent(&mut self, side: Side, now: Now) {
        self.party(side, |party| party.silent = true);
        let State::Talking(talking) = &self.state else {
            return;
        };
        if talking.is_dead() {
            return self.end_talk(NO_AUDIO, now);
        }
        self.actions.push_back(Action::Ping(side));
        self.timers.set(Timer::AskSilent, now.mono + ASK_SILENT);
    }

    /// A silence goes on: whoever is silent is asked again, since silence is told of once. So is
    /// whoever holds the other: nothing need be heard from there, and a phone may die meanwhile.
    fn silence_goes_on(&mut self, now: Now) {
        let State::Talking(talking) = &self.state else {
            return;
        };
        if talking.is_dead() {
            return self.end_talk(NO_AUDIO, now);
        }
        let callee = Side::Leg(talking.leg);
        for (side, party) in [(Side::Caller, &talking.caller), (callee, &talking.callee)] {
            if party.silent || party.holds {
                self.actions.push_back(Action::Ping(side));
                self.timers.set(Timer::AskSilent, now.mono + ASK_SILENT);
            }
        }
    }

    fn pinged(&mut self, side: Side, alive: bool, now: Now) {
        if alive {
            return;
        }
        let State::Talking(talking) = &self.state else {
            return;
        };
        match side {
            Side::Caller => self.end_talk("the caller no longer answers", now),
            Side::Leg(leg) if leg == talking.leg => {
                let detail = format!("{}'s phone no longer answers", talking.user);
                self.end_talk(&detail, now);
            }
            Side::Leg(_) => {}
        }
    }

    /// Ends a conversation from our side.
    fn end_talk(&mut self, detail: &str, _now: Now) {
        let State::Talking(talking) = &self.state else {
            return;
        };
        let (leg, user) = (talking.leg, talking.user.clone());
        self.actions.push_back(Action::HangUpLeg {
            leg,
            elsewhere: false,
        });
        self.hang_up_caller(None);
        self.finish(CallOutcome::Answered, detail.to_owned(), Some(user));
    }

    fn shut_down(&mut self, now: Now) {
        match &self.state {
            State::Deciding | State::Ringing(_) => {
                self.actions.push_back(Action::RefuseCaller {
                    status: 503,
                    text: "shutting down".to_owned(),
                });
                self.caller_left("the daemon was stopped", now);
            }
            State::Talking(_) => self.end_talk("the daemon was stopped", now),
            State::Announcing { .. } | State::Beeping { .. } | State::Recording { .. } => {
                self.hang_up_caller(None);
                self.caller_left("the daemon was stopped", now);
            }
            State::Completing { .. } | State::Ended => {}
        }
    }

    fn hang_up_caller(&mut self, reason: Option<&'static str>) {
        if std::mem::replace(&mut self.caller_present, false) {
            self.actions.push_back(Action::HangUpCaller { reason });
        }
    }

    fn finish(&mut self, outcome: CallOutcome, detail: String, answered_by: Option<UserName>) {
        self.timers.clear_all();
        self.state = State::Ended;
        self.actions.push_back(Action::Finish(Ending {
            outcome,
            detail,
            answered_by,
        }));
    }
}

impl Default for Call {
    fn default() -> Call {
        Call::new()
    }
}

/// How a conversation ends that nobody is heard in.
const NO_AUDIO: &str = "no audio from either side for 30 s";

/// Why the caller came to voicemail, as the first words of a sentence.
fn describe_reason(reason: VoicemailReason) -> &'static str {
    match reason {
        VoicemailReason::Unanswered => "nobody answered",
        VoicemailReason::NobodyAvailable => "nobody was available",
        VoicemailReason::NobodyNamed => "nobody to ring",
        VoicemailReason::Closed => "closed",
        VoicemailReason::Break => "closed for a break",
    }
}

#[cfg(test)]
mod tests;
