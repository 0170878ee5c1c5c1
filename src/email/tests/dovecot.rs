//! Dovecot from Debian: mailboxes of example.com on loopback ports, in a directory of its own.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use socket2::{Domain, Socket, Type};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use super::wait_for;

/// Whose files mail is: `nobody`, which every Debian has.
const NOBODY: u32 = 65_534;

pub struct Dovecot {
    directory: tempfile::TempDir,
    pub imap: u16,
    pub imaps: u16,
    /// Takes mail from who has a password, over STARTTLS.
    pub submission: u16,
    /// The same over TLS from the start.
    pub submissions: u16,
    _reserved: [Socket; 4],
    relays: bool,
    process: Option<Child>,
    /// Until when the folder is the same one.
    validity: u32,
}

/// A port of TCP that nobody else is given while the socket is held, which does not listen.
fn reserved_port() -> (Socket, u16) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    // Servers set the same, and so share it with this one.
    socket.set_reuse_address(true).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address.port())
}

impl Dovecot {
    /// A server that runs. None where it cannot: it needs root, to read mail as somebody else.
    pub fn start() -> Option<Dovecot> {
        Dovecot::start_before(None)
    }

    /// One that also takes mail, and hands it on to the mail server at that port.
    pub fn start_before(relay: Option<u16>) -> Option<Dovecot> {
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            eprintln!("passed over: dovecot needs root");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        certificate(path);
        let ports = [(); 4].map(|()| reserved_port());
        let [imap, imaps, submission, submissions] = [0, 1, 2, 3].map(|n: usize| ports[n].1);
        let users = "anna:{PLAIN}secret anna\nbjorn:{PLAIN}b\"jø\\rn\n";
        fs::write(path.join("users"), users).unwrap();
        let place = path.display();
        let config = format!(
            "base_dir = {place}/run\nstate_dir = {place}/state\nlog_path = {place}/log\n\
             protocols = imap\nlisten = 127.0.0.1\nssl = yes\ndisable_plaintext_auth = no\n\
             ssl_cert = <{place}/cert.pem\nssl_key = <{place}/key.pem\n\
             auth_mechanisms = plain xoauth2\nmail_location = maildir:~/Maildir\n\
             mail_max_userip_connections = 100\nfirst_valid_uid = 1\nssl_client_ca_file = {place}/cert.pem\n\
             passdb {{\n driver = passwd-file\n mechanisms = plain\n args = {place}/users\n}}\n\
             passdb {{\n driver = oauth2\n mechanisms = xoauth2\n args = {place}/oauth2.conf\n}}\n\
             userdb {{\n driver = static\n args = uid={NOBODY} gid={NOBODY} home={place}/mail/%u\n}}\n\
             service imap-login {{\n inet_listener imap {{\n port = {imap}\n }}\n \
             inet_listener imaps {{\n port = {imaps}\n ssl = yes\n }}\n}}\n\
             service stats {{\n unix_listener stats-writer {{\n mode = 0666\n }}\n}}\n"
        );
        let submitted = relay.map(|relay| {
            format!(
                "protocols = imap submission\nhostname = localhost\n\
                 submission_relay_host = 127.0.0.1\nsubmission_relay_port = {relay}\n\
                 service submission-login {{\n inet_listener submission {{\n port = {submission}\n }}\n \
                 inet_listener submissions {{\n port = {submissions}\n ssl = yes\n }}\n}}\n"
            )
        });
        let config = config + &submitted.unwrap_or_default();
        fs::write(path.join("dovecot.conf"), config).unwrap();
        fs::write(path.join("oauth2.conf"), oauth2(path.join("tokens"))).unwrap();
        let mut server = Dovecot {
            directory,
            imap,
            imaps,
            submission,
            submissions,
            _reserved: ports.map(|(socket, _)| socket),
            relays: relay.is_some(),
            process: None,
            validity: 0,
        };
        server.run();
        Some(server)
    }

