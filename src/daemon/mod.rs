//! The daemon: wiring, signals, supervision. The only place that sees everything.

mod email;
mod http;
mod inventory;
mod load;
mod outputs;
mod programs;
mod recovery;
mod resolve;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use crate::clock;
use crate::config::{Diagnostics, Loaded};
use crate::control::{Control, DataLock};
use crate::core::snapshot::{Settings, Snapshot, StoreSettings};
use crate::core::time::Mono;
use crate::engine::{Engine, Input};
use crate::http::{Ask, Figures, Reloaded, Server};
use crate::inbox::{Asked, Door};
use crate::media::command::MediaEvent;
use crate::media::recording::Recorder;
use crate::media::worker::{self, MediaThreads};
use crate::notify::Sending;
use crate::sip::transport::{Incoming, Limits, Transport};
use crate::store::{Places, Store};

use email::Mail;
use load::Reload;
pub use load::{change_rule, load};
use outputs::Outputs;
use programs::Programs;

/// Inputs that may wait for the engine besides SIP messages: media events, answers of the disk and
/// of name servers. Each call has a handful at a time.
const QUEUE: usize = 65_536;

/// Messages taken from the transport before timers and media are looked at again.
const BATCH: usize = 64;

/// What `ringdesk run` was given.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory of the configuration.
    pub config: PathBuf,
}

/// Runs until a signal ends it.
///
/// # Errors
/// The configuration, a socket or the store cannot be used at the start.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let loaded = match load(&options.config, 1) {
        Ok(loaded) => loaded,
        Err(diagnostics) => anyhow::bail!("the configuration cannot be used:\n{diagnostics}"),
    };
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    let snapshot = Arc::new(loaded.snapshot);
    // One thread takes SIP and runs the engine, so that a message crosses no threads; media, disks
    // and the database have threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let daemon = Daemon::start(options, snapshot)?;
    let result = runtime.block_on(daemon.serve());
    runtime.shutdown_timeout(Duration::from_secs(5));
    result
}

/// Everything that runs.
struct Daemon {
    config: PathBuf,
    snapshot: Arc<Snapshot>,
    engine: Engine,
    outputs: Outputs,
    inputs: mpsc::Receiver<Input>,
    commands: mpsc::Receiver<Asked>,
    /// Commands taken in so far.
    numbered: u64,
    questions: mpsc::Sender<Input>,
    asks: mpsc::Receiver<Ask>,
    /// Questions of HTTP for the status so far.
    asked: u64,
    reloads: http::Reloads,
    recorder: Arc<Recorder>,
    _http: Option<Server>,
    programs: Programs,
    mail: Mail,
    /// Ends after the outputs, whose last notices it may still send.
    sending: Sending,
    _lock: DataLock,
}

/// What the daemon is to do with itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// No new calls; those that run may go on until then.
    Draining {
        until: Mono,
    },
    /// Every call was told to end; this is how long their last messages may take.
    Ending {
        until: Mono,
    },
}

/// How long goodbyes may take once every call was told to end: a BYE and two repetitions of it.
const GOODBYES: Duration = Duration::from_secs(2);

