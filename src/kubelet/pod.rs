//! What a kubelet keeps of a pod: one small record, with one of each container.

use std::sync::Arc;

use k8s_openapi::api::core::v1;

use super::backoff::Backoff;
use super::behaviour::{BehaviourIndex, Behaviours};
use super::contents::View;
use super::probes::Probes;
use super::program::Program;
use crate::api::{ContainerStatus, Name, Obj, Pod, ReasonText, Terminated, Timestamp};
use crate::kernel::{Chance, Time, object_hash};

/// How far a pod has come on this node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(super) enum Life {
    /// Admitted; its containers are started and restarted.
    Live,
    /// Its containers are being stopped.
    Terminating,
    /// All containers have ended for good, or it was never admitted.
    Finished,
}

/// The pod's sandbox: its network and cgroup.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(super) enum Sandbox {
    /// Not begun: the network of the node is not ready.
    Waiting,
    /// Being created; ready at that time.
    Starting(Time),
    /// There.
    Up,
    /// It was there before the machine went down.
    Lost,
    /// Gone, or never there.
    Down,
}

/// Where a container stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// To be started when its turn comes.
    Wanted,
    /// Its image is asked for.
    Pulling,
    /// Its image could not be had; why is in [`Trouble::waiting`].
    NoImage,
    /// Being created.
    Starting,
    /// Running.
    Running {
        /// Since when.
        since: Time,
        /// When what its probes have found changes next; `Time::MAX`: never.
        turn_at: Time,
        /// When it ends; `Time::MAX`: not by itself.
        exit_at: Time,
        /// With which exit code.
        code: i32,
        /// Whether that is because its memory passes its limit.
        out_of_memory: bool,
    },
    /// Ended, and the kubelet has not noticed yet.
    Exited {
        /// When.
        at: Time,
    },
    /// Waits for its restart.
    CrashLoop {
        /// When it ended.
        ended: Time,
    },
    /// Ended for good.
    Ended,
}

/// What only containers with failures have.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    /// Of restarts.
    pub(super) crash: Backoff,
    /// Of image pulls.
    pub(super) image: Backoff,
    /// Failed pulls, all in all.
    pub(super) pulls_failed: u32,
    /// Why it waits at present.
    pub(super) waiting: Arc<ReasonText>,
}

/// One container of a pod.
#[derive(Clone, Debug)]
pub(super) struct ContainerRecord {
    /// The hash of namespace/name/container, for draws.
    pub(super) path: u64,
    /// Where it stands.
    pub(super) stage: Stage,
    /// When its next own timer falls due; `Time::MAX`: none. Timers of any other time are stale.
    pub(super) due: Time,
    /// How often it has been started again.
    pub(super) restarts: u32,
    /// What it does.
    pub(super) behaviour: BehaviourIndex,
    /// Whether it runs and its readiness probe says so, or it has none.
    pub(super) ready: bool,
    /// Whether it runs and its startup probe has succeeded, or it has none.
    pub(super) started: bool,
    /// `ready` when this kubelet process found the container running; false for those that it has started itself.
    pub(super) was_ready: bool,
    /// `started`, likewise.
    pub(super) was_started: bool,
    /// Whether it has run at all.
    pub(super) has_run: bool,
    /// Whether its present or latest life has been told to stop.
    pub(super) stopping: bool,
    /// How its present or latest life ended.
    pub(super) exit: Option<Box<Terminated>>,
    /// How the life before that ended.
    pub(super) last: Option<Box<Terminated>>,
    /// Failures.
    pub(super) trouble: Option<Box<Trouble>>,
    /// What it reads of its configuration, if anything is declared of that.
    pub(super) view: Option<Box<View>>,
}

/// No container is being started.
pub(super) const NOBODY: u16 = u16::MAX;

/// One pod.
#[derive(Clone, Debug)]
pub(super) struct PodRecord {
    /// Its number on this node, never used again: names its timers and requests.
    pub(super) serial: u32,
    /// How far it has come.
    pub(super) life: Life,
    /// Its sandbox.
    pub(super) sandbox: Sandbox,
    /// Which address of the node's ranges it has; zero: none.
    pub(super) address: u32,
    /// The container that is being started; a pod starts one at a time.
    pub(super) active: u16,
    /// Whether all init containers are through.
    pub(super) initialized: bool,
    /// Whether the next relist has to look at it.
    pub(super) stirred: bool,
    /// Whether the API server no longer has it.
    pub(super) gone: bool,
    /// Whether its final deletion is under way.
    pub(super) deleting: bool,
    /// Whether this kubelet process has heard of it from the API server, and not only found it on the machine.
    pub(super) confirmed: bool,
    /// Whether its `activeDeadlineSeconds` are over.
    pub(super) overdue: bool,
    /// Why it has been evicted, if it has.
    pub(super) evicted: Option<Box<Name>>,
    /// When what still runs is killed, once it is terminating.
    pub(super) kill_by: Time,
    /// `status.startTime`.
    pub(super) start_time: Timestamp,
    /// Init containers first, then containers, as in the spec.
    pub(super) containers: Box<[ContainerRecord]>,
    /// As the API server showed it last.
    pub(super) pod: Arc<Obj<Pod>>,
    /// The status that is on its way to the API server.
    pub(super) sent: Option<Arc<Obj<Pod>>>,
    /// The status that goes out next.
    pub(super) pending: Option<Arc<Obj<Pod>>>,
}