    pub fn run(&mut self) {
        let mut ports = vec![self.imap, self.imaps];
        if self.relays {
            ports.extend([self.submission, self.submissions]);
        }
        for port in &ports {
            // The one before may have left it to processes that are still ending.
            wait_for("the port", || TcpListener::bind(("127.0.0.1", *port)).ok());
        }
        let process = Command::new("/usr/sbin/dovecot")
            .args(["-F", "-c"])
            .arg(self.path("dovecot.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dovecot is missing: `make tools` installs dovecot-imapd");
        self.process = Some(process);
        for port in ports {
            wait_for("dovecot", || {
                std::net::TcpStream::connect(("127.0.0.1", port)).ok()
            });
        }
    }

    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Its children end by themselves then.
            let pid = process.id().to_string();
            let _ = Command::new("kill").arg(pid).status();
            let _ = process.wait();
        }
    }

    /// A file of the server: `cert.pem`, `key.pem`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn maildir(&self, user: &str) -> PathBuf {
        let home = self.path("mail").join(user);
        let maildir = home.join("Maildir");
        for folder in ["tmp", "new", "cur"] {
            fs::create_dir_all(maildir.join(folder)).unwrap();
        }
        for path in [
            &home,
            &maildir,
            &maildir.join("tmp"),
            &maildir.join("new"),
            &maildir.join("cur"),
        ] {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        maildir
    }

    /// A mail that arrives in somebody's INBOX.
    pub fn deliver(&self, user: &str, mail: &[u8]) {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let maildir = self.maildir(user);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("1796204400.M{number}P1.test");
        let fresh = maildir.join("tmp").join(&name);
        fs::write(&fresh, mail).unwrap();
        chown(&fresh, Some(NOBODY), Some(NOBODY)).unwrap();
        fs::rename(fresh, maildir.join("new").join(name)).unwrap();
    }

    /// How many mails of a user are there, and how many of them are marked as seen.
    pub fn seen(&self, user: &str) -> (usize, usize) {
        let maildir = self.maildir(user);
        let names = ["new", "cur"].into_iter().flat_map(|folder| {
            let entries = fs::read_dir(maildir.join(folder)).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap())
        });
        let names: Vec<String> = names.collect();
        let seen = names.iter().filter(|name| {
            name.split_once(":2,")
                .is_some_and(|(_, flags)| flags.contains('S'))
        });
        (names.len(), seen.count())
    }

    pub fn wait_until_seen(&self, user: &str, number: usize) {
        wait_for("the mark", || (self.seen(user).1 >= number).then_some(()));
    }

    /// Somebody reads everything in another program, or marks it as unread again.
    pub fn mark_all(&self, user: &str, seen: bool) {
        let cur = self.maildir(user).join("cur");
        for folder in ["new", "cur"] {
            for entry in fs::read_dir(self.maildir(user).join(folder)).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                let bare = name.split(":2,").next().unwrap();
                let flags = if seen { "S" } else { "" };
                fs::rename(&path, cur.join(format!("{bare}:2,{flags}"))).unwrap();
            }
        }
    }

    /// The folder is another one from now on: other UIDs, another UIDVALIDITY. The server must not run.
    pub fn renumber(&mut self, user: &str) {
        assert!(self.process.is_none());
        self.validity += 7_000;
        let maildir = self.maildir(user);
        for entry in fs::read_dir(&maildir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.starts_with("dovecot") {
                fs::remove_file(&path).unwrap();
            }
        }
        let list = maildir.join("dovecot-uidlist");
        fs::write(&list, format!("3 V{} N1\n", self.validity)).unwrap();
        chown(&list, Some(NOBODY), Some(NOBODY)).unwrap();
    }

    /// Another password for everybody.
    pub fn change_password(&self, user: &str, password: &str) {
        fs::write(self.path("users"), format!("{user}:{{PLAIN}}{password}\n")).unwrap();
    }

    /// From now on this token is valid, and no other.
    pub fn change_token(&self, token: &str) {
        let fresh = self.path("tokens.new");
        fs::write(&fresh, token).unwrap();
        fs::rename(fresh, self.path("tokens")).unwrap();
    }

    /// The certificate of the server, which it signed itself.
    pub fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.path("cert.pem")).unwrap()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("dovecot's log:\n{}", self.log());
        }
    }
}

/// The access token that is valid for anna until another is.
pub const TOKEN: &str = "ya29.valid";

/// Where Dovecot asks whose a token is: a server that knows those in a file, a line each.
fn oauth2(known: PathBuf) -> String {
    fs::write(&known, TOKEN).unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut part = [0u8; 4_096];
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read(&mut part) {
                    Ok(0) | Err(_) => break,
                    Ok(read) => request.extend_from_slice(&part[..read]),
                }
            }
            let request = String::from_utf8_lossy(&request);
            let tokens = fs::read_to_string(&known).unwrap_or_default();
            let known = tokens.lines().any(|token| {
                request.contains(&format!("t={token} "))
                    || request.contains(&format!("Bearer {token}\r"))
            });
            let (status, body) = match known {
                true => ("200 OK", r#"{"username":"anna","active":"true"}"#),
                false => ("401 Unauthorized", "{}"),
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!(
        "tokeninfo_url = http://127.0.0.1:{port}/?t=\nusername_attribute = username\n\
         active_attribute = active\nactive_value = true\ntimeout_msecs = 60000\n"
    )
}

/// A certificate for `localhost`, made now and trusted by nobody.
fn certificate(directory: &Path) {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(directory.join("key.pem"))
        .arg("-out")
        .arg(directory.join("cert.pem"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}
