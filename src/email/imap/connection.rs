//! A connection to an IMAP server, up to an open session.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_imap::imap_proto::{Response, Status};
use async_imap::{Authenticator, Client, Session};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::measured::Measured;
use crate::core::snapshot::{ImapSecurity, MailLogin, Mailbox};
use crate::email::Trust;
use crate::email::message::one_line;

/// How long a server may take to accept a connection, and for each step of opening a session.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the system asks whether the other side is still there: before routers forget.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

/// An octet stream, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug> Stream for T {}

/// A session of an open mailbox.
pub(super) type Opened = Session<Box<dyn Stream>>;

/// Why a mailbox cannot be read now. Each says what was wrong, and what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("{0}:{1} cannot be reached: {2}. Check the name, the port and the network.")]
    Unreachable(String, u16, io::Error),
    #[error(
        "{0} did not answer within {1} s. Check the port, and whether `imaps` or `imap` (STARTTLS) is right."
    )]
    Silent(String, u64),
    #[error("TLS with {0} failed: {1}. {2}")]
    Tls(String, io::Error, &'static str),
    #[error("{0} is no name that a certificate could be for")]
    Name(String),
    #[error("{0} greeted with {1:?} instead of OK; it may be overloaded, or refuse this address")]
    Greeting(String, String),
    #[error(
        "{0} does not take STARTTLS ({1}), so no password is sent to it. Use `imaps://` if it offers that."
    )]
    NoStartTls(String, async_imap::error::Error),
    #[error(
        "the login of {0} was refused: {said}. Check the user name and password; providers with two steps of sign-in want an app password."
        , said = said(.1)
    )]
    Login(String, async_imap::error::Error),
    #[error(
        "the OAuth2 login of {0} was refused: {said}. Check that the token file holds a valid access token with the right to read mail; what renews it may have stopped."
        , said = said(.1)
    )]
    Token(String, async_imap::error::Error),
    #[error(
        "the token file {0} cannot be read: {1}. What renews it must write the token there, and nothing else."
    )]
    TokenFile(PathBuf, io::Error),
    #[error(
        "the folder {0:?} cannot be opened: {1}. Check its name, and that the user may read it."
    )]
    Folder(String, async_imap::error::Error),
    #[error(
        "the server gives no UIDVALIDITY for the folder {0:?}, so mails could not be told apart"
    )]
    NoUidValidity(String),
    #[error("the connection ended: {0}")]
    Ended(async_imap::error::Error),
    #[error("the server sent what is no IMAP. Check that nothing else listens at that port.")]
    Unreadable,
    #[error("the server did not answer within {0} s")]
    Stuck(u64),
    #[error("mail cannot be taken in: {0}")]
    NotTaken(String),
}

impl From<async_imap::error::Error> for Problem {
    fn from(error: async_imap::error::Error) -> Problem {
        match &error {
            // The library's words hold all that was sent, which may be a mail.
            async_imap::error::Error::Io(error) if error.to_string().contains(UNREADABLE) => {
                Problem::Unreadable
            }
            async_imap::error::Error::Parse(_) => Problem::Unreadable,
            _ => Problem::Ended(error),
        }
    }
}

/// What the library says of octets that are no IMAP, before it shows them.
const UNREADABLE: &str = "during parsing of";

/// The server's own words in a refusal.
fn said(error: &async_imap::error::Error) -> String {
    let words = error.to_string();
    let own = words.split_once("info: Some(\"");
    let own = own.map_or(words.as_str(), |(_, own)| own.trim_end_matches("\")"));
    one_line(own.trim_end_matches('.'), 300)
}

/// Connects and logs in.
pub(super) async fn open(mailbox: &Mailbox, trust: &Trust) -> Result<Opened, Problem> {
    let host = mailbox.host.as_str();
    let patience = PATIENCE.as_secs();
    let silent = |_| Problem::Silent(host.to_owned(), patience);
    let client = tokio::time::timeout(PATIENCE, greeted(mailbox, trust))
        .await
        .map_err(silent)??;
    tokio::time::timeout(PATIENCE, log_in(mailbox, client))
        .await
        .map_err(silent)?
}

