//! Gives email what it needs of the other parts: questions to the store, and the queues of mail.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OnceCell, mpsc};
use tracing::{info, warn};

use super::data_directory;

use crate::core::conversation::MessageKind;
use crate::core::letter::{Letter, Progress, Report};
use crate::core::name::ChannelName;
use crate::core::record::EventRecord;
use crate::core::snapshot::{SmtpSettings, Snapshot};
use crate::core::time::Wall;
use crate::email::{Email, Found, Records, Surroundings, Trust};
use crate::engine::ServiceStatus;
use crate::http::Condition;
use crate::inbox::Door;
use crate::notify::{Mailer, Retry, Sending};
use crate::store::{FoundMessage, MessagePlace, Places, Readers, Sight};

/// Connections that read for email: a mail at a time for each mailbox, and replies.
const READERS: u32 = 2;

/// Messages that are looked back at for the last one that came from outside.
const LOOKED_BACK: u32 = 50;

/// Reports that may wait for email, which takes each at once: beyond it, the next start asks again.
const REPORTS: usize = 10_000;

/// Opens the queue of all mail, and where what becomes of letters is reported.
pub(super) fn open_mailer(
    data: &Path,
    snapshot: &Snapshot,
) -> anyhow::Result<(
    Mailer,
    Sending,
    mpsc::Sender<Report>,
    mpsc::Receiver<Report>,
)> {
    let (reports, reported) = mpsc::channel(REPORTS);
    let smtp = snapshot.settings.smtp.clone();
    let (mailer, sending) = open(&data.join("mail-queue"), smtp, reports.clone())?;
    Ok((mailer, sending, reports, reported))
}

fn open(
    directory: &Path,
    smtp: Option<SmtpSettings>,
    reports: mpsc::Sender<Report>,
) -> anyhow::Result<(Mailer, Sending)> {
    let tell = |warning, text: String| match warning {
        true => warn!("{text}"),
        false => info!("{text}"),
    };
    let report = move |report| {
        let _ = reports.try_send(report);
    };
    Ok(Mailer::open_reporting(
        directory,
        smtp,
        Retry::default(),
        tell,
        report,
    )?)
}

/// Email, and the queues of channels that have a server of their own.
pub(super) struct Mail {
    email: Email,
    posts: Arc<Posts>,
}

/// The ways out.
struct Posts {
    all: Mailer,
    own: Mutex<BTreeMap<ChannelName, (Mailer, Sending)>>,
    /// Where those queues lie.
    directory: PathBuf,
    reports: mpsc::Sender<Report>,
}

impl Mail {
    /// Starts email as the configuration in force says. Of `events`, what must be mailed and perhaps
    /// was not is mailed.
    pub(super) fn start(
        snapshot: &Snapshot,
        door: &Door,
        places: &Places,
        events: &[EventRecord],
        mailer: &Mailer,
        (reports, reported): (mpsc::Sender<Report>, mpsc::Receiver<Report>),
    ) -> anyhow::Result<Mail> {
        let data = data_directory(&snapshot.settings.store);
        let posts = Arc::new(Posts {
            all: mailer.clone(),
            own: Mutex::default(),
            directory: data.join("mail-queues"),
            reports,
        });
        posts.adopt(snapshot);
        let post = Arc::clone(&posts);
        let email = Email::start(Surroundings {
            door: door.clone(),
            records: records(&places.database),
            post: Arc::new(move |channel, letter| post.queue(channel, &letter)),
            reports: reported,
            directory: data.join("email"),
            events: events.iter().map(|it| it.event.clone()).collect(),
            trust: Trust::default(),
        })?;
        Ok(Mail { email, posts })
    }

    /// Sends as another configuration says; email follows it by itself.
    pub(super) fn adopt(&self, snapshot: &Snapshot) {
        self.posts.adopt(snapshot);
    }

    /// What has ended by a fault.
    pub(super) fn ended(&self) -> Vec<String> {
        let mut ended = Vec::new();
        if !self.email.is_running() {
            ended.push("email".to_owned());
        }
        let own = self
            .posts
            .own
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let stopped = own.iter().filter(|(_, (_, sending))| !sending.is_running());
        ended.extend(stopped.map(|(channel, _)| format!("mail of {channel}")));
        ended
    }

    /// How email stands, for the admin on the machine.
    pub(super) fn services(&self) -> impl Fn() -> Vec<ServiceStatus> + Send + Sync + 'static {
        let states = self.email.states().clone();
        let posts = Arc::clone(&self.posts);
        move || {
            let mut services = Vec::new();
            for state in states.all() {
                let (name, place) = match &state.channel {
                    Some(channel) => (format!("mailbox of {channel}"), state.name),
                    None => ("lmtp".to_owned(), "its socket".to_owned()),
                };
                let detail = match (&state.problem, state.last_mail) {
                    (Some(problem), _) => format!("{place}: {problem}"),
                    (None, Some(at)) => format!("{place}, last mail {}", minute(at)),
                    (None, None) => place,
                };
                services.push(ServiceStatus {
                    name,
                    works: state.problem.is_none(),
                    detail,
                });
            }
            for (channel, works) in posts.standing() {
                let name = match channel {
                    Some(channel) => format!("mail from {channel}"),
                    None => "mail".to_owned(),
                };
                let detail = if works {
                    ""
                } else {
                    "it cannot be sent, and waits"
                };
                services.push(ServiceStatus {
                    name,
                    works,
                    detail: detail.to_owned(),
                });
            }
            services
        }
    }
}

