//! Where a leg's RTP may come from: a stranger who guesses the port must change nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::core::time::Mono;
use crate::media::command::Agreement;

/// Packets of one SSRC from one place after which that place is believed, where the SDP's address
/// says nothing because it is private.
const LEARN_PACKETS: u8 = 5;

/// How long after an offer and answer a place may be learned.
const LEARN_WITHIN: Duration = Duration::from_secs(2);

/// Places that may be candidates at a time; a stranger who uses them all up only delays learning.
const MAX_CANDIDATES: usize = 4;

/// Decides on each packet's source. Locks on to the SDP's address and port; else on the SDP's or
/// the signalling's IP with any port; else, only if the SDP's address is private, after
/// [`LEARN_PACKETS`] within [`LEARN_WITHIN`]. A better match takes the place of a weaker one, so
/// that a packet left over from another call cannot keep the real ones out; otherwise the lock
/// holds until an SDP changes the address.
#[derive(Debug)]
pub(super) struct SourceLock {
    remote: SocketAddr,
    signalling: IpAddr,
    private: bool,
    learn_until: Mono,
    locked: Option<(SocketAddr, Match)>,
    candidates: [Option<Candidate>; MAX_CANDIDATES],
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    source: SocketAddr,
    ssrc: u32,
    packets: u8,
}

/// How well a source fits what was signalled; later is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    Learned,
    Host,
    Exact,
}

impl SourceLock {
    pub(super) fn new(agreement: &Agreement, now: Mono) -> SourceLock {
        SourceLock {
            remote: agreement.remote,
            signalling: agreement.signalling,
            private: agreement.remote_is_private,
            learn_until: now + LEARN_WITHIN,
            locked: None,
            candidates: [None; MAX_CANDIDATES],
        }
    }

    /// Takes a further agreement: one with another address unlocks.
    pub(super) fn agree(&mut self, agreement: &Agreement, now: Mono) {
        if self.locked.is_none() || !same_place(self.remote, agreement.remote) {
            *self = SourceLock::new(agreement, now);
        } else {
            self.signalling = agreement.signalling;
            self.private = agreement.remote_is_private;
        }
    }

    /// True if a packet from `source` is to be taken.
    pub(super) fn admit(&mut self, source: SocketAddr, ssrc: u32, now: Mono) -> bool {
        if let Some((locked, how)) = self.locked {
            if same_place(locked, source) {
                return true;
            }
            if how == Match::Exact {
                return false;
            }
        }
        let Some(how) = self.judge(source, ssrc, now) else {
            return false;
        };
        if self.locked.is_some_and(|(_, locked)| locked >= how) {
            return false;
        }
        self.locked = Some((source, how));
        true
    }

    /// True if RTCP from `source` may be believed.
    pub(super) fn admits_rtcp(&self, source: SocketAddr, remote_rtcp: SocketAddr) -> bool {
        let ip = source.ip();
        match self.locked {
            Some((locked, _)) => ip == locked.ip() || ip == remote_rtcp.ip(),
            None => ip == remote_rtcp.ip() || ip == self.signalling,
        }
    }

    /// Where packets come from, once that is known.
    pub(super) fn locked(&self) -> Option<SocketAddr> {
        self.locked.map(|(source, _)| source)
    }

    /// Where to send: to the place that packets come from once it is known.
    pub(super) fn destination(&self) -> SocketAddr {
        self.locked.map_or(self.remote, |(source, _)| source)
    }

    /// True if packets come from elsewhere than the SDP says.
    pub(super) fn is_elsewhere(&self) -> bool {
        !same_place(self.destination(), self.remote)
    }

    fn judge(&mut self, source: SocketAddr, ssrc: u32, now: Mono) -> Option<Match> {
        if same_place(source, self.remote) {
            Some(Match::Exact)
        } else if source.ip() == self.remote.ip() || source.ip() == self.signalling {
            Some(Match::Host)
        } else if self.private && self.locked.is_none() && now <= self.learn_until {
            self.learn(source, ssrc).then_some(Match::Learned)
        } else {
            None
        }
    }

    /// Counts a packet of a candidate; true if it has sent enough.
    fn learn(&mut self, source: SocketAddr, ssrc: u32) -> bool {
        let known =
            |candidate: &Candidate| candidate.ssrc == ssrc && same_place(candidate.source, source);
        let known = self.candidates.iter_mut().flatten().find(|c| known(c));
        if let Some(candidate) = known {
            candidate.packets += 1;
            return candidate.packets >= LEARN_PACKETS;
        }
        if let Some(free) = self.candidates.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(Candidate {
                source,
                ssrc,
                packets: 1,
            });
        }
        false
    }
}

