//! What is said in one LMTP session (RFC 2033), without the socket it is said over. Pure.

/// Recipients of one mail.
const RECIPIENTS: usize = 100;

/// Commands that make no sense before the session is ended.
const MISTAKES: usize = 20;

/// Octets of an address that are taken (RFC 5321 §4.5.3.1.3).
const PATH: usize = 320;

/// Who a mail is from and to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Envelope {
    /// Empty for reports.
    pub from: String,
    /// In the order given.
    pub recipients: Vec<String>,
}

/// What to do after a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Say this.
    Reply(String),
    /// Say this, then read the mail up to its end.
    Data(String),
    /// Say this and hang up.
    Close(String),
}

/// Where a session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Greeted,
    Ready,
    From(Envelope),
}

/// A session.
pub(super) struct Session {
    stage: Stage,
    host: String,
    largest: usize,
    mistakes: usize,
}

impl Session {
    /// A session with a server called `host` that takes mails of `largest` octets.
    pub fn new(host: &str, largest: usize) -> Session {
        Session {
            stage: Stage::Greeted,
            host: host.to_owned(),
            largest,
            mistakes: 0,
        }
    }

    /// What is said first.
    pub fn greeting(&self) -> String {
        format!("220 {} LMTP Ringdesk\r\n", self.host)
    }

    /// Takes a line without its end. `is_ours` says which recipients are taken.
    pub fn line(&mut self, line: &[u8], is_ours: impl Fn(&str) -> bool) -> Step {
        let Ok(line) = std::str::from_utf8(line) else {
            return self.mistake("500 5.5.2 this is no UTF-8");
        };
        let (verb, rest) = match line.split_once(' ') {
            Some((verb, rest)) => (verb, rest.trim()),
            None => (line.trim_end(), ""),
        };
        let stage = std::mem::replace(&mut self.stage, Stage::Ready);
        match (verb.to_ascii_uppercase().as_str(), stage) {
            ("LHLO", _) if !rest.is_empty() => {
                let (host, largest) = (&self.host, self.largest);
                Step::Reply(format!(
                    "250-{host}\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n\
                     250-SMTPUTF8\r\n250 SIZE {largest}\r\n"
                ))
            }
            ("HELO" | "EHLO", stage) => {
                self.stage = stage;
                self.mistake("500 5.5.1 this is LMTP: say LHLO")
            }
            ("QUIT", _) => Step::Close(format!("221 2.0.0 {} ends\r\n", self.host)),
            ("NOOP", stage) => {
                self.stage = stage;
                reply("250 2.0.0 OK")
            }
            ("VRFY", stage) => {
                self.stage = stage;
                reply("252 2.5.0 send and see")
            }
            ("RSET", stage) => {
                if stage == Stage::Greeted {
                    self.stage = Stage::Greeted;
                }
                reply("250 2.0.0 OK")
            }
            ("MAIL", Stage::Ready) => self.mail(rest),
            ("RCPT", Stage::From(envelope)) => self.rcpt(rest, envelope, is_ours),
            ("DATA", Stage::From(envelope)) if rest.is_empty() => {
                let step = match envelope.recipients.is_empty() {
                    true => reply("503 5.5.1 no valid recipients"),
                    false => Step::Data("354 go ahead, end with a dot\r\n".to_owned()),
                };
                self.stage = Stage::From(envelope);
                step
            }
            ("MAIL" | "RCPT" | "DATA" | "LHLO", stage) => {
                self.stage = stage;
                self.mistake("503 5.5.1 not now, or not like this")
            }
            (_, stage) => {
                self.stage = stage;
                self.mistake("500 5.5.1 not known")
            }
        }
    }

    /// The mail that was announced, once its end was read.
    pub fn take_envelope(&mut self) -> Envelope {
        match std::mem::replace(&mut self.stage, Stage::Ready) {
            Stage::From(envelope) => envelope,
            Stage::Greeted | Stage::Ready => Envelope::default(),
        }
    }

    fn mail(&mut self, rest: &str) -> Step {
        let Some((from, parameters)) = path(rest, "FROM:") else {
            return self.mistake("501 5.5.4 MAIL FROM:<address> is meant");
        };
        for parameter in parameters.split_whitespace() {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match (name.to_ascii_uppercase().as_str(), value.parse::<usize>()) {
                ("SIZE", Ok(octets)) if octets > self.largest => {
                    return reply(&format!(
                        "552 5.3.4 mails of {} octets are taken",
                        self.largest
                    ));
                }
                ("SIZE", Ok(_)) | ("BODY" | "SMTPUTF8" | "AUTH" | "RET" | "ENVID", _) => {}
                (_, _) => return self.mistake("555 5.5.4 a parameter is not known"),
            }
        }
        self.stage = Stage::From(Envelope {
            from,
            recipients: Vec::new(),
        });
        reply("250 2.1.0 OK")
    }

