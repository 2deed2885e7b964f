//! Evictions: one attempt a pod, or a drain that tries again. A 429 counts as blocked; so does any other refusal but
//! that the pod is gone.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::ops::{cordon, pods};
use super::tank::{Tank, target};
use crate::api::{Kind, Name, Object};
use crate::event::{ApiError, DeleteOptions, ErrorReason, Request};
use crate::kernel::Span;

/// Between two tries of a drain.
const RETRY: Span = Span::from_secs(5);

#[derive(Default)]
struct Tally {
    evicted: usize,
    blocked: usize,
    messages: BTreeSet<String>,
}

impl Tally {
    fn note(&mut self, tank: &Tank<'_>, error: &ApiError) {
        self.messages.insert(format!("{} {}", error.reason.code(), tank.names.text(&error.message)));
    }

    fn to_json(&self) -> Value {
        json!({"evicted": self.evicted, "blocked": self.blocked, "messages": self.messages})
    }
}

/// One attempt a pod, in name order.
pub(super) fn once(tank: &mut Tank<'_>, selector: Option<&str>, node: Option<&str>, gap: Span) -> Value {
    let mut tally = Tally::default();
    for pod in names(pods(tank, selector), node, false) {
        match evict(tank, &pod) {
            Ok(()) => tally.evicted += 1,
            Err(error) => {
                tally.blocked += 1;
                tally.note(tank, &error);
            }
        }
        tank.run_for(gap);
    }
    tally.to_json()
}

/// Cordons a node and evicts the namespace's pods there one by one, in name order, but for those of DaemonSets.
pub(super) fn drain(tank: &mut Tank<'_>, node: &str, timeout: Span) -> Value {
    let mut tally = Tally::default();
    let until = tank.sim.now() + timeout;
    if let Err(error) = cordon(tank, node, true) {
        tally.note(tank, &error);
    }
    for pod in names(pods(tank, None), Some(node), true) {
        loop {
            match evict(tank, &pod) {
                Ok(()) => tally.evicted += 1,
                Err(error) if error.reason == ErrorReason::TooManyRequests => {
                    tally.note(tank, &error);
                    if tank.sim.now() + RETRY <= until {
                        tank.run_for(RETRY);
                        continue;
                    }
                    tally.blocked += 1;
                }
                Err(error) if error.reason == ErrorReason::NotFound => {}
                Err(error) => {
                    tally.blocked += 1;
                    tally.note(tank, &error);
                }
            }
            break;
        }
    }
    tally.to_json()
}

fn names(pods: Vec<Object>, node: Option<&str>, skip_daemons: bool) -> Vec<Name> {
    let is_daemon = |pod: &Object| pod.meta().controller().is_some_and(|owner| owner.kind == "DaemonSet");
    let is_there = |pod: &Object| match (pod, node) {
        (Object::Pod(pod), Some(node)) => pod.body.node_name == node,
        _ => node.is_none(),
    };
    let chosen = pods.into_iter().filter(|pod| is_there(pod) && !(skip_daemons && is_daemon(pod)));
    chosen.map(|pod| pod.meta().name.clone()).collect()
}

fn evict(tank: &mut Tank<'_>, pod: &str) -> Result<(), ApiError> {
    let pod = target(Kind::Pod, pod);
    tank.ask(Request::Evict { pod, options: DeleteOptions::default() }).map(|_| ())
}
