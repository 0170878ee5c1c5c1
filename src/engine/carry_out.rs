//! Does what a call's machine asks for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::ongoing::OngoingCall;
use super::{Engine, Output};
use crate::core::call::{self, Action, Ending, Side};
use crate::core::desk::OfferEnd;
use crate::core::id::{DecisionId, LegId, VoicemailId};
use crate::core::name::{PromptName, UserName};
use crate::core::prompt::Audio;
use crate::core::record::{CallOutcome, DecisionRecord, Notice, Record, VoicemailRecord};
use crate::core::routing::{Request, Selection, words};
use crate::core::snapshot::{Channel, Snapshot};
use crate::core::time::{Now, Wall};
use crate::media::command::{MediaCommand, MediaId, Recording};
use crate::media::tone;

impl Engine {
    /// Does one thing. What it leads to goes into the call's machine, whose actions the caller drains.
    pub(super) fn carry_out(&mut self, call: &mut OngoingCall, action: Action, now: Now) {
        match action {
            Action::Select(selection) => self.select(call, selection, now),
            Action::SendRinging => self.user_agent.provisional(call.caller_leg, 180, now.mono),
            Action::Offer { user } => {
                let legs = self.dial(call, &user, now);
                self.tell_machine(call, call::Event::OfferStarted { user, legs }, now);
            }
            Action::EndOffer { user, how } => self.end_offer(call, &user, how, now),
            Action::CancelLeg { leg, reason } => self.cancel_leg(leg, reason, now),
            Action::HangUpLeg { leg, elsewhere } => self.hang_up_leg(leg, elsewhere, now),
            Action::AskToAccept { leg } => {
                self.play(
                    self.media_of(call, Side::Leg(leg)),
                    self.prompt(call, "accept"),
                    true,
                );
            }
            Action::Connect { leg, user } => self.connect(call, leg, &user, now),
            Action::AnswerWithPrompt { prompt } => self.answer_with_prompt(call, &prompt, now),
            Action::PrepareVoicemail => self.prepare_voicemail(call, now),
            Action::Beep => self.play(Some(call.caller_media), Some(Arc::new(tone::beep())), false),
            Action::Record => self.record(call, now),
            Action::StopRecording => {
                self.send_media(MediaCommand::StopRecording {
                    media: call.caller_media,
                });
            }
            Action::KeepVoicemail { length, why } => self.keep_voicemail(call, length, why, now),
            Action::DiscardVoicemail => {
                if let Some(record) = call.voicemail.take() {
                    self.discard_voicemail(record);
                }
            }
            Action::PlayHold(side) => {
                self.play(self.media_of(call, side), self.prompt(call, "hold"), true);
            }
            Action::StopHold(side) => {
                if let Some(media) = self.media_of(call, side) {
                    self.send_media(MediaCommand::StopPlaying { media });
                }
            }
            Action::Ping(side) => {
                let leg = match side {
                    Side::Caller => call.caller_leg,
                    Side::Leg(leg) => leg,
                };
                self.user_agent.ping(leg, now.mono);
            }
            Action::RefuseCaller { status, .. } => self.end_leg(call.caller_leg, Some(status), now),
            Action::HangUpCaller { .. } => self.end_leg(call.caller_leg, Some(480), now),
            Action::Finish(ending) => self.finish(call, ending, now),
        }
    }

    fn tell_machine(&self, call: &mut OngoingCall, event: call::Event, now: Now) {
        call.machine.handle(event, call.shift.apply(now));
    }

    /// Asks the desk, keeps the decision, and tells the call.
    fn select(&mut self, call: &mut OngoingCall, selection: Selection, now: Now) {
        let request = Request {
            selection,
            ..call.request.clone()
        };
        let asked_at = call.shift.apply(now);
        let snapshot = Arc::clone(&call.snapshot);
        let (registrar, targets) = (&self.registrar, &self.targets);
        let trunk = call.request.trunk.clone();
        let devices = |user: &UserName| {
            super::requests::device_facts(registrar, targets, &snapshot, trunk.as_ref(), user)
        };
        let (facts, decision) = self.desk.select(
            &snapshot,
            &request,
            call.id,
            &devices,
            &mut self.random,
            asked_at,
        );
        let id = DecisionId(self.random.uuid(now.wall));
        call.last_decision = Some(id);
        let line = words::line(&request, &decision);
        let remark = self.remark();
        match &remark {
            Some(remark) => self.tell(now, format!("{} {line}; {remark}", call.id)),
            None => self.tell(now, format!("{} {line}", call.id)),
        }
        self.store(Record::Decision(Box::new(DecisionRecord {
            id,
            call: Some(call.id),
            conversation: None,
            at: asked_at.wall,
            request,
            facts,
            decision: decision.clone(),
            remark,
        })));
        self.tell_machine(call, call::Event::Selected(Box::new(decision)), now);
    }

