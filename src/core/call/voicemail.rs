//! The part of a call in which the caller hears a prompt and leaves a voicemail.

use std::time::Duration;

use super::event::Action;
use super::{Call, State, Timer};
use crate::core::name::PromptName;
use crate::core::record::{CallOutcome, SHORTEST_VOICEMAIL};
use crate::core::routing::VoicemailReason;
use crate::core::time::Now;
use crate::media::command::RecordingEnd;

/// How long the disk may take to make the voicemail's record after the prompt has ended: a disk that
/// others write much to takes some seconds, and who hears nothing for longer hangs up anyway.
const PREPARE_VOICEMAIL: Duration = Duration::from_secs(8);

/// Whether the voicemail's record stands on disk.
#[derive(Debug)]
pub(super) enum Prepared {
    NotYet,
    Ready,
    Failed(String),
}

impl Call {
    pub(super) fn announce(&mut self, prompt: PromptName, reason: VoicemailReason) {
        self.timers.clear_all();
        self.actions.push_back(Action::AnswerWithPrompt { prompt });
        self.actions.push_back(Action::PrepareVoicemail);
        self.state = State::Announcing {
            reason,
            prepared: Prepared::NotYet,
            prompt_ended: false,
        };
    }

    pub(super) fn playing_ended(&mut self, now: Now) {
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

    pub(super) fn voicemail_prepared(&mut self, result: Result<(), String>) {
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

    pub(super) fn recording_ended(&mut self, why: RecordingEnd, length: Duration) {
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
}

/// Why the caller came to voicemail, as the first words of a sentence.
pub(super) fn describe_reason(reason: VoicemailReason) -> &'static str {
    match reason {
        VoicemailReason::Unanswered => "nobody answered",
        VoicemailReason::NobodyAvailable => "nobody was available",
        VoicemailReason::NobodyNamed => "nobody to ring",
        VoicemailReason::Closed => "closed",
        VoicemailReason::Break => "closed for a break",
    }
}