impl Daemon {
    fn start(options: &Options, snapshot: Arc<Snapshot>) -> anyhow::Result<Daemon> {
        let lock = DataLock::take(&data_directory(&snapshot.settings.store))?;
        let (sender, inputs) = mpsc::channel(QUEUE);
        let recorder = Arc::new(Recorder::new()?);
        let events = sender.clone();
        let figures = Arc::new(Figures::default());
        let media_figures = Arc::clone(&figures);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let recording = Arc::clone(&recorder);
        let media = MediaThreads::start(worker::thread_count(cores), recording, move |event| {
            if let MediaEvent::Closed { counters, .. } = &event {
                media_figures.media(counters);
            }
            // A full queue means that the engine stands still; calls have timers for what is missed.
            let _ = events.try_send(Input::Media(event));
        })?;
        let mut seed = [0u8; 32];
        getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
        let environment = inventory::environment(&snapshot);
        let engine = Engine::new(Arc::clone(&snapshot), environment, seed, clock::now());
        let data = data_directory(&snapshot.settings.store);
        let attachments = data.join("attachments");
        let database = &snapshot.settings.store.database;
        let places = Places {
            database: database.clone(),
            journal: data.join("journal"),
            attachments: attachments.clone(),
            audio: snapshot.settings.store.audio.clone(),
        };
        let channels = snapshot.channels.iter();
        let inboxes = channels
            .map(|channel| (channel.name.clone(), channel.inbox.clone()))
            .collect();
        let store = Store::open(&places, &inboxes, |text| warn!("{text}"))?;
        let mut engine = engine;
        recovery::restore_users(&mut engine, database)?;
        let (mailer, sending, reports, reported) = email::open_mailer(&data, &snapshot)?;
        let (door, commands) = Door::new(Arc::clone(&snapshot), attachments);
        let events = Store::events(&places)?;
        let (programs, webhooks) = programs::start(&door, database, &data, &events)?;
        let told = (reports, reported);
        let mail = Mail::start(&snapshot, &door, &places, &events, &mailer, told)?;
        let services = Arc::new(mail.services());
        let watched = Arc::clone(&services);
        let conditions = move || watched().into_iter().map(email::condition).collect();
        let (http, asks) = http::start(
            &options.config,
            &snapshot,
            &door,
            webhooks,
            &figures,
            Box::new(conditions),
        )?;
        let mut outputs = Outputs::new(
            &snapshot,
            media,
            store,
            mailer,
            sender.clone(),
            door,
            figures,
        )?;
        let web = http.as_ref().map(http::status);
        outputs.tell_of(move || web.clone().into_iter().chain(services()).collect());
        recovery::finish_recordings(&snapshot, &mut engine, &outputs);
        Ok(Daemon {
            config: options.config.clone(),
            snapshot,
            engine,
            outputs,
            inputs,
            commands,
            numbered: 0,
            questions: sender,
            asks,
            asked: 0,
            reloads: http::Reloads::default(),
            recorder,
            _http: http,
            programs,
            mail,
            sending,
            _lock: lock,
        })
    }

    async fn serve(mut self) -> anyhow::Result<()> {
        let (transport, mut incoming) =
            Transport::bind(&self.snapshot.settings.sip.listen, Limits::default()).await?;
        self.outputs.listen(transport);
        let mut hangup = signal(SignalKind::hangup())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        self.open_control();
        self.announce();
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);

