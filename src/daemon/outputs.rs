//! Does what the engine asks for; nothing of it makes the engine wait.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use super::resolve;
use crate::clock;
use crate::control::Control;
use crate::core::conversation::{Done, Event, Refusal};
use crate::core::id::{EventId, RandomSource};
use crate::core::record::{EventRecord, Notice, Record, VoicemailRecord};
use crate::core::snapshot::{Outbound, Snapshot};
use crate::core::time::{Mono, Wall};
use crate::engine::{Engine, Input, Output, ServiceStatus, Status};
use crate::http::Figures;
use crate::inbox::Door;
use crate::media::command::MediaEvent;
use crate::media::recording;
use crate::media::worker::MediaThreads;
use crate::notify::Mailer;
use crate::sip::transport::Transport;
use crate::store::Store;
use crate::webhook;

/// The edges, as the engine's outputs use them.
pub(super) struct Outputs {
    transport: Option<Transport>,
    control: Option<Control>,
    /// Services that the engine knows nothing of.
    services: Option<Box<dyn Fn() -> Vec<ServiceStatus> + Send + Sync>>,
    media: MediaThreads,
    store: Store,
    mailer: Mailer,
    audio: PathBuf,
    inputs: mpsc::Sender<Input>,
    asked: HashMap<u64, oneshot::Sender<Result<Done, Refusal>>>,
    questions: HashMap<u64, oneshot::Sender<Box<Status>>>,
    door: Door,
    figures: Arc<Figures>,
    drained: bool,
    /// Names of events.
    random: RandomSource,
    /// What belongs together and is about to be kept.
    gathered: Vec<Record>,
}

impl Outputs {
    /// The threads of media and of the store that have ended by a fault.
    pub(super) fn ended(&self) -> Vec<String> {
        [self.media.ended(), self.store.ended()].concat()
    }

    pub(super) fn new(
        snapshot: &Snapshot,
        media: MediaThreads,
        store: Store,
        mailer: Mailer,
        inputs: mpsc::Sender<Input>,
        door: Door,
        figures: Arc<Figures>,
    ) -> anyhow::Result<Outputs> {
        let mut seed = [0u8; 32];
        getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
        Ok(Outputs {
            transport: None,
            control: None,
            services: None,
            media,
            store,
            mailer,
            audio: snapshot.settings.store.audio.clone(),
            inputs,
            asked: HashMap::new(),
            questions: HashMap::new(),
            door,
            figures,
            drained: false,
            random: RandomSource::from_seed(seed),
            gathered: Vec::new(),
        })
    }

    pub(super) fn listen(&mut self, transport: Transport) {
        self.transport = Some(transport);
    }

    pub(super) fn answer_to(&mut self, control: Control) {
        self.control = Some(control);
    }

    /// Uses what a new configuration says, as far as that needs no restart.
    pub(super) fn adopt(&mut self, snapshot: &Arc<Snapshot>) {
        self.mailer.configure(snapshot.settings.smtp.clone());
        self.door.adopt(snapshot);
    }

    /// True once the engine has drained.
    pub(super) fn have_drained(&self) -> bool {
        self.drained
    }

    /// Does everything that the engine asks for.
    pub(super) fn perform(&mut self, engine: &mut Engine) {
        while let Some(output) = engine.poll_output() {
            if !matches!(output, Output::Store(_) | Output::Published(_)) {
                self.keep_gathered();
            }
            match output {
                Output::Send { flow, bytes } => {
                    if let Some(transport) = &self.transport {
                        transport.send(flow, bytes);
                    }
                }
                Output::Media(command) => {
                    let media = command.media();
                    if let Err(problem) = self.media.send(command) {
                        let error = problem.to_string();
                        let event = MediaEvent::OpenFailed { media, error };
                        engine.handle(Input::Media(event), clock::now());
                    }
                }
                Output::Store(record) => self.gathered.push(*record),
                Output::PrepareVoicemail { record, limit } => self.prepare(*record, limit),
                Output::KeepVoicemail(record, notice) => self.keep_voicemail(*record, notice),
                Output::DiscardVoicemail(mut record) => {
                    record.kept = false;
                    self.complete(*record);
                }
                Output::Notify(notice) => self.notify(notice),
                Output::Resolve(target) => self.resolve(target),
                Output::Answered { number, result } => self.answer_command(number, *result),
                Output::Published(event) => self.publish(*event),
                Output::Tell { at, warning, text } => self.tell(at, warning, &text),
                Output::Status { question, status } => self.answer(question, status),
                Output::Drained => self.drained = true,
            }
        }
        self.keep_gathered();
    }