async fn greeted(mailbox: &Mailbox, trust: &Trust) -> Result<Client<Box<dyn Stream>>, Problem> {
    let host = mailbox.host.as_str();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((bare, mailbox.port)).await;
    let stream = stream.map_err(|it| Problem::Unreachable(host.to_owned(), mailbox.port, it))?;
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE);
    // Without it, a connection that was cut silently is noticed some minutes later.
    let _ = SockRef::from(&stream).set_tcp_keepalive(&keep_alive);
    match mailbox.security {
        ImapSecurity::Tls => {
            let mut client = Client::new(encrypted(stream, bare, trust).await?);
            greeting(&mut client, host).await?;
            Ok(client)
        }
        ImapSecurity::StartTls => {
            let mut client = Client::new(Measured::new(stream));
            greeting(&mut client, host).await?;
            client
                .run_command_and_check_ok("STARTTLS", None)
                .await
                .map_err(|error| Problem::NoStartTls(host.to_owned(), error))?;
            // What the other side sent ahead of the encryption is dropped with the client.
            Ok(Client::new(
                encrypted(client.into_inner().into_inner(), bare, trust).await?,
            ))
        }
        ImapSecurity::None => {
            let stream: Box<dyn Stream> = Box::new(Measured::new(stream));
            let mut client = Client::new(stream);
            greeting(&mut client, host).await?;
            Ok(client)
        }
    }
}

async fn greeting<T: Stream>(client: &mut Client<T>, host: &str) -> Result<(), Problem> {
    let response = client.read_response().await;
    let response =
        response.map_err(|error| Problem::from(async_imap::error::Error::from(error)))?;
    let Some(response) = response else {
        return Err(Problem::Ended(async_imap::error::Error::ConnectionLost));
    };
    match response.parsed() {
        Response::Data {
            status: Status::Ok, ..
        } => Ok(()),
        // PREAUTH would skip the encryption that was asked for.
        Response::Data { outcome, .. } => {
            let words = outcome.information.as_deref().unwrap_or_default();
            Err(Problem::Greeting(host.to_owned(), one_line(words, 200)))
        }
        other => {
            let words = one_line(&format!("{other:?}"), 200);
            Err(Problem::Greeting(host.to_owned(), words))
        }
    }
}

async fn encrypted(
    stream: TcpStream,
    host: &str,
    trust: &Trust,
) -> Result<Box<dyn Stream>, Problem> {
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|_| Problem::Name(host.to_owned()))?;
    let failed = |error: io::Error| {
        let advice = advice(&error);
        Problem::Tls(host.to_owned(), error, advice)
    };
    let config = trust.client_config().map_err(failed)?;
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.map_err(failed)?;
    Ok(Box::new(Measured::new(stream)))
}

fn advice(error: &io::Error) -> &'static str {
    let inner = error
        .get_ref()
        .and_then(|it| it.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(_)) => {
            "Its certificate must be for this very name and from an authority that this machine \
             trusts (SSL_CERT_FILE names a file of one's own)."
        }
        Some(_) | None => "Check the port, and whether `imaps` or `imap` (STARTTLS) is right.",
    }
}

async fn log_in(mailbox: &Mailbox, client: Client<Box<dyn Stream>>) -> Result<Opened, Problem> {
    let user = mailbox.username.clone();
    match &mailbox.login {
        MailLogin::Password(password) => client
            .login(&user, &password.0)
            .await
            .map_err(|(error, _)| Problem::Login(user, error)),
        MailLogin::OAuth2(file) => {
            let token = token(file.clone()).await?;
            let answer = format!("user={user}\x01auth=Bearer {token}\x01\x01");
            client
                .authenticate("XOAUTH2", OAuth2(Some(answer)))
                .await
                .map_err(|(error, _)| Problem::Token(user, error))
        }
    }
}

async fn token(file: PathBuf) -> Result<String, Problem> {
    let failed = |error| Problem::TokenFile(file.clone(), error);
    let limit = u64::try_from(MailLogin::TOKEN_OCTETS).unwrap_or(u64::MAX);
    let mut octets = Vec::new();
    let opened = tokio::fs::File::open(&file).await.map_err(failed)?;
    let read = opened.take(limit).read_to_end(&mut octets).await;
    read.map_err(failed)?;
    match MailLogin::token_in(&octets) {
        Some(token) => Ok(token.to_owned()),
        None => Err(failed(io::Error::other(
            "it does not hold one access token",
        ))),
    }
}

/// Says who we are once; a second question is the server's reason for a refusal, which an empty
/// answer ends.
struct OAuth2(Option<String>);

impl Authenticator for OAuth2 {
    type Response = String;

    fn process(&mut self, _challenge: &[u8]) -> String {
        self.0.take().unwrap_or_default()
    }
}

impl Trust {
    /// Trusts what the machine trusts, and what was added.
    fn client_config(&self) -> io::Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(native.certs);
        for certificate in &self.added {
            roots.add(certificate.clone()).map_err(io::Error::other)?;
        }
        if roots.is_empty() {
            return Err(io::Error::other(
                "this machine has no certificates of authorities; install ca-certificates",
            ));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }
}
