//! What containers do, declared: how long a program takes to start, when it is ready, when and how it ends, how it
//! stops, how large its image is.
//!
//! Plain data; the scenario room parses. The first entry that matches a container wins whole: entries are not merged.

use super::course::Course;
use super::settings::Range;
use crate::api::{Name, Obj, Pod, Selector};
use crate::kernel::Span;

/// How one container behaves.
#[derive(Clone, PartialEq, Debug)]
pub struct Behaviour {
    /// From the start of the container to the start of the program; added to the runtime's own time.
    pub start_delay: Range,
    /// From the program's start until it answers at all; before, every probe fails.
    pub answers_after: Range,
    /// When the program can serve. Seen by readiness probes alone: a container without one is ready when it runs.
    pub ready: Readiness,
    /// When it cannot serve for a while: its readiness probe fails.
    pub unready: Vec<Lapse>,
    /// While it reads any of these it cannot serve: its readiness probe fails.
    pub unready_while: Vec<Sight>,
    /// When it answers nobody: all its probes fail.
    pub hangs: Vec<Lapse>,
    /// When the program ends by itself; `None`: never (init containers: after the settings' `init_run`, with 0).
    pub exit: Option<Exit>,
    /// From SIGTERM to the program's end; where the grace period is shorter, it is killed (exit code 137).
    pub stop: Range,
    /// Exit code after SIGTERM.
    pub stop_code: i32,
    /// What it takes of the node.
    pub usage: UsageBehaviour,
    /// Its image.
    pub image: ImageBehaviour,
}

/// Something that a program reads of its configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sight {
    /// Where.
    pub reading: Reading,
    /// What.
    pub equals: Name,
}

/// Where a program reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reading {
    /// A file, by its whole path in the container; it is looked at again and again.
    File(Name),
    /// A variable of the environment.
    Env(Name),
}

/// When a program can serve.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// This long after its start.
    After(Range),
    /// Not at all.
    Never,
}

/// How a program ends by itself.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Exit {
    /// This long after its start.
    pub after: Range,
    /// With this code.
    pub code: i32,
    /// In how many of its lives, from 0 to 1; drawn anew for each.
    pub probability: f64,
}

/// A while in which a program is not as it should be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Lapse {
    /// This long after the program's start.
    pub after: Range,
    /// For so long; `None`: until the program ends.
    pub lasts: Option<Range>,
    /// In how many of its lives, from 0 to 1; drawn anew for each.
    pub probability: f64,
}

impl Lapse {
    /// A lapse that comes in every life.
    pub const fn new(after: Range, lasts: Option<Range>) -> Lapse {
        Lapse { after, lasts, probability: 1.0 }
    }
}

/// What a program takes of its node, from its start on.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct UsageBehaviour {
    /// CPU in millicores; `None`: what its container requests.
    pub cpu: Option<Course>,
    /// Memory in bytes; `None`: what its container requests. Above the container's limit it is killed (OOMKilled).
    pub memory: Option<Course>,
    /// Bytes of the node's disk; `None`: nothing.
    pub disk: Option<Course>,
    /// Inodes of the node's disk; `None`: none.
    pub inodes: Option<Course>,
    /// Processes; `None`: one.
    pub pids: Option<Course>,
}

impl UsageBehaviour {
    /// What nothing is declared of.
    pub const UNDECLARED: UsageBehaviour =
        UsageBehaviour { cpu: None, memory: None, disk: None, inodes: None, pids: None };

    /// Whether anything is declared that a node can run short of.
    pub fn is_of_the_node(&self) -> bool {
        [&self.memory, &self.disk, &self.inodes, &self.pids].into_iter().any(Option::is_some)
    }
}

/// How an image behaves when it is pulled.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ImageBehaviour {
    /// Bytes to download; `None`: the settings' default.
    pub bytes: Option<u64>,
    /// The whole time of a pull instead of what size, bandwidth and overhead give.
    pub pull_time: Option<Range>,
    /// The registry does not have it.
    pub missing: bool,
}

impl Behaviour {
    /// A server that starts at once, is ready at once, runs for ever and ends within a second of SIGTERM with 0.
    pub const fn server() -> Behaviour {
        Behaviour {
            start_delay: Range::ZERO,
            answers_after: Range::ZERO,
            ready: Readiness::After(Range::ZERO),
            unready: Vec::new(),
            unready_while: Vec::new(),
            hangs: Vec::new(),
            exit: None,
            stop: Range::millis(50, 500),
            stop_code: 0,
            usage: UsageBehaviour::UNDECLARED,
            image: ImageBehaviour { bytes: None, pull_time: None, missing: false },
        }
    }

    /// The same, ending by itself.
    #[must_use]
    pub const fn exits(mut self, after: Range, code: i32) -> Behaviour {
        self.exit = Some(Exit { after, code, probability: 1.0 });
        self
    }

    /// The same, answering later.
    #[must_use]
    pub const fn answers_after(mut self, after: Range) -> Behaviour {
        self.answers_after = after;
        self
    }

