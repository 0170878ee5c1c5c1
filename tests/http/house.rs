//! A desk with two inboxes that different people see, two forms that anybody can fill in, and the
//! daemon on it.
//!
//! | who | sees | may |
//! |---|---|---|
//! | anna, of support | customers | works there |
//! | bjorn, of sales | leads | works there |
//! | dora | all | is an admin, with a seat |
//! | token `all` | all | everything |
//! | token `nothing` | all | nothing |
//! | token `leads-only` | leads | reads and writes |

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use ringdesk::core::hex::hex;
use ringdesk::http::{SCOPES, password, scope_name, token};
use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::place::Place;
pub use crate::support::sound::tone;
pub use crate::support::wait::{PATIENCE, until_async as wait_for};

pub const PASSWORD: &str = "correct horse battery staple";

/// Hashing takes time; everybody has the same password.
static HASH: LazyLock<String> = LazyLock::new(|| password::hash(PASSWORD).unwrap());

pub struct House {
    daemon: Daemon,
    directory: tempfile::TempDir,
    _place: Place,
    pub url: String,
    pub client: Client,
}

impl House {
    /// A running one.
    pub async fn open() -> House {
        House::open_with("").await
    }

    /// One with more in its configuration.
    pub async fn open_with(more: &str) -> House {
        let mut house = House::prepared(more);
        house.start().await;
        house
    }