    fn keep_gathered(&mut self) {
        if !self.gathered.is_empty() {
            let records = std::mem::take(&mut self.gathered);
            self.keep_together(records);
        }
    }

    /// A line for the log and for whoever watches.
    pub(super) fn tell(&self, at: Wall, warning: bool, text: &str) {
        if warning {
            warn!("{text}");
        } else {
            info!("{text}");
        }
        self.tell_watchers(at, warning, text);
    }

    /// A line for whoever watches, where the log has more.
    pub(super) fn tell_watchers(&self, at: Wall, warning: bool, text: &str) {
        if let Some(control) = &self.control {
            control.tell(at, warning, text);
        }
    }

    /// An edge waits for the answer to this command.
    pub(super) fn awaits(&mut self, number: u64, answer: oneshot::Sender<Result<Done, Refusal>>) {
        self.asked.insert(number, answer);
    }

    /// Whoever asked may read at once what came of it.
    fn answer_command(&mut self, number: u64, result: Result<Done, Refusal>) {
        let Some(answer) = self.asked.remove(&number) else {
            return;
        };
        if !self.store.then_applied(move || drop(answer.send(result))) {
            error!("the disk is too slow for the journal: an answer is lost");
        }
    }

    /// What must reach somebody outside stands in the journal with the change that it tells of: killed
    /// at any moment, the next start hands it on.
    fn publish(&mut self, event: Event) {
        let mut id = None;
        if self.must_be_told(&event) {
            let named = EventId(self.random.uuid(event.at));
            self.gathered.push(Record::Event(Box::new(EventRecord {
                id: named,
                event: event.clone(),
            })));
            id = Some(named);
        }
        self.keep_gathered();
        let door = self.door.clone();
        let tell = move || door.publish_as(id, event);
        if !self.store.then_applied_in_time(tell) {
            error!("the disk is too slow for the journal: an event is lost");
        }
    }

    fn must_be_told(&self, event: &Event) -> bool {
        event.asks_for_a_mail() || webhook::is_wanted(&self.door.snapshot().webhooks, event)
    }

    /// HTTP waits for the answer to this question, whose number no command uses.
    pub(super) fn awaits_status(&mut self, question: u64, answer: oneshot::Sender<Box<Status>>) {
        let waiting =
            |inputs: &mpsc::Sender<Input>| inputs.max_capacity().saturating_sub(inputs.capacity());
        self.figures.queue("engine", waiting(&self.inputs));
        self.questions.insert(question, answer);
    }

    /// From here on, who asks how the daemon is hears of these services too.
    pub(super) fn tell_of(
        &mut self,
        services: impl Fn() -> Vec<ServiceStatus> + Send + Sync + 'static,
    ) {
        self.services = Some(Box::new(services));
    }

    fn answer(&mut self, question: u64, mut status: Box<Status>) {
        status.services = self
            .services
            .iter()
            .flat_map(|services| services())
            .collect();
        if let Some(answer) = self.questions.remove(&question) {
            // Whoever asked may be gone.
            let _ = answer.send(status);
            return;
        }
        match (&self.control, serde_json::to_string(&status)) {
            (Some(control), Ok(status)) => control.answer(question, &status),
            (None, _) | (_, Err(_)) => {}
        }
    }

