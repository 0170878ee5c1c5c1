//! Requests from addresses that may not call us: counted, so that a flood of them neither grows nor
//! fills the log, and an admin still reads who was turned away.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::core::time::Wall;

/// How many sources are remembered; a scanner uses few, and a carrier's are a handful.
const SOURCES: usize = 256;

/// Lines about sources in one [`WINDOW`]; a carrier that is moving shows a few new addresses, and only
/// a forger of addresses more.
const LINES: u32 = 10;

/// What [`LINES`] are counted over, in milliseconds.
const WINDOW: i64 = 60_000;

/// Who was turned away.
#[derive(Debug, Default)]
pub(super) struct Refused {
    sources: BTreeMap<IpAddr, Turned>,
    /// When the present window began, and the lines in it.
    lines: Option<(Wall, u32)>,
}

/// One source's requests.
#[derive(Clone, Debug)]
pub(super) struct Turned {
    pub(super) times: u64,
    pub(super) since: Wall,
    pub(super) last: Wall,
}

impl Refused {
    /// Counts one more. Answers how often and since when, if it is worth a line: the first time,
    /// and each time that the count has doubled, but no more than some lines a minute.
    pub(super) fn count(&mut self, source: IpAddr, now: Wall) -> Option<Turned> {
        if !self.sources.contains_key(&source) && self.sources.len() >= SOURCES {
            let oldest = self
                .sources
                .iter()
                .min_by_key(|(_, turned)| turned.last)
                .map(|(ip, _)| *ip);
            if let Some(oldest) = oldest {
                self.sources.remove(&oldest);
            }
        }
        let turned = self.sources.entry(source).or_insert(Turned {
            times: 0,
            since: now,
            last: now,
        });
        turned.times = turned.times.saturating_add(1);
        turned.last = now;
        let turned = turned.times.is_power_of_two().then(|| turned.clone())?;
        self.may_tell(now).then_some(turned)
    }

    fn may_tell(&mut self, now: Wall) -> bool {
        let (began, lines) = self.lines.unwrap_or((now, 0));
        // A clock that was set back begins a window too.
        let is_within = (0..WINDOW).contains(&now.as_millis().saturating_sub(began.as_millis()));
        let (began, lines) = if is_within { (began, lines) } else { (now, 0) };
        self.lines = Some((began, lines.saturating_add(1)));
        lines < LINES
    }

    /// Sources with their counts, for `status`.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&IpAddr, &Turned)> {
        self.sources.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_of_ever_more_rarely_and_remembered_in_a_bounded_table() {
        let mut refused = Refused::default();
        let source: IpAddr = "198.51.100.9".parse().unwrap();
        let told: Vec<u64> = (0..20)
            .filter_map(|second| refused.count(source, Wall::from_seconds(second)))
            .map(|turned| turned.times)
            .collect();
        assert_eq!(told, [1, 2, 4, 8, 16]);
        for host in 0..2000u32 {
            refused.count(IpAddr::from(host.to_be_bytes()), Wall::from_seconds(100));
        }
        assert_eq!(refused.iter().count(), SOURCES);
    }

    #[test]
    fn forged_addresses_fill_no_log() {
        let mut refused = Refused::default();
        let mut told = |second: i64| {
            let source = |host: u32| IpAddr::from(host.to_be_bytes());
            (0..1_000)
                .filter(|host| {
                    refused
                        .count(source(*host), Wall::from_seconds(second))
                        .is_some()
                })
                .count()
        };
        assert_eq!(told(0), 10);
        assert_eq!(told(59), 0);
        assert_eq!(told(60), 10, "a minute later");
        assert_eq!(told(10), 10, "the clock was set back");
    }
}
