//! Figures for Prometheus. Records are counted as they pass on their way to the store, so that the
//! figures say what the rows do.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use super::Condition;
use crate::core::conversation::{Assignee, MessageKind};
use crate::core::id::CallId;
use crate::core::record::{AssignmentRecord, CallOutcome, CallRecord, LegRecord, Record};
use crate::core::time::Wall;
use crate::engine::Status;
use crate::media::command::MediaCounters;

/// Upper bounds of times from a call's arrival to something, in seconds.
const CALL_SECONDS: &[f64] = &[
    0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0,
];

/// Upper bounds of the time that a request takes, in seconds.
const REQUEST_SECONDS: &[f64] = &[0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Upper bounds of lost packets of one leg, as a share of all.
const LOSS: &[f64] = &[0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0];

/// Upper bounds of jitter, in seconds.
const JITTER: &[f64] = &[0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2];

/// What jitter is counted in: the timestamps of G.711.
const TIMESTAMPS_A_SECOND: f64 = 8_000.0;

/// Calls in progress whose beginning is remembered; each is some 50 octets.
const CALLS: usize = 10_000;

const METADATA: Metadata<'static> = Metadata::new("ringdesk", Level::INFO, None);

/// Everything that is counted.
pub struct Figures {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    /// Calls in progress: when they began, and whether a phone of theirs has been rung.
    began: Mutex<BTreeMap<CallId, (Wall, bool)>>,
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Figures").finish_non_exhaustive()
    }
}

impl Default for Figures {
    fn default() -> Figures {
        let buckets = [
            ("ringdesk_call_setup_seconds", CALL_SECONDS),
            ("ringdesk_call_answer_seconds", CALL_SECONDS),
            ("ringdesk_http_request_seconds", REQUEST_SECONDS),
            ("ringdesk_media_loss_ratio", LOSS),
            ("ringdesk_media_jitter_seconds", JITTER),
        ];
        let builder =
            buckets
                .into_iter()
                .fold(PrometheusBuilder::new(), |builder, (name, bounds)| {
                    let matcher = Matcher::Full(name.to_owned());
                    builder
                        .set_buckets_for_metric(matcher, bounds)
                        .unwrap_or_default()
                });
        let recorder = builder.build_recorder();
        let figures = Figures {
            handle: recorder.handle(),
            recorder,
            began: Mutex::default(),
        };
        figures.describe();
        figures
    }
}

impl Figures {
    fn describe(&self) {
        for (name, text) in [
            ("ringdesk_calls_total", "Calls that have ended, by outcome."),
            (
                "ringdesk_offers_total",
                "Phones that were rung, by how that ended.",
            ),
            (
                "ringdesk_messages_total",
                "Messages in conversations, by kind.",
            ),
            (
                "ringdesk_assignments_total",
                "Conversations assigned, by whom and to what.",
            ),
            ("ringdesk_decisions_total", "Decisions of routing."),
            (
                "ringdesk_media_packets_total",
                "RTP packets of ended legs, by what became of them.",
            ),
            (
                "ringdesk_http_requests_total",
                "Requests, by method, route and status.",
            ),
        ] {
            let text = text.into();
            self.recorder.describe_counter(name.into(), None, text);
        }
        for (name, text) in [
            ("ringdesk_calls_in_progress", "Calls in progress."),
            ("ringdesk_media_ports_used", "Pairs of media ports in use."),
            (
                "ringdesk_media_ports",
                "Pairs of media ports that there are.",
            ),
            ("ringdesk_trunk_up", "1: the trunk answers; 0: it does not."),
            (
                "ringdesk_up",
                "1: as it should be; 0: GET /health says why not.",
            ),
            (
                "ringdesk_configuration_version",
                "The configuration in force.",
            ),
            ("ringdesk_queue_depth", "What waits in a queue."),
            (
                "ringdesk_store_lag_seconds",
                "How far the database is behind the journal.",
            ),
            (
                "ringdesk_store_lost_records",
                "Records that were lost because the disk hung.",
            ),
        ] {
            self.recorder.describe_gauge(name.into(), None, text.into());
        }
        for (name, text) in [
            (
                "ringdesk_call_setup_seconds",
                "From a call's arrival to the first phone that is rung.",
            ),
            (
                "ringdesk_call_answer_seconds",
                "From a call's arrival to somebody's answer.",
            ),
            (
                "ringdesk_media_loss_ratio",
                "Lost packets of ended legs, as a share.",
            ),
            ("ringdesk_media_jitter_seconds", "Jitter of ended legs."),
            (
                "ringdesk_http_request_seconds",
                "How long requests took until their answer began.",
            ),
        ] {
            self.recorder
                .describe_histogram(name.into(), None, text.into());
        }
    }