        let mut phase = Phase::Serving;
        let mut reload = Reload::default();
        let mut messages = Vec::with_capacity(BATCH);
        loop {
            self.outputs.perform(&mut self.engine);
            if self.outputs.have_drained() {
                break;
            }
            if let Phase::Ending { until } = phase
                && clock::mono() >= until
            {
                break;
            }
            let wake = self.next_wake(phase);
            // In no order of preference: a flood of messages must not keep signals, disks and media
            // threads waiting.
            tokio::select! {
                count = incoming.recv_many(&mut messages, BATCH) => {
                    anyhow::ensure!(count > 0, "the SIP sockets were closed");
                    for message in messages.drain(..) {
                        self.take_in(message);
                    }
                }
                Some(input) = self.inputs.recv() => self.engine.handle(input, clock::now()),
                Some(asked) = self.commands.recv() => self.command(asked),
                Some(ask) = self.asks.recv() => self.asked(ask, &mut reload),
                _ = received(&mut hangup) => reload.ask(&self.config),
                result = reload.done() => {
                    let told = self.adopt(result);
                    self.reloads.answer(&told);
                }
                _ = received(&mut terminate) => phase = self.end(phase),
                _ = received(&mut interrupt) => phase = self.end(phase),
                () = outputs::until(wake) => phase = self.time_came(phase),
            }
        }
        info!("stopped");
        Ok(())
    }

    /// Commands can ask from here on. Calls are taken also where they cannot.
    fn open_control(&mut self) {
        let questions = self.questions.clone();
        let ask = move |question| questions.try_send(Input::StatusAsked { question }).is_ok();
        match Control::open(&data_directory(&self.snapshot.settings.store), ask) {
            Ok(control) => self.outputs.answer_to(control),
            Err(error) => warn!("`ringdesk status` and `tail` will not work: {error}"),
        }
    }

    fn announce(&self) {
        let settings = &self.snapshot.settings;
        for listen in &settings.sip.listen {
            info!("SIP on {:?} {}", listen.protocol, listen.address);
        }
        let ports = &settings.media.ports;
        let pairs = ports.end().saturating_sub(*ports.start()).saturating_add(1) / 2;
        info!(
            "UDP ports {}-{} for audio: enough for {} calls at once",
            ports.start(),
            ports.end(),
            pairs / 2
        );
    }

    fn take_in(&mut self, incoming: Incoming) {
        let input = match incoming {
            Incoming::Message {
                message,
                flow,
                at: _,
            } => Input::Received { message, flow },
            Incoming::ConnectionClosed { flow } | Incoming::SendFailed { flow } => {
                Input::FlowFailed { flow }
            }
            Incoming::Malformed { flow, error } => {
                tracing::debug!("malformed message from {}: {error}", flow.remote);
                return;
            }
        };
        self.engine.handle(input, clock::now());
        self.outputs.perform(&mut self.engine);
    }

    fn command(&mut self, asked: Asked) {
        self.numbered = self.numbered.wrapping_add(1);
        let number = self.numbered;
        self.outputs.awaits(number, asked.answer);
        let command = asked.command;
        let input = Input::Commanded { number, command };
        self.engine.handle(input, clock::now());
    }

    fn asked(&mut self, ask: Ask, reload: &mut Reload) {
        match ask {
            Ask::Keep(record) => self.outputs.keep(*record),
            Ask::KeepAndTell(record, told) => self.outputs.keep_and_tell(*record, told),
            Ask::Stored(told) => self.outputs.tell_stored(told),
            Ask::Readable(told) => self.outputs.tell_readable(told),
            Ask::Ended(answer) => {
                // Whoever asked may be gone.
                let _ = answer.send(self.ended());
            }
            Ask::Status(answer) => {
                self.asked = self.asked.wrapping_add(1);
                let question = http::OWN_QUESTIONS | self.asked;
                self.outputs.awaits_status(question, answer);
                let input = Input::StatusAsked { question };
                self.engine.handle(input, clock::now());
            }
            Ask::Reload(answer) => {
                self.reloads.wait(answer, reload.is_running());
                reload.ask(&self.config);
            }
        }
    }

    /// The threads that have ended by a fault, by what they do.
    fn ended(&self) -> Vec<String> {
        let mut ended = self.outputs.ended();
        ended.extend(self.recorder.ended());
        ended.extend(self.programs.ended());
        ended.extend(self.mail.ended());
        if !self.sending.is_running() {
            ended.push("mail".to_owned());
        }
        ended
    }

    fn next_wake(&self, phase: Phase) -> Option<Mono> {
        let phase_ends = match phase {
            Phase::Serving => None,
            Phase::Draining { until } | Phase::Ending { until } => Some(until),
        };
        self.engine
            .next_timeout()
            .into_iter()
            .chain(phase_ends)
            .min()
    }

    fn time_came(&mut self, phase: Phase) -> Phase {
        let now = clock::now();
        self.engine.handle(Input::TimeCame, now);
        match phase {
            Phase::Draining { until } if now.mono >= until => self.shut_down(),
            Phase::Serving | Phase::Draining { .. } | Phase::Ending { .. } => phase,
        }
    }

    /// A first signal lets running calls end; a second one ends them.
    fn end(&mut self, phase: Phase) -> Phase {
        match phase {
            Phase::Serving => {
                let drain = self.snapshot.settings.drain;
                info!(
                    "no new calls; those that run may go on for {} s",
                    drain.as_secs()
                );
                let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
                let now = clock::now();
                self.engine.handle(Input::DrainBegan, now);
                Phase::Draining {
                    until: now.mono + drain,
                }
            }
            Phase::Draining { .. } => self.shut_down(),
            Phase::Ending { .. } => phase,
        }
    }

    fn shut_down(&mut self) -> Phase {
        let (calls, ..) = self.engine.in_use();
        warn!("{calls} calls that still run are told to end");
        let now = clock::now();
        self.engine.handle(Input::ShutDown, now);
        Phase::Ending {
            until: now.mono + GOODBYES,
        }
    }

    /// The configuration was read again. What is wrong with it leaves the old one in force.
    fn adopt(&mut self, result: Result<Loaded, Diagnostics>) -> Reloaded {
        match result {
            Ok(Loaded {
                mut snapshot,
                warnings,
                ..
            }) => {
                for warning in &warnings {
                    warn!("{warning}");
                }
                let restart = keep_until_restart(&self.snapshot.settings, &mut snapshot.settings);
                for change in &restart {
                    warn!("{change} takes effect after a restart");
                }
                let version = self.snapshot.version.saturating_add(1);
                snapshot.version = version;
                self.snapshot = Arc::new(snapshot);
                let text = format!("configuration {version} is in force for calls to come");
                self.outputs.tell(clock::wall(), false, &text);
                let snapshot = Arc::clone(&self.snapshot);
                self.mail.adopt(&snapshot);
                self.outputs.adopt(&snapshot);
                self.engine.handle(Input::Loaded(snapshot), clock::now());
                Reloaded {
                    version,
                    errors: Vec::new(),
                    warnings: warnings.iter().map(ToString::to_string).collect(),
                    needs_restart: restart.iter().map(ToString::to_string).collect(),
                }
            }
            Err(diagnostics) => {
                error!(
                    "the configuration was not reloaded, {} stays in force:\n{diagnostics}",
                    self.snapshot.version
                );
                let errors = diagnostics.errors.len();
                let noun = if errors == 1 { "error" } else { "errors" };
                self.outputs.tell_watchers(
                    clock::wall(),
                    true,
                    &format!("the reload was refused ({errors} {noun}: ringdesk check)"),
                );
                self.engine
                    .handle(Input::ReloadRefused { errors }, clock::now());
                Reloaded {
                    version: self.snapshot.version,
                    errors: diagnostics.errors.iter().map(ToString::to_string).collect(),
                    warnings: diagnostics
                        .warnings
                        .iter()
                        .map(ToString::to_string)
                        .collect(),
                    needs_restart: Vec::new(),
                }
            }
        }
    }
}

