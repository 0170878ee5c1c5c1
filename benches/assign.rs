//! What giving a conversation to somebody costs at the desk: a thousand users, a hundred thousand open
//! conversations. Prints CPU time of this thread, so that what else runs does not matter much.

use std::fs;
use std::hint::black_box;

use ringdesk::config;
use ringdesk::core::desk::{Action, Ask, Desk};
use ringdesk::core::id::{ConversationId, RandomSource};
use ringdesk::core::name::{ChannelName, UserName};
use ringdesk::core::prompt::PromptAudio;
use ringdesk::core::routing::{
    Cause, Decision, Kind, Outcome, Presence, Progress, Request, Selection,
};
use ringdesk::core::snapshot::Snapshot;
use ringdesk::core::time::{Mono, Now, Wall};

const USERS: usize = 1_000;
const OPEN: usize = 100_000;
/// Assigned and closed again in each measurement.
const ROUNDS: usize = 20_000;
/// Of those that wait for one team, given out when one of its people comes.
const GIVEN_OUT: usize = 2_000;

fn main() {
    // `cargo bench -- --test` and `cargo test --benches` only look whether it runs.
    let quick = std::env::args().any(|argument| argument == "--test");
    let (open, rounds) = if quick { (1_000, 100) } else { (OPEN, ROUNDS) };
    for (case, team, strategy) in [
        ("teams of 20, least-busy", 20, "least-busy"),
        ("teams of 20, round-robin", 20, "round-robin"),
        ("one team of 1,000, least-busy", USERS, "least-busy"),
    ] {
        let rounds = if team == USERS { rounds / 10 } else { rounds };
        let mut office = Office::new(team, strategy);
        office.fill(open);
        let begin = cpu();
        office.assign_and_close(rounds);
        report(case, rounds, cpu() - begin);
    }
    let mut office = Office::new(20, "least-busy");
    let waiting = open / 2;
    office.fill(open - waiting);
    office.let_wait(waiting);
    let begin = cpu();
    let given = office.give_out(if quick { 20 } else { GIVEN_OUT });
    report(
        "given out to who becomes available, half of all wait",
        given,
        cpu() - begin,
    );
}

fn report(case: &str, count: usize, nanos: u64) {
    let each = nanos as f64 / count.max(1) as f64;
    let rate = 1e9 / each;
    println!(
        "assign: {USERS} users, {OPEN} open, {case}: {:.1} us of CPU each, {rate:.0} per second and core",
        each / 1000.0
    );
}

/// Nanoseconds that this thread has run, as the scheduler counts them.
fn cpu() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux with schedstat");
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    nanos.expect("nanoseconds")
}

struct Office {
    snapshot: Snapshot,
    desk: Desk,
    random: RandomSource,
    now: Now,
    channels: Vec<ChannelName>,
    open: std::collections::VecDeque<ConversationId>,
    asked: usize,
    waiting: std::collections::HashMap<ConversationId, (Request, Wall)>,
}

