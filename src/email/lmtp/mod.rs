//! Mail handed over by a mail server on this machine or beside it (LMTP, RFC 2033): each recipient is
//! answered once the mail is kept, so that the server keeps it until then.

mod session;

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tracing::{debug, info, warn};

use super::intake::{Came, Intake, NotTaken};
use super::state::States;
use crate::clock;
use crate::core::name::ChannelName;
use crate::core::snapshot::{LmtpListen, Snapshot};
use crate::inbox::Door;
use session::{Data, Envelope, Session, Step};

/// Sessions at once; a mail server waits for its turn.
const SESSIONS: usize = 32;

/// How long the other side may be silent (RFC 5321 §4.5.3.2.7).
const SILENCE: Duration = Duration::from_secs(5 * 60);

/// How long one session may take in all.
const SESSION: Duration = Duration::from_secs(30 * 60);

/// Octets of a command (RFC 5321 §4.5.3.1.4 says 512, and extensions add to it).
const LINE: usize = 4_096;

/// Octets that are read at once.
const PIECE: usize = 32 * 1024;

/// How long nothing is accepted after the system refused a connection.
const REST: Duration = Duration::from_secs(1);

/// The channel that has an address, whatever stands behind a `+` in it.
pub(super) fn channel_of(snapshot: &Snapshot, address: &str) -> Option<ChannelName> {
    let address = address.to_lowercase();
    let (local, domain) = address.rsplit_once('@')?;
    let plain = local
        .split_once('+')
        .map(|(local, _)| format!("{local}@{domain}"));
    let has = |wanted: &str| {
        snapshot.channels.iter().find(|channel| {
            channel.email().is_some_and(|email| {
                let mut all = email.aliases.iter().chain([&email.address]);
                all.any(|it| it.to_lowercase() == wanted)
            })
        })
    };
    let found = has(&address).or_else(|| has(&plain?));
    found.map(|channel| channel.name.clone())
}

/// Takes mail until the task is ended.
pub(super) async fn serve(listen: LmtpListen, intake: Intake, door: Door, states: States) {
    let bound = match &listen {
        LmtpListen::Path(path) => bind(path).await.map(Listener::Unix),
        LmtpListen::Address(address) => TcpListener::bind(address).await.map(Listener::Tcp),
    };
    let place = match &listen {
        LmtpListen::Path(path) => path.display().to_string(),
        LmtpListen::Address(address) => address.to_string(),
    };
    let listener = match bound {
        Ok(listener) => listener,
        Err(error) => {
            let problem = format!(
                "mail cannot be taken over LMTP on {place}: {error}. Check [email] lmtp, and whether \
                 something else listens there."
            );
            states.lmtp(Some(&problem));
            warn!("{problem}");
            return;
        }
    };
    states.lmtp(None);
    info!("mail is taken over LMTP on {place}");
    let sessions = Arc::new(Semaphore::new(SESSIONS));
    let mut running = tokio::task::JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&sessions).acquire_owned().await else {
            return;
        };
        let serving = Serving {
            intake: intake.clone(),
            door: door.clone(),
        };
        let accepted = match &listener {
            Listener::Unix(listener) => listener.accept().await.map(|(stream, _)| {
                running.spawn(serving.run(stream, permit));
            }),
            Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                running.spawn(serving.run(stream, permit));
            }),
        };
        if let Err(error) = accepted {
            warn!("an LMTP connection could not be accepted: {error}");
            tokio::time::sleep_until(clock::instant(clock::mono() + REST).into()).await;
        }
        while running.try_join_next().is_some() {}
    }
}

enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// Binds a socket in the place of one that a daemon left behind. Whoever sees it can connect; who
/// may is decided by the directory that it lies in.
async fn bind(path: &Path) -> io::Result<UnixListener> {
    if is_socket(path)? && UnixStream::connect(path).await.is_ok() {
        return Err(io::Error::from(io::ErrorKind::AddrInUse));
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(LmtpListen::UNREADY);
    let fresh = PathBuf::from(fresh);
    if is_socket(&fresh)? {
        fs::remove_file(&fresh)?;
    }
    let listener = UnixListener::bind(&fresh)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o666))?;
    fs::rename(&fresh, path)?;
    Ok(listener)
}

