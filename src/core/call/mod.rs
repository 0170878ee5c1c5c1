//! A call from its arrival to its end, as a machine: **handle one event, drain the actions, then
//! wait** until `next_timeout`.
//!
//! The machine knows people, phones and prompts; it knows neither SIP nor RTP nor SDP. What it asks
//! for comes back as an event, also when it failed.

mod event;
mod offers;
mod ringing;
mod talking;
mod timer;
mod voicemail;

use std::collections::VecDeque;
use std::time::Duration;

pub use event::{Action, CancelReason, Ending, Event, LegKind, Side};
pub use ringing::Ringing;
pub use timer::Timer;

use crate::core::id::LegId;
use crate::core::name::UserName;
use crate::core::record::CallOutcome;
use crate::core::routing::{Cause, Decision, Outcome, Selection, VoicemailReason};
use crate::core::time::{Mono, Now};
use crate::media::command::RecordingEnd;
use talking::Talking;
use timer::Timers;
use voicemail::{Prepared, describe_reason};

/// How often the caller is told that it rings, so that no proxy on the way gives up: the RFC asks
/// for a provisional response every minute (RFC 3261 §13.3.1.1).
const REPEAT_RINGING: Duration = Duration::from_secs(60);

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
            Event::LegAnswered { leg, digits } => self.leg_answered(leg, digits),
            Event::LegRejected { leg, status } => self.leg_rejected(leg, status),
            Event::LegEnded { leg } => self.leg_ended(leg),
            Event::CallerGaveUp => self.caller_left("the caller hung up", now),
            Event::CallerHungUp => self.caller_left("the caller hung up", now),
            Event::CallerFailed { detail } => self.caller_left(&detail, now),
            Event::DigitPressed { leg, digit } => self.digit_pressed(leg, digit),
            Event::PlayingEnded => self.playing_ended(now),
            Event::VoicemailPrepared(result) => self.voicemail_prepared(result),
            Event::RecordingEnded { why, length } => self.recording_ended(why, length),
            Event::CandidatesChanged(cause) => self.ask(cause),
            Event::Held(side) => self.set_hold(side, true, now),
            Event::Resumed(side) => self.set_hold(side, false, now),
            Event::FellSilent(side) => self.fell_silent(side, now),
            Event::HeardAgain(side) => self.heard_again(side),
            Event::Pinged { side, alive } => self.pinged(side, alive),
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
                    self.voicemail_prepared(Err("the disk did not answer in time".to_owned()));
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

    /// Asks the desk whom to ring next. That a step has ended says more than all else.
    fn ask(&mut self, cause: Cause) {
        if self.asks != Some(Cause::StepEnded) {
            self.asks = Some(cause);
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

    fn shut_down(&mut self, now: Now) {
        match &self.state {
            State::Deciding | State::Ringing(_) => {
                self.actions.push_back(Action::RefuseCaller {
                    status: 503,
                    text: "shutting down".to_owned(),
                });
                self.caller_left("the daemon was stopped", now);
            }
            State::Talking(_) => self.end_talk("the daemon was stopped"),
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

#[cfg(test)]
mod tests;