    /// The store never waits; what it cannot take any more is at least told of.
    pub(super) fn keep(&self, record: Record) {
        self.keep_together(vec![record]);
    }

    fn keep_together(&self, records: Vec<Record>) {
        for record in &records {
            self.figures.record(record);
        }
        if !self.store.keep_together(records) {
            error!(
                "the disk is too slow for the journal: {} records are lost",
                self.store.lost()
            );
        }
    }

    /// Like [`Outputs::keep`]; `told` is told once the record can be read.
    pub(super) fn keep_and_tell(&self, record: Record, told: oneshot::Sender<()>) {
        self.keep(record);
        self.tell_readable(told);
    }

    /// Told once what was kept so far can be read.
    pub(super) fn tell_readable(&self, told: oneshot::Sender<()>) {
        let tell = move || {
            // Whoever asked may be gone.
            let _ = told.send(());
        };
        if !self.store.then_applied(tell) {
            error!("the disk is too slow for the journal: an answer is lost");
        }
    }

    /// Told once what was kept so far stands on the disk.
    pub(super) fn tell_stored(&self, told: oneshot::Sender<u64>) {
        let lost = self.store.lost();
        let tell = move || {
            // Whoever asked may be gone.
            let _ = told.send(lost);
        };
        if !self.store.then(tell) {
            error!("the disk is too slow for the journal: an answer is lost");
        }
    }

    fn prepare(&self, record: VoicemailRecord, limit: Duration) {
        let (audio, inputs) = (self.audio.clone(), self.inputs.clone());
        tokio::task::spawn_blocking(move || {
            let result = recording::begin(&audio, &record, limit);
            let result = result.map(|_| ()).map_err(|problem| problem.to_string());
            let _ = inputs.blocking_send(Input::VoicemailPrepared {
                id: record.id,
                result,
            });
        });
    }

    /// Row first, then the notice, then the record beside the audio: a crash in between finds it
    /// unfinished, and does all again. A notice that is queued already is not queued again.
    pub(super) fn keep_voicemail(&self, record: VoicemailRecord, notice: Option<Box<Notice>>) {
        let audio = self.audio.clone();
        let mailer = self.mailer.clone();
        let row = Record::Voicemail(record.clone());
        let kept = self.store.keep_then(row, move || {
            if let Some(notice) = notice {
                queue(&mailer, &notice);
            }
            if let Err(problem) = recording::complete(&audio, &record) {
                error!("voicemail {}: {problem}", record.id);
            }
        });
        if !kept {
            error!("the disk is too slow for the journal: a voicemail waits for the next start");
        }
    }

    /// The rows of the call are on the disk before its mail can be.
    fn notify(&self, notice: Box<Notice>) {
        let mailer = self.mailer.clone();
        if !self.store.then(move || queue(&mailer, &notice)) {
            error!("the disk is too slow for the journal: a mail about a missed call is lost");
        }
    }

    fn complete(&self, record: VoicemailRecord) {
        let audio = self.audio.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(problem) = recording::complete(&audio, &record) {
                error!("voicemail {}: {problem}", record.id);
            }
        });
    }

    fn resolve(&self, target: Outbound) {
        let listening = self
            .transport
            .as_ref()
            .map(|transport| transport.listening().to_vec());
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let flow = resolve::resolve(&target, &listening.unwrap_or_default()).await;
            let _ = inputs.send(Input::Resolved { target, flow }).await;
        });
    }
}

fn queue(mailer: &Mailer, notice: &Notice) {
    if let Err(problem) = mailer.queue(notice) {
        error!("no mail about {}: {problem}", notice.call);
    }
}

/// Waits until `at`; for ever without one.
pub(super) async fn until(at: Option<Mono>) {
    match at {
        Some(at) => tokio::time::sleep_until(clock::instant(at).into()).await,
        None => std::future::pending().await,
    }
}
