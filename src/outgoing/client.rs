//! The client: one request at a time from its caller's view, with every limit in one place.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use tokio::sync::Semaphore;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use url::{Host, Url};

use super::address::{Standing, standing};
use super::{Limits, OutgoingError, retry_after};
use crate::clock;
use crate::core::snapshot::Secret;

/// Connections kept open to one host between requests.
const IDLE: usize = 4;

/// How long one is kept: shorter than the minute after which servers and NATs close it.
const IDLE_FOR: Duration = Duration::from_secs(45);

/// A request. It is always a POST of JSON.
#[derive(Clone, Debug)]
pub struct Post<'a> {
    /// Where to: `http` or `https`.
    pub url: &'a str,
    /// Whether it may lead to this machine or its network.
    pub allow_private: bool,
    /// Sent as a bearer token (RFC 6750 §2.1).
    pub bearer: Option<&'a Secret>,
    /// Further headers. Their names are ours; values are checked.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Vec<u8>,
    /// From now until the last octet of the answer.
    pub within: Duration,
}

/// An answer, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// How long to wait before asking again, where it says.
    pub retry_after: Option<Duration>,
    /// The body, whole.
    pub body: Vec<u8>,
}

/// The way out. Clones share connections and limits.
#[derive(Clone)]
pub struct Client {
    guarded: reqwest::Client,
    open: reqwest::Client,
    limits: Limits,
    slots: Arc<Semaphore>,
}

/// How names are looked up.
pub(super) type Lookup =
    fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

impl Client {
    /// A client with these limits.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(limits: Limits) -> Result<Client, OutgoingError> {
        Client::with_lookup(limits, look_up)
    }

    pub(super) fn with_lookup(limits: Limits, lookup: Lookup) -> Result<Client, OutgoingError> {
        let build = |allow_private: bool| {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls()?)
                .dns_resolver(Resolver {
                    allow_private,
                    lookup,
                })
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .no_proxy()
                .referer(false)
                .http1_only()
                .connect_timeout(limits.connect)
                .pool_max_idle_per_host(IDLE)
                .pool_idle_timeout(IDLE_FOR)
                .user_agent(concat!("Ringdesk/", env!("CARGO_PKG_VERSION")))
                .build()
                .map_err(|error| OutgoingError::Connect {
                    host: "anybody".to_owned(),
                    words: words(&error),
                })
        };
        Ok(Client {
            guarded: build(false)?,
            open: build(true)?,
            limits,
            slots: Arc::new(Semaphore::new(limits.at_once)),
        })
    }

    /// Posts, and answers what was answered: also a redirect, which is not followed, and an error of
    /// the server.
    ///
    /// # Errors
    /// There was no answer that can be read whole.
    pub async fn post(&self, post: Post<'_>) -> Result<Reply, OutgoingError> {
        let url = checked(post.url, post.allow_private)?;
        let headers = headers(&post)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let within = post.within;
        let exchange = self.exchange(post, url, headers, &host);
        match tokio::time::timeout(within, exchange).await {
            Ok(reply) => reply,
            Err(_) => Err(OutgoingError::TimedOut { host, within }),
        }
    }

    async fn exchange(
        &self,
        post: Post<'_>,
        url: Url,
        headers: HeaderMap,
        host: &str,
    ) -> Result<Reply, OutgoingError> {
        // It is never closed.
        let _slot = self.slots.acquire().await.ok();
        let client = match post.allow_private {
            true => &self.open,
            false => &self.guarded,
        };
        let request = client.post(url).headers(headers).body(post.body);
        let sent = request.send().await;
        let mut response = sent.map_err(|error| self.failure(host, &error))?;
        let too_long = || OutgoingError::TooLong {
            host: host.to_owned(),
            limit: self.limits.answer,
        };
        let mut body = Vec::new();
        let announced = response.content_length().unwrap_or_default();
        if usize::try_from(announced).map_or(true, |length| length > self.limits.answer) {
            return Err(too_long());
        }
        while let Some(chunk) = response.chunk().await.transpose() {
            let chunk = chunk.map_err(|error| OutgoingError::Broken {
                host: host.to_owned(),
                words: words(&error),
            })?;
            if chunk.len() > self.limits.answer.saturating_sub(body.len()) {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok());
        Ok(Reply {
            status: response.status().as_u16(),
            retry_after: retry_after.and_then(|value| retry_after::read(value, clock::wall())),
            body,
        })
    }

    fn failure(&self, host: &str, error: &reqwest::Error) -> OutgoingError {
        let host = host.to_owned();
        if let Some(refused) = cause::<RefusedAddress>(error) {
            return OutgoingError::Refused {
                host,
                address: refused.address,
                what: refused.what,
            };
        }
        if let Some(unknown) = cause::<UnknownName>(error) {
            let words = unknown.0.clone();
            return OutgoingError::Name { host, words };
        }
        let words = words(error);
        match () {
            () if error.is_timeout() => OutgoingError::TimedOut {
                host,
                within: self.limits.connect,
            },
            () if error.is_connect() => OutgoingError::Connect { host, words },
            () => OutgoingError::Broken { host, words },
        }
    }
}

