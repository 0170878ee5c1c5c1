//! `[[expect]]`

use crate::config::diagnostic::Findings;
use crate::config::section::Section;
use crate::config::tree::ExpectEntry;
use crate::core::schedule::Openness;

pub(super) fn entry(section: &Section<'_>, findings: &mut Findings) -> Option<ExpectEntry> {
    let states = [
        ("open", Openness::Open),
        ("break", Openness::Break),
        ("closed", Openness::Closed),
    ];
    let at = section.required_text("at", findings);
    let channel = section.required_text("channel", findings);
    let voicemail = section.text("voicemail", findings);
    let rings = section.texts("rings", findings);
    let assigned = section.texts("assigned", findings);
    let hours = section.choice("hours", &states, findings);
    let from = section.text("from", findings);
    if !["voicemail", "rings", "assigned", "hours"]
        .iter()
        .any(|key| section.has(key))
    {
        findings.error(
            &section.place(),
            "[[expect]] expects nothing. Give it `voicemail`, `rings`, `assigned` or `hours`.",
        );
    }
    Some(ExpectEntry {
        place: section.place(),
        at: at?,
        channel: channel?,
        voicemail,
        rings,
        assigned,
        hours,
        from,
    })
}