/// `2026-12-02 09:40Z`
fn minute(at: Wall) -> String {
    at.to_utc().format("%Y-%m-%d %H:%MZ").to_string()
}

/// A service, for those who watch the daemon. Names and reasons of servers are not for everybody who
/// may ask.
pub(super) fn condition(service: ServiceStatus) -> Condition {
    let reason = "it does not work now: the log and `ringdesk status` say why";
    Condition {
        name: service.name,
        ok: service.works,
        vital: false,
        reason: match service.works {
            true => String::new(),
            false => reason.to_owned(),
        },
    }
}

impl Posts {
    fn adopt(&self, snapshot: &Snapshot) {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted: BTreeMap<ChannelName, SmtpSettings> = BTreeMap::new();
        for channel in snapshot.channels.iter() {
            if let Some(smtp) = channel.email().and_then(|it| it.smtp.clone()) {
                wanted.insert(channel.name.clone(), smtp);
            }
        }
        for (name, (mailer, _)) in own.iter() {
            // What waits for a server that was taken away goes on waiting.
            mailer.configure(wanted.remove(name));
        }
        for (name, smtp) in wanted {
            let directory = self.directory.join(&*name);
            match open(&directory, Some(smtp), self.reports.clone()) {
                Ok(opened) => drop(own.insert(name, opened)),
                Err(error) => warn!("replies of channel {name} cannot be sent: {error}"),
            }
        }
    }

    /// Whether the servers take mail: the one of all, and those of channels.
    fn standing(&self) -> Vec<(Option<ChannelName>, bool)> {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let own = own
            .iter()
            .map(|(name, (mailer, _))| (Some(name.clone()), mailer.works()));
        let all = own.chain([(None, self.all.works())]);
        all.filter_map(|(name, works)| Some((name, works?)))
            .collect()
    }

    fn queue(&self, channel: Option<&ChannelName>, letter: &Letter) -> Result<Progress, String> {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let mailer = channel.and_then(|it| own.get(it)).map(|(it, _)| it.clone());
        drop(own);
        let mailer = mailer.as_ref().unwrap_or(&self.all);
        mailer.queue_letter(letter).map_err(words)
    }
}

fn records(database: &Path) -> Records {
    let store = Store {
        database: Arc::from(database),
        readers: Arc::default(),
    };
    let all: [Store; 5] = std::array::from_fn(|_| store.clone());
    let [
        conversation,
        message_of,
        message,
        last_received,
        undelivered,
    ] = all;
    Records {
        conversation: Arc::new(move |id| {
            let store = conversation.clone();
            Box::pin(async move {
                let found = store
                    .readers()
                    .await?
                    .conversation(&Sight::Everything, id)
                    .await;
                found.map_err(words)
            })
        }),
        message_of: Arc::new(move |id| {
            let store = message_of.clone();
            Box::pin(async move {
                let found = store.readers().await?.message(&Sight::Everything, id).await;
                Ok(found.map_err(words)?.map(with_conversation))
            })
        }),
        message: Arc::new(move |channel, name| {
            let store = message.clone();
            Box::pin(async move {
                let readers = store.readers().await?;
                let found = match channel {
                    Some(channel) => readers.message_named(&channel, &name).await,
                    None => {
                        let named = readers.messages_named(&[name]).await;
                        named.map(|found| found.into_iter().next())
                    }
                };
                Ok(found.map_err(words)?.map(with_conversation))
            })
        }),
        last_received: Arc::new(move |id| {
            let store = last_received.clone();
            Box::pin(async move {
                let (sight, place) = (Sight::Everything, MessagePlace::Latest);
                let page = store
                    .readers()
                    .await?
                    .messages(&sight, id, place, LOOKED_BACK)
                    .await;
                let mut latest = page.map_err(words)?.items.into_iter().rev();
                Ok(latest.find(|it| it.kind == MessageKind::Received))
            })
        }),
        undelivered: Arc::new(move || {
            let store = undelivered.clone();
            Box::pin(async move {
                let found = store.readers().await?.undelivered().await;
                Ok(found
                    .map_err(words)?
                    .into_iter()
                    .map(with_conversation)
                    .collect())
            })
        }),
    }
}

fn with_conversation(found: FoundMessage) -> Found {
    Found {
        conversation: found.conversation,
        message: found.message,
    }
}

/// The store, opened at the first question.
#[derive(Clone)]
struct Store {
    database: Arc<Path>,
    readers: Arc<OnceCell<Readers>>,
}

impl Store {
    async fn readers(&self) -> Result<&Readers, String> {
        let open = || Readers::open(&self.database, READERS);
        self.readers.get_or_try_init(open).await.map_err(words)
    }
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
