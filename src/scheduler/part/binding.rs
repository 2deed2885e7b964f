//! Binding cycles: what follows once a node is chosen, any number of them at a time.
//! Upstream: `schedulingCycle` from Reserve on and `bindingCycle` in `pkg/scheduler/schedule_one.go`.
//!
//! Upstream looks once a second whether volumes are bound. Here that is done when the scheduler hears of something, and
//! what is found counts from the next of those seconds on.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Failed, Nominating, Scheduler, TIMER_BINDINGS};
use crate::api::{EventType, Name, Obj, Object, Uid};
use crate::client::Outbox;
use crate::event::{Answer, NoteKind, Reply, Request, TimerToken, Token};
use crate::kernel::{Span, Time};
use crate::scheduler::{
    Cycle, EventKind, ExtensionPoint, NodeIndex, Permit, PreBindStep, QueuedPod, Reservation, Reserve,
};

/// How often upstream looks whether a wait is over.
const LOOK_EVERY: Span = Span::from_secs(1);

/// A binding cycle: what is still to be done for an assumed pod.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) queued: QueuedPod,
    pub(super) node: NodeIndex,
    reservation: Reservation,
    steps: VecDeque<Step>,
    /// What a failure of the step under way is told with.
    stage: Stage,
    wait: Option<Wait>,
}

/// A plugin at an extension point, by its number.
#[derive(Clone, Copy, Debug)]
struct Stage {
    point: ExtensionPoint,
    plugin: u8,
}

#[derive(Clone, Debug)]
enum Step {
    Send(Stage, Request),
    Await(Stage, &'static str, Span),
}

/// A wait for what the scheduler will hear.
#[derive(Clone, Copy, Debug)]
struct Wait {
    what: &'static str,
    since: Time,
    until: Time,
    /// When it is looked at again.
    look: Option<Time>,
}

impl Binding {
    /// Whether it waits for nothing but an answer.
    pub(super) fn is_under_way(&self) -> bool {
        self.wait.is_none()
    }
}

/// Why a pod does not go on to be bound.
enum Refusal {
    Rejected(u8, Name),
    Failed(Name),
}

impl Scheduler {
    /// The pod goes to a node: sets aside what it needs there, and begins to bind it.
    pub(super) fn place(&mut self, mut queued: QueuedPod, node: NodeIndex, out: &mut Outbox) {
        self.cluster.assume(&queued.pod, node);
        self.cluster.nominated.remove(queued.pod.meta.id.slot);
        let mut reservation = Reservation::default();
        let refusal = self.reserve(&queued, node, &mut reservation).or_else(|| self.permit(&queued, node));
        if let Some(refusal) = refusal {
            self.cluster.volumes.restore(&reservation.volumes);
            self.cluster.remove_pod(queued.pod.meta.id.slot);
            match refusal {
                Refusal::Rejected(plugin, reason) => {
                    queued.rejectors |= 1 << plugin;
                    let message = ecow::eco_format!("0/1 nodes are available: 1 {reason}.");
                    self.failed(queued, Failed { message, is_rejection: true, nominating: Nominating::Clear }, out);
                }
                Refusal::Failed(message) => {
                    self.failed(queued, Failed { message, is_rejection: false, nominating: Nominating::Clear }, out);
                }
            }
            return;
        }
        let profile = &self.settings.profiles[usize::from(queued.profile)];
        let cycle = Cycle { pod: &queued.pod, cluster: &self.cluster, args: &profile.args };
        let mut steps = VecDeque::new();
        for (plugin, enabled) in profile.at(ExtensionPoint::PreBind) {
            let stage = Stage { point: ExtensionPoint::PreBind, plugin };
            let of_plugin = enabled.entry.plugin.pre_bind(&cycle, &reservation);
            steps.extend(of_plugin.into_iter().map(|step| match step {
                PreBindStep::Send(request) => Step::Send(stage, request),
                PreBindStep::Await { what, at_most } => Step::Await(stage, what, at_most),
            }));
        }
        steps.extend(profile.at(ExtensionPoint::Bind).find_map(|(plugin, enabled)| {
            let stage = Stage { point: ExtensionPoint::Bind, plugin };
            Some(Step::Send(stage, enabled.entry.plugin.bind(&cycle, node, &reservation)?))
        }));
        out.note(NoteKind::Placed, queued.pod.meta.id, self.client.index, queued.cause);
        self.queue.done(queued.pod.meta.id.slot);
        let stage = Stage { point: ExtensionPoint::Bind, plugin: 0 };
        self.bind_on(Binding { queued, node, reservation, steps, stage, wait: None }, out);
    }

