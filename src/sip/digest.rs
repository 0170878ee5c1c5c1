//! Digest authentication (RFC 7616, RFC 8760; RFC 2617 and RFC 2069 for older peers), both sides.
//!
//! Nonces are not remembered when they are handed out: each carries its time and a seal, so that
//! strangers cannot fill a table. Only a nonce that was answered with the right password is kept, to
//! count its uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use md5::Md5;
use sha2::{Digest as _, Sha256};

use crate::core::hex::hex;
use crate::core::id::RandomSource;
use crate::core::snapshot::DigestOffer;
use crate::core::time::Mono;
use crate::sip::message::{Headers, Method};

/// How long a nonce is good for: long enough for a phone that renews every minute to use one
/// several times, short enough that a password change or a stolen nonce does not matter for long.
pub const NONCE_LIFETIME: Duration = Duration::from_secs(300);

/// How many nonces are counted at a time. Each belongs to a request with the right password; beyond
/// this the oldest is forgotten, and its owner is challenged once more.
pub const MAX_COUNTED_NONCES: usize = 65_536;

/// A hash function of digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// MD5: what every phone knows.
    Md5,
    /// SHA-256 (RFC 8760).
    Sha256,
}

impl Algorithm {
    /// As it stands in a challenge.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    fn of_name(name: Option<&str>) -> Option<Algorithm> {
        match name {
            None => Some(Algorithm::Md5),
            Some(name) if name.eq_ignore_ascii_case("MD5") => Some(Algorithm::Md5),
            Some(name) if name.eq_ignore_ascii_case("SHA-256") => Some(Algorithm::Sha256),
            Some(_) => None,
        }
    }

    /// The hash of the parts with colons between, in lower-case hexadecimal digits.
    fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self {
            Algorithm::Md5 => hex(&Md5::digest(text.as_bytes())),
            Algorithm::Sha256 => hex(&Sha256::digest(text.as_bytes())),
        }
    }
}

/// The parameters of a challenge or of credentials, unquoted.
struct AuthParams(Vec<(String, String)>);

impl AuthParams {
    /// `None` where the scheme is not Digest or a parameter cannot be read.
    fn parse(value: &str) -> Option<AuthParams> {
        let (scheme, params) = value.trim().split_once([' ', '\t'])?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        crate::sip::message::auth_params(params).map(AuthParams)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.value(name).map(str::to_owned)
    }
}

/// The response to a challenge with `qop=auth`, or the one of RFC 2069 without (RFC 7616 §3.4).
fn response(
    algorithm: Algorithm,
    (username, realm, password): (&str, &str, &str),
    nonce: &str,
    counted: Option<(&str, &str)>,
    (method, uri): (&str, &str),
) -> String {
    let a1 = algorithm.hash(&[username, realm, password]);
    let a2 = algorithm.hash(&[method, uri]);
    match counted {
        Some((count, cnonce)) => algorithm.hash(&[&a1, nonce, count, cnonce, "auth", &a2]),
        None => algorithm.hash(&[&a1, nonce, &a2]),
    }
}

/// Equality whose time does not depend on where two texts differ.
fn same_in_constant_time(a: &str, b: &str) -> bool {
    let differing = a
        .bytes()
        .zip(b.bytes())
        .fold(0u8, |differing, (x, y)| differing | (x ^ y));
    a.len() == b.len() && std::hint::black_box(differing) == 0
}

/// What a client shows: the value of Authorization or Proxy-Authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Who it says it is.
    pub username: String,
    /// The realm that it answers.
    pub realm: String,
    /// The digest-uri.
    pub uri: String,
    nonce: String,
    response: String,
    algorithm: Algorithm,
    /// nc as written and cnonce; `None` from a client of RFC 2069.
    counted: Option<(String, String)>,
}

impl Shown {
    /// Those for `realm` among the values of `header`; `None` where there are none that can be read.
    pub fn find(headers: &Headers, header: &str, realm: &str) -> Option<Shown> {
        headers
            .values(header)
            .filter_map(Shown::parse)
            .find(|shown| shown.realm == realm)
    }