    fn rcpt(&mut self, rest: &str, mut envelope: Envelope, is_ours: impl Fn(&str) -> bool) -> Step {
        let step = match path(rest, "TO:") {
            None => self.mistake("501 5.5.4 RCPT TO:<address> is meant"),
            Some((to, _)) if !is_ours(&to) => reply("550 5.1.1 no email channel has this address"),
            Some(_) if envelope.recipients.len() >= RECIPIENTS => {
                reply("452 4.5.3 too many recipients")
            }
            Some((to, _)) => {
                envelope.recipients.push(to);
                reply("250 2.1.5 OK")
            }
        };
        self.stage = Stage::From(envelope);
        step
    }

    fn mistake(&mut self, words: &str) -> Step {
        self.mistakes = self.mistakes.saturating_add(1);
        match self.mistakes > MISTAKES {
            true => Step::Close("421 4.7.0 too many mistakes\r\n".to_owned()),
            false => reply(words),
        }
    }
}

fn reply(words: &str) -> Step {
    Step::Reply(format!("{words}\r\n"))
}

/// `FROM:<a@x.no> SIZE=1` → the address and the parameters.
fn path<'a>(rest: &'a str, keyword: &str) -> Option<(String, &'a str)> {
    let (head, tail) = rest.split_at_checked(keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let (path, parameters) = tail.trim_start().strip_prefix('<')?.split_once('>')?;
    // Source routes are to be ignored (RFC 5321 appendix C).
    let path = match path.starts_with('@') {
        true => path.split_once(':').map_or(path, |(_, path)| path),
        false => path,
    };
    let bad = path.len() > PATH || path.chars().any(|c| c.is_control() || c == '<');
    let parameters = parameters
        .strip_prefix(' ')
        .or(Some(parameters).filter(|it| it.is_empty()))?;
    (!bad).then(|| (path.to_owned(), parameters))
}

/// Reads a mail up to the line that is a dot (RFC 5321 §4.5.2). Only `CRLF . CRLF` ends it: what else
/// looks like an end could smuggle a second mail in.
#[derive(Debug, Default)]
pub(super) struct Data {
    octets: Vec<u8>,
    /// How far into `CRLF . CRLF` the last octets lead. A mail begins at the beginning of a line.
    seen: Seen,
    /// Octets in all, also those beyond the limit, which are not kept.
    size: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Seen {
    /// Within a line.
    Nothing,
    /// `CR`
    Cr,
    /// A line begins.
    #[default]
    CrLf,
    /// `.`
    Dot,
    /// `. CR`
    DotCr,
}

impl Data {
    /// Takes octets; answers how many belong to the mail, and whether it has ended.
    pub fn take(&mut self, octets: &[u8], largest: usize) -> (usize, bool) {
        for (place, &octet) in octets.iter().enumerate() {
            let taken = place.saturating_add(1);
            self.seen = match (self.seen, octet) {
                (Seen::DotCr, b'\n') => return (taken, true),
                (Seen::Dot, b'\r') => Seen::DotCr,
                // The dot that was put before a line with one is left out (stuffing).
                (Seen::CrLf, b'.') => Seen::Dot,
                (before, octet) => {
                    if before == Seen::DotCr {
                        self.keep(b'\r', largest);
                    }
                    self.keep(octet, largest);
                    match (before, octet) {
                        (_, b'\r') => Seen::Cr,
                        (Seen::Cr, b'\n') => Seen::CrLf,
                        (_, _) => Seen::Nothing,
                    }
                }
            };
        }
        (octets.len(), false)
    }

    /// The mail, or how many octets it has, if those are too many.
    pub fn finish(self, largest: usize) -> Result<Vec<u8>, usize> {
        match self.size > largest {
            true => Err(self.size),
            false => Ok(self.octets),
        }
    }

    fn keep(&mut self, octet: u8, largest: usize) {
        self.size = self.size.saturating_add(1);
        if self.size <= largest {
            self.octets.push(octet);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(session: &mut Session, line: &str) -> String {
        let step = session.line(line.as_bytes(), |to| to.starts_with("support"));
        match step {
            Step::Reply(text) => text,
            Step::Data(text) => format!("data {text}"),
            Step::Close(text) => format!("close {text}"),
        }
        .trim_end()
        .to_owned()
    }

    #[test]
    fn a_session_goes_as_the_rfc_says() {
        let mut session = Session::new("desk.example.com", 1_000);
        let long = format!("MAIL FROM:<{}@x.no>", "x".repeat(400));
        for (line, expected) in [
            ("MAIL FROM:<a@x.no>", "503 5.5.1 not now, or not like this"),
            ("EHLO x", "500 5.5.1 this is LMTP: say LHLO"),
            ("LHLO", "503 5.5.1 not now, or not like this"),
            (
                "lhlo x",
                "250-desk.example.com\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n\
                 250-SMTPUTF8\r\n250 SIZE 1000",
            ),
            (
                "RCPT TO:<support@x.no>",
                "503 5.5.1 not now, or not like this",
            ),
            ("DATA", "503 5.5.1 not now, or not like this"),
            ("MAIL FROM:a@x.no", "501 5.5.4 MAIL FROM:<address> is meant"),
            (
                "MAIL FROM:<a@x.no> SIZE=1001",
                "552 5.3.4 mails of 1000 octets are taken",
            ),
            (
                "MAIL FROM:<a@x.no> STRANGE=1",
                "555 5.5.4 a parameter is not known",
            ),
            (&long, "501 5.5.4 MAIL FROM:<address> is meant"),
            (
                "MAIL from:<a@x.no> SIZE=1000 BODY=8BITMIME SMTPUTF8",
                "250 2.1.0 OK",
            ),
            ("MAIL FROM:<b@x.no>", "503 5.5.1 not now, or not like this"),
            ("DATA", "503 5.5.1 no valid recipients"),
            (
                "RCPT TO:<other@x.no>",
                "550 5.1.1 no email channel has this address",
            ),
            ("RCPT TO:<support+c.x@x.no>", "250 2.1.5 OK"),
            ("RCPT TO:<@a,@b:support@x.no> NOTIFY=NEVER", "250 2.1.5 OK"),
            ("NOOP", "250 2.0.0 OK"),
            ("DATA", "data 354 go ahead, end with a dot"),
        ] {
            assert_eq!(said(&mut session, line), expected, "{line}");
        }
        assert_eq!(
            session.take_envelope(),
            Envelope {
                from: "a@x.no".to_owned(),
                recipients: vec!["support+c.x@x.no".to_owned(), "support@x.no".to_owned()],
            }
        );
        assert_eq!(said(&mut session, "MAIL FROM:<>"), "250 2.1.0 OK");
        assert_eq!(said(&mut session, "RSET"), "250 2.0.0 OK");
        assert_eq!(
            said(&mut session, "DATA"),
            "503 5.5.1 not now, or not like this"
        );
        assert_eq!(
            said(&mut session, "QUIT"),
            "close 221 2.0.0 desk.example.com ends"
        );
    }

    #[test]
    fn who_goes_on_saying_nonsense_is_hung_up_on() {
        let mut session = Session::new("desk", 1_000);
        let mut lines = (0..).map(|_| said(&mut session, "GET / HTTP/1.1"));
        let place = lines.position(|it| it.starts_with("close 421")).unwrap();
        assert_eq!(place, MISTAKES);
        assert_eq!(
            session.line(b"\xff", |_| true),
            Step::Close("421 4.7.0 too many mistakes\r\n".to_owned())
        );
    }

    #[test]
    fn a_mail_ends_at_a_dot_alone_and_nowhere_else() {
        for (wire, mail, rest) in [
            (&b"a\r\n.\r\nQUIT"[..], &b"a\r\n"[..], &b"QUIT"[..]),
            (b".\r\n", b"", b""),
            (b"..a\r\n...\r\n.\r\n", b".a\r\n..\r\n", b""),
            (b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n", b""),
            (b"a\r\n.\nb\r\n.\r\n", b"a\r\n\nb\r\n", b""),
            (b"a\r\n.\rb\r\n.\r\n", b"a\r\n\rb\r\n", b""),
            (b"a\n.\r\nb\r\n.\r\n", b"a\n.\r\nb\r\n", b""),
            (b"a\r.\r\n\r\n.\r\n", b"a\r.\r\n\r\n", b""),
        ] {
            let mut data = Data::default();
            let (taken, ended) = data.take(wire, 1_000);
            assert!(ended, "{wire:?}");
            assert_eq!(&wire[taken..], rest, "{wire:?}");
            assert_eq!(data.finish(1_000).unwrap(), mail, "{wire:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn a_mail_arrives_as_it_was_however_the_wire_cuts_it(
            mail in proptest::collection::vec(prop_oneof![
                Just(b'.'), Just(b'\r'), Just(b'\n'), Just(b'a')
            ], 0..60),
            cut in 1usize..7,
        ) {
            // As a sender does: line ends are whole, and dots are stuffed.
            let mut mail = mail;
            mail.retain(|it| *it != b'\r');
            let text = String::from_utf8(mail).unwrap().replace('\n', "\r\n") + "\r\n";
            let stuffed = text.replace("\r\n.", "\r\n..");
            let stuffed = match stuffed.strip_prefix('.') {
                Some(rest) => format!("..{rest}"),
                None => stuffed,
            };
            let wire = format!("{stuffed}.\r\nNOOP");
            let mut data = Data::default();
            let (mut read, mut over) = (0, false);
            for piece in wire.as_bytes().chunks(cut) {
                let (taken, ended) = data.take(piece, 1_000);
                read += taken;
                if ended {
                    over = true;
                    break;
                }
            }
            prop_assert!(over);
            prop_assert_eq!(&wire[read..], "NOOP");
            prop_assert_eq!(data.finish(1_000).unwrap(), text.into_bytes());
        }

        #[test]
        fn no_line_brings_a_session_down(lines in proptest::collection::vec(".{0,60}", 0..20)) {
            let mut session = Session::new("desk", 10);
            for line in lines {
                session.line(line.as_bytes(), |_| true);
            }
        }
    }

    #[test]
    fn a_mail_that_is_too_large_is_counted_and_not_kept() {
        let mut data = Data::default();
        let (_, ended) = data.take(&[b'x'; 5_000], 100);
        assert!(!ended);
        assert_eq!(data.octets.len(), 100);
        assert_eq!(data.finish(100), Err(5_000));
    }
}