    /// The same, unable to serve for a while.
    #[must_use]
    pub fn unready_at(mut self, lapse: Lapse) -> Behaviour {
        self.unready.push(lapse);
        self
    }

    /// The same, unable to serve while it reads something.
    #[must_use]
    pub fn unready_while(mut self, sight: Sight) -> Behaviour {
        self.unready_while.push(sight);
        self
    }

    /// The same, hanging for a while.
    #[must_use]
    pub fn hangs_at(mut self, lapse: Lapse) -> Behaviour {
        self.hangs.push(lapse);
        self
    }

    /// The same with a course of its memory, in bytes.
    #[must_use]
    pub fn uses_memory(mut self, memory: Course) -> Behaviour {
        self.usage.memory = Some(memory);
        self
    }

    /// The same, ready later.
    #[must_use]
    pub const fn ready_after(mut self, after: Range) -> Behaviour {
        self.ready = Readiness::After(after);
        self
    }

    /// The same with another time from SIGTERM to the end.
    #[must_use]
    pub const fn stops_after(mut self, stop: Range) -> Behaviour {
        self.stop = stop;
        self
    }

    /// The same with an image that the registry does not have.
    #[must_use]
    pub const fn missing_image(mut self) -> Behaviour {
        self.image.missing = true;
        self
    }
}

/// Which containers an entry is about; every part that is given must match.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Matching {
    /// The image as the pod names it; `*` stands for any run of characters.
    pub image: Option<Name>,
    /// The pod's labels.
    pub labels: Option<Selector>,
    /// The container's name.
    pub container: Option<Name>,
}

/// One entry of the list.
#[derive(Clone, PartialEq, Debug)]
pub struct BehaviourEntry {
    /// Which containers.
    pub matching: Matching,
    /// What they do.
    pub behaviour: Behaviour,
}

/// All declared behaviours, in order.
#[derive(Clone, PartialEq, Debug)]
pub struct Behaviours {
    entries: Vec<BehaviourEntry>,
    default: Behaviour,
    /// Whether any of them declares something that a node can run short of.
    declare_usage: bool,
}

/// The number of an entry; the default's is [`BehaviourIndex::DEFAULT`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct BehaviourIndex(u16);

impl BehaviourIndex {
    const DEFAULT: BehaviourIndex = BehaviourIndex(u16::MAX);
}

impl Behaviours {
    /// A list and what holds for containers that no entry matches. Panics at more than 65,534 entries.
    pub fn new(entries: Vec<BehaviourEntry>, default: Behaviour) -> Behaviours {
        assert!(entries.len() < usize::from(u16::MAX), "more behaviours than anyone writes");
        let all = entries.iter().map(|entry| &entry.behaviour).chain([&default]);
        let declare_usage = all.map(|behaviour| &behaviour.usage).any(UsageBehaviour::is_of_the_node);
        Behaviours { entries, default, declare_usage }
    }

    /// No declarations: every container is a [`Behaviour::server`].
    pub fn none() -> Behaviours {
        Behaviours::new(Vec::new(), Behaviour::server())
    }

    /// Whether any of them declares something that a node can run short of.
    pub(super) fn declare_usage(&self) -> bool {
        self.declare_usage
    }

    /// The entries.
    pub fn entries(&self) -> &[BehaviourEntry] {
        &self.entries
    }

    /// The behaviour of one container of a pod.
    pub fn of(&self, pod: &Obj<Pod>, container: &str, image: &str) -> &Behaviour {
        self.get(self.find(pod, container, image))
    }

    pub(super) fn find(&self, pod: &Obj<Pod>, container: &str, image: &str) -> BehaviourIndex {
        let matches = |entry: &BehaviourEntry| {
            let matching = &entry.matching;
            matching.container.as_ref().is_none_or(|name| name == container)
                && matching.image.as_ref().is_none_or(|glob| matches_glob(glob, image))
                && matching
                    .labels
                    .as_ref()
                    .is_none_or(|selector| selector.matches(|key| pod.meta.labels.get(key).map(Name::as_str)))
        };
        self.entries.iter().position(matches).map_or(BehaviourIndex::DEFAULT, |at| BehaviourIndex(at as u16))
    }

    pub(super) fn get(&self, index: BehaviourIndex) -> &Behaviour {
        self.entries.get(usize::from(index.0)).map_or(&self.default, |entry| &entry.behaviour)
    }
}

/// Whether a text matches a pattern in which `*` stands for any run of characters, also an empty one.
fn matches_glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The longest that a span of a behaviour may be: a year. Scenario parsing refuses more.
pub const SPAN_MAX: Span = Span::from_hours(24 * 366);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(matches_glob(pattern, text), expected, "{pattern} on {text}");
    }

    #[test]
    fn stars_stand_for_any_run_of_characters() {
        check("nginx:1.25", "nginx:1.25", true);
        check("nginx:1.25", "nginx:1.255", false);
        check("nginx*", "nginx", true);
        check("*/web:*", "registry.local/web:v1", true);
        check("*/web:*", "web:v1", false);
        check("a*b*a", "aba", true);
        check("a*a", "a", false);
        check("*", "", true);
        check("", "a", false);
    }
}
