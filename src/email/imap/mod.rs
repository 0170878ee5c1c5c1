//! Mailboxes read over IMAP (RFC 3501, IDLE of RFC 2177), a task each.
//!
//! What is new is what has not been seen, and what came after the last mail that was taken in, read
//! elsewhere or not. A mail is fetched without marking it, taken in, and only then marked as seen: a
//! daemon that dies in between finds it again, and knows it by its identifier. UIDs mean something only
//! with the UIDVALIDITY they came with; when that changes, what is unseen is read again, and what was
//! taken in before is known by its identifier.

mod connection;
mod folder;
mod measured;
mod told;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use super::Trust;
use super::intake::{Came, Intake, NotTaken};
use super::kept::Kept;
use super::message::one_line;
use super::state::States;
use crate::clock;
use crate::core::hex::hex;
use crate::core::id::RandomSource;
use crate::core::name::ChannelName;
use crate::core::snapshot::Mailbox;
use connection::{Opened, Problem};
use told::Told;

/// How long one command may take.
const COMMAND: Duration = Duration::from_secs(60);

/// How long fetching one mail may take: 25 MB over a slow line.
const FETCH: Duration = Duration::from_secs(600);

/// How often IDLE is begun anew, with a look at the folder: well below the half hour after which
/// servers hang up (RFC 2177), and before routers forget a connection.
const IDLE: Duration = Duration::from_secs(9 * 60);

/// How often a server without IDLE is asked.
const POLL: Duration = Duration::from_secs(60);

/// The first wait after a failure; doubled by each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait: a provider that counts wrong passwords locks nobody out at this rate.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// Octets of the header of a mail that is too large to be taken in.
const HEADER: u32 = 256 * 1024;

/// Mails that are remembered as dealt with in one session, where the server does not let us mark
/// them.
const DEALT_WITH: usize = 100_000;

/// Reads one mailbox, for ever.
pub(super) struct Reader {
    /// Whose mail it is.
    pub channel: ChannelName,
    /// The mailbox.
    pub mailbox: Mailbox,
    /// Where mail goes.
    pub intake: Intake,
    /// Where the place that was reached is kept.
    pub kept: Kept,
    /// Where it is told how things stand.
    pub states: States,
    /// Whom TLS trusts.
    pub trust: Arc<Trust>,
    /// For waits that are not the same everywhere.
    pub random: RandomSource,
}

/// How far a folder was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Reached {
    uid_validity: u32,
    /// Everything up to here has been looked at.
    last_uid: u32,
}

/// `support@imap.example.com/INBOX`, as logs and states name it.
pub(super) fn name_of(mailbox: &Mailbox) -> String {
    format!("{}@{}/{}", mailbox.username, mailbox.host, mailbox.folder)
}

/// The same for everything that means the same folder.
fn key_of(mailbox: &Mailbox) -> String {
    let mut hash = Sha256::new();
    for part in [&mailbox.host, &mailbox.username, &mailbox.folder] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hex(hash.finalize().get(..16).unwrap_or_default())
}

impl Reader {
    pub async fn run(mut self) {
        let name = name_of(&self.mailbox);
        let mut failures = 0u32;
        loop {
            let mut ready = false;
            let problem = match self.session(&mut ready).await {
                Ok(never) => match never {},
                Err(problem) => problem,
            };
            failures = if ready { 1 } else { failures.saturating_add(1) };
            let wait = self.wait(failures);
            let text = one_line(&problem.to_string(), 600);
            // The same trouble is told once, not at each attempt.
            if self.states.trouble(&self.channel, &name, &text) {
                warn!(
                    "mailbox {name} of channel {} is not read: {text} It is tried again in {} s.",
                    self.channel,
                    wait.as_secs().max(1)
                );
            }
            tokio::time::sleep_until(clock::instant(clock::mono() + wait).into()).await;
        }
    }

