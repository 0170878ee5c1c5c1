//! The walls of the house: which part may name which other, and what pure code may not touch. Read
//! from the sources themselves. `ARCHITECTURE.md` says why.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A part of the program: a folder or a file under `src`.
struct Part {
    /// Its path in the crate.
    name: &'static str,
    /// Pure: no IO, no runtime, no clock, no randomness of its own, no logging.
    pure: bool,
    /// The parts it may name, besides itself.
    may_use: &'static [&'static str],
}

const fn pure(name: &'static str, may_use: &'static [&'static str]) -> Part {
    Part {
        name,
        pure: true,
        may_use,
    }
}

const fn edge(name: &'static str, may_use: &'static [&'static str]) -> Part {
    Part {
        name,
        pure: false,
        may_use,
    }
}

/// Every part, the lowest first. An arrow that is not here is an error, and so is one here that
/// nothing needs.
const PARTS: &[Part] = &[
    // A call's machine says why a recording ended, in the words of the media commands.
    pure("core", &["media::command"]),
    // What media threads are told and report; it names calls, legs and prompt audio.
    pure("media::command", &["core"]),
    pure("media::g711", &["media::command"]),
    pure("media::level", &[]),
    pure("media::tone", &["core", "media::g711"]),
    pure("media::rtp", &["core"]),
    pure("media::dtmf", &["media::rtp"]),
    pure("media::jitter", &["core", "media::command", "media::rtp"]),
    pure("media::ports", &["core"]),
    pure("media::sdp", &["media::command", "media::g711"]),
    pure(
        "media::leg",
        &[
            "core",
            "media::command",
            "media::dtmf",
            "media::g711",
            "media::jitter",
            "media::rtp",
        ],
    ),
    // A flow is made of the configuration's words for a transport.
    pure("sip::flow", &["core"]),
    pure("sip::message", &[]),
    pure("sip::digest", &["core", "sip::message"]),
    pure("sip::transaction", &["core", "sip::flow", "sip::message"]),
    pure("sip::dialog", &["sip::message"]),
    pure(
        "sip::registrar",
        &["core", "sip::digest", "sip::flow", "sip::message"],
    ),
    pure(
        "sip::user_agent",
        &[
            "core",
            "sip::dialog",
            "sip::digest",
            "sip::flow",
            "sip::message",
            "sip::transaction",
        ],
    ),
    pure(
        "engine",
        &[
            "core",
            "media::command",
            "media::ports",
            "media::sdp",
            "media::tone",
            "sip::flow",
            "sip::message",
            "sip::registrar",
            "sip::transaction",
            "sip::user_agent",
        ],
    ),
    // The exception: the only part that reads a clock.
    edge("clock", &["core"]),
    // Contact and target URIs are checked by the parser that will read them.
    edge("config", &["core", "sip::message"]),
    // Frames and Via are read where octets come in.
    edge(
        "sip::transport",
        &[
            "clock",
            "core",
            "sip::flow",
            "sip::message",
            "sip::transaction",
        ],
    ),
    edge(
        "media::prompt",
        &[
            "clock",
            "core",
            "media::command",
            "media::g711",
            "media::level",
            "media::tone",
        ],
    ),
    edge(
        "media::recording",
        &[
            "clock",
            "core",
            "media::command",
            "media::g711",
            "media::level",
        ],
    ),
    // The thread that receives audio hands it to the ring of a recording: one edge in two folders.
    edge(
        "media::worker",
        &[
            "clock",
            "core",
            "media::command",
            "media::leg",
            "media::recording",
            "media::rtp",
        ],
    ),
    edge("store", &["clock", "core"]),
    // The door through which HTTP, mail, forms and chat reach the engine: those edges may use it.
    edge("inbox", &["clock", "core"]),
    edge("chat", &["clock", "core", "inbox"]),
    edge("form", &["clock", "core", "inbox"]),
    // Mail as it came, read without trusting any of it.
    pure("email::message", &["core"]),
    pure("email::thread", &["core", "email::message"]),
    pure("email::automatic", &["core", "email::message"]),
    pure("email::verified", &["email::message"]),
    // Mailboxes, LMTP, what is sent.
    edge(
        "email",
        &[
            "clock",
            "core",
            "email::automatic",
            "email::message",
            "email::thread",
            "email::verified",
            "inbox",
        ],
    ),
    edge("notify", &["clock", "core"]),
    edge("control", &["core"]),
    // Customer agents and webhooks ask with it.
    edge("outgoing", &["clock", "core"]),
    // Who speaks when is decided without a program to ask.
    pure("customer_agent::turn", &["core"]),
    edge(
        "customer_agent",
        &["clock", "core", "customer_agent::turn", "inbox", "outgoing"],
    ),
    // What is sent when is decided without a disk or a socket.
    pure("webhook::schedule", &["core"]),
    edge(
        "webhook",
        &["clock", "core", "inbox", "outgoing", "webhook::schedule"],
    ),
    // Answers for others: it asks the store, the library of prompts and the configuration itself, for a
    // closure each would be a copy of what they offer. What the loop must do is handed in (`Ask`).
    edge(
        "http",
        &[
            "clock",
            "config",
            "core",
            "engine",
            "inbox",
            "media::command",
            "media::prompt",
            "store",
            "webhook",
        ],
    ),
    // A phone for `call` and `demo`: a small daemon of its own, made of the same pieces.
    edge(
        "phone",
        &[
            "clock",
            "core",
            "media::command",
            "media::g711",
            "media::prompt",
            "media::sdp",
            "sip::digest",
            "sip::flow",
            "sip::message",
            "sip::transaction",
            "sip::transport",
            "sip::user_agent",
        ],
    ),
    // Wires everything.
    edge(
        "daemon",
        &[
            "chat",
            "form",
            "clock",
            "config",
            "control",
            "core",
            "customer_agent",
            "email",
            "engine",
            "http",
            "inbox",
            "media::command",
            "media::prompt",
            "media::recording",
            "media::worker",
            "notify",
            "sip::flow",
            "sip::transport",
            "store",
            "webhook",
        ],
    ),
    edge(
        "cli",
        &[
            "clock",
            "config",
            "control",
            "core",
            "daemon",
            "engine",
            "http",
            "media::command",
            "media::prompt",
            "media::tone",
            "outgoing",
            "phone",
            "sip::message",
            "sip::transport",
            "store",
        ],
    ),
];

/// What pure code may take from other crates. Whatever else stands in `Cargo.toml` is kept out.
const PURE_CRATES: &[&str] = &[
    "ammonia",
    "base64",
    "bytes",
    "chrono",
    "hmac",
    "ipnet",
    "mail_parser",
    "md5",
    "memchr",
    "phonenumber",
    "rand_chacha",
    "rsip",
    "rtp_rs",
    "sdp_types",
    "serde",
    "serde_json",
    "sha2",
    "subtle",
    "thiserror",
    "uuid",
];

/// What pure code may not take from the standard library and from crates that it may use.
const IMPURE: &[&str] = &[
    "chrono::Local",
    "chrono::Utc::now",
    "std::env",
    "std::fs",
    "std::io",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::sync::Condvar",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::mpsc",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "uuid::Uuid::now_v7",
];

/// Macros that print, or read the environment.
const IMPURE_MACROS: &[&str] = &[
    "dbg",
    "eprint",
    "eprintln",
    "env",
    "option_env",
    "print",
    "println",
    "thread_local",
];

/// `env!` is read when the program is compiled.
const COMPILED_IN: &[(&str, &str)] = &[("engine", "env")];

/// Crates that one part keeps to itself.
const KEPT_INSIDE: &[(&str, &str, &str)] = &[
    ("rsip", "sip::message", "the rest sees our own messages"),
    ("chrono_tz", "config", "the snapshot holds zones of its own"),
    ("phonenumber", "core", "numbers are read in one place"),
    ("sdp_types", "media::sdp", "SDP is opaque elsewhere"),
    ("rtp_rs", "media::rtp", "packets are read in one place"),
    ("sqlx", "store", "SQL stays in the store"),
    (
        "rubato",
        "media::prompt",
        "prompts are resampled when loaded",
    ),
    ("mail_parser", "email::message", "mail is read in one place"),
    (
        "symphonia",
        "media::prompt",
        "uploads are decoded on threads that may fail",
    ),
];

/// A name that a file mentions, written out from the crate's or another crate's root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mention {
    path: Vec<String>,
    line: usize,
}

impl Mention {
    fn text(&self) -> String {
        self.path.join("::")
    }
}

/// What is read from one source file: names and macros outside test code, and the modules that exist
/// for tests alone.
#[derive(Debug, Default)]
struct Source {
    mentions: BTreeSet<Mention>,
    macros: BTreeSet<(String, usize)>,
    test_modules: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Path,
    Sign(char),
}

/// Words and signs, without comments, strings and characters, each with its line.
fn tokens(text: &str) -> Vec<(Token, usize)> {
    let chars: Vec<char> = text.chars().collect();
    let at = |place: usize| chars.get(place).copied().unwrap_or('\0');
    let (mut place, mut line) = (0, 1);
    let mut tokens = Vec::new();
    while place < chars.len() {
        let c = at(place);
        if c == '\n' {
            line += 1;
            place += 1;
        } else if c == '/' && at(place + 1) == '/' {
            while place < chars.len() && at(place) != '\n' {
                place += 1;
            }
        } else if c == '/' && at(place + 1) == '*' {
            let end = end_of_comment(&chars, place);
            line += lines_in(&chars, place, end);
            place = end;
        } else if let Some(end) = end_of_string(&chars, place) {
            line += lines_in(&chars, place, end);
            place = end;
        } else if c == '\'' {
            // A character ends with its quote; a lifetime has none.
            let is_character = at(place + 1) == '\\' || at(place + 2) == '\'';
            place += 1;
            if is_character {
                place += if at(place) == '\\' { 2 } else { 1 };
                while place < chars.len() && at(place) != '\'' {
                    place += 1;
                }
                place += 1;
            }
        } else if c.is_alphanumeric() || c == '_' {
            let start = place;
            while at(place).is_alphanumeric() || at(place) == '_' {
                place += 1;
            }
            tokens.push((Token::Word(chars[start..place].iter().collect()), line));
        } else if c == ':' && at(place + 1) == ':' {
            tokens.push((Token::Path, line));
            place += 2;
        } else {
            if !c.is_whitespace() {
                tokens.push((Token::Sign(c), line));
            }
            place += 1;
        }
    }
    tokens
}

fn lines_in(chars: &[char], from: usize, to: usize) -> usize {
    let to = to.min(chars.len());
    chars[from..to].iter().filter(|c| **c == '\n').count()
}

fn end_of_comment(chars: &[char], start: usize) -> usize {
    let (mut place, mut depth) = (start, 0);
    while place < chars.len() {
        match (chars[place], chars.get(place + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                place += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                place += 2;
                if depth == 0 {
                    break;
                }
            }
            _ => place += 1,
        }
    }
    place
}

/// The end of the string literal that begins at `start`: plain, byte or raw.
fn end_of_string(chars: &[char], start: usize) -> Option<usize> {
    let mut place = start;
    if chars.get(place) == Some(&'b') {
        place += 1;
    }
    let raw = chars.get(place) == Some(&'r');
    if raw {
        place += 1;
    }
    let hashes = chars[place..].iter().take_while(|c| **c == '#').count();
    place += hashes;
    if chars.get(place) != Some(&'"') || (hashes > 0 && !raw) {
        return None;
    }
    place += 1;
    while place < chars.len() {
        match chars[place] {
            '\\' if !raw => place += 2,
            '"' if chars[place + 1..]
                .iter()
                .take(hashes)
                .filter(|c| **c == '#')
                .count()
                == hashes =>
            {
                return Some(place + 1 + hashes);
            }
            _ => place += 1,
        }
    }
    Some(place)
}

/// Reads a source file that is the module `module`.
fn read(text: &str, module: &[String]) -> Source {
    let mut reader = Reader {
        tokens: tokens(text),
        place: 0,
        module: module.to_vec(),
        aliases: BTreeMap::new(),
        source: Source::default(),
    };
    reader.read();
    reader.source
}

struct Reader {
    tokens: Vec<(Token, usize)>,
    place: usize,
    module: Vec<String>,
    /// What names of this file stand for, from its `use` lines.
    aliases: BTreeMap<String, Vec<String>>,
    source: Source,
}

impl Reader {
    fn read(&mut self) {
        let mut inline = Vec::new();
        while self.place < self.tokens.len() {
            let (token, line) = self.tokens[self.place].clone();
            match token {
                Token::Sign('#') if self.is_test_attribute() => self.skip_test_item(),
                Token::Word(word) if word == "use" => {
                    self.place += 1;
                    self.use_tree(Vec::new(), line);
                }
                Token::Word(word) => {
                    if self.sign_at(self.place + 1) == Some('!') {
                        self.source.macros.insert((word.clone(), line));
                    }
                    let path = self.path_from(word);
                    if path.len() > 1 {
                        inline.push(Mention { path, line });
                    }
                }
                Token::Path => {
                    // The rest of something like `<T as Trait>::name`.
                    self.place += 2;
                }
                Token::Sign(_) => self.place += 1,
            }
        }
        for mention in inline {
            let path = match self.aliases.get(&mention.path[0]) {
                Some(full) => [full, &mention.path[1..]].concat(),
                None => self.absolute(mention.path),
            };
            self.source.mentions.insert(Mention {
                path,
                line: mention.line,
            });
        }
    }

    fn sign_at(&self, place: usize) -> Option<char> {
        match self.tokens.get(place) {
            Some((Token::Sign(sign), _)) => Some(*sign),
            _ => None,
        }
    }

    fn word_at(&self, place: usize) -> Option<&str> {
        match self.tokens.get(place) {
            Some((Token::Word(word), _)) => Some(word),
            _ => None,
        }
    }

    /// The path that begins with `first` here; the place is behind it afterwards.
    fn path_from(&mut self, first: String) -> Vec<String> {
        let mut path = vec![first];
        self.place += 1;
        while self.tokens.get(self.place).map(|(token, _)| token) == Some(&Token::Path) {
            let Some(word) = self.word_at(self.place + 1) else {
                break;
            };
            path.push(word.to_owned());
            self.place += 2;
        }
        path
    }

    /// One branch of a `use`: words, then `{…}`, `*`, `as name` or an end.
    fn use_tree(&mut self, mut path: Vec<String>, line: usize) {
        while self.place < self.tokens.len() {
            let (token, _) = self.tokens[self.place].clone();
            self.place += 1;
            match token {
                Token::Word(word) if word == "as" => {
                    let name = self.word_at(self.place).unwrap_or("_").to_owned();
                    self.place += 1;
                    self.mention(path, Some(name), line);
                    return;
                }
                Token::Word(word) => path.push(word),
                Token::Path => {}
                Token::Sign('{') => {
                    while self.place < self.tokens.len() {
                        match self.sign_at(self.place) {
                            Some('}') => {
                                self.place += 1;
                                return;
                            }
                            Some(',') => self.place += 1,
                            _ => self.use_tree(path.clone(), line),
                        }
                    }
                    return;
                }
                Token::Sign('*') => path.push("*".to_owned()),
                Token::Sign(_) => {
                    self.place -= 1;
                    self.mention(path, None, line);
                    return;
                }
            }
        }
    }

    fn mention(&mut self, mut path: Vec<String>, name: Option<String>, line: usize) {
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        let path = self.absolute(path);
        let name = name.or_else(|| path.last().cloned());
        if let Some(name) = name {
            self.aliases.insert(name, path.clone());
        }
        self.source.mentions.insert(Mention { path, line });
    }

    /// `self`, `super` and `crate` written out: the crate's own paths begin with `crate`.
    fn absolute(&self, path: Vec<String>) -> Vec<String> {
        let mut module = self.module.clone();
        let mut rest = path.as_slice();
        let own = matches!(
            rest.first().map(String::as_str),
            Some("self" | "super" | "crate")
        );
        while let Some(first) = rest.first() {
            match first.as_str() {
                "crate" => module.clear(),
                "self" => {}
                "super" => {
                    module.pop();
                }
                _ => break,
            }
            rest = &rest[1..];
        }
        if own {
            [vec!["crate".to_owned()], module, rest.to_vec()].concat()
        } else {
            path
        }
    }

    /// Whether `#[cfg(test)]` or a `cfg` that names `test` stands here.
    fn is_test_attribute(&self) -> bool {
        self.sign_at(self.place + 1) == Some('[')
            && self.word_at(self.place + 2) == Some("cfg")
            && self.tokens[self.place..]
                .iter()
                .take_while(|(token, _)| *token != Token::Sign(']'))
                .any(|(token, _)| *token == Token::Word("test".to_owned()))
    }

    /// Passes over the attribute and the item that it stands on.
    fn skip_test_item(&mut self) {
        while self.sign_at(self.place) != Some(']') && self.place < self.tokens.len() {
            self.place += 1;
        }
        self.place += 1;
        let mut depth = 0;
        while self.place < self.tokens.len() {
            if depth == 0 && self.word_at(self.place) == Some("mod") {
                let name = self.word_at(self.place + 1).map(str::to_owned);
                if self.sign_at(self.place + 2) == Some(';') {
                    self.source.test_modules.extend(name);
                }
            }
            match self.sign_at(self.place) {
                Some('{' | '(' | '[') => depth += 1,
                Some(')' | ']') => depth -= 1,
                Some('}') => {
                    depth -= 1;
                    if depth == 0 {
                        self.place += 1;
                        return;
                    }
                }
                Some(';') if depth == 0 => {
                    self.place += 1;
                    return;
                }
                _ => {}
            }
            self.place += 1;
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// `src/sip/message/mod.rs` is the module `sip::message`.
fn module_of(path: &Path) -> Vec<String> {
    let relative = path.strip_prefix(root().join("src")).unwrap();
    let mut module: Vec<String> = relative
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

/// Every module outside test code, by its path.
fn modules() -> BTreeMap<Vec<String>, Source> {
    let mut modules: BTreeMap<Vec<String>, Source> = files(&root().join("src"), ".rs")
        .iter()
        .map(|path| (module_of(path), fs::read_to_string(path).unwrap()))
        .map(|(module, text)| {
            let source = read(&text, &module);
            (module, source)
        })
        .collect();
    let tests: Vec<Vec<String>> = modules
        .iter()
        .flat_map(|(module, source)| {
            let named = source.test_modules.iter();
            named.map(|name| [module.as_slice(), std::slice::from_ref(name)].concat())
        })
        .collect();
    modules.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
    modules
}

/// The part that a path in the crate lies in, `crate` left out.
fn part_of(path: &[String]) -> Option<&'static Part> {
    PARTS.iter().find(|part| {
        let name: Vec<&str> = part.name.split("::").collect();
        path.len() >= name.len() && path.iter().zip(&name).all(|(a, b)| a == b)
    })
}

/// What pure code may not name here; `None`: nothing wrong.
fn impurity(path: &[String], crates: &BTreeSet<String>) -> Option<String> {
    let text = path.join("::");
    let first = path.first()?;
    if crates.contains(first) && !PURE_CRATES.contains(&first.as_str()) {
        return Some(format!("{text}: pure code has no {first}"));
    }
    let plain = text.strip_suffix("::*");
    let starts = |text: &str, with: &str| {
        text == with
            || text
                .strip_prefix(with)
                .is_some_and(|rest| rest.starts_with("::"))
    };
    IMPURE
        .iter()
        .find(|impure| starts(&text, impure) || plain.is_some_and(|plain| starts(impure, plain)))
        .map(|impure| format!("{text}: pure code has no {impure}"))
}

/// The crates that `Cargo.toml` names, as the code writes them, with the section they stand in.
fn dependencies(section: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    manifest
        .lines()
        .skip_while(|line| *line != section)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

/// As paths begin: `md-5` calls itself `md5`.
fn crate_names() -> BTreeSet<String> {
    let names = dependencies("[dependencies]");
    names
        .iter()
        .map(|name| match name.as_str() {
            "md-5" => "md5".to_owned(),
            name => name.replace('-', "_"),
        })
        .collect()
}

/// What is wrong with the names of one module.
fn wrongs(module: &[String], source: &Source, crates: &BTreeSet<String>) -> Vec<String> {
    let place = |line: usize| format!("{}, line {line}", module.join("::"));
    let Some(part) = part_of(module) else {
        // `sip` and `media` themselves hold nothing but their modules; so does the crate's root.
        let named = source.mentions.iter();
        return named
            .map(|mention| format!("{}: {}", place(mention.line), mention.text()))
            .collect();
    };
    let mut wrongs = Vec::new();
    for mention in &source.mentions {
        let (path, place) = (&mention.path, place(mention.line));
        if path[0] == "crate" {
            match part_of(&path[1..]) {
                Some(other) if other.name == part.name => {}
                Some(other) if part.may_use.contains(&other.name) => {}
                _ => wrongs.push(format!("{place}: {} names {}", part.name, mention.text())),
            }
        }
        for (name, inside, reason) in KEPT_INSIDE {
            if path[0] == *name && part.name != *inside {
                wrongs.push(format!("{place}: {name} stays inside {inside}: {reason}"));
            }
        }
        if part.pure {
            let impure = impurity(path, crates);
            wrongs.extend(impure.map(|what| format!("{place}: {what}")));
        }
    }
    if part.pure {
        for (name, line) in &source.macros {
            let allowed = COMPILED_IN.contains(&(part.name, name.as_str()));
            if IMPURE_MACROS.contains(&name.as_str()) && !allowed {
                wrongs.push(format!("{}: pure code has no {name}!", place(*line)));
            }
        }
    }
    wrongs
}

#[test]
fn the_wall_stands() {
    let crates = crate_names();
    let wrongs: Vec<String> = modules()
        .iter()
        .filter(|(module, _)| !matches!(module.join("::").as_str(), "lib" | "main"))
        .flat_map(|(module, source)| wrongs(module, source, &crates))
        .collect();
    assert!(wrongs.is_empty(), "\n{}\n", wrongs.join("\n"));
}

#[test]
fn every_arrow_of_the_table_is_needed() {
    let mut used: BTreeSet<(&str, &str)> = BTreeSet::new();
    let modules = modules();
    for (module, source) in &modules {
        let Some(part) = part_of(module) else {
            continue;
        };
        for mention in source.mentions.iter().filter(|one| one.path[0] == "crate") {
            if let Some(other) = part_of(&mention.path[1..]) {
                used.insert((part.name, other.name));
            }
        }
    }
    for part in PARTS {
        let name: Vec<String> = part.name.split("::").map(str::to_owned).collect();
        assert!(modules.contains_key(&name), "{} does not exist", part.name);
        for other in part.may_use {
            assert!(
                used.contains(&(part.name, other)),
                "{} does not need {other}",
                part.name
            );
        }
    }
}

#[test]
fn arrows_point_down() {
    for (height, part) in PARTS.iter().enumerate() {
        for other in part.may_use {
            // The words of the media commands are the one knot: core names them, they name core.
            let knot = (part.name, *other) == ("core", "media::command");
            let below = PARTS[..height].iter().any(|one| one.name == *other);
            assert!(below || knot, "{} stands below {other}", part.name);
        }
    }
}

#[test]
fn pure_code_stands_on_pure_code() {
    for part in PARTS.iter().filter(|part| part.pure) {
        for other in part.may_use {
            let pure = PARTS.iter().any(|one| one.name == *other && one.pure);
            assert!(pure, "{} is pure, {other} is not", part.name);
        }
    }
}

/// The wrongs of a text that stands in `module`.
fn found(module: &str, text: &str) -> Vec<String> {
    let module: Vec<String> = module.split("::").map(str::to_owned).collect();
    wrongs(&module, &read(text, &module), &crate_names())
}

#[test]
fn a_hole_in_the_wall_is_found_however_it_is_written() {
    for (module, text) in [
        ("core::call", "use std::fs;"),
        ("core::call", "use std::{fmt, time::{Duration, Instant}};"),
        ("core::call", "use std::time::*;"),
        (
            "core::call",
            "use std::time; fn f() { time::Instant::now(); }",
        ),
        (
            "core::call",
            "use std::time as t; fn f(_: t::SystemTime) {}",
        ),
        ("core::call", "fn f() { std::thread::spawn(|| ()); }"),
        ("core::call", "fn f() -> std::net::UdpSocket { todo!() }"),
        ("core::call", "fn f() { tracing::info!(\"x\") }"),
        ("core::call", "use tokio::net::UdpSocket;"),
        ("core::call", "fn f() { println!(\"x\") }"),
        ("core::call", "use crate::clock;"),
        ("core::call", "fn f() { crate::clock::now(); }"),
        ("core::desk", "use super::super::engine::Engine;"),
        ("core::call", "use crate::{core::id::CallId, store::Store};"),
        ("core::call", "use rsip::Uri;"),
        ("engine", "use crate::sip::transport::Transport;"),
        ("engine::legs", "fn f() { getrandom::fill(&mut []); }"),
        ("media::leg", "use crate::media::worker::MediaThreads;"),
        ("media::leg", "use super::recording::Recorder;"),
        ("sip::message", "use std::io::Read;"),
        ("store", "use crate::media::recording;"),
        ("store", "pub(super) use crate::notify::Mailer as M;"),
        ("notify", "use crate::store::Store;"),
        ("sip", "pub use crate::engine::Engine;"),
        (
            "core",
            "#[cfg(test)]\nmod tests { use std::fs; }\nuse std::fs;",
        ),
        (
            "core",
            "const A: char = '\"'; use std::fs; const B: char = '\"';",
        ),
        ("core", "fn f<'a>(_: &'a str) { std::fs::read(\"a\"); }"),
        ("core", "const A: &str = r#\"\"\"#; use std::fs;"),
    ] {
        assert_eq!(found(module, text).len(), 1, "{module}: {text}");
    }
}

#[test]
fn what_is_allowed_is_let_through() {
    for (module, text) in [
        (
            "core::call",
            "use std::net::{IpAddr, SocketAddr}; use std::time::Duration;",
        ),
        ("core::call", "// use std::fs;\n/* use std::fs; /* */ */"),
        (
            "core::call",
            "const A: &str = \"use std::fs;\"; const B: char = '\\''; const C: &[u8] = br#\"use std::fs;\"#;",
        ),
        (
            "core::call",
            "#[cfg(test)]\nmod tests { use crate::clock; fn f() { std::fs::read(\"\"); } }",
        ),
        ("core::call", "#[cfg(test)]\nuse std::{fs, io};"),
        (
            "core::call",
            "use super::id::CallId; use self::event::Event; use crate::media::command::Codec;",
        ),
        (
            "media::worker",
            "use crate::media::recording::Recorder; use std::thread;",
        ),
        ("sip::message", "use rsip::Uri;"),
        ("store", "use sqlx::Row; use std::fs;"),
        (
            "engine",
            "fn f() { let bytes = bytes.len(); state::tokio(); }",
        ),
        ("sip", "pub mod message;"),
    ] {
        assert_eq!(found(module, text), [""; 0], "{module}: {text}");
    }
}

#[test]
fn test_modules_are_known_by_their_declaration() {
    let source = read(
        "#[cfg(test)]\npub mod sample;\nmod call;\n#[cfg(test)]\nmod tests;",
        &[],
    );
    assert_eq!(source.test_modules, ["sample", "tests"]);
    let modules = modules();
    let names: BTreeSet<String> = modules.keys().map(|module| module.join("::")).collect();
    assert!(names.contains("core::call") && names.contains("engine"));
    assert!(!names.contains("core::sample") && !names.contains("engine::tests"));
    assert!(!names.contains("sip::user_agent::tests::world"));
}

fn text_of(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

#[test]
fn every_dependency_has_its_reason_in_the_architecture() {
    let architecture = text_of("ARCHITECTURE.md");
    let told: BTreeSet<String> = architecture
        .lines()
        .skip_while(|line| *line != "## Dependencies")
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .filter_map(|line| line.strip_prefix("| "))
        .filter_map(|line| line.split(" | ").next())
        .flat_map(|names| names.split('`').skip(1).step_by(2).map(str::to_owned))
        .collect();
    let mut taken = dependencies("[dependencies]");
    taken.extend(dependencies("[dev-dependencies]"));
    assert_eq!(told, taken);
}

/// Kept out, however they come: TLS is rustls, and nothing needs a C library but SQLite.
const BANNED: &[&str] = &["native-tls", "openssl", "openssl-sys", "aws-lc-sys"];

#[test]
fn packages_come_from_the_registry_alone_and_none_is_banned() {
    let lock = text_of("Cargo.lock");
    let mut packages = 0;
    for package in lock.split("[[package]]").skip(1) {
        let value = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key));
            line.map(|text| text.trim_matches('"').to_owned())
        };
        let name = value("name = ").unwrap();
        assert!(!BANNED.contains(&name.as_str()), "{name}");
        let registry = "registry+https://github.com/rust-lang/crates.io-index";
        match value("source = ") {
            Some(source) => assert_eq!(source, registry, "{name}"),
            None => assert_eq!(name, "ringdesk"),
        }
        packages += 1;
    }
    assert!(packages > 50, "{packages} packages");
}

#[test]
fn every_folder_of_the_sources_is_on_the_map() {
    let architecture = text_of("ARCHITECTURE.md");
    let tree: Vec<&str> = architecture
        .lines()
        .skip_while(|line| *line != "## The tree")
        .take_while(|line| !line.starts_with("## The contract"))
        .collect();
    let named = |name: &str| {
        let mut words = tree.iter().flat_map(|line| line.split_whitespace());
        words.any(|word| word == name)
    };
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let name = if path.is_dir() { name + "/" } else { name };
        assert!(named(&name), "{name}");
    }
    for part in PARTS.iter().filter(|part| part.name.contains("::")) {
        let name = part.name.rsplit("::").next().unwrap();
        let file = root()
            .join("src")
            .join(part.name.replace("::", "/") + ".rs");
        let name = name.to_owned() + if file.is_file() { ".rs" } else { "/" };
        assert!(named(&name), "{name}");
    }
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let mut documents = files(&root().join("docs"), ".md");
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
    ] {
        documents.push(root().join(name));
    }
    let mut links = 0;
    for document in &documents {
        let text = fs::read_to_string(document).unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = document.parent().unwrap().join(target);
            assert!(path.exists(), "{}: {target}", document.display());
            links += 1;
        }
    }
    assert!(links > 10, "{links} links");
}

#[test]
fn nothing_is_left_to_do_and_no_lint_is_silenced_without_a_word() {
    let places = ["src", "tests", "benches"];
    for path in places
        .iter()
        .flat_map(|place| files(&root().join(place), ".rs"))
    {
        let text = fs::read_to_string(&path).unwrap();
        for mark in [
            ["TO", "DO"],
            ["FIX", "ME"],
            ["#[al", "low("],
            ["#![al", "low("],
        ] {
            let mark = mark.concat();
            assert!(!text.contains(&mark), "{}: {mark}", path.display());
        }
    }
}
