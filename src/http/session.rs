//! People who have signed in: a random cookie each, of which only a hash is kept.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::core::conversation::SessionRecord;
use crate::core::hex::hex;
use crate::core::name::UserName;
use crate::core::snapshot::{Secret, Snapshot, User};
use crate::core::time::Wall;

/// Sessions of one user: devices and browsers; beyond it the one that was not used for longest ends.
const PER_USER: usize = 20;

/// Sessions of all users, some 300 octets each.
const ALL: usize = 50_000;

/// The longest cookie that is looked at, in octets.
const LONGEST_COOKIE: usize = 512;

/// How long an ended session is remembered as such: longer than its end takes to reach the store.
const ENDED: Duration = Duration::from_secs(600);

/// A session that was used is written down again once so much of its time has passed: a tenth.
const RENEW_AFTER: u32 = 10;

/// All sessions, by their keys.
#[derive(Debug, Default)]
pub struct Sessions {
    table: Mutex<HashMap<String, SessionRecord>>,
}

/// A session that was begun.
#[derive(Debug)]
pub struct Begun {
    /// What the browser keeps.
    pub cookie: String,
    /// What is kept here.
    pub record: SessionRecord,
    /// Sessions that end for it.
    pub ended: Vec<SessionRecord>,
}

/// A session that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its key.
    pub key: String,
    /// Whose.
    pub user: UserName,
    /// Until when, unless it is used again.
    pub expires: Wall,
    /// What unsafe requests must carry.
    pub csrf: String,
    /// The hash of the password that it was begun with.
    pub password: Option<Secret>,
}

impl Sessions {
    /// Takes in a session that the store knows, where it is not known better here.
    pub fn restore(&self, record: Option<SessionRecord>) {
        let mut table = self.table();
        if let Some(record) = record.filter(|_| table.len() < ALL) {
            table.entry(record.key.clone()).or_insert(record);
        }
    }

    /// The key of a cookie that may be a user's, and is not known here.
    pub fn unknown_key(&self, cookie: &str, snapshot: &Snapshot) -> Option<String> {
        let key = key_of(cookie, user_of(cookie, snapshot)?);
        (!self.table().contains_key(&key)).then_some(key)
    }

    /// Begins a session of `user`. `random` is fresh.
    pub fn begin(&self, user: &User, random: [u8; 32], lasts: Duration, now: Wall) -> Begun {
        let name = URL_SAFE_NO_PAD.encode(user.name.as_bytes());
        let cookie = format!("{name}.{}", URL_SAFE_NO_PAD.encode(random));
        let record = SessionRecord {
            key: key_of(&cookie, user),
            user: user.name.clone(),
            began: now,
            expires: now + lasts,
        };
        let mut table = self.table();
        table.retain(|_, session| session.expires + ENDED > now);
        let mut ended = Vec::new();
        let is_own = |session: &&SessionRecord| session.user == user.name && session.expires > now;
        while table.values().filter(is_own).count() >= PER_USER {
            ended.extend(end_oldest(&mut table, is_own, now));
        }
        if table.len() >= ALL {
            table.retain(|_, session| session.expires > now);
        }
        if table.len() >= ALL {
            let oldest = end_oldest(&mut table, |_| true, now);
            if let Some(oldest) = oldest {
                table.remove(&oldest.key);
                ended.push(oldest);
            }
        }
        table.insert(record.key.clone(), record.clone());
        Begun {
            cookie,
            record,
            ended,
        }
    }

    /// The session of a cookie, and its record where that is to be written down again. A session
    /// ends with its time, with its user, and with the password that it was begun with.
    pub fn find(
        &self,
        cookie: &str,
        snapshot: &Snapshot,
        lasts: Duration,
        now: Wall,
    ) -> Option<(Session, Option<SessionRecord>)> {
        let user = user_of(cookie, snapshot)?;
        let key = key_of(cookie, user);
        let mut table = self.table();
        let record = table.get_mut(&key)?;
        if record.expires <= now || record.user != user.name {
            return None;
        }
        let left = record.expires.since(now);
        let used = lasts.saturating_sub(left);
        let mut renewed = None;
        if used > lasts / RENEW_AFTER {
            record.expires = now + lasts;
            renewed = Some(record.clone());
        }
        let session = Session {
            csrf: csrf_of(cookie),
            user: record.user.clone(),
            expires: record.expires,
            password: user.password_hash.clone(),
            key,
        };
        Some((session, renewed))
    }

    /// Whether a session still is, for what lasts longer than a request.
    pub fn lasts(&self, key: &str, now: Wall) -> bool {
        self.table()
            .get(key)
            .is_some_and(|session| session.expires > now)
    }