    fn parse(value: &str) -> Option<Shown> {
        let params = AuthParams::parse(value)?;
        let counted = match params.value("qop") {
            None => None,
            Some(qop) if qop.eq_ignore_ascii_case("auth") => {
                Some((params.owned("nc")?, params.owned("cnonce")?))
            }
            Some(_) => return None,
        };
        Some(Shown {
            username: params.owned("username")?,
            realm: params.owned("realm")?,
            uri: params.owned("uri")?,
            nonce: params.owned("nonce")?,
            response: params.owned("response")?.to_ascii_lowercase(),
            algorithm: Algorithm::of_name(params.value("algorithm"))?,
            counted,
        })
    }
}

/// What came of looking at what a client shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password is right.
    Right,
    /// The password is right, but the nonce is too old, not ours, or used before: to be challenged
    /// with `stale=true`, which a client answers without asking anybody.
    Stale,
    /// The password is wrong, or there is no such user: to be challenged anew.
    Wrong,
}

/// The server's side: makes challenges, and looks at what is shown.
pub struct Challenger {
    /// What our nonces are sealed with.
    key: [u8; 32],
    /// The highest count of each nonce in use.
    counts: BTreeMap<String, u32>,
    /// The same nonces by when they run out.
    ends: BTreeSet<(Mono, String)>,
}

impl Challenger {
    /// Nonces of one challenger are `Stale` to every other.
    pub fn new(random: &mut RandomSource) -> Challenger {
        let mut key = [0; 32];
        for (octet, chance) in key.iter_mut().zip(random.token().bytes().cycle()) {
            *octet = chance;
        }
        Challenger {
            key,
            counts: BTreeMap::new(),
            ends: BTreeSet::new(),
        }
    }

    /// The values of the WWW-Authenticate lines of a 401, the one we like best first.
    pub fn challenge(
        &self,
        offer: DigestOffer,
        realm: &str,
        stale: bool,
        random: &mut RandomSource,
        now: Mono,
    ) -> Vec<String> {
        let nonce = self.nonce(random, now);
        let stale = if stale { ", stale=true" } else { "" };
        let realm = realm.replace(['"', '\\', '\r', '\n'], "");
        algorithms(offer)
            .iter()
            .map(|algorithm| {
                format!(
                    "Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={}, qop=\"auth\"{stale}",
                    algorithm.as_str()
                )
            })
            .collect()
    }

    /// Looks at what a client shows for a request of `method`. `password`: `None` where there is no
    /// such user, which takes as long and ends like a wrong one.
    pub fn verify(
        &mut self,
        shown: &Shown,
        method: &Method,
        password: Option<&str>,
        offer: DigestOffer,
        now: Mono,
    ) -> Verdict {
        let counted = shown
            .counted
            .as_ref()
            .map(|(count, cnonce)| (count.as_str(), cnonce.as_str()));
        let expected = response(
            shown.algorithm,
            (&shown.username, &shown.realm, password.unwrap_or_default()),
            &shown.nonce,
            counted,
            (method.as_str(), &shown.uri),
        );
        let same = same_in_constant_time(&expected, &shown.response);
        let offered = algorithms(offer).contains(&shown.algorithm);
        // RFC 8760 §2.6 has no form without qop for the newer algorithms.
        let legal = shown.counted.is_some() || shown.algorithm == Algorithm::Md5;
        if !(same && password.is_some() && offered && legal) {
            return Verdict::Wrong;
        }
        let Some(issued) = self.issued(&shown.nonce) else {
            return Verdict::Stale;
        };
        let ends = issued + NONCE_LIFETIME;
        if now >= ends {
            return Verdict::Stale;
        }
        // Without a count, a nonce is good for one use.
        let count = match &shown.counted {
            None => Some(u32::MAX),
            Some((count, _)) => u32::from_str_radix(count, 16).ok(),
        };
        match count {
            Some(count) if count > self.counts.get(&shown.nonce).copied().unwrap_or(0) => {
                self.count(&shown.nonce, count, ends, now);
                Verdict::Right
            }
            _ => Verdict::Stale,
        }
    }