    fn reserve(&mut self, queued: &QueuedPod, node: NodeIndex, reservation: &mut Reservation) -> Option<Refusal> {
        let profile = &self.settings.profiles[usize::from(queued.profile)];
        for (plugin, enabled) in profile.at(ExtensionPoint::Reserve) {
            let cycle = Cycle { pod: &queued.pod, cluster: &self.cluster, args: &profile.args };
            match enabled.entry.plugin.reserve(&cycle, node) {
                Reserve::Nothing => {}
                Reserve::Volumes(volumes) => {
                    self.cluster.volumes.assume(&volumes);
                    reservation.volumes = volumes;
                }
                Reserve::Annotations(annotations) => {
                    let mut pod = Obj::clone(&queued.pod);
                    pod.meta.annotations = reservation.annotate(&pod.meta.annotations, annotations);
                    self.cluster.annotate(&Arc::new(pod));
                }
                Reserve::Reject(status) => return Some(Refusal::Rejected(plugin, status.message().into())),
                Reserve::Fail(error) => {
                    let name = enabled.entry.name;
                    return Some(Refusal::Failed(ecow::eco_format!("running Reserve plugin {name:?}: {error}")));
                }
            }
        }
        None
    }

    fn permit(&self, queued: &QueuedPod, node: NodeIndex) -> Option<Refusal> {
        let profile = &self.settings.profiles[usize::from(queued.profile)];
        let cycle = Cycle { pod: &queued.pod, cluster: &self.cluster, args: &profile.args };
        let mut plugins = profile.at(ExtensionPoint::Permit);
        plugins.find_map(|(plugin, enabled)| match enabled.entry.plugin.permit(&cycle, node) {
            Permit::Allow => None,
            Permit::Reject(status) => Some(Refusal::Rejected(plugin, status.message().into())),
        })
    }

    /// Takes the next step of a binding cycle, or ends it.
    fn bind_on(&mut self, mut binding: Binding, out: &mut Outbox) {
        let number = self.next_token;
        binding.wait = None;
        match binding.steps.pop_front() {
            None => {
                let pod = binding.queued.pod.clone();
                let node = self.cluster.nodes.name(binding.node);
                let message = ecow::eco_format!("Successfully assigned {} to {node}", pod.meta.key());
                return self.record(&pod, EventType::Normal, "Scheduled", message, out);
            }
            Some(Step::Send(stage, request)) => {
                binding.stage = stage;
                out.send_for(&mut self.client, Token(number), binding.queued.cause, request);
            }
            Some(Step::Await(stage, what, at_most)) => {
                binding.stage = stage;
                let until = out.now + at_most;
                binding.wait = Some(Wait { what, since: out.now, until, look: None });
                out.timer_at(until, TimerToken(TIMER_BINDINGS + number));
                self.has_news_for_waits = true;
            }
        }
        self.bindings.insert(number, binding);
        self.next_token += 1;
    }

    /// A request of a binding cycle is answered.
    pub(super) fn bind_answered(&mut self, token: u64, result: Reply, out: &mut Outbox) {
        let Some(mut binding) = self.bindings.remove(&token) else { return };
        match result {
            Ok(answer) => {
                if let Answer::Object(object) = &answer {
                    binding.reservation.volumes.written(object);
                }
                self.bind_on(binding, out);
            }
            Err(error) => self.not_bound(binding, &error.message, out),
        }
    }

