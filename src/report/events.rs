//! What happened of note, in the form of `kubectl events`: Warnings first, what repeats itself folded into one line.
//!
//! Events of one reason on objects of one kind are one line: Warnings only where they say the same once the object's
//! name is taken out, Normal ones whatever they say (the newest is shown). Events that have expired are not there.

use std::collections::BTreeMap;

use serde::Serialize;

use super::table::Table;
use crate::api::{Event, EventType, Kind, Name, Obj, Object, Timestamp};
use crate::report::human_duration;
use crate::store::Store;

/// How many lines are shown.
const SHOWN: usize = 15;

/// One or more Events.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventLine {
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `reason`.
    pub reason: Name,
    /// The object of the newest one, as `namespace/name`, or the name alone.
    pub object: String,
    /// The object's kind in lower case.
    pub object_kind: String,
    /// How many objects had such an Event beside that one.
    pub more_objects: u64,
    /// `message` of the newest one.
    pub message: Name,
    /// How often it happened: the sum of `count`.
    pub count: u64,
    /// Seconds since the first time.
    pub first_seen_seconds: i64,
    /// Seconds since the last time.
    pub last_seen_seconds: i64,
}

/// The lines of a store's Events at an instant: Warnings first, the newest first, fifteen at most.
pub fn notable_events(store: &Store, now: Timestamp) -> Vec<EventLine> {
    lines_of(store.unordered(Kind::Event).filter_map(Object::get::<Event>).map(|event| &**event), now)
}

/// What all Events of a line have in common.
type Key = (bool, Name, Kind, String);

struct Folded<'a> {
    newest: &'a Obj<Event>,
    objects: std::collections::BTreeSet<(&'a Name, &'a Name)>,
    count: u64,
    first: Timestamp,
}

fn lines_of<'a>(events: impl Iterator<Item = &'a Obj<Event>>, now: Timestamp) -> Vec<EventLine> {
    let mut folded: BTreeMap<Key, Folded> = BTreeMap::new();
    for event in events {
        let body = &event.body;
        let said = match body.kind {
            EventType::Normal => String::new(),
            EventType::Warning => anonymous(body),
        };
        let key = (body.kind == EventType::Normal, body.reason.clone(), body.involved.kind, said);
        let line = folded.entry(key).or_insert_with(|| Folded {
            newest: event,
            objects: std::collections::BTreeSet::new(),
            count: 0,
            first: body.first,
        });
        line.objects.insert((&body.involved.namespace, &body.involved.name));
        line.count += u64::from(body.count.max(1));
        line.first = line.first.min(body.first);
        // Of the same second the one that was stored last.
        let age = |event: &Obj<Event>| (event.body.last, event.meta.resource_version);
        if age(event) > age(line.newest) {
            line.newest = event;
        }
    }
    let mut lines: Vec<(bool, Folded)> = folded.into_iter().map(|(key, line)| (key.0, line)).collect();
    lines.sort_by_key(|(is_normal, line)| {
        (*is_normal, std::cmp::Reverse((line.newest.body.last, line.newest.meta.resource_version)))
    });
    lines.into_iter().take(SHOWN).map(|(_, line)| line.seen_at(now)).collect()
}

/// The message without the name of the object, which alone tells the pods of a workload apart.
fn anonymous(event: &Event) -> String {
    let (namespace, name) = (&event.involved.namespace, &event.involved.name);
    let text =
        if name.is_empty() { event.message.to_string() } else { event.message.as_str().replace(name.as_str(), "") };
    // The kubelet names a pod with its uid, too.
    let text = text.replace(&event.involved.uid.to_string(), "");
    format!("{namespace}/{text}")
}

impl Folded<'_> {
    fn seen_at(&self, now: Timestamp) -> EventLine {
        let body = &self.newest.body;
        let (namespace, name) = (&body.involved.namespace, &body.involved.name);
        EventLine {
            kind: body.kind.as_str(),
            reason: body.reason.clone(),
            object: if namespace.is_empty() { name.to_string() } else { format!("{namespace}/{name}") },
            object_kind: body.involved.kind_name().to_lowercase(),
            more_objects: self.objects.len() as u64 - 1,
            message: body.message.clone(),
            count: self.count,
            first_seen_seconds: now.seconds_since(self.first),
            last_seen_seconds: now.seconds_since(body.last),
        }
    }
}

/// The lines as `kubectl events` prints them.
pub(super) fn table(lines: &[EventLine]) -> Table {
    let mut table = Table::new(["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]);
    for line in lines {
        let last = human_duration(line.last_seen_seconds);
        let seen = match line.count {
            ..=1 => last,
            count => format!("{last} (x{count} over {})", human_duration(line.first_seen_seconds)),
        };
        let name = line.object.rsplit('/').next().unwrap_or_default();
        let object = match line.more_objects {
            0 => format!("{}/{name}", line.object_kind),
            more => format!("{}/{name} and {more} more", line.object_kind),
        };
        table.add([seen, line.kind.to_owned(), line.reason.to_string(), object, line.message.to_string()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Meta, Reference, Uid};

    fn event(kind: EventType, reason: &str, pod: &str, message: &str, seconds: i64) -> Obj<Event> {
        let involved = Reference { kind: Kind::Pod, namespace: "default".into(), name: pod.into(), uid: Uid(7) };
        let body = Event {
            involved,
            reason: reason.into(),
            message: message.into(),
            kind,
            component: "kubelet".into(),
            host: Name::new(),
            count: 2,
            first: Timestamp(seconds - 5),
            last: Timestamp(seconds),
            rest: None,
        };
        Obj { meta: Meta::new(Kind::Event, "default", format!("{pod}.{seconds}")), body }
    }

    #[test]
    fn warnings_come_first_and_repetitions_are_folded() {
        let events = [
            event(EventType::Normal, "Scheduled", "web-1", "Successfully assigned default/web-1 to n1", 50),
            event(EventType::Normal, "Scheduled", "web-2", "Successfully assigned default/web-2 to n2", 60),
            event(EventType::Warning, "Failed", "web-1", "Error: web-1 has no image", 30),
            event(EventType::Warning, "Failed", "web-2", "Error: web-2 has no image", 20),
            event(EventType::Warning, "Failed", "web-1", "Error: web-1 has another trouble", 10),
        ];
        let lines = lines_of(events.iter(), Timestamp(100));
        assert_eq!(
            table(&lines).to_string(),
            "LAST SEEN           TYPE      REASON      OBJECT                 MESSAGE\n\
             70s (x4 over 85s)   Warning   Failed      pod/web-1 and 1 more   Error: web-1 has no image\n\
             90s (x2 over 95s)   Warning   Failed      pod/web-1              Error: web-1 has another trouble\n\
             40s (x4 over 55s)   Normal    Scheduled   pod/web-2 and 1 more   Successfully assigned default/web-2 to n2\n"
        );
    }

    #[test]
    fn of_many_lines_fifteen_are_shown() {
        let reasons: Vec<Obj<Event>> =
            (0..40).map(|n| event(EventType::Normal, &format!("Reason{n}"), "web-1", "", n)).collect();
        let lines = lines_of(reasons.iter(), Timestamp(100));
        assert_eq!(lines.len(), SHOWN);
        assert_eq!(lines[0].reason, "Reason39");
    }
}
