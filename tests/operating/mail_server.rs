//! OpenSMTPD from Debian: takes mail for example.com on a loopback port into a maildir, and refuses
//! what is for elsewhere.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use socket2::{Domain, Socket, Type};

use super::house::wait_for;

pub struct MailServer {
    directory: tempfile::TempDir,
    /// Only one can run on a machine, since the place of its spool is fixed.
    _turn: fs::File,
    pub port: u16,
    _reserved: Socket,
    process: Option<Child>,
}

impl MailServer {
    /// A server that does not run yet, and takes mail for example.com into its maildir. None where it
    /// cannot: it needs root, to deliver mail.
    pub fn new() -> Option<MailServer> {
        MailServer::configured(|place, port| {
            format!(
                "listen on 127.0.0.1 port {port} hostname mail.example.com\n\
                 action \"keep\" maildir \"{}\" virtual {{ \"@example.com\" = nobody }}\n\
                 match from any for domain \"example.com\" action \"keep\"\n",
                place.join("mail").display()
            )
        })
    }

    /// One with another configuration, which is made of its directory and its port.
    pub fn configured(config: impl FnOnce(&Path, u16) -> String) -> Option<MailServer> {
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            eprintln!("passed over: OpenSMTPD needs root");
            return None;
        }
        let turn = fs::File::create(std::env::temp_dir().join("ringdesk-test-smtpd.lock")).unwrap();
        rustix::fs::flock(&turn, rustix::fs::FlockOperation::LockExclusive).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (reserved, port) = reserved_port();
        // Delivery runs as nobody.
        let mail = directory.path().join("mail");
        fs::create_dir(&mail).unwrap();
        for (path, mode) in [(directory.path(), 0o755), (&mail, 0o777)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        // What another server left in the spool names other actions, so that this one leaves it there.
        let action = format!("action \"{port}-");
        let config = config(directory.path(), port).replace("action \"", &action);
        fs::write(directory.path().join("smtpd.conf"), config).unwrap();
        Some(MailServer {
            directory,
            _turn: turn,
            port,
            _reserved: reserved,
            process: None,
        })
    }

    pub fn start(&mut self) {
        // The one before may have left it to processes that are still ending.
        wait_for("the port", || {
            TcpListener::bind(("127.0.0.1", self.port)).ok()
        });
        let log = fs::File::create(self.path("log")).unwrap();
        let process = Command::new("/usr/sbin/smtpd")
            .args(["-d", "-F", "-f"])
            .arg(self.path("smtpd.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("smtpd is missing: `make tools` installs opensmtpd");
        self.process = Some(process);
        wait_for("smtpd", || {
            TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
    }

    /// It takes nothing until it is started again.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Its children end by themselves then.
            let pid = process.id().to_string();
            let _ = Command::new("kill").arg(pid).status();
            let _ = process.wait();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The mails that have arrived.
    pub fn mails(&self) -> Vec<String> {
        let new: PathBuf = self.path("mail/new");
        let Ok(entries) = fs::read_dir(new) else {
            return Vec::new();
        };
        entries
            .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
            .collect()
    }

    pub fn wait_for_mails(&self, number: usize) -> Vec<String> {
        wait_for("mail", || {
            let mails = self.mails();
            (mails.len() >= number).then_some(mails)
        })
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.path("log"));
            eprintln!("smtpd's log:\n{}", log.unwrap_or_default());
        }
    }
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

/// The attached file of a mail: what is encoded in base64 after its header.
pub fn attachment(mail: &str) -> Vec<u8> {
    let (_, after) = mail.split_once("Content-Type: audio/wav").unwrap();
    let (headers, encoded) = after.split_once("\n\n").unwrap();
    assert!(headers.contains("base64"), "{headers}");
    let (encoded, _) = encoded.split_once("\n--").unwrap();
    let value = |octet: u8| match octet {
        b'A'..=b'Z' => Some(octet - b'A'),
        b'a'..=b'z' => Some(octet - b'a' + 26),
        b'0'..=b'9' => Some(octet - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut octets, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for value in encoded.bytes().filter_map(value) {
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            octets.push(u8::try_from((bits >> held) & 0xff).unwrap());
        }
    }
    octets
}