/// False where nothing is. What is no socket belongs to somebody else, and is not replaced.
fn is_socket(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => Ok(true),
        Ok(_) => Err(io::Error::other(format!(
            "{} is there already, and is no socket",
            path.display()
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

struct Serving {
    intake: Intake,
    door: Door,
}

impl Serving {
    async fn run<S>(self, stream: S, _permit: tokio::sync::OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let ended = tokio::time::timeout(SESSION, self.talk(stream)).await;
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!("an LMTP session ended: {error}"),
            Err(_) => warn!("an LMTP session took too long, it was ended"),
        }
    }

    async fn talk<S>(&self, mut stream: S) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let largest = self.intake.largest();
        let mut session = Session::new(&host_name(), largest);
        let mut input: Vec<u8> = Vec::new();
        stream.write_all(session.greeting().as_bytes()).await?;
        loop {
            let Some(line) = self.read_line(&mut stream, &mut input).await? else {
                return Ok(());
            };
            let snapshot = self.door.snapshot();
            match session.line(&line, |to| channel_of(&snapshot, to).is_some()) {
                Step::Reply(text) => stream.write_all(text.as_bytes()).await?,
                Step::Close(text) => {
                    stream.write_all(text.as_bytes()).await?;
                    return stream.shutdown().await;
                }
                Step::Data(text) => {
                    stream.write_all(text.as_bytes()).await?;
                    stream.flush().await?;
                    let mail = read_mail(&mut stream, &mut input, largest).await?;
                    let replies = self.deliver(session.take_envelope(), mail).await;
                    stream.write_all(replies.as_bytes()).await?;
                }
            }
            if input.is_empty() {
                stream.flush().await?;
            }
        }
    }

    /// The next line without its end; `None` once the other side has gone.
    async fn read_line<S>(&self, stream: &mut S, input: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        loop {
            if let Some(end) = memchr::memchr(b'\n', input) {
                let mut line: Vec<u8> = input.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(Some(line));
            }
            if input.len() > LINE {
                stream
                    .write_all(b"500 5.5.2 the line is too long\r\n")
                    .await?;
                return Ok(None);
            }
            stream.flush().await?;
            if !read_more(stream, input).await? {
                return Ok(None);
            }
        }
    }

    /// Takes the mail in once for each channel, and answers for each recipient.
    async fn deliver(&self, envelope: Envelope, mail: Result<Vec<u8>, usize>) -> String {
        let mut replies = String::new();
        let mut done: Vec<(ChannelName, String)> = Vec::new();
        let snapshot = self.door.snapshot();
        for recipient in &envelope.recipients {
            let Some(channel) = channel_of(&snapshot, recipient) else {
                replies.push_str("550 5.1.1 no email channel has this address any more\r\n");
                continue;
            };
            if let Some((_, reply)) = done.iter().find(|(it, _)| *it == channel) {
                replies.push_str(reply);
                continue;
            }
            let reply = match &mail {
                Err(octets) => {
                    format!("552 5.3.4 the mail has {octets} octets, which is too much\r\n")
                }
                Ok(raw) => {
                    let came = Came {
                        channel: channel.clone(),
                        raw: raw.clone(),
                        too_large: None,
                        return_path: Some(envelope.from.clone()),
                        recipients: envelope.recipients.clone(),
                        place: None,
                    };
                    match self.intake.take_in(came).await {
                        Ok(()) => "250 2.1.5 taken in\r\n".to_owned(),
                        Err(NotTaken::Later(why)) => {
                            warn!("a mail over LMTP was put off: {why}");
                            "451 4.3.0 it cannot be kept now\r\n".to_owned()
                        }
                        Err(NotTaken::Refused(why)) => {
                            warn!("a mail over LMTP was refused: {why}");
                            "554 5.6.0 it is not taken in\r\n".to_owned()
                        }
                    }
                }
            };
            replies.push_str(&reply);
            done.push((channel, reply));
        }
        replies
    }
}

async fn read_mail<S>(
    stream: &mut S,
    input: &mut Vec<u8>,
    largest: usize,
) -> io::Result<Result<Vec<u8>, usize>>
where
    S: AsyncRead + Unpin + Send,
{
    let mut data = Data::default();
    loop {
        let (taken, ended) = data.take(input, largest);
        input.drain(..taken);
        if ended {
            return Ok(data.finish(largest));
        }
        if !read_more(stream, input).await? {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
    }
}

async fn read_more<S>(stream: &mut S, input: &mut Vec<u8>) -> io::Result<bool>
where
    S: AsyncRead + Unpin + Send,
{
    input.reserve(PIECE);
    let read = tokio::time::timeout(SILENCE, stream.read_buf(input)).await;
    let read = read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(read > 0)
}

fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    match name.is_empty() {
        true => "ringdesk".to_owned(),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::sample;

    #[test]
    fn the_channel_is_found_by_address_alias_and_whatever_follows_a_plus() {
        let mut snapshot = sample::snapshot(vec![], vec![], vec![]);
        let mut channel =
            sample::message_channel(crate::core::snapshot::Kind::Email, "support", vec![]);
        if let crate::core::snapshot::ChannelKind::Email(email) = &mut channel.kind {
            email.address = "Support@Example.com".to_owned();
            email.aliases = vec!["help@example.com".to_owned(), "a+b@example.com".to_owned()];
        }
        snapshot.channels = vec![channel].into();
        for (address, found) in [
            ("support@example.com", true),
            ("SUPPORT+c.abc@EXAMPLE.com", true),
            ("help@example.com", true),
            ("a+b@example.com", true),
            ("a@example.com", false),
            ("a+c@example.com", false),
            ("support@example.org", false),
            ("support", false),
            ("", false),
        ] {
            assert_eq!(channel_of(&snapshot, address).is_some(), found, "{address}");
        }
    }
}