    /// The pod is not bound: takes back what was assumed, and puts the pod back. Upstream: `handleBindingCycleError`.
    fn not_bound(&mut self, binding: Binding, error: &str, out: &mut Outbox) {
        let Binding { mut queued, stage, reservation, .. } = binding;
        self.cluster.volumes.restore(&reservation.volumes);
        let slot = queued.pod.meta.id.slot;
        let is_ours = |uid: Uid| uid == queued.pod.meta.uid;
        if self.cluster.pods.get(slot).is_some_and(|entry| entry.assumed && is_ours(entry.pod.meta.uid)) {
            self.cluster.remove_pod(slot);
            let old = Some(Object::Pod(queued.pod.clone()));
            self.happened(EventKind::AssignedPodDelete, old, None, Some(slot), out.now, out.cause);
        }
        queued.cause = out.cause;
        queued.rejectors = 0;
        queued.pending = 0;
        let name = self.settings.profiles[usize::from(queued.profile)].name(stage.plugin);
        let message = ecow::eco_format!("running {:?} plugin {name:?}: {error}", stage.point);
        self.failed(queued, Failed { message, is_rejection: false, nominating: Nominating::Clear }, out);
    }

    /// Looks at the waits of all binding cycles, after something was heard.
    pub(super) fn look_at_waits(&mut self, out: &mut Outbox) {
        let undecided = |binding: &Binding| binding.wait.is_some_and(|wait| wait.look.is_none());
        let numbers: Vec<u64> =
            self.bindings.iter().filter(|(_, binding)| undecided(binding)).map(|(number, _)| *number).collect();
        for number in numbers {
            let decided = self.bindings.get(&number).is_some_and(|binding| self.awaited(binding) != Ok(false));
            if let Some(wait) = self.bindings.get_mut(&number).and_then(|binding| binding.wait.as_mut())
                && decided
            {
                let every = LOOK_EVERY.as_nanos();
                let seconds = out.now.since(wait.since).as_nanos().div_ceil(every).max(1);
                let look = wait.since + Span::from_nanos(seconds * every);
                if look < wait.until {
                    wait.look = Some(look);
                    out.timer_at(look, TimerToken(TIMER_BINDINGS + number));
                }
            }
        }
    }

    /// The timer of a wait has fired.
    pub(super) fn wait_due(&mut self, number: u64, out: &mut Outbox) {
        let Some(binding) = self.bindings.get_mut(&number) else { return };
        let Some(wait) = &mut binding.wait else { return };
        let is_over = out.now >= wait.until;
        if !is_over && wait.look.take_if(|look| *look <= out.now).is_none() {
            return;
        }
        let what = wait.what;
        let result = match is_over {
            true => Err("context deadline exceeded".to_owned()),
            false => self.bindings.get(&number).map_or(Ok(false), |binding| self.awaited(binding)),
        };
        if result == Ok(false) {
            return;
        }
        let Some(binding) = self.bindings.remove(&number) else { return };
        let before = std::mem::replace(&mut out.cause, binding.queued.cause);
        match result {
            Ok(_) => self.bind_on(binding, out),
            Err(error) => self.not_bound(binding, &format!("{what}: {error}"), out),
        }
        out.cause = before;
    }

    /// Whether what a binding cycle waits for has come.
    fn awaited(&self, binding: &Binding) -> Result<bool, String> {
        let pod = &binding.queued.pod;
        if self.current(pod).is_none() {
            let name = &pod.meta.name;
            return Err(format!("pod does not exist any more: pod {name:?} not found"));
        }
        let profile = &self.settings.profiles[usize::from(binding.queued.profile)];
        let cycle = Cycle { pod, cluster: &self.cluster, args: &profile.args };
        let plugin = profile.plugins[usize::from(binding.stage.plugin)].entry.plugin;
        plugin.awaited(&cycle, binding.node, &binding.reservation)
    }
}