async fn received(signal: &mut Signal) {
    // `None` would mean that no more can come; then this waits for ever.
    if signal.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}

/// Keeps what a reload cannot change as it is, and says in words what that is.
fn keep_until_restart(old: &Settings, new: &mut Settings) -> Vec<&'static str> {
    let mut kept = Vec::new();
    let mut keep = |changed: bool, what| kept.extend(changed.then_some(what));
    keep(
        old.sip.listen != new.sip.listen,
        "the change of [sip] listen",
    );
    keep(
        old.media.ports != new.media.ports,
        "the change of [media] ports",
    );
    keep(
        old.store.database != new.store.database,
        "the change of [store] url",
    );
    keep(
        old.store.audio != new.store.audio,
        "the change of [store] audio",
    );
    let listen = |settings: &Settings| settings.http.as_ref().map(|http| http.listen);
    keep(listen(old) != listen(new), "the change of [http] listen");
    new.sip.listen.clone_from(&old.sip.listen);
    new.media.ports = old.media.ports.clone();
    new.store = old.store.clone();
    match (&old.http, &mut new.http) {
        (Some(old), Some(new)) => new.listen = old.listen,
        (old, new) => new.clone_from(old),
    }
    kept
}

/// The directory that holds what the daemon keeps besides audio: journal, mail queue, control socket.
pub fn data_directory(store: &StoreSettings) -> PathBuf {
    store.database.parent().unwrap_or(Path::new(".")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::sample;

    #[test]
    fn what_needs_a_restart_stays_as_it_is_and_is_told() {
        let old = sample::snapshot(vec![], vec![], vec![]).settings;
        let mut new = old.clone();
        assert!(keep_until_restart(&old, &mut new).is_empty());
        new.store.audio = PathBuf::from("/elsewhere");
        new.media.ports = 20_000..=20_099;
        new.sip.realm = "another".to_owned();
        let told = keep_until_restart(&old, &mut new);
        assert_eq!(
            told,
            ["the change of [media] ports", "the change of [store] audio"]
        );
        assert_eq!(new.store, old.store);
        assert_eq!(new.media.ports, old.media.ports);
        assert_eq!(new.sip.realm, "another", "this one needs none");
    }

    #[test]
    fn listen_that_is_set_back_needs_no_restart() {
        let mut began = sample::snapshot(vec![], vec![], vec![]).settings;
        began.http = Some(sample::http("https://desk.example.com"));
        let mut changed = began.clone();
        let elsewhere = "127.0.0.1:9".parse().unwrap();
        changed.http.as_mut().unwrap().listen = elsewhere;
        let told = keep_until_restart(&began, &mut changed);
        assert_eq!(told, ["the change of [http] listen"]);
        let mut back = began.clone();
        assert!(keep_until_restart(&changed, &mut back).is_empty());

        let mut without = began.clone();
        without.http = None;
        assert_eq!(keep_until_restart(&began, &mut without), told);
        assert_eq!(without.http, began.http);
    }
}
