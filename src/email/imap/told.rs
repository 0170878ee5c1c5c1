//! What a server says without being asked, with its answers to something else (RFC 3501 §7).

use async_imap::types::UnsolicitedResponse;

/// So many are held for us until they are read; of more than that, some may be lost.
const HELD: usize = 100;

/// How many mails the server says are there. It tells of each change once.
#[derive(Debug)]
pub(super) struct Told {
    exists: u32,
}

impl Told {
    /// As many as were there when the folder was opened.
    pub(super) fn new(exists: u32) -> Told {
        Told { exists }
    }

    /// Takes what was told, until `next` has no more: whether mail has come, or may have. Servers that
    /// repeat a number that we know say nothing new.
    pub(super) fn of_mail(&mut self, next: impl FnMut() -> Option<UnsolicitedResponse>) -> bool {
        let mut came = false;
        let mut count = 0usize;
        for response in std::iter::from_fn(next).take(HELD) {
            count = count.saturating_add(1);
            match response {
                UnsolicitedResponse::Exists(exists) => {
                    came |= exists > self.exists;
                    self.exists = exists;
                }
                UnsolicitedResponse::Expunge(_) => self.exists = self.exists.saturating_sub(1),
                UnsolicitedResponse::Recent(_)
                | UnsolicitedResponse::Status { .. }
                | UnsolicitedResponse::Other(_) => {}
            }
        }
        came || count == HELD
    }
}

#[cfg(test)]
mod tests {
    use super::UnsolicitedResponse::{Exists, Expunge, Recent};
    use super::*;

    #[test]
    fn a_mail_more_is_told_once_and_one_that_went_is_none() {
        let table = [
            (vec![], false),
            (vec![Exists(3), Recent(1)], false),
            (vec![Exists(4), Recent(1)], true),
            (vec![Exists(4)], false),
            (vec![Expunge(1), Exists(3)], false),
            (vec![Expunge(1), Exists(3)], true),
            ((0..100).map(Recent).collect(), true),
        ];
        let mut told = Told::new(3);
        for (number, (responses, came)) in table.into_iter().enumerate() {
            let mut responses = responses.into_iter();
            assert_eq!(told.of_mail(|| responses.next()), came, "{number}");
        }
    }
}