    fn count(&mut self, nonce: &str, count: u32, ends: Mono, now: Mono) {
        while let Some((end, oldest)) = self.ends.first() {
            if *end > now && self.counts.len() < MAX_COUNTED_NONCES {
                break;
            }
            self.counts.remove(oldest);
            self.ends.pop_first();
        }
        self.counts.insert(nonce.to_owned(), count);
        self.ends.insert((ends, nonce.to_owned()));
    }

    /// Time, chance, and a seal over both, in hexadecimal digits.
    fn nonce(&self, random: &mut RandomSource, now: Mono) -> String {
        let body = format!("{:016x}{:016x}", now.as_nanos(), random.next_u64());
        let seal = self.seal(&body);
        body + &seal
    }

    /// When one of our nonces was made.
    fn issued(&self, nonce: &str) -> Option<Mono> {
        let (body, seal) = nonce.split_at_checked(32)?;
        if !same_in_constant_time(&self.seal(body), seal) {
            return None;
        }
        let nanos = u64::from_str_radix(body.get(..16)?, 16).ok()?;
        Some(Mono::from_nanos(nanos))
    }

    /// The body has one length only, so that a plain hash over key and body cannot be extended.
    fn seal(&self, body: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(body.as_bytes());
        hex(hash.finalize().get(..16).unwrap_or_default())
    }
}

fn algorithms(offer: DigestOffer) -> &'static [Algorithm] {
    match offer {
        DigestOffer::Md5 => &[Algorithm::Md5],
        DigestOffer::Sha256 => &[Algorithm::Sha256],
        DigestOffer::Both => &[Algorithm::Sha256, Algorithm::Md5],
    }
}

/// The client's side: a challenge that we can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Whose passwords are asked for.
    pub realm: String,
    /// True: the last answer was right but for its nonce.
    pub stale: bool,
    /// The nonce.
    pub nonce: String,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Returned unchanged where it was sent.
    opaque: Option<String>,
    /// True: `qop=auth` is offered; false: a server of RFC 2069.
    counted: bool,
}