/// Same address and port; flow label and scope of IPv6 say nothing about the sender.
fn same_place(a: SocketAddr, b: SocketAddr) -> bool {
    a.ip() == b.ip() && a.port() == b.port()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::leg::tests::agreement;

    const SDP: &str = "192.0.2.1:4000";
    const SAME_HOST: &str = "192.0.2.1:5000";
    const SIGNALLING: &str = "203.0.113.9:7000";
    const ELSEWHERE: &str = "198.51.100.7:6000";
    const STRANGER: &str = "198.51.100.66:6000";

    fn lock(private: bool) -> SourceLock {
        let mut agreement = agreement();
        agreement.remote = SDP.parse().unwrap();
        agreement.signalling = SIGNALLING.parse::<SocketAddr>().unwrap().ip();
        agreement.remote_is_private = private;
        SourceLock::new(&agreement, Mono::ZERO)
    }

    /// One packet of (source, SSRC, milliseconds); which of them are taken.
    fn taken(lock: &mut SourceLock, packets: &[(&str, u32, u64)]) -> Vec<bool> {
        packets
            .iter()
            .map(|&(source, ssrc, millis)| {
                lock.admit(source.parse().unwrap(), ssrc, Mono::from_millis(millis))
            })
            .collect()
    }

    #[test]
    fn the_lock_follows_what_was_signalled() {
        type Row<'a> = (&'a str, bool, &'a [(&'a str, u32, u64)], &'a [bool]);
        let table: &[Row] = &[
            ("the SDP's address at once", false, &[(SDP, 1, 0)], &[true]),
            (
                "nobody else after that",
                true,
                &[
                    (SDP, 1, 0),
                    (SAME_HOST, 1, 1),
                    (SIGNALLING, 1, 1),
                    (ELSEWHERE, 1, 1),
                    (SDP, 2, 2),
                ],
                &[true, false, false, false, true],
            ),
            (
                "the SDP's host with another port",
                false,
                &[(SAME_HOST, 1, 0), (SIGNALLING, 1, 1), (SAME_HOST, 1, 2)],
                &[true, false, true],
            ),
            (
                "the signalling's host with any port",
                false,
                &[(SIGNALLING, 1, 0), (SAME_HOST, 1, 1), (SIGNALLING, 1, 2)],
                &[true, false, true],
            ),
            (
                "the SDP's own port wins over another of its host",
                false,
                &[
                    (SAME_HOST, 1, 0),
                    (SDP, 2, 1),
                    (SAME_HOST, 1, 2),
                    (SDP, 2, 3),
                ],
                &[true, true, false, true],
            ),
            (
                "never elsewhere if the SDP's address is public",
                false,
                &[(ELSEWHERE, 1, 0); 8],
                &[false; 8],
            ),
            (
                "elsewhere after five packets if it is private",
                true,
                &[
                    (ELSEWHERE, 1, 0),
                    (ELSEWHERE, 1, 20),
                    (ELSEWHERE, 1, 40),
                    (ELSEWHERE, 1, 60),
                    (ELSEWHERE, 1, 80),
                    (STRANGER, 9, 90),
                    (ELSEWHERE, 1, 100),
                ],
                &[false, false, false, false, true, false, true],
            ),
            (
                "five packets of one SSRC",
                true,
                &[
                    (ELSEWHERE, 1, 0),
                    (ELSEWHERE, 2, 20),
                    (ELSEWHERE, 1, 40),
                    (ELSEWHERE, 2, 60),
                    (ELSEWHERE, 1, 80),
                    (ELSEWHERE, 2, 90),
                ],
                &[false; 6],
            ),
            (
                "not after two seconds",
                true,
                &[
                    (ELSEWHERE, 1, 1900),
                    (ELSEWHERE, 1, 1920),
                    (ELSEWHERE, 1, 1940),
                    (ELSEWHERE, 1, 1960),
                    (ELSEWHERE, 1, 2001),
                    (ELSEWHERE, 1, 2020),
                ],
                &[false; 6],
            ),
            (
                "a stranger in between does not keep the real one out",
                true,
                &[
                    (STRANGER, 9, 0),
                    (ELSEWHERE, 1, 1),
                    (STRANGER, 9, 2),
                    (ELSEWHERE, 1, 20),
                    (ELSEWHERE, 1, 40),
                    (ELSEWHERE, 1, 60),
                    (ELSEWHERE, 1, 80),
                    (STRANGER, 9, 81),
                    (STRANGER, 9, 82),
                    (STRANGER, 9, 83),
                ],
                &[
                    false, false, false, false, false, false, true, false, false, false,
                ],
            ),
        ];
        for (name, private, packets, expected) in table {
            assert_eq!(taken(&mut lock(*private), packets), *expected, "{name}");
        }
    }

    #[test]
    fn only_an_sdp_with_another_address_unlocks() {
        let mut lock = lock(false);
        let mut again = agreement();
        again.remote = SDP.parse().unwrap();
        again.signalling = lock.signalling;
        assert_eq!(taken(&mut lock, &[(SDP, 1, 0)]), [true]);
        lock.agree(&again, Mono::from_millis(10));
        assert_eq!(taken(&mut lock, &[(SAME_HOST, 1, 20)]), [false]);
        again.remote = ELSEWHERE.parse().unwrap();
        lock.agree(&again, Mono::from_millis(30));
        assert_eq!(lock.destination(), again.remote);
        assert_eq!(
            taken(&mut lock, &[(SDP, 1, 40), (ELSEWHERE, 1, 50)]),
            [false, true]
        );
    }

    #[test]
    fn a_second_sdp_gives_another_two_seconds_where_nothing_was_learned() {
        let mut lock = lock(true);
        let mut again = agreement();
        again.remote = SDP.parse().unwrap();
        again.remote_is_private = true;
        lock.agree(&again, Mono::from_millis(9000));
        let packets = [(ELSEWHERE, 1, 9100); 5];
        assert_eq!(taken(&mut lock, &packets).last(), Some(&true));
        assert_eq!(lock.destination(), ELSEWHERE.parse().unwrap());
    }
}