    /// Ends a session; its record as it is to be kept.
    pub fn end(&self, key: &str, now: Wall) -> Option<SessionRecord> {
        let mut table = self.table();
        let record = table.get_mut(key)?;
        record.expires = now;
        Some(record.clone())
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, SessionRecord>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end_oldest(
    table: &mut HashMap<String, SessionRecord>,
    among: impl Fn(&&SessionRecord) -> bool,
    now: Wall,
) -> Option<SessionRecord> {
    let oldest = table
        .values()
        .filter(among)
        .min_by_key(|session| (session.expires, session.key.clone()))?;
    let key = oldest.key.clone();
    let record = table.get_mut(&key)?;
    record.expires = now;
    Some(record.clone())
}

/// The user whose cookie this claims to be.
fn user_of<'a>(cookie: &str, snapshot: &'a Snapshot) -> Option<&'a User> {
    if cookie.len() > LONGEST_COOKIE {
        return None;
    }
    let name = URL_SAFE_NO_PAD.decode(cookie.split_once('.')?.0).ok()?;
    let user = snapshot.user(std::str::from_utf8(&name).ok()?)?;
    user.password_hash.is_some().then_some(user)
}

/// What is kept of a cookie: SHA-256 of it together with the hash of the password, so that another
/// password ends every session.
fn key_of(cookie: &str, user: &User) -> String {
    let password = user.password_hash.as_ref().map_or("", |hash| &hash.0);
    let mut digest = Sha256::new();
    digest.update(cookie.as_bytes());
    digest.update([0]);
    digest.update(password.as_bytes());
    hex(&digest.finalize())
}

/// What unsafe requests of a session carry in `X-CSRF-Token`: only who knows the cookie can make it,
/// and only pages of our own can read it.
fn csrf_of(cookie: &str) -> String {
    match Hmac::<Sha256>::new_from_slice(cookie.as_bytes()) {
        Ok(mut mac) => {
            mac.update(b"ringdesk csrf");
            URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
        }
        Err(_) => String::new(),
    }
}

/// Whether a request carries what belongs to its session.
pub fn is_csrf(session: &Session, presented: &str) -> bool {
    !session.csrf.is_empty() && bool::from(session.csrf.as_bytes().ct_eq(presented.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::sample;

    const DAY: Duration = Duration::from_secs(86_400);

    fn snapshot(password: &str) -> Snapshot {
        let mut anna = sample::user("anna");
        anna.password_hash = Some(Secret(password.to_owned()));
        sample::snapshot(vec![anna], vec![], vec![])
    }

    fn at(seconds: i64) -> Wall {
        Wall::from_seconds(1_800_000_000 + seconds)
    }

    #[test]
    fn a_session_lasts_while_it_is_used_and_its_cookie_is_not_kept() {
        let (sessions, snapshot) = (Sessions::default(), snapshot("one"));
        let anna = snapshot.user("anna").unwrap();
        let begun = sessions.begin(anna, [7; 32], DAY, at(0));
        assert!(!format!("{sessions:?}").contains(&begun.cookie));
        let find = |now| sessions.find(&begun.cookie, &snapshot, DAY, now);
        let (found, renewed) = find(at(60)).unwrap();
        assert_eq!((&*found.user, renewed), ("anna", None));
        assert!(is_csrf(&found, &found.csrf) && !is_csrf(&found, ""));
        let (_, renewed) = find(at(80_000)).unwrap();
        assert_eq!(renewed.unwrap().expires, at(80_000) + DAY);
        assert!(find(at(90_000)).is_some());
        assert!(find(at(300_000)).is_none());
    }

    #[test]
    fn another_password_signing_out_and_leaving_end_a_session() {
        let (sessions, before) = (Sessions::default(), snapshot("one"));
        let anna = before.user("anna").unwrap();
        let begun = sessions.begin(anna, [7; 32], DAY, at(0));
        let find = |snapshot: &Snapshot| sessions.find(&begun.cookie, snapshot, DAY, at(1));
        assert!(find(&snapshot("two")).is_none());
        assert!(find(&sample::snapshot(vec![], vec![], vec![])).is_none());
        let (found, _) = find(&before).unwrap();
        assert_eq!(sessions.end(&found.key, at(2)).unwrap().expires, at(2));
        assert!(sessions.find(&begun.cookie, &before, DAY, at(2)).is_none());
        assert!(!sessions.lasts(&found.key, at(2)));
    }

    #[test]
    fn a_user_has_so_many_sessions_and_the_oldest_ends() {
        let (sessions, snapshot) = (Sessions::default(), snapshot("one"));
        let anna = snapshot.user("anna").unwrap();
        let cookies: Vec<String> = (0..=PER_USER)
            .map(|n| {
                let seconds = i64::try_from(n).unwrap();
                let octet = u8::try_from(n).unwrap();
                sessions.begin(anna, [octet; 32], DAY, at(seconds)).cookie
            })
            .collect();
        let found = |cookie: &str| sessions.find(cookie, &snapshot, DAY, at(100)).is_some();
        assert!(!found(&cookies[0]));
        assert!(cookies[1..].iter().all(|cookie| found(cookie)));
        for forged in ["", ".", "YW5uYQ", "YW5uYQ.AAAA", "%%%.AAAA"] {
            assert!(!found(forged), "{forged}");
        }
    }
}