/// The URL, if it may be asked. Addresses in it are judged here, since nothing looks them up; the URL
/// parser has read their decimal, octal and hexadecimal spellings by then.
fn checked(url: &str, allow_private: bool) -> Result<Url, OutgoingError> {
    let unusable = |why: &str| OutgoingError::Url(why.to_owned());
    let url = Url::parse(url).map_err(|error| unusable(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(unusable("only http and https can be asked"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(unusable("it holds a user name or a password"));
    }
    let address = match url.host() {
        None => return Err(unusable("it names no host")),
        Some(Host::Domain(_)) => return Ok(url),
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
    };
    match judged(address, allow_private) {
        Ok(_) => Ok(url),
        Err(RefusedAddress { address, what }) => Err(OutgoingError::Refused {
            host: url.host_str().unwrap_or_default().to_owned(),
            address,
            what,
        }),
    }
}

fn judged(address: IpAddr, allow_private: bool) -> Result<IpAddr, RefusedAddress> {
    match standing(address) {
        Standing::Public => Ok(address),
        Standing::Private(_) if allow_private => Ok(address),
        Standing::Private(what) | Standing::Never(what) => Err(RefusedAddress { address, what }),
    }
}

fn headers(post: &Post<'_>) -> Result<HeaderMap, OutgoingError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(Secret(token)) = post.bearer {
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut value = value.map_err(|_| OutgoingError::Header("the token"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    for (name, value) in &post.headers {
        let value = HeaderValue::from_str(value).map_err(|_| OutgoingError::Header(name))?;
        let key = HeaderName::try_from(*name).map_err(|_| OutgoingError::Header(name))?;
        headers.insert(key, value);
    }
    Ok(headers)
}

/// With the machine's certificates. Without any, `https` is refused by each server's certificate and
/// `http` still works.
fn tls() -> Result<ClientConfig, OutgoingError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = versions.map_err(|error: rustls::Error| OutgoingError::Connect {
        host: "anybody".to_owned(),
        words: error.to_string(),
    })?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Looks names up and lets through what may be connected to. What it answers is what is connected to,
/// so a name that changes its mind gains nothing.
struct Resolver {
    allow_private: bool,
    lookup: Lookup,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (allow_private, lookup) = (self.allow_private, self.lookup);
        Box::pin(async move {
            let found = lookup(name.as_str().to_owned()).await;
            let found = found.map_err(|error| UnknownName(error.to_string()))?;
            let mut refused = None;
            let mut allowed = Vec::new();
            for address in found {
                match judged(address, allow_private) {
                    Ok(address) => allowed.push(SocketAddr::new(address, 0)),
                    Err(error) => refused = refused.or(Some(error)),
                }
            }
            match (allowed.is_empty(), refused) {
                (false, _) => Ok(Box::new(allowed.into_iter()) as Addrs),
                (true, Some(refused)) => Err(refused.into()),
                (true, None) => Err(UnknownName("it has no address".to_owned()).into()),
            }
        })
    }
}

fn look_up(name: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
    Box::pin(async move {
        let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    })
}

#[derive(Debug)]
struct RefusedAddress {
    address: IpAddr,
    what: &'static str,
}

impl fmt::Display for RefusedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.address, self.what)
    }
}

impl Error for RefusedAddress {}

#[derive(Debug)]
struct UnknownName(String);

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for UnknownName {}

/// The first cause of that type.
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// What caused an error, on one line, without the URL, which may hold a secret.
fn words(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes.dedup();
    if causes.is_empty() {
        causes.push("no reason was given".to_owned());
    }
    causes.join(": ").replace(['\r', '\n'], " ")
}
