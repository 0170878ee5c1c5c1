//! Mail that goes out: notices about calls that nobody answered, and letters that others composed.
//! Both are queued on the disk, and sent from a thread of its own, so that nothing else ever waits for
//! a mail server.
//!
//! A notice's key is its call, a letter has one of its own: under it a mail is queued once, and
//! what was sent is remembered for a week.
//! One window is left in which a mail can be sent twice, and no sender of mail can close it: when the
//! process dies after the server took the mail, and before that is on the disk. Both mails then carry
//! the same Message-ID, which receivers use to show one of them only.

mod letter;
mod queue;
mod sender;
mod server;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use crate::core::letter::{Letter, Progress, Report};
use crate::core::record::Notice;
use crate::core::snapshot::SmtpSettings;
use sender::{Sender, Shared};

/// How long the end of the daemon waits for a mail that is just being sent.
const LAST_MAIL: Duration = Duration::from_secs(5);

/// Why a notice cannot be queued, or mail not be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The queue cannot be used.
    #[error(
        "the mail queue in {path} cannot be used: {source}. Check who may write there, and for space."
    )]
    Queue {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Too much waits already.
    #[error("{0} mails wait to be sent: no more are queued. Check [smtp] and the mail server.")]
    Full(usize),
    /// Nobody said through which server.
    #[error("there is no [smtp] in the configuration, so no mail can be sent")]
    NoServer,
    /// The thread cannot be started.
    #[error("the thread that sends mail cannot be started: {0}")]
    Thread(io::Error),
}

/// When what could not be sent is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// After the first failure; doubled by each further one.
    pub first: Duration,
    /// At most.
    pub longest: Duration,
    /// How long after it was queued a mail is given up.
    pub give_up: Duration,
}

impl Default for Retry {
    /// A minute to an hour, for three days: a mail server that broke on Friday evening is repaired on
    /// Monday.
    fn default() -> Retry {
        Retry {
            first: Duration::from_secs(60),
            longest: Duration::from_secs(60 * 60),
            give_up: Duration::from_secs(3 * 24 * 60 * 60),
        }
    }
}

impl Retry {
    /// How long to wait after the `failures`th failure in a row.
    fn wait(&self, failures: u32) -> Duration {
        let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

/// The way in. Clones lead to the same queue.
#[derive(Clone)]
pub struct Mailer(Arc<Shared>);

/// The thread that sends. Dropping it lets a mail that is just being sent go out, but not the rest.
pub struct Sending {
    shared: Arc<Shared>,
    over: Receiver<()>,
}

impl Mailer {
    /// Opens the queue in `directory`, which is made if need be, and starts to send what it holds.
    /// `tell` is told of every mail sent and of every trouble, and whether it is a warning.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn open(
        directory: &Path,
        smtp: Option<SmtpSettings>,
        retry: Retry,
        tell: impl Fn(bool, String) + Send + Sync + 'static,
    ) -> Result<(Mailer, Sending), NotifyError> {
        Mailer::open_reporting(directory, smtp, retry, tell, |_| {})
    }

    /// As [`Mailer::open`]; `report` is told what became of each mail, on the thread that sends.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn open_reporting(
        directory: &Path,
        smtp: Option<SmtpSettings>,
        retry: Retry,
        tell: impl Fn(bool, String) + Send + Sync + 'static,
        report: impl Fn(Report) + Send + Sync + 'static,
    ) -> Result<(Mailer, Sending), NotifyError> {
        let shared = Shared::open(directory, smtp, Box::new(tell), Box::new(report))?;
        let shared = Arc::new(shared);
        let (running, over) = channel();
        let sender = Sender::new(Arc::clone(&shared), retry)?;
        std::thread::Builder::new()
            .name("mail".to_owned())
            .spawn(move || {
                sender.run();
                drop(running);
            })
            .map_err(NotifyError::Thread)?;
        let sending = Sending {
            shared: Arc::clone(&shared),
            over,
        };
        Ok((Mailer(shared), sending))
    }

    /// Takes a notice in; it is on the disk when this returns. One that is known already, and one for
    /// which there is no mail server, is passed over.
    ///
    /// # Errors
    /// The disk does not take it, or too much waits.
    pub fn queue(&self, notice: &Notice) -> Result<(), NotifyError> {
        self.0.queue(notice)
    }

    /// Takes a letter in; it is on the disk when this returns. One that is known already is answered
    /// with how far it has come. Blocks on the disk.
    ///
    /// # Errors
    /// There is no server, the disk does not take it, or too much waits.
    pub fn queue_letter(&self, letter: &Letter) -> Result<Progress, NotifyError> {
        self.0.queue_letter(letter)
    }

    /// Whether the server takes mail, as far as is known; `None`: there is no server.
    pub fn works(&self) -> Option<bool> {
        self.0.works()
    }

    /// Sends through this server from now on, and tries it at once; without one, what is queued waits.
    pub fn configure(&self, smtp: Option<SmtpSettings>) {
        self.0.configure(smtp);
    }
}

impl Sending {
    /// Whether its thread runs still: it ends with this, or by a fault.
    pub fn is_running(&self) -> bool {
        self.over.try_recv() != Err(TryRecvError::Disconnected)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.shared.stop();
        // Ends by disconnection, when the thread does.
        let _ = self.over.recv_timeout(LAST_MAIL);
    }
}