    /// What an admin should know beside a decision: that the configuration it was made from is not
    /// the one on the disk.
    pub(super) fn remark(&self) -> Option<String> {
        let (at, errors) = self.reload_refused?;
        let time = at.to_utc().format("%H:%MZ");
        let noun = if errors == 1 { "error" } else { "errors" };
        Some(format!(
            "the reload of {time} was refused ({errors} {noun}: ringdesk check)"
        ))
    }

    fn end_offer(&mut self, call: &OngoingCall, user: &UserName, how: OfferEnd, now: Now) {
        self.desk.offer_ended(call.id, user, how, now);
    }

    fn prompt(&self, call: &OngoingCall, name: &str) -> Option<Audio> {
        call.snapshot.prompts.get(name).map(Arc::clone)
    }

    /// Plays now, or as soon as offer and answer have agreed on where to.
    fn play(&mut self, media: Option<MediaId>, audio: Option<Audio>, repeat: bool) {
        let (Some(media), Some(audio)) = (media, audio) else {
            return;
        };
        let leg = self.media.get(&media).and_then(|used| used.leg);
        let agreed = leg
            .and_then(|leg| self.legs.get(&leg))
            .is_some_and(|leg| leg.session.agreed().is_some());
        if agreed {
            self.send_media(MediaCommand::Play {
                media,
                audio,
                repeat,
            });
        } else if let Some(used) = self.media.get_mut(&media) {
            used.waiting = Some((audio, repeat));
        }
    }

    fn connect(&mut self, call: &mut OngoingCall, leg: LegId, user: &UserName, now: Now) {
        self.desk.accepted(call.id, user, now);
        self.close_spare_media(call);
        self.answer_caller(call, self.codec_of(leg), now);
        if call.machine.is_over() {
            return;
        }
        if let Some(callee) = self.media_of(call, Side::Leg(leg)) {
            self.send_media(MediaCommand::StopPlaying { media: callee });
            self.send_media(MediaCommand::Bridge {
                a: call.caller_media,
                b: callee,
            });
        }
        call.record.answered_by = Some(user.clone());
        self.store(Record::Call(call.record.clone()));
        self.conversations
            .call_answered(call.id, user, call.last_decision, now);
        self.carry_out_conversations(now);
        self.tell(now, format!("{} answered by {user}", call.id));
    }

    fn answer_with_prompt(&mut self, call: &mut OngoingCall, prompt: &PromptName, now: Now) {
        self.close_spare_media(call);
        self.answer_caller(call, None, now);
        let audio = self
            .prompt(call, prompt)
            .unwrap_or_else(|| Arc::new(tone::beep()));
        self.play(Some(call.caller_media), Some(audio), false);
        self.store(Record::Call(call.record.clone()));
    }

    fn prepare_voicemail(&mut self, call: &mut OngoingCall, now: Now) {
        let id = VoicemailId(self.random.uuid(now.wall));
        let day = now.wall.to_utc().format("%Y/%m/%d");
        let channel = call.snapshot.channel(&call.channel);
        let notify = channel
            .and_then(Channel::call)
            .map(|call| call.notify.clone())
            .unwrap_or_default();
        let limit = channel
            .and_then(Channel::call)
            .map_or(DEFAULT_LIMIT, |call| call.voicemail_limit);
        let record = Box::new(VoicemailRecord {
            id,
            call: call.id,
            conversation: call.conversation,
            channel: call.channel.clone(),
            from: call.record.from.clone(),
            from_name: call.record.from_name.clone(),
            began: now.wall,
            seconds: None,
            kept: false,
            file: PathBuf::from(format!("{day}/{id}.wav")),
            notify,
        });
        self.voicemails.insert(id, call.id);
        self.unprepared.insert(id, None);
        call.voicemail = Some(record.clone());
        self.outputs
            .push_back(Output::PrepareVoicemail { record, limit });
    }