impl Challenge {
    /// The one with the strongest algorithm among the values of WWW-Authenticate or
    /// Proxy-Authenticate; of equal ones the first. `realm`: the only one that may be answered.
    pub fn choose<'a>(
        values: impl Iterator<Item = &'a str>,
        realm: Option<&str>,
    ) -> Option<Challenge> {
        let answerable = values
            .filter_map(Challenge::parse)
            .filter(|challenge| realm.is_none_or(|realm| challenge.realm == realm));
        answerable.fold(None, |best: Option<Challenge>, challenge| match best {
            Some(best) if best.algorithm >= challenge.algorithm => Some(best),
            _ => Some(challenge),
        })
    }

    fn parse(value: &str) -> Option<Challenge> {
        let params = AuthParams::parse(value)?;
        let counted = match params.value("qop") {
            None => false,
            Some(offered) => {
                if !offered
                    .split(',')
                    .any(|qop| qop.trim().eq_ignore_ascii_case("auth"))
                {
                    return None;
                }
                true
            }
        };
        Some(Challenge {
            realm: params.owned("realm")?,
            nonce: params.owned("nonce")?,
            stale: params
                .value("stale")
                .is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            algorithm: Algorithm::of_name(params.value("algorithm"))?,
            opaque: params.owned("opaque"),
            counted,
        })
    }

    /// The value of Authorization or Proxy-Authorization. `uri`: the Request-URI as it is sent;
    /// `count`: 1 for the first answer with this nonce, one more with each.
    pub fn answer(
        &self,
        (username, password): (&str, &str),
        (method, uri): (&Method, &str),
        count: u32,
        random: &mut RandomSource,
    ) -> String {
        self.answer_with((username, password), (method, uri), count, &random.token())
    }

    fn answer_with(
        &self,
        (username, password): (&str, &str),
        (method, uri): (&Method, &str),
        count: u32,
        cnonce: &str,
    ) -> String {
        let count = format!("{count:08x}");
        let response = response(
            self.algorithm,
            (username, &self.realm, password),
            &self.nonce,
            self.counted.then_some((count.as_str(), cnonce)),
            (method.as_str(), uri),
        );
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\", algorithm={}",
            quoted(username),
            quoted(&self.realm),
            quoted(&self.nonce),
            quoted(uri),
            self.algorithm.as_str(),
        );
        if let Some(opaque) = &self.opaque {
            let _ = write!(value, ", opaque={}", quoted(opaque));
        }
        if self.counted {
            let _ = write!(value, ", qop=auth, nc={count}, cnonce=\"{cnonce}\"");
        }
        value
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars().filter(|character| !character.is_control()) {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: (&str, &str) = ("anna", "rosebud");

    fn random(seed: u8) -> RandomSource {
        RandomSource::from_seed([seed; 32])
    }

    fn challenger() -> Challenger {
        Challenger::new(&mut random(3))
    }

    fn shown(challenge: &str, (user, password): (&str, &str), count: u32) -> Shown {
        let challenge =
            Challenge::choose([challenge].into_iter(), None).expect("a challenge of our own");
        let value = challenge.answer_with(
            (user, password),
            (&Method::Register, "sip:example.com"),
            count,
            "cnonce",
        );
        let mut headers = Headers::new();
        headers.push("Authorization", value);
        Shown::find(&headers, "Authorization", "ringdesk").expect("an answer of our own")
    }

    fn one_challenge(challenger: &Challenger, now: Mono) -> String {
        let mut list =
            challenger.challenge(DigestOffer::Md5, "ringdesk", false, &mut random(5), now);
        assert_eq!(list.len(), 1);
        list.remove(0)
    }

    fn verify(
        challenger: &mut Challenger,
        shown: &Shown,
        password: Option<&str>,
        now: Mono,
    ) -> Verdict {
        challenger.verify(shown, &Method::Register, password, DigestOffer::Md5, now)
    }

    #[test]
    fn the_example_of_rfc_2617_comes_out() {
        let challenge = Challenge::choose(
            ["Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
              nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""]
            .into_iter(),
            None,
        )
        .expect("can be answered");
        let get = Method::from_name("GET");
        let answer = challenge.answer_with(
            ("Mufasa", "Circle Of Life"),
            (&get, "/dir/index.html"),
            1,
            "0a4f113b",
        );
        assert_eq!(
            answer,
            "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
             nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", \
             response=\"6629fae49393a05397450978507c4ef1\", algorithm=MD5, \
             opaque=\"5ccc069c403ebaf9f0171e9517f40e41\", qop=auth, nc=00000001, cnonce=\"0a4f113b\""
        );
    }

    #[test]
    fn the_examples_of_rfc_7616_come_out() {
        let (cnonce, nonce) = (
            "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        );
        for (algorithm, expected) in [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (
                Algorithm::Sha256,
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let response = response(
                algorithm,
                ("Mufasa", "http-auth@example.org", "Circle of Life"),
                nonce,
                Some(("00000001", cnonce)),
                ("GET", "/dir/index.html"),
            );
            assert_eq!(response, expected);
        }
    }

    #[test]
    fn the_strongest_algorithm_that_we_know_is_answered() {
        let offered = [
            "Digest realm=\"r\", nonce=\"1\", algorithm=MD5, qop=\"auth\"",
            "Digest realm=\"r\", nonce=\"2\", algorithm=SHA-256, qop=\"auth\"",
            "Digest realm=\"r\", nonce=\"3\", algorithm=SHA-512-256, qop=\"auth\"",
            "Digest realm=\"s\", nonce=\"4\", algorithm=SHA-256, qop=\"auth\"",
            "Basic realm=\"r\"",
        ];
        let nonce =
            |realm| Challenge::choose(offered.into_iter(), realm).map(|challenge| challenge.nonce);
        assert_eq!(nonce(None).as_deref(), Some("2"));
        assert_eq!(nonce(Some("s")).as_deref(), Some("4"));
        assert_eq!(nonce(Some("elsewhere")), None);
    }

    #[test]
    fn the_right_password_is_right_and_the_wrong_one_looks_like_no_user() {
        let mut challenger = challenger();
        let challenge = one_challenge(&challenger, Mono::ZERO);
        let wrong = shown(&challenge, ("anna", "guess"), 1);
        assert_eq!(
            verify(&mut challenger, &wrong, Some(ANNA.1), Mono::ZERO),
            Verdict::Wrong
        );
        assert_eq!(
            verify(&mut challenger, &wrong, None, Mono::ZERO),
            Verdict::Wrong
        );
        let empty = shown(&challenge, ("nobody", ""), 1);
        assert_eq!(
            verify(&mut challenger, &empty, None, Mono::ZERO),
            Verdict::Wrong
        );
        let right = shown(&challenge, ANNA, 1);
        assert_eq!(
            verify(&mut challenger, &right, Some(ANNA.1), Mono::ZERO),
            Verdict::Right
        );
    }

    #[test]
    fn a_nonce_counts_upwards_and_runs_out() {
        let mut challenger = challenger();
        let challenge = one_challenge(&challenger, Mono::ZERO);
        let mut uses = |count, now| {
            let shown = shown(&challenge, ANNA, count);
            verify(&mut challenger, &shown, Some(ANNA.1), now)
        };
        let soon = Mono::from_millis(1_000);
        assert_eq!(uses(1, soon), Verdict::Right);
        assert_eq!(uses(1, soon), Verdict::Stale);
        assert_eq!(uses(0x10, soon), Verdict::Right);
        assert_eq!(uses(2, soon), Verdict::Stale);
        assert_eq!(uses(0x11, Mono::ZERO + NONCE_LIFETIME), Verdict::Stale);
    }

    #[test]
    fn a_client_of_rfc_2069_may_use_a_nonce_once() {
        let mut challenger = challenger();
        let challenge = one_challenge(&challenger, Mono::ZERO).replace(", qop=\"auth\"", "");
        let shown = shown(&challenge, ANNA, 1);
        assert_eq!(shown.counted, None);
        assert_eq!(
            verify(&mut challenger, &shown, Some(ANNA.1), Mono::ZERO),
            Verdict::Right
        );
        assert_eq!(
            verify(&mut challenger, &shown, Some(ANNA.1), Mono::ZERO),
            Verdict::Stale
        );
    }

    #[test]
    fn a_nonce_of_another_run_is_stale_and_a_forged_one_too() {
        let challenge = one_challenge(&challenger(), Mono::ZERO);
        let mut restarted = Challenger::new(&mut random(4));
        let shown = shown(&challenge, ANNA, 1);
        assert_eq!(
            verify(&mut restarted, &shown, Some(ANNA.1), Mono::ZERO),
            Verdict::Stale
        );
        let mut forged = shown.clone();
        forged.nonce = "f".repeat(64);
        assert_eq!(
            verify(&mut restarted, &forged, Some(ANNA.1), Mono::ZERO),
            Verdict::Wrong
        );
    }

    #[test]
    fn an_algorithm_that_was_not_offered_is_not_taken() {
        let mut challenger = challenger();
        let both = challenger.challenge(
            DigestOffer::Both,
            "ringdesk",
            true,
            &mut random(5),
            Mono::ZERO,
        );
        assert_eq!(both.len(), 2);
        assert!(both[0].contains("algorithm=SHA-256") && both[1].contains("algorithm=MD5"));
        assert!(
            both.iter()
                .all(|challenge| challenge.ends_with("stale=true"))
        );
        let strong = shown(&both[0], ANNA, 1);
        let weak = shown(&both[1], ANNA, 2);
        let mut verdict = |shown: &Shown, offer| {
            challenger.verify(shown, &Method::Register, Some(ANNA.1), offer, Mono::ZERO)
        };
        assert_eq!(verdict(&weak, DigestOffer::Sha256), Verdict::Wrong);
        assert_eq!(verdict(&strong, DigestOffer::Sha256), Verdict::Right);
        assert_eq!(verdict(&weak, DigestOffer::Both), Verdict::Right);
    }

    #[test]
    fn strangers_cannot_fill_the_table_of_nonces() {
        let mut challenger = challenger();
        for attempt in 0..1_000 {
            let challenge = one_challenge(&challenger, Mono::from_millis(attempt));
            let wrong = shown(&challenge, ("anna", "guess"), 1);
            let now = Mono::from_millis(attempt);
            assert_eq!(
                verify(&mut challenger, &wrong, Some(ANNA.1), now),
                Verdict::Wrong
            );
        }
        assert_eq!((challenger.counts.len(), challenger.ends.len()), (0, 0));
    }
}
