//! `kubectl drain --ignore-daemonsets --delete-emptydir-data`: cordons the node, evicts its pods all at once, and waits
//! until they are gone. Upstream: `kubectl/pkg/drain`, `kubectl/pkg/cmd/drain`.
//!
//! Pods without a controller stop it, as without `--force`. Finished pods are evicted too, as upstream does. kubectl's
//! wait is a GET of each pod once a second, and so it is here. Left out: a look whether a pod's DaemonSet still exists,
//! `--timeout`, and the second list after an error, which only names the pods that are left.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::Step;
use super::edit::{Edit, Wish};
use super::shell::{Failure, Progress, Shell, Subject};
use crate::api::{Kind, Name, Obj, Object, Pod, Selector, Uid};
use crate::event::{Answer, DeleteOptions, ErrorReason, Filter, ListAt, Query, Reply, Request, Target};
use crate::kernel::Span;

const MIRROR: &str = "kubernetes.io/config.mirror";
const DAEMON_SET_WARNING: &str = "ignoring DaemonSet-managed Pods";
const UNMANAGED: &str = "cannot delete Pods that declare no controller (use --force to override)";
const RETRY: Span = Span::from_secs(5);
const POLL: Span = Span::from_secs(1);

/// A drain under way.
#[derive(Clone, Debug)]
pub(super) struct Drain {
    node: Subject,
    grace_seconds: Option<i64>,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    /// The node is being cordoned.
    Cordon(Edit),
    /// The list of its pods is awaited.
    Pods,
    /// The pods go, each in a thread of its own.
    Evictions(Vec<Eviction>),
}

/// What becomes of one pod.
#[derive(Clone, Debug)]
struct Eviction {
    namespace: Name,
    name: Name,
    uid: Uid,
    awaits: Awaits,
    failure: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Awaits {
    /// The answer to the eviction, or the time to try again.
    Eviction,
    /// The answer to a look whether it is gone, or the time of the next.
    End,
    /// Nothing.
    Nothing,
}

/// Where a drain or one of its evictions stands.
pub(super) struct Place<'a>(u8, &'a str, &'a str);

impl Hash for Place<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.0, self.1, self.2).hash(state);
    }
}

/// What a drain does with a pod. Upstream: the filters of `filters.go`.
enum Judgement {
    Evict,
    Skip,
    SkipAndWarn,
    Refuse,
}

impl Drain {
    pub(super) fn new(node: Subject, grace_seconds: Option<i64>) -> Drain {
        let stage = Stage::Cordon(Edit::new(node.clone(), Wish::Unschedulable(true)));
        Drain { node, grace_seconds, stage }
    }

    pub(super) fn step(&mut self, step: Step, shell: &mut Shell<'_>) -> Progress {
        match (&mut self.stage, step) {
            (Stage::Cordon(edit), step) => {
                let unknown = edit.awaits_object() && matches!(step, Step::Reply(_, Err(_)));
                match edit.step(step, shell) {
                    Progress::UnderWay => Progress::UnderWay,
                    Progress::Ended if unknown => Progress::Ended,
                    // Upstream goes on even where the node could not be cordoned.
                    Progress::Ended => {
                        let filter = Filter::OnNode(self.node.name.clone());
                        let query = Query { kind: Kind::Pod, namespace: None, labels: Selector::everything(), filter };
                        shell.ask(0, Request::List { query, at: ListAt::Quorum });
                        self.stage = Stage::Pods;
                        Progress::UnderWay
                    }
                }
            }
            (Stage::Pods, Step::Reply(_, Ok(Answer::List { items, .. }))) => self.evict_all(&items, shell),
            (Stage::Pods, Step::Reply(_, Err(error))) => {
                shell.fail(Failure::Server(error));
                self.give_up(Vec::new(), shell)
            }
            (Stage::Pods, Step::Begin | Step::Timer(_) | Step::Reply(..)) => {
                panic!("a drain that has asked for the pods is answered with a list")
            }
            (Stage::Evictions(evictions), step) => {
                let (thread, reply) = match step {
                    Step::Reply(thread, reply) => (thread, Some(reply)),
                    Step::Timer(thread) => (thread, None),
                    Step::Begin => panic!("a drain begins with the node"),
                };
                let eviction = &mut evictions[thread as usize];
                match reply {
                    Some(reply) => eviction.answered(thread, reply, shell),
                    None => eviction.again(thread, self.grace_seconds, shell),
                }
                self.end_if_done(shell)
            }
        }
    }