    /// Doubled by each failure, and between three quarters and five quarters of that.
    fn wait(&mut self, failures: u32) -> Duration {
        let doubled = 2u32.saturating_pow(failures.saturating_sub(1).min(20));
        let wait = FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT);
        let percent = u32::try_from(self.random.next_u64() % 51).unwrap_or_default();
        wait.saturating_mul(percent.saturating_add(75)) / 100
    }

    async fn session(&mut self, ready: &mut bool) -> Result<std::convert::Infallible, Problem> {
        let mut session = connection::open(&self.mailbox, &self.trust).await?;
        let idles = within(COMMAND, session.capabilities())
            .await?
            .has_str("IDLE");
        let folder = folder::encoded(&self.mailbox.folder);
        let opened = tokio::time::timeout(COMMAND, session.select(&folder)).await;
        let opened = opened.map_err(|_| Problem::Stuck(COMMAND.as_secs()))?;
        let named = self.mailbox.folder.clone();
        let opened = opened.map_err(|error| Problem::Folder(named.clone(), error))?;
        let validity = opened.uid_validity.ok_or(Problem::NoUidValidity(named))?;
        let mut progress = Progress::new(&self.kept, &self.mailbox, validity, opened.uid_next);
        let mut told = Told::new(opened.exists);
        *ready = true;
        let name = name_of(&self.mailbox);
        if self.states.works(&self.channel, &name) {
            let how = if idles {
                "mail is told of at once"
            } else {
                "asked each minute"
            };
            info!("mailbox {name} of channel {} is read ({how})", self.channel);
        }
        loop {
            // What was told up to here is found by the search that comes next.
            told.of_mail(|| session.unsolicited_responses.try_recv().ok());
            self.take_new(&mut session, &mut progress).await?;
            if told.of_mail(|| session.unsolicited_responses.try_recv().ok()) {
                continue;
            }
            if idles {
                session = idle(session, &mut told).await?;
            } else {
                tokio::time::sleep_until(clock::instant(clock::mono() + POLL).into()).await;
            }
            within(COMMAND, session.noop()).await?;
        }
    }

    async fn take_new(
        &mut self,
        session: &mut Opened,
        progress: &mut Progress,
    ) -> Result<(), Problem> {
        let unseen = within(COMMAND, session.uid_search("UNSEEN UNDELETED")).await?;
        let after = progress.reached.last_uid.saturating_add(1);
        let query = format!("UID {after}:* UNDELETED");
        let later = within(COMMAND, session.uid_search(query)).await?;
        let later = later.into_iter().filter(|uid| *uid >= after);
        let all: BTreeSet<u32> = unseen.into_iter().chain(later).collect();
        for uid in all {
            if progress.dealt_with.contains(&uid) {
                continue;
            }
            let came = self
                .fetch(session, uid, progress.reached.uid_validity)
                .await?;
            if let Some(came) = came {
                match self.intake.take_in(came).await {
                    Ok(()) => {
                        mark(session, uid).await?;
                        self.states.took_in(&self.channel, &name_of(&self.mailbox));
                    }
                    // It stays unseen, so that people find it in the mailbox.
                    Err(NotTaken::Refused(why)) => warn!(
                        "mail {uid} of mailbox {} was not taken in, it stays unseen there: {why}",
                        name_of(&self.mailbox)
                    ),
                    Err(NotTaken::Later(why)) => {
                        progress.keep(&self.kept);
                        return Err(Problem::NotTaken(why));
                    }
                }
            }
            progress.deal_with(uid);
        }
        progress.keep(&self.kept);
        Ok(())
    }

    /// Fetches a mail, or its header where it is too large. `None` if it has gone meanwhile.
    async fn fetch(
        &self,
        session: &mut Opened,
        uid: u32,
        validity: u32,
    ) -> Result<Option<Came>, Problem> {
        let Some(fetched) = fetch_one(session, uid, "(UID RFC822.SIZE)").await? else {
            return Ok(None);
        };
        let size = usize::try_from(fetched.size.unwrap_or_default()).unwrap_or(usize::MAX);
        let too_large = size > self.intake.largest();
        let query = match too_large {
            true => format!("(UID BODY.PEEK[HEADER]<0.{HEADER}>)"),
            false => "(UID BODY.PEEK[])".to_owned(),
        };
        let Some(fetched) = fetch_one(session, uid, &query).await? else {
            return Ok(None);
        };
        let octets = match too_large {
            true => fetched.header(),
            false => fetched.body(),
        };
        let key = key_of(&self.mailbox);
        Ok(octets.map(|octets| Came {
            channel: self.channel.clone(),
            raw: octets.to_vec(),
            too_large: too_large.then_some(size),
            return_path: None,
            recipients: Vec::new(),
            place: Some(format!("imap:{key}:{validity}:{uid}")),
        }))
    }
}

