//! Rules: whom they name must exist, have a seat and have access.

use super::Directory;
use super::people::Access;
use super::prompts::Prompts;
use super::text;
use crate::config::diagnostic::Findings;
use crate::config::tree::{RuleEntry, StepEntry};
use crate::core::name::{AgentName, PromptName, TeamName, UserName};
use crate::core::snapshot::{Kind, Rule, RuleEnd, RuleName, Step};

/// The longest automatic reply, in characters: what is longer is a page to link to.
const MAX_REPLY_CHARACTERS: usize = 5000;

/// What rules of one channel are checked against.
pub(super) struct Rules<'a, 'p> {
    pub kind: Kind,
    pub access: Access<'a>,
    pub directory: &'a Directory<'a>,
    pub prompts: &'a mut Prompts<'p>,
}

impl Rules<'_, '_> {
    /// A rule that is written.
    pub fn compile(&mut self, entry: &RuleEntry, findings: &mut Findings) -> Rule {
        let steps = entry
            .steps
            .iter()
            .map(|written| self.step(written, findings))
            .collect();
        let end = match (self.kind, &entry.voicemail) {
            (Kind::Call, Some(prompt)) => {
                RuleEnd::Voicemail(self.prompts.resolve(prompt, findings))
            }
            (Kind::Call, None) => RuleEnd::Voicemail(shipped_prompt(entry.name)),
            (Kind::Email | Kind::Form | Kind::Chat, _) => RuleEnd::Unassigned,
        };
        let reply = entry.reply.as_ref();
        Rule {
            steps,
            end,
            reply: reply.map(|reply| text::lines("reply", reply, MAX_REPLY_CHARACTERS, findings)),
            answer_within: entry.answer_within,
        }
    }

    fn step(&self, entry: &StepEntry, findings: &mut Findings) -> Step {
        for user in &entry.users {
            self.access.check_user(user, findings);
        }
        for team in &entry.teams {
            self.access.check_team(team, findings);
        }
        let agent = entry.agent.as_ref();
        if let Some(agent) = agent {
            let agents = &self.directory.customer_agents;
            agents.check(agent, self.directory.unread, findings);
        }
        Step {
            target: entry.target,
            users: entry
                .users
                .iter()
                .map(|user| UserName::from(user.value.as_str()))
                .collect(),
            teams: entry
                .teams
                .iter()
                .map(|team| TeamName::from(team.value.as_str()))
                .collect(),
            agent: agent.map(|agent| AgentName::from(agent.value.as_str())),
            only_available: entry.only_available,
            strategy: entry.strategy,
            tie_break: entry.tie_break,
            ring: entry.ring,
            ring_each: entry.ring_each,
            max_ringing: entry.max_ringing,
        }
    }
}

/// What happens to calls where nothing is written: straight to voicemail, with the prompt that
/// comes with the program.
pub(super) fn voicemail_only(name: RuleName) -> Rule {
    Rule {
        steps: Vec::new(),
        end: RuleEnd::Voicemail(shipped_prompt(name)),
        reply: None,
        answer_within: None,
    }
}

fn shipped_prompt(name: RuleName) -> PromptName {
    PromptName::from(match name {
        RuleName::WorkingHours | RuleName::Assign => "working_hours",
        RuleName::Break => "break",
        RuleName::AfterHours => "after_hours",
    })
}