    fn discard_voicemail(&mut self, record: Box<VoicemailRecord>) {
        match self.unprepared.get_mut(&record.id) {
            Some(discarded) => *discarded = Some(record),
            None => self.outputs.push_back(Output::DiscardVoicemail(record)),
        }
    }

    /// The record stands on disk or never will: one that was given up meanwhile is removed now.
    pub(super) fn voicemail_prepared(&mut self, id: VoicemailId) {
        if let Some(Some(record)) = self.unprepared.remove(&id) {
            self.outputs.push_back(Output::DiscardVoicemail(record));
        }
    }

    fn record(&mut self, call: &mut OngoingCall, _now: Now) {
        let Some(voicemail) = &call.voicemail else {
            return;
        };
        let limit = call
            .snapshot
            .channel(&call.channel)
            .and_then(Channel::call)
            .map_or(DEFAULT_LIMIT, |call| call.voicemail_limit);
        let path = self.audio_directory().join(&voicemail.file);
        let recording = Recording {
            id: voicemail.id,
            path,
            limit,
        };
        self.send_media(MediaCommand::Record {
            media: call.caller_media,
            recording,
        });
    }

    fn keep_voicemail(&mut self, call: &mut OngoingCall, length: Duration, why: &str, now: Now) {
        let Some(mut record) = call.voicemail.take() else {
            return;
        };
        record.seconds = Some(length.as_secs_f64());
        record.kept = true;
        self.conversations.voicemail_kept(call.id, &record, now);
        self.carry_out_conversations(now);
        let audio = self.audio_directory().join(&record.file);
        let notice = (!record.notify.is_empty()).then(|| {
            let voicemail = Some((length.as_secs_f64(), audio));
            Box::new(notice(call, why.to_owned(), voicemail))
        });
        self.outputs
            .push_back(Output::KeepVoicemail(record, notice));
    }

    fn finish(&mut self, call: &mut OngoingCall, ending: Ending, now: Now) {
        call.record.ended = Some(now.wall);
        call.record.outcome = Some(ending.outcome);
        call.record.detail = ending.detail.clone();
        self.store(Record::Call(call.record.clone()));
        if let Some(user) = &ending.answered_by {
            self.desk.conversation_closed(user);
        }
        let snapshot = Arc::clone(&self.snapshot);
        let (outcome, detail) = (ending.outcome, &ending.detail);
        self.conversations
            .call_ended(call.id, outcome, detail, &snapshot, now);
        self.carry_out_conversations(now);
        if matches!(ending.outcome, CallOutcome::Missed | CallOutcome::Failed) {
            let notice = notice(call, ending.detail.clone(), None);
            if !notice.to.is_empty() {
                self.outputs.push_back(Output::Notify(Box::new(notice)));
            }
        }
        self.tell(now, format!("{} ended: {}", call.id, ending.detail));
    }
}

/// The longest voicemail where the channel says nothing (the same as the configuration's default).
const DEFAULT_LIMIT: Duration = Duration::from_secs(180);

fn notice(call: &OngoingCall, detail: String, voicemail: Option<(f64, PathBuf)>) -> Notice {
    let channel = call.snapshot.channel(&call.channel);
    Notice {
        call: call.id,
        to: channel
            .and_then(Channel::call)
            .map(|call| call.notify.clone())
            .unwrap_or_default(),
        channel: call.channel.clone(),
        from: call.record.from.clone(),
        from_name: call.record.from_name.clone(),
        dialled: call.record.to.clone(),
        at: call.record.began,
        local: local_time(&call.snapshot, channel, call.record.began),
        detail,
        voicemail,
    }
}

/// A moment as the clock of a channel's schedule reads it; in UTC for a channel without one.
pub fn local_time(snapshot: &Snapshot, channel: Option<&Channel>, at: Wall) -> String {
    match channel.and_then(|channel| snapshot.schedule_of(channel)) {
        Some(schedule) => schedule.state_at(at).local,
        None => at.to_utc().format("%a %Y-%m-%d %H:%MZ").to_string(),
    }
}