    /// Where it stands.
    pub(super) fn places(&self) -> impl Iterator<Item = Place<'_>> {
        let (stage, evictions): (u8, &[Eviction]) = match &self.stage {
            Stage::Cordon(edit) => (edit.place(), &[]),
            Stage::Pods => (2, &[]),
            Stage::Evictions(evictions) => (3, evictions),
        };
        let own = Place(stage, "", self.node.name.as_str());
        let place = |eviction: &Eviction| match eviction.awaits {
            Awaits::Eviction => 0,
            Awaits::End => 1,
            Awaits::Nothing => 2,
        };
        [own]
            .into_iter()
            .chain(evictions.iter().map(move |eviction| Place(place(eviction), &eviction.namespace, &eviction.name)))
    }

    fn evict_all(&mut self, items: &[Object], shell: &mut Shell<'_>) -> Progress {
        let (mut evictions, mut ignored, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for pod in items.iter().filter_map(|item| item.get::<Pod>()) {
            match judge(pod) {
                Judgement::Evict => evictions.push(Eviction::of(pod)),
                Judgement::Skip => {}
                Judgement::SkipAndWarn => ignored.push(pod.meta.key()),
                Judgement::Refuse => refused.push(pod.meta.key()),
            }
        }
        if !refused.is_empty() {
            return self.give_up(vec![format!("{UNMANAGED}: {}", refused.join(", "))], shell);
        }
        if !ignored.is_empty() {
            shell.say(format!("Warning: {DAEMON_SET_WARNING}: {}", ignored.join(", ")));
        }
        for (thread, eviction) in evictions.iter_mut().enumerate() {
            eviction.again(thread as u32, self.grace_seconds, shell);
        }
        self.stage = Stage::Evictions(evictions);
        self.end_if_done(shell)
    }

    fn end_if_done(&mut self, shell: &mut Shell<'_>) -> Progress {
        let Stage::Evictions(evictions) = &mut self.stage else { return Progress::UnderWay };
        if evictions.iter().any(|eviction| eviction.awaits != Awaits::Nothing) {
            return Progress::UnderWay;
        }
        let failures: Vec<String> = evictions.iter_mut().filter_map(|eviction| eviction.failure.take()).collect();
        if failures.is_empty() {
            shell.say(self.node.line("drained"));
            return Progress::Ended;
        }
        self.give_up(failures, shell)
    }

    /// Says why the node is not drained.
    fn give_up(&self, failures: Vec<String>, shell: &mut Shell<'_>) -> Progress {
        shell.session.failures.extend(failures.into_iter().map(Failure::Plain));
        let told: Vec<String> = shell.session.failures.iter().map(Failure::message).collect();
        let told = if let [one] = told.as_slice() { one.clone() } else { format!("[{}]", told.join(", ")) };
        let node = self.node.name.as_str();
        shell.say(format!("error: unable to drain node {node:?} due to error: {told}, continuing command..."));
        shell.say("There are pending nodes to be drained:".to_owned());
        shell.say(format!(" {node}"));
        Progress::Ended
    }
}

impl Eviction {
    fn of(pod: &Arc<Obj<Pod>>) -> Eviction {
        let (namespace, name) = (pod.meta.namespace.clone(), pod.meta.name.clone());
        Eviction { namespace, name, uid: pod.meta.uid, awaits: Awaits::Eviction, failure: None }
    }

    fn target(&self) -> Target {
        Target::Name(Kind::Pod, self.namespace.clone(), self.name.clone())
    }

    /// Asks for the eviction, or whether the pod is gone.
    fn again(&mut self, thread: u32, grace_seconds: Option<i64>, shell: &mut Shell<'_>) {
        match self.awaits {
            Awaits::Eviction => {
                shell.say(format!("evicting pod {}/{}", self.namespace, self.name));
                let options = DeleteOptions { grace_seconds, ..DeleteOptions::default() };
                shell.ask(thread, Request::Evict { pod: self.target(), options });
            }
            Awaits::End => shell.ask(thread, Request::Get(self.target())),
            Awaits::Nothing => {}
        }
    }

    fn answered(&mut self, thread: u32, reply: Reply, shell: &mut Shell<'_>) {
        let (name, namespace) = (self.name.as_str(), self.namespace.as_str());
        match (self.awaits, reply) {
            (Awaits::Eviction, Ok(_)) => {
                self.awaits = Awaits::End;
                shell.ask(thread, Request::Get(self.target()));
            }
            (Awaits::Eviction, Err(error)) => match error.reason {
                ErrorReason::NotFound => self.awaits = Awaits::Nothing,
                ErrorReason::TooManyRequests => {
                    shell.say(format!(
                        "error when evicting pods/{name:?} -n {namespace:?} (will retry after 5s): {error}"
                    ));
                    shell.wait(thread, RETRY);
                }
                ErrorReason::Forbidden if error.cause == "NamespaceTerminating" => {
                    shell.say(format!(
                        "error when evicting pod {name:?} from terminating namespace {namespace:?} (will retry after \
                         5s): {error}"
                    ));
                    shell.wait(thread, RETRY);
                }
                _ => self.fail(format!("error when evicting pods/{name:?} -n {namespace:?}: {error}")),
            },
            (Awaits::End, Ok(Answer::Object(pod))) if pod.meta().uid == self.uid => shell.wait(thread, POLL),
            (Awaits::End, Err(error)) if error.reason != ErrorReason::NotFound => self
                .fail(format!("error when waiting for pod {name:?} in namespace {namespace:?} to terminate: {error}")),
            (Awaits::End, Ok(_) | Err(_)) => {
                shell.say(format!("pod/{name} evicted"));
                self.awaits = Awaits::Nothing;
            }
            (Awaits::Nothing, _) => {}
        }
    }

    fn fail(&mut self, why: String) {
        self.failure = Some(why);
        self.awaits = Awaits::Nothing;
    }
}

fn judge(pod: &Obj<Pod>) -> Judgement {
    let finished = pod.body.status.phase.is_finished();
    let owner = pod.meta.controller();
    if owner.is_some_and(|owner| owner.kind == "DaemonSet") && !finished {
        Judgement::SkipAndWarn
    } else if pod.meta.annotations.get(MIRROR).is_some() {
        Judgement::Skip
    } else if owner.is_none() && !finished {
        Judgement::Refuse
    } else {
        Judgement::Evict
    }
}