    /// A record is on its way to the store.
    pub fn record(&self, record: &Record) {
        match record {
            Record::Call(call) => self.call(call),
            Record::Leg(leg) => self.leg(leg),
            Record::Message(message) => {
                let kind = match message.kind {
                    MessageKind::Received => "received",
                    MessageKind::Sent => "sent",
                    MessageKind::Note => "note",
                    MessageKind::Call => "call",
                    MessageKind::MissedCall => "missed-call",
                    MessageKind::Voicemail => "voicemail",
                    MessageKind::Event => "event",
                };
                self.count("ringdesk_messages_total", &[("kind", kind)]);
            }
            Record::Assignment(assignment) => self.assignment(assignment),
            Record::Decision(_) => self.count("ringdesk_decisions_total", &[]),
            _ => {}
        }
    }

    fn call(&self, call: &CallRecord) {
        let mut began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
        if call.ended.is_none() {
            if began.len() < CALLS {
                began.entry(call.id).or_insert((call.began, false));
            }
            return;
        }
        began.remove(&call.id);
        drop(began);
        let outcome = match call.outcome {
            Some(CallOutcome::Answered) => "answered",
            Some(CallOutcome::Voicemail) => "voicemail",
            Some(CallOutcome::Missed) => "missed",
            Some(CallOutcome::Refused) => "refused",
            Some(CallOutcome::Failed) | None => "failed",
        };
        self.count("ringdesk_calls_total", &[("outcome", outcome)]);
        if let (Some(answered), Some(_)) = (call.answered, &call.answered_by) {
            let took = answered.since(call.began).as_secs_f64();
            self.histogram("ringdesk_call_answer_seconds", &[])
                .record(took);
        }
    }

    /// A leg of a user's phone: the first of a call says how long that took, each end how it went.
    fn leg(&self, leg: &LegRecord) {
        if leg.user.is_none() {
            return;
        }
        let mut began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((arrived, rung)) = began.get_mut(&leg.call)
            && !*rung
        {
            *rung = true;
            let took = leg.began.since(*arrived).as_secs_f64();
            self.histogram("ringdesk_call_setup_seconds", &[])
                .record(took);
        }
        drop(began);
        if leg.ended.is_none() {
            return;
        }
        let end = match (leg.answered, leg.status) {
            (Some(_), _) => "accepted",
            (None, Some(600 | 603)) => "declined",
            (None, Some(486)) => "busy",
            (None, Some(408)) => "timed-out",
            (None, Some(487) | None) => "withdrawn",
            (None, Some(_)) => "failed",
        };
        self.count("ringdesk_offers_total", &[("end", end)]);
    }

    fn assignment(&self, assignment: &AssignmentRecord) {
        let by = if assignment.by == "rule" {
            "rule"
        } else {
            "hand"
        };
        let to = match &assignment.to {
            Some(Assignee::User(_)) => "user",
            Some(Assignee::Team(_)) => "team",
            Some(Assignee::CustomerAgent(_)) => "customer-agent",
            None => "nobody",
        };
        self.count("ringdesk_assignments_total", &[("by", by), ("to", to)]);
    }