impl Office {
    /// A thousand users in teams of so many; each team has a chat of its own.
    fn new(team: usize, strategy: &str) -> Office {
        let mut text = String::from(
            "[http]\nlisten = \"127.0.0.1:8080\"\npublic_url = \"http://127.0.0.1:8080\"\n",
        );
        for user in 0..USERS {
            text.push_str(&format!(
                "[[user]]\nname = \"user-{user:04}\"\nseat = \"service\"\ncapacity = {{ chat = 900 }}\n"
            ));
        }
        let mut channels = Vec::new();
        for number in 0..USERS / team {
            let members: Vec<String> = (number * team..(number + 1) * team)
                .map(|user| format!("\"user-{user:04}\""))
                .collect();
            let members = members.join(", ");
            text.push_str(&format!(
                "[[team]]\nname = \"team-{number}\"\nmembers = [{members}]\n[[channel]]\nname = \"chat-{number}\"\nkind = \"chat\"\n[channel.assign]\nteams = [\"team-{number}\"]\nstrategy = \"{strategy}\"\n"
            ));
            channels.push(ChannelName::from(format!("chat-{number}")));
        }
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("office.toml"), text).expect("a file");
        let silence = |_: config::PromptFile<'_>| {
            Ok(PromptAudio {
                pcmu: Box::new([0xff; 160]),
                pcma: Box::new([0xd5; 160]),
            })
        };
        let loaded = config::load(directory.path(), 1, Wall::from_seconds(0), &silence);
        let snapshot = loaded.expect("a configuration").snapshot;
        // Wednesday 2026-12-02 at 10:10 in Oslo.
        let now = Now::new(Mono::ZERO, Wall::from_seconds(1_796_202_600));
        let mut desk = Desk::new();
        desk.snapshot_changed(&snapshot, now);
        while desk.poll_action().is_some() {}
        Office {
            snapshot,
            desk,
            random: RandomSource::from_seed([1; 32]),
            now,
            channels,
            open: Default::default(),
            asked: 0,
            waiting: Default::default(),
        }
    }

    fn arrive(&mut self) -> (ConversationId, Request, Decision) {
        let channel = &self.channels[self.asked % self.channels.len()];
        self.asked += 1;
        let conversation = ConversationId(self.random.uuid(self.now.wall));
        let request = Request::message(Kind::Chat, channel, None);
        let ask = Ask {
            request: &request,
            conversation,
            began: self.now.wall,
            contact: None,
        };
        let (facts, decision) = self
            .desk
            .assign(&self.snapshot, &ask, &mut self.random, self.now);
        black_box(&facts);
        (conversation, request, decision)
    }

    /// Gives out so many, that stay open.
    fn fill(&mut self, count: usize) {
        let users: Vec<UserName> = self
            .snapshot
            .users
            .iter()
            .map(|user| user.name.clone())
            .collect();
        for number in 0..count {
            let conversation = ConversationId(self.random.uuid(self.now.wall));
            let user = &users[number % users.len()];
            self.desk
                .restore_conversation(conversation, Kind::Chat, Some(user));
            self.open.push_back(conversation);
        }
    }

    fn assign_and_close(&mut self, count: usize) {
        for _ in 0..count {
            let (conversation, _, decision) = self.arrive();
            assert!(
                matches!(decision.outcome, Outcome::Assign { .. }),
                "{decision:?}"
            );
            self.open.push_back(conversation);
            if let Some(oldest) = self.open.pop_front() {
                self.desk.closed(oldest);
            }
            while self.desk.poll_action().is_some() {}
        }
    }

    /// Everybody goes, and so many arrive.
    fn let_wait(&mut self, count: usize) {
        for user in &self.snapshot.users {
            self.desk
                .presence_said(&user.name, Presence::Away, self.now);
        }
        while self.desk.poll_action().is_some() {}
        for _ in 0..count {
            let (conversation, request, decision) = self.arrive();
            let progress = Progress::begin(&decision, self.now).expect("it waits");
            let request = Request {
                selection: Selection::Next(Box::new(progress)),
                ..request
            };
            self.waiting.insert(conversation, (request, self.now.wall));
        }
        assert_eq!(self.desk.waiting(), count);
    }

    /// One user after the other comes, until so many are given out.
    fn give_out(&mut self, count: usize) -> usize {
        let mut given = 0;
        let users: Vec<UserName> = self
            .snapshot
            .users
            .iter()
            .map(|user| user.name.clone())
            .collect();
        for user in users {
            self.desk
                .presence_said(&user, Presence::Available, self.now);
            while let Some(action) = self.desk.poll_action() {
                let Action::ReselectMessage { conversation, .. } = action else {
                    continue;
                };
                let (mut request, began) = self.waiting[&conversation].clone();
                if let Selection::Next(progress) = &mut request.selection {
                    progress.cause = Cause::BecameAvailable;
                }
                let ask = Ask {
                    request: &request,
                    conversation,
                    began,
                    contact: None,
                };
                let decided = self
                    .desk
                    .assign(&self.snapshot, &ask, &mut self.random, self.now);
                if matches!(black_box(decided).1.outcome, Outcome::Assign { .. }) {
                    given += 1;
                }
            }
            if given >= count {
                break;
            }
        }
        given
    }
}
