//! Requests that make something are done once, however often a client sends them: it gives each a key
//! of its own (`Idempotency-Key`), and a second one with the same key gets the first one's answer.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::HttpError;
use crate::core::time::Wall;

/// Answers that are kept, some 2 kB each.
const ANSWERS: usize = 10_000;

/// How long an answer is kept: clients give up long before.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// The largest answer that is kept, in octets.
const LARGEST: usize = 16 * 1024;

/// Answers by asker and key.
#[derive(Debug, Default)]
pub(super) struct Once {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    answers: HashMap<(String, String), Answer>,
    order: VecDeque<(String, String)>,
}

#[derive(Clone, Debug)]
struct Answer {
    asked: [u8; 32],
    at: Wall,
    /// `None`: it is being made.
    told: Option<(u16, String)>,
}

/// Whether a request is the first with its key.
#[derive(Debug)]
pub(super) enum Begun<'a> {
    /// It is: [`First::answer`] tells what came of it.
    First(First<'a>),
    /// It is not; this came of it before.
    Again(Response),
}

/// The first request with its key. Dropped without an answer, another may be the first.
#[derive(Debug)]
pub(super) struct First<'a> {
    once: &'a Once,
    key: Option<(String, String)>,
}

impl Once {
    /// A request of `asker` with this key; `asked` is all that it asks for.
    ///
    /// # Errors
    /// The same key was sent with something else, or its first request is being done.
    pub fn begin(
        &self,
        asker: &str,
        key: Option<String>,
        asked: &str,
        now: Wall,
    ) -> Result<Begun<'_>, HttpError> {
        let Some(key) = key else {
            return Ok(Begun::First(First {
                once: self,
                key: None,
            }));
        };
        let key = (asker.to_owned(), key);
        let asked: [u8; 32] = Sha256::digest(asked.as_bytes()).into();
        let mut table = self.table();
        table.forget(now);
        match table.answers.get(&key) {
            Some(answer) if answer.asked != asked => Err(HttpError::Invalid(
                "This Idempotency-Key was sent with something else before. Make a new one for each request."
                    .to_owned(),
            )),
            Some(Answer { told: None, .. }) => Err(HttpError::Conflict(
                "The first request with this Idempotency-Key is being done. Wait for its answer."
                    .to_owned(),
            )),
            Some(Answer {
                told: Some((status, body)),
                ..
            }) => Ok(Begun::Again(response(*status, body.clone()))),
            None => {
                table.order.push_back(key.clone());
                let answer = Answer {
                    asked,
                    at: now,
                    told: None,
                };
                table.answers.insert(key.clone(), answer);
                drop(table);
                Ok(Begun::First(First {
                    once: self,
                    key: Some(key),
                }))
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl First<'_> {
    /// What came of it.
    pub fn answer(mut self, status: StatusCode, body: String) -> Response {
        if let Some(key) = self.key.take() {
            let mut table = self.once.table();
            if body.len() > LARGEST {
                table.answers.remove(&key);
            } else if let Some(answer) = table.answers.get_mut(&key) {
                answer.told = Some((status.as_u16(), body.clone()));
            }
        }
        response(status.as_u16(), body)
    }
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.once.table().answers.remove(&key);
        }
    }
}

impl Table {
    fn forget(&mut self, now: Wall) {
        while let Some(oldest) = self.order.front() {
            let keep = match self.answers.get(oldest) {
                Some(answer) => self.order.len() <= ANSWERS && answer.at + KEPT > now,
                None => false,
            };
            if keep {
                break;
            }
            if let Some(oldest) = self.order.pop_front() {
                self.answers.remove(&oldest);
            }
        }
    }
}

fn response(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let kind = [(axum::http::header::CONTENT_TYPE, "application/json")];
    (status, kind, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first<'a>(begun: Result<Begun<'a>, HttpError>) -> First<'a> {
        match begun.unwrap() {
            Begun::First(first) => first,
            Begun::Again(_) => panic!("not the first"),
        }
    }

    #[test]
    fn a_key_is_answered_once_for_each_asker() {
        let once = Once::default();
        let at = |seconds| Wall::from_seconds(seconds);
        let begin =
            |asker: &str, asked: &str, now| once.begin(asker, Some("k".to_owned()), asked, at(now));
        let running = first(begin("anna", "one", 0));
        assert_eq!(begin("anna", "one", 1).unwrap_err().status().0, 409);
        drop(running);
        let running = first(begin("anna", "one", 2));
        running.answer(StatusCode::CREATED, "{}".to_owned());
        let Begun::Again(again) = begin("anna", "one", 3).unwrap() else {
            panic!("done twice");
        };
        assert_eq!(again.status(), 201);
        assert_eq!(begin("anna", "two", 4).unwrap_err().status().0, 422);
        drop(first(begin("bjorn", "two", 5)));
        drop(first(begin("anna", "two", 24 * 3600 + 3)));
        drop(first(once.begin("anna", None, "two", at(6))));
    }
}