    /// A media leg has ended.
    pub fn media(&self, counters: &MediaCounters) {
        for (fate, packets) in [
            ("received", counters.received),
            ("sent", counters.sent),
            ("lost", counters.lost),
            ("foreign", counters.foreign),
            ("malformed", counters.malformed),
        ] {
            self.counter("ringdesk_media_packets_total", &[("fate", fate)])
                .increment(packets);
        }
        let expected = counters.received.saturating_add(counters.lost);
        if expected > 0 {
            #[expect(clippy::cast_precision_loss, reason = "a share needs no 53 bits")]
            let share = counters.lost as f64 / expected as f64;
            self.histogram("ringdesk_media_loss_ratio", &[])
                .record(share);
            self.histogram("ringdesk_media_jitter_seconds", &[])
                .record(f64::from(counters.jitter) / TIMESTAMPS_A_SECOND);
        }
    }

    /// A request was answered. The route is one of ours, never what the client wrote.
    pub(super) fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let method = match method {
            "GET" | "PUT" | "POST" | "DELETE" | "HEAD" | "OPTIONS" | "PATCH" => method,
            _ => "other",
        };
        let status = status.to_string();
        let labels = [("method", method), ("route", route), ("status", &status)];
        self.count("ringdesk_http_requests_total", &labels);
        self.histogram("ringdesk_http_request_seconds", &[("route", route)])
            .record(took);
    }

    /// How the engine is.
    pub(super) fn status(&self, status: &Status) {
        #[expect(clippy::cast_precision_loss, reason = "counts of things in memory")]
        let set = |name: &'static str, value: usize| self.gauge(name, &[]).set(value as f64);
        set("ringdesk_calls_in_progress", status.calls.len());
        set("ringdesk_media_ports_used", status.ports.0);
        set("ringdesk_media_ports", status.ports.1);
        let version = usize::try_from(status.snapshot).unwrap_or(usize::MAX);
        set("ringdesk_configuration_version", version);
        for trunk in &status.trunks {
            if let Some(answers) = trunk.answers {
                self.gauge("ringdesk_trunk_up", &[("trunk", &trunk.name)])
                    .set(f64::from(u8::from(answers)));
            }
        }
    }

    /// How an edge is.
    pub(super) fn condition(&self, condition: &Condition) {
        self.gauge("ringdesk_up", &[("what", &condition.name)])
            .set(f64::from(u8::from(condition.ok)));
    }

    /// How many wait in a queue.
    pub fn queue(&self, queue: &str, waiting: usize) {
        #[expect(clippy::cast_precision_loss, reason = "queues are short")]
        let waiting = waiting as f64;
        self.gauge("ringdesk_queue_depth", &[("queue", queue)])
            .set(waiting);
    }

    /// How far the database is behind the journal, and how many records were lost.
    pub fn store(&self, lag: Duration, lost: u64) {
        self.gauge("ringdesk_store_lag_seconds", &[])
            .set(lag.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "none, on a good day")]
        let lost = lost as f64;
        self.gauge("ringdesk_store_lost_records", &[]).set(lost);
    }

    /// In the text format of Prometheus.
    pub(super) fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }

    fn count(&self, name: &'static str, labels: &[(&'static str, &str)]) {
        self.counter(name, labels).increment(1);
    }

    fn counter(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Counter {
        self.recorder
            .register_counter(&key(name, labels), &METADATA)
    }

    fn gauge(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Gauge {
        self.recorder.register_gauge(&key(name, labels), &METADATA)
    }

    fn histogram(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Histogram {
        self.recorder
            .register_histogram(&key(name, labels), &METADATA)
    }
}

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    let labels = labels.iter();
    let labels: Vec<Label> = labels
        .map(|(name, value)| Label::new(*name, (*value).to_owned()))
        .collect();
    Key::from_parts(name, labels)
}
