//! Events of a contact centre, as storms publish them: made up one at a time,
//! from the seed, in the engine's own time.

use crate::rng::Rng;
use crate::script::EventKind;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The engine's time zero in its events: 2025-01-01T00:00:00Z, in milliseconds
/// of Unix time. Runs repeat, so it is no real clock.
pub(super) const EPOCH: u64 = 1_735_689_600_000;

const QUEUES: [&str; 6] = ["billing", "support", "sales", "claims", "returns", "vip"];
const STATES: [&str; 5] = ["AVAILABLE", "BUSY", "AWAY", "MEETING", "OFFLINE"];
const MEDIA: [&str; 4] = ["voice", "chat", "email", "message"];
const STEPS: [&str; 6] = ["queued", "alerting", "connected", "held", "wrapup", "ended"];

/// The kind of events that live at a destination.
pub(super) fn kind_of(destination: &str) -> Option<EventKind> {
    let domains = [
        ("/events/queue/", EventKind::Queue),
        ("/events/user/", EventKind::User),
        ("/messaging/v2/", EventKind::Conversation),
        ("/voice/", EventKind::Conversation),
        ("/events/", EventKind::Queue),
    ];
    let found = domains.iter().find(|(at, _)| destination.starts_with(at));
    found.map(|(_, kind)| *kind)
}

/// One event.
pub(super) struct Event {
    pub(super) name: &'static str,
    /// Of its queue, user or conversation.
    pub(super) id: String,
    pub(super) body: String,
}

/// Makes the `seq`-th event of a storm. Its body has as many octets as asked
/// for, unless that is less than its fields need.
pub(super) fn event(kind: EventKind, seq: u64, now: Duration, size: usize, rng: &mut Rng) -> Event {
    let mut pick = |n: usize| rng.between(0, n as u64 - 1) as usize;
    let (name, id, fields) = match kind {
        EventKind::Queue => {
            let queue = pick(QUEUES.len());
            let id = format!("q-{}", queue + 1);
            let waiting = pick(40);
            let fields = json!({
                "queueId": id,
                "queueName": QUEUES[queue],
                "waiting": waiting,
                "longestWaitMs": waiting * (500 + pick(4000)),
                "agentsAvailable": pick(12),
                "agentsBusy": pick(30),
                "serviceLevel": (60 + pick(41)) as f64 / 100.0,
            });
            ("queue.metrics", id, fields)
        }
        EventKind::User => {
            let id = format!("u-{}", 1000 + pick(200));
            let fields = json!({
                "userId": id,
                "state": STATES[pick(STATES.len())],
                "queueId": format!("q-{}", 1 + pick(QUEUES.len())),
                "onQueue": pick(3) > 0,
                "sinceMs": pick(3_600_000),
            });
            ("user.state", id, fields)
        }
        EventKind::Conversation => {
            let id = format!("c-{}", 50_000 + pick(500));
            let fields = json!({
                "conversationId": id,
                "queueId": format!("q-{}", 1 + pick(QUEUES.len())),
                "userId": format!("u-{}", 1000 + pick(200)),
                "mediaType": MEDIA[pick(MEDIA.len())],
                "state": STEPS[pick(STEPS.len())],
                "durationMs": pick(1_800_000),
            });
            ("conversation.update", id, fields)
        }
    };
    let mut event = Map::new();
    event.insert("eventType".to_owned(), name.into());
    event.insert("seq".to_owned(), seq.into());
    event.insert("timestamp".to_owned(), timestamp(now).into());
    if let Value::Object(fields) = fields {
        event.extend(fields);
    }
    let mut body = Value::Object(event).to_string();
    // Real events carry notes and transcripts; here they make up the size.
    const FILLER: &str = ",\"note\":\"\"}";
    if body.len() + FILLER.len() <= size + 1 {
        let pad = size + 1 - body.len() - FILLER.len();
        body.pop();
        body.push_str(",\"note\":\"");
        body.extend(std::iter::repeat_n('.', pad));
        body.push_str("\"}");
    }
    Event { name, id, body }
}

/// `2025-01-01T00:00:00.000Z` and what follows it.
pub(super) fn timestamp(now: Duration) -> String {
    let millis = EPOCH.saturating_add(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
    let (seconds, ms) = (millis / 1000, millis % 1000);
    let (days, clock) = (seconds / 86_400, seconds % 86_400);
    // Days are counted from 0000-03-01, so that a leap day ends its year.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = era * 400 + year + u64::from(month <= 2);
    let (h, m, s) = (clock / 3600, clock / 60 % 60, clock % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_dates() {
        let day = Duration::from_secs(86_400);
        for (days, text) in [
            (0, "2025-01-01T00:00:00.000Z"),
            (58, "2025-02-28T00:00:00.000Z"),
            (59, "2025-03-01T00:00:00.000Z"),
            (1154, "2028-02-29T00:00:00.000Z"),
            (365, "2026-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(timestamp(day * days), text);
        }
        assert_eq!(
            timestamp(Duration::from_millis(3_723_004)),
            "2025-01-01T01:02:03.004Z"
        );
    }

    #[test]
    fn events_are_json_of_the_wanted_size_and_repeat_with_the_seed() {
        let kinds = [EventKind::Queue, EventKind::User, EventKind::Conversation];
        let (mut a, mut b) = (Rng::new(7), Rng::new(7));
        for seq in 1..200 {
            let kind = kinds[seq as usize % 3];
            let size = 300 + seq as usize;
            let made = event(kind, seq, Duration::ZERO, size, &mut a);
            assert_eq!(
                made.body,
                event(kind, seq, Duration::ZERO, size, &mut b).body
            );
            assert_eq!(made.body.len(), size);
            let json: Value = serde_json::from_str(&made.body).unwrap();
            assert_eq!(json["seq"], seq);
            let id = ["queueId", "userId", "conversationId"]
                .iter()
                .any(|name| json[name] == made.id.as_str());
            assert!(id, "{}", made.body);
        }
        let small = event(EventKind::Queue, 1, Duration::ZERO, 5, &mut a);
        assert!(
            serde_json::from_str::<Value>(&small.body).is_ok(),
            "whole even if it is too large"
        );
    }
}