/// What of a folder was dealt with.
struct Progress {
    name: String,
    reached: Reached,
    written: Option<Reached>,
    dealt_with: BTreeSet<u32>,
}

impl Progress {
    fn new(kept: &Kept, mailbox: &Mailbox, validity: u32, next: Option<u32>) -> Progress {
        let name = format!("mailbox-{}.json", key_of(mailbox));
        let before: Reached = kept.read(&name);
        let reached = match before.uid_validity == validity {
            true => before,
            // A folder that is new to us: what was seen before we came is not ours.
            false => Reached {
                uid_validity: validity,
                last_uid: next.unwrap_or(1).saturating_sub(1),
            },
        };
        let mut progress = Progress {
            name,
            reached,
            written: Some(before),
            dealt_with: BTreeSet::new(),
        };
        progress.keep(kept);
        progress
    }

    fn deal_with(&mut self, uid: u32) {
        self.reached.last_uid = self.reached.last_uid.max(uid);
        if self.dealt_with.len() >= DEALT_WITH {
            self.dealt_with.pop_first();
        }
        self.dealt_with.insert(uid);
    }

    /// Where this cannot be written, mail is fetched again and known by its identifier.
    fn keep(&mut self, kept: &Kept) {
        if self.written == Some(self.reached) {
            return;
        }
        match kept.write(&self.name, &self.reached) {
            Ok(()) => self.written = Some(self.reached),
            Err(error) => warn!("how far a mailbox was read cannot be written: {error}"),
        }
    }
}

/// Waits for news, or until it is time to look again.
async fn idle(session: Opened, told: &mut Told) -> Result<Opened, Problem> {
    let unsolicited = session.unsolicited_responses.clone();
    let mut handle = session.idle();
    within(COMMAND, handle.init()).await?;
    // A server tells of a mail once, and may do so before it agrees to wait.
    if told.of_mail(|| unsolicited.try_recv().ok()) {
        return within(COMMAND, handle.done()).await;
    }
    let (news, _stop) = handle.wait_with_timeout(IDLE);
    // Servers that say "still here" every other minute would put the look off for ever.
    let ended = tokio::time::timeout(IDLE, news).await;
    if let Ok(ended) = ended {
        ended?;
    }
    within(COMMAND, handle.done()).await
}

async fn fetch_one(
    session: &mut Opened,
    uid: u32,
    query: &str,
) -> Result<Option<async_imap::types::Fetch>, Problem> {
    let fetched = async {
        let all: Vec<_> = session
            .uid_fetch(uid.to_string(), query)
            .await?
            .try_collect()
            .await?;
        Ok::<_, async_imap::error::Error>(all)
    };
    let all = within(FETCH, fetched).await?;
    // The server may tell of other mails' flags in between.
    Ok(all.into_iter().find(|it| it.uid == Some(uid)))
}

async fn mark(session: &mut Opened, uid: u32) -> Result<(), Problem> {
    let marked = async {
        let answers = session
            .uid_store(uid.to_string(), "+FLAGS.SILENT (\\Seen)")
            .await?;
        answers.try_collect::<Vec<_>>().await
    };
    match within(COMMAND, marked).await {
        Ok(_) => Ok(()),
        // A folder that may only be read: it is known by its identifier.
        Err(Problem::Ended(async_imap::error::Error::No(why))) => {
            warn!("a mail cannot be marked as seen: {why}");
            Ok(())
        }
        Err(problem) => Err(problem),
    }
}

async fn within<T>(
    patience: Duration,
    command: impl Future<Output = async_imap::error::Result<T>>,
) -> Result<T, Problem> {
    match tokio::time::timeout(patience, command).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Problem::Stuck(patience.as_secs())),
    }
}