    fn prepared(more: &str) -> House {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::take();
        let secrets = directory.path().join("secrets");
        fs::create_dir(&secrets).unwrap();
        for user in ["anna", "bjorn", "dora"] {
            write_secret(&secrets.join(format!("{user}-sign-in")), &HASH);
        }
        let url = format!("http://127.0.0.1:{}", place.http);
        let config = configuration(&place) + more;
        fs::write(directory.path().join("ringdesk.toml"), config).unwrap();
        fs::create_dir(directory.path().join("prompts")).unwrap();
        tone(&directory.path().join("prompts/brief.wav"), 0.3, 440.0);
        tone(&directory.path().join("caller.wav"), 20.0, 500.0);
        let client = client(HeaderMap::new());
        House {
            daemon: Daemon::on(directory.path()),
            directory,
            _place: place,
            url,
            client,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the daemon, and waits until it is ready.
    pub async fn start(&mut self) {
        self.daemon.start();
        let health = format!("{}/health", self.url);
        wait_for("health", async || {
            let answer = self.client.get(&health).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// As a power cut does.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// As the service manager does.
    pub fn stop(&mut self) {
        self.daemon.stop();
    }

    /// Runs a command on this configuration.
    pub fn ringdesk(&self, arguments: &[&str]) -> Output {
        self.daemon.run(arguments)
    }

    /// Somebody calls, and speaks until five seconds of it are recorded, whenever that begins.
    pub fn leave_voicemail(&self, number: &str) {
        self.daemon.call(number, Some(&self.path("caller.wav")));
    }

    /// Somebody fills in the form of that name; the conversation that came of it, as an admin reads
    /// it.
    pub async fn submit(&self, form: &str, name: &str, message: &str) -> Value {
        let url = format!("{}/f/{form}", self.url);
        let body = json!({
            "name": name,
            "email": format!("{}@example.com", name.to_lowercase()),
            "message": message,
        });
        let request = self.client.post(url).json(&body);
        let request = request.header("accept", "application/json");
        let answer = request.send().await.unwrap();
        assert!(
            answer.status().is_success(),
            "{}",
            answer.text().await.unwrap()
        );
        let all = self.as_token("all");
        wait_for("the conversation", async || {
            let path = "/api/v1/conversations?view=everything";
            let listed = all.get(path).await.json().await;
            let items = listed["items"].as_array().unwrap();
            let is_it = |one: &&Value| one["preview"] == message;
            items.iter().find(is_it).cloned()
        })
        .await
    }

    /// A program with this token of the configuration.
    pub fn as_token(&self, name: &str) -> Asker {
        let mut headers = HeaderMap::new();
        let value = format!("Bearer {}", secret(name));
        headers.insert("authorization", HeaderValue::from_str(&value).unwrap());
        Asker {
            url: self.url.clone(),
            client: client(headers),
        }
    }

    /// Nobody that is known.
    pub fn as_nobody(&self) -> Asker {
        Asker {
            url: self.url.clone(),
            client: self.client.clone(),
        }
    }

    /// A person who signs in with a password.
    pub async fn sign_in(&self, user: &str) -> Asker {
        let nobody = self.as_nobody();
        let body = json!({ "user": user, "password": PASSWORD });
        let answer = nobody.send(Method::POST, "/api/v1/session", &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        let cookie = answer.headers["set-cookie"].to_str().unwrap().to_owned();
        let cookie = cookie.split(';').next().unwrap();
        let csrf = answer.json().await["csrf_token"]
            .as_str()
            .unwrap()
            .to_owned();
        let mut headers = HeaderMap::new();
        headers.insert("cookie", HeaderValue::from_str(cookie).unwrap());
        headers.insert("x-csrf-token", HeaderValue::from_str(&csrf).unwrap());
        Asker {
            url: self.url.clone(),
            client: client(headers),
        }
    }
}

/// Somebody who asks.
#[derive(Clone)]
pub struct Asker {
    url: String,
    client: Client,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub octets: Vec<u8>,
}

impl Answer {
    async fn of(response: Response) -> Answer {
        let (status, headers) = (response.status(), response.headers().clone());
        let octets = response.bytes().await.unwrap().to_vec();
        Answer {
            status,
            headers,
            text: String::from_utf8_lossy(&octets).into_owned(),
            octets,
        }
    }

    /// The body of an answer that is no problem.
    pub async fn json(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.text);
        serde_json::from_str(&self.text).unwrap()
    }

    /// The reason of a problem.
    pub fn reason(&self) -> (u16, String) {
        let kind = self.headers.get("content-type");
        assert_eq!(
            kind.and_then(|kind| kind.to_str().ok()),
            Some("application/problem+json"),
            "{} {}",
            self.status,
            self.text
        );
        let problem: Value = serde_json::from_str(&self.text).unwrap();
        assert_eq!(problem["status"], self.status.as_u16());
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|text| text.len() > 10)
        );
        let reason = problem["reason"].as_str().unwrap();
        (self.status.as_u16(), reason.to_owned())
    }
}

impl Asker {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub async fn done(&self, request: RequestBuilder) -> Answer {
        Answer::of(request.send().await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.done(self.request(Method::GET, path)).await
    }

    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.done(self.request(method, path).json(body)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, body).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.done(self.request(Method::DELETE, path)).await
    }
}

fn client(headers: HeaderMap) -> Client {
    use tokio_rustls::rustls;
    // reqwest wants TLS also where there is none.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .default_headers(headers)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .unwrap()
}

/// A body of several parts.
pub struct Form(Vec<u8>);

/// Between its parts.
const BOUNDARY: &str = "between-the-parts";

impl Form {
    pub fn new() -> Form {
        Form(Vec::new())
    }

    pub fn text(self, name: &str, text: &str) -> Form {
        self.part(&format!("name=\"{name}\""), "text/plain", text.as_bytes())
    }

    pub fn file(self, file_name: &str, kind: &str, octets: &[u8]) -> Form {
        let name = format!("name=\"file\"; filename=\"{file_name}\"");
        self.part(&name, kind, octets)
    }

    fn part(mut self, name: &str, kind: &str, octets: &[u8]) -> Form {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; {name}\r\nContent-Type: {kind}\r\n\r\n"
        );
        self.0.extend(head.as_bytes());
        self.0.extend(octets);
        self.0.extend(b"\r\n");
        self
    }

    /// As the body of a request.
    pub fn of(mut self, request: RequestBuilder) -> RequestBuilder {
        self.0.extend(format!("--{BOUNDARY}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        request.header("content-type", kind).body(self.0)
    }
}

/// What a program with this token sends.
pub fn secret(name: &str) -> String {
    format!("rd_token-of-{name}")
}

fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn configuration(place: &Place) -> String {
    let (base, http) = (place.configuration(), place.http);
    let scopes: Vec<&str> = SCOPES.into_iter().map(scope_name).collect();
    let block = |name: &str, scopes: &[&str], more: &str| {
        let digest = hex(&token::digest(&secret(name)));
        format!(
            "[[token]]\nname = \"{name}\"\nsha256 = \"{digest}\"\nscopes = {scopes:?}\n{more}\n"
        )
    };
    let tokens = [
        block("all", &scopes, ""),
        block("nothing", &[], ""),
        block("leads-only", &scopes, "inboxes = [\"leads\"]"),
        block("for-anna", &scopes, "user = \"anna\""),
    ]
    .concat();
    format!(
        r#"{base}[prompts]
dir = "prompts"
[http]
listen = "127.0.0.1:{http}"
[[trunk]]
name = "local"
peers = ["127.0.0.1"]
country = "NO"
[[user]]
name = "anna"
display_name = "Anna Berg"
seat = "service"
password_file = "secrets/anna-sign-in"
[[user]]
name = "bjorn"
seat = "sales"
password_file = "secrets/bjorn-sign-in"
[[user]]
name = "dora"
seat = "service"
role = "admin"
password_file = "secrets/dora-sign-in"
[[user]]
name = "erik"
[[team]]
name = "support"
members = ["anna"]
[[team]]
name = "sales"
members = ["bjorn"]
[[inbox]]
name = "customers"
teams = ["support"]
[[inbox]]
name = "leads"
teams = ["sales"]
[[prompt]]
name = "brief"
file = "brief.wav"
[[schedule]]
name = "oslo"
timezone = "Europe/Oslo"
weekly = {{ mon-fri = ["08:00-16:00"] }}
[[channel]]
name = "main-line"
kind = "call"
inbox = "customers"
numbers = ["+4722334455"]
voicemail_seconds = 5
[channel.working_hours]
voicemail = "brief"
[[channel]]
name = "sales-line"
kind = "call"
inbox = "leads"
schedule = "oslo"
numbers = ["+4722334456"]
voicemail_seconds = 5
[channel.working_hours]
voicemail = "brief"
[channel.after_hours]
voicemail = "brief"
[[channel]]
name = "contact"
kind = "form"
inbox = "customers"
minimum_fill_seconds = 0
hourly_limit = 1000
{FIELDS}
[[channel]]
name = "offer"
kind = "form"
inbox = "leads"
minimum_fill_seconds = 0
hourly_limit = 1000
{FIELDS}
{tokens}"#
    )
}

const FIELDS: &str = r#"
[[channel.field]]
name = "name"
label = "Name"
type = "name"
[[channel.field]]
name = "email"
label = "Mail"
type = "email"
[[channel.field]]
name = "message"
label = "Message"
type = "multiline"
required = true
"#;