impl PodRecord {
    /// A record of a pod that has just come to the node.
    pub(super) fn new(serial: u32, pod: &Arc<Obj<Pod>>, behaviours: &Behaviours, now: Timestamp) -> PodRecord {
        let spec = &pod.body.spec;
        let finished = pod.body.status.phase.is_finished();
        let status = &pod.body.status;
        let inits = spec.init_containers().len();
        let restarts = |index: usize| {
            let earlier =
                if index < inits { status.init_containers.get(index) } else { status.containers.get(index - inits) };
            earlier.map_or(0, restarts_after_reboot)
        };
        let containers = spec
            .init_containers()
            .iter()
            .chain(spec.containers())
            .enumerate()
            .map(|(index, container)| {
                let image = container.image.as_deref().unwrap_or_default();
                ContainerRecord {
                    path: object_hash(&format!("{}/{}/{}", pod.meta.namespace, pod.meta.name, container.name)),
                    stage: if finished { Stage::Ended } else { Stage::Wanted },
                    due: Time::MAX,
                    restarts: restarts(index),
                    behaviour: behaviours.find(pod, &container.name, image),
                    ready: false,
                    started: false,
                    was_ready: false,
                    was_started: false,
                    has_run: false,
                    stopping: false,
                    exit: None,
                    last: None,
                    trouble: None,
                    view: None,
                }
            })
            .collect();
        PodRecord {
            serial,
            life: if finished { Life::Finished } else { Life::Live },
            sandbox: if finished { Sandbox::Down } else { Sandbox::Waiting },
            address: 0,
            active: NOBODY,
            initialized: false,
            stirred: false,
            gone: false,
            deleting: false,
            confirmed: true,
            overdue: false,
            evicted: None,
            kill_by: Time::MAX,
            start_time: status.start_time.unwrap_or(now),
            containers,
            pod: pod.clone(),
            sent: None,
            pending: None,
        }
    }

    /// Whether the record is about this life of an object.
    pub(super) fn is_about(&self, pod: &Obj<Pod>) -> bool {
        self.pod.meta.id == pod.meta.id && self.pod.meta.uid == pod.meta.uid
    }

    /// How many init containers there are.
    pub(super) fn inits(&self) -> usize {
        self.pod.body.spec.init_containers().len()
    }

    /// The spec of a container, init containers first.
    pub(super) fn spec(&self, index: usize) -> &v1::Container {
        let spec = &self.pod.body.spec;
        spec.init_containers().get(index).unwrap_or_else(|| &spec.containers()[index - spec.init_containers().len()])
    }

    /// Whether a container is an init container that goes on running.
    pub(super) fn is_sidecar(&self, index: usize) -> bool {
        index < self.inits() && self.spec(index).restart_policy.as_deref() == Some("Always")
    }

    /// Whether a container is an init container that has to end before the next begins.
    pub(super) fn is_plain_init(&self, index: usize) -> bool {
        index < self.inits() && !self.is_sidecar(index)
    }

    /// The present life of a running container that was started at `since`.
    pub(super) fn program<'a>(
        &'a self,
        index: usize,
        since: Time,
        behaviours: &'a Behaviours,
        chance: Chance,
    ) -> Program<'a> {
        let container = &self.containers[index];
        let program =
            Program::new(behaviours.get(container.behaviour), chance, container.path, container.restarts, since);
        program.misled(container.view.as_ref().map_or(&[], |view| &view.unready))
    }

    /// The probes of a container that a kubelet has probed since `first`.
    pub(super) fn probes(&self, index: usize, first: Time) -> Probes<'_> {
        let container = &self.containers[index];
        let spec = (!self.is_plain_init(index)).then(|| self.spec(index));
        Probes {
            startup: spec.and_then(|spec| spec.startup_probe.as_ref()),
            readiness: spec.and_then(|spec| spec.readiness_probe.as_ref()),
            liveness: spec.and_then(|spec| spec.liveness_probe.as_ref()),
            first,
            was_started: container.was_started,
            was_ready: container.was_ready,
        }
    }

    /// How many containers run.
    pub(super) fn running(&self) -> usize {
        (0..self.containers.len()).filter(|index| self.is_running(*index)).count()
    }

    /// Whether a container runs.
    pub(super) fn is_running(&self, index: usize) -> bool {
        matches!(self.containers[index].stage, Stage::Running { .. })
    }

    /// Whether a container that has ended with this code is started again.
    /// Upstream: `kubecontainer.ShouldContainerBeRestarted`, `computeInitContainerActions`.
    pub(super) fn restarts(&self, index: usize, code: i32) -> bool {
        if self.is_sidecar(index) {
            return true;
        }
        if index < self.inits() && code == 0 {
            return false;
        }
        match self.pod.body.spec.restart_policy() {
            "Always" => true,
            "OnFailure" => code != 0,
            _ => false,
        }
    }

    /// The status from which the next one is computed: the newest that this kubelet has made, or what it has seen.
    pub(super) fn latest(&self) -> &Arc<Obj<Pod>> {
        self.pending.as_ref().or(self.sent.as_ref()).unwrap_or(&self.pod)
    }

    /// Whether the pod takes room on the node.
    pub(super) fn takes_room(&self) -> bool {
        self.life != Life::Finished
    }

    /// Whether it shares the node's network.
    pub(super) fn uses_host_network(&self) -> bool {
        self.pod.body.spec.full.host_network == Some(true)
    }

    /// The container's failures, to be changed.
    pub(super) fn trouble(&mut self, index: usize) -> &mut Trouble {
        self.containers[index].trouble.get_or_insert_with(|| {
            Box::new(Trouble {
                crash: Backoff::default(),
                image: Backoff::default(),
                pulls_failed: 0,
                waiting: super::texts::not_begun(false),
            })
        })
    }
}

/// A kubelet that starts with pods that have run already is a machine that was started again: so were their containers.
fn restarts_after_reboot(earlier: &ContainerStatus) -> u32 {
    earlier.restart_count + u32::from(earlier.started)
}
