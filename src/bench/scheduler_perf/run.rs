//! Runs a workload: a tank with an API server and a scheduler, and the requests that its steps send.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::counts::Counts;
use super::file::{ChurnMode, Stage};
use super::plan::{Churn, Pods, Step, Wait, Workload};
use super::read::QPS;
use crate::api::{Clock, Kind, Labels, Name, Obj, Object, Pod, PodConditionType};
use crate::check::InvariantEntry;
use crate::client::{Flags, TokenBucket};
use crate::event::{Cause, DeleteOptions, PartId, Request, Target};
use crate::kernel::{Span, Time};
use crate::kubelet::{Behaviours, KubeletSettings};
use crate::net::NetSettings;
use crate::network::TrafficSettings;
use crate::scheduler::SchedulerSettings;
use crate::sim::{Setup, Sim};
use crate::store::{ApiServerSettings, Context};

/// How many events one call handles at most.
const EVENTS_PER_CALL: u32 = 8_192;
/// How long after a request left it has arrived, and the parts have seen what it did.
const SETTLE: Span = Span::from_millis(100);
/// How long it may take until another pod has come. Upstream waits as long for all of them.
const GIVE_UP: Span = Span::from_mins(10);
/// How often pods with certain labels are looked for. Upstream looks for all of them so.
const LOOK: Span = Span::from_secs(1);

/// What has come of a call.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Moment {
    /// There is more to be done.
    Working,
    /// From now on it is measured.
    Begins,
    /// The measurement is over.
    Ends {
        /// How many pods were scheduled in it.
        pods: u64,
        /// The simulated time that it took.
        simulated: Span,
    },
    /// All is done.
    Done,
}

/// A workload on its way.
#[derive(Debug)]
pub struct Run {
    sim: Sim,
    steps: VecDeque<Step>,
    waiting: Option<What>,
    churns: Vec<Churning>,
    /// The client of upstream's harness.
    limit: TokenBucket,
    counts: Counts,
    /// How many pods of each namespace were to be created, and what the last of them were like.
    asked: BTreeMap<Name, (u64, Arc<Obj<Pod>>)>,
    /// When the request for the last of them leaves.
    asked_until: Time,
    measuring: Option<(Vec<Pods>, u64, Time)>,
}

#[derive(Debug)]
enum What {
    Until(Time),
    /// The objects, at an instant.
    Objects(Vec<Object>, Time),
    Pods {
        stage: Stage,
        labels: Labels,
        wanted: BTreeMap<Name, u64>,
        /// When those with the labels are looked for next.
        look: Time,
        /// How many had come, and since when.
        had: (u64, Time),
    },
}

#[derive(Debug)]
struct Churning {
    churn: Churn,
    next: Time,
    ticks: u32,
    /// What is there of each template, where it is deleted again.
    living: Vec<Vec<Option<Name>>>,
}

impl Run {
    /// The tank of a workload, with nothing done yet. The invariants are checked all the time.
    pub fn new(workload: &Workload, seed: u64, invariants: &[&'static InvariantEntry]) -> Run {
        Run {
            sim: tank(&workload.settings, invariants).build(seed),
            steps: workload.steps.iter().cloned().collect(),
            waiting: None,
            churns: Vec::new(),
            limit: TokenBucket::new(f64::from(QPS), u64::from(QPS)),
            counts: Counts::default(),
            asked: BTreeMap::new(),
            asked_until: Time::ZERO,
            measuring: None,
        }
    }

    /// The tank.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// Goes on for a few thousand events, or up to the next moment of note.
    ///
    /// # Errors
    /// A sentence: what the API server refused, or which pods found no node in ten simulated minutes.
    pub fn advance(&mut self) -> Result<Moment, String> {
        if let Some(waiting) = self.waiting.take() {
            return self.wait(waiting).map(|()| Moment::Working);
        }
        match self.steps.pop_front() {
            None => return Ok(Moment::Done),
            Some(Step::Create(objects)) => {
                let leave = objects.iter().map(|object| self.send(Request::Create(object.clone())));
                let until = leave.max().map_or(self.sim.now(), |last| last + SETTLE);
                self.waiting = Some(What::Objects(objects, until));
            }
            Some(Step::CreatePods { template, count }) => {
                let leave = (0..count).map(|_| self.send(Request::Create(Object::Pod(template.clone()))));
                self.asked_until = leave.max().map_or(self.asked_until, |last| last.max(self.asked_until));
                let asked = self.asked.entry(template.meta.namespace.clone()).or_insert((0, template.clone()));
                *asked = (asked.0 + u64::from(count), template);
            }
            Some(Step::DeletePods { pods, interval, waits }) => {
                let last = self.delete(&pods, interval);
                self.waiting = waits.then_some(What::Until(last));
            }
            Some(Step::Churn(churn)) => {
                let living = vec![vec![None; churn.number as usize]; churn.templates.len()];
                let next = self.sim.now() + churn.interval;
                self.churns.push(Churning { churn, next, ticks: 0, living });
            }
            Some(Step::Wait(Wait::For(span))) => self.waiting = Some(What::Until(self.sim.now() + span)),
            Some(Step::Wait(Wait::Pods { stage, labels, wanted })) => {
                let now = self.sim.now();
                self.waiting = Some(What::Pods { stage, labels, wanted, look: now, had: (0, now) });
            }
            Some(Step::Begin(pods)) => {
                let scheduled = self.scheduled(&pods);
                self.measuring = Some((pods, scheduled, self.sim.now()));
                return Ok(Moment::Begins);
            }
            Some(Step::End) => {
                let (pods, before, since) = self.measuring.take().expect("what ends has begun");
                let simulated = self.sim.now().since(since);
                return Ok(Moment::Ends { pods: self.scheduled(&pods).saturating_sub(before), simulated });
            }
        }
        Ok(Moment::Working)
    }

    /// Sends a request as soon as the client's limit allows: when that is.
    fn send(&mut self, request: Request) -> Time {
        self.send_at(self.sim.now(), request)
    }

    fn send_at(&mut self, at: Time, request: Request) -> Time {
        let at = self.limit.reserve(at);
        self.sim.request_at(at, request);
        at
    }

    /// Handles events until what is waited for has come, or for this call.
    fn wait(&mut self, mut waiting: What) -> Result<(), String> {
        for _ in 0..EVENTS_PER_CALL {
            self.counts.follow(self.sim.store());
            let limit = match &mut waiting {
                What::Until(until) => *until,
                What::Objects(objects, until) if self.sim.now() >= *until => return self.check(objects),
                What::Objects(_, until) => *until,
                What::Pods { stage, labels, wanted, look, had } => {
                    if labels.is_empty() {
                        if self.counts.reach(*stage, wanted) {
                            return Ok(());
                        }
                    } else if self.sim.now() >= *look {
                        *look = self.sim.now() + LOOK;
                        if self.reach(*stage, labels, wanted) {
                            return Ok(());
                        }
                    }
                    let have = wanted.keys().map(|namespace| self.counts.of(*stage, namespace)).sum();
                    if have != had.0 {
                        *had = (have, self.sim.now());
                    }
                    let end = had.1.max(self.asked_until) + GIVE_UP;
                    if self.sim.now() >= end {
                        self.check_pods()?;
                        return Err(self.late(*stage, wanted));
                    }
                    end
                }
            };
            if !self.step(limit) {
                self.sim.run_until(limit);
                if let What::Until(_) = waiting {
                    return Ok(());
                }
            }
        }
        self.check_pods()?;
        self.waiting = Some(waiting);
        Ok(())
    }

    /// Handles the next event, or the next tick of a churn. False where neither comes by an instant.
    fn step(&mut self, limit: Time) -> bool {
        let event = self.sim.next_time().filter(|at| *at <= limit);
        let tick = self.churns.iter().map(|churning| churning.next).min().filter(|at| *at <= limit);
        match (event, tick) {
            (None, None) => false,
            (Some(event), Some(tick)) if event < tick => self.sim.step(),
            (Some(_), None) => self.sim.step(),
            (_, Some(tick)) => {
                self.tick(tick);
                true
            }
        }
    }

    /// What churns do at an instant.
    fn tick(&mut self, now: Time) {
        let mut requests = Vec::new();
        for churning in self.churns.iter_mut().filter(|churning| churning.next == now) {
            churning.tick(&mut requests);
        }
        self.churns.retain(|churning| !churning.is_over());
        for request in requests {
            self.send_at(now, request);
        }
    }

    /// Deletes the pods that are there; when the last of the requests leaves.
    fn delete(&mut self, pods: &Pods, interval: Option<Span>) -> Time {
        let store = self.sim.store();
        let mut targets: Vec<Target> = (store.unordered(Kind::Pod).filter_map(Object::get::<Pod>))
            .filter(|pod| pods.contain(pod))
            .map(|pod| Target::Id(pod.meta.id))
            .collect();
        targets.sort_by_key(|target| match target {
            Target::Id(id) => id.slot,
            Target::Name(..) => 0,
        });
        let mut last = self.sim.now();
        for target in targets {
            let request = Request::Delete { target, options: DeleteOptions::default() };
            match interval {
                None => last = self.send(request),
                // Slower than the client's limit.
                Some(interval) => {
                    last += interval;
                    self.sim.request_at(last, request);
                }
            }
        }
        last
    }

    /// How many pods of these have been scheduled so far.
    fn scheduled(&self, pods: &[Pods]) -> u64 {
        let of = |pods: &Pods| match pods.labels.is_empty() {
            true => self.counts.of(Stage::Scheduled, &pods.namespace),
            false => self.now_at(Stage::Scheduled, pods),
        };
        pods.iter().map(of).sum()
    }

    /// How many pods of these have come so far that are still there.
    fn now_at(&self, stage: Stage, pods: &Pods) -> u64 {
        let all = self.sim.store().unordered(Kind::Pod).filter_map(Object::get::<Pod>);
        all.filter(|pod| pods.contain(pod) && Counts::stage(pod) >= Some(stage)).count() as u64
    }

    fn reach(&self, stage: Stage, labels: &Labels, wanted: &BTreeMap<Name, u64>) -> bool {
        wanted.iter().all(|(namespace, wanted)| {
            self.now_at(stage, &Pods { namespace: namespace.clone(), labels: labels.clone() }) >= *wanted
        })
    }

    /// That all objects are there.
    fn check(&self, objects: &[Object]) -> Result<(), String> {
        let is_there = |object: &&Object| {
            let meta = object.meta();
            meta.name.is_empty() || self.sim.store().by_name(object.kind(), &meta.namespace, &meta.name).is_some()
        };
        match objects.iter().find(|object| !is_there(object)) {
            Some(object) => Err(self.refused(object)),
            None => Ok(()),
        }
    }

    /// That all pods came that were asked for by now.
    fn check_pods(&self) -> Result<(), String> {
        if self.sim.now() < self.asked_until + SETTLE {
            return Ok(());
        }
        let is_short = |(namespace, (asked, _)): &(&Name, &(u64, _))| self.counts.came(namespace) < *asked;
        match self.asked.iter().find(is_short) {
            Some((_, (_, template))) => Err(self.refused(&Object::Pod(template.clone()))),
            None => Ok(()),
        }
    }

    /// Why the API server has not created an object: what it would say now.
    fn refused(&self, object: &Object) -> String {
        let context = Context { now: self.sim.now(), cause: Cause::START, from: PartId::World, replica: 0 };
        let (kind, meta) = (object.kind().info().map_or("object", |info| info.kind.as_ref()), object.meta());
        let name = if meta.name.is_empty() { &meta.generate_name } else { &meta.name };
        match self.sim.store().clone().handle(Request::Create(object.clone()), &context) {
            Err(error) => format!("the API server refuses the {kind} {name}: {}", error.message),
            Ok(_) => format!("the {kind} {name} was not created"),
        }
    }

    /// What is told of pods that take too long.
    fn late(&self, stage: Stage, wanted: &BTreeMap<Name, u64>) -> String {
        let short = wanted.iter().find(|(namespace, wanted)| self.counts.of(stage, namespace) < **wanted);
        let Some((namespace, wanted)) = short else { return "pods with the labels have not come".to_owned() };
        let missing = wanted - self.counts.of(stage, namespace);
        let pods = self.sim.store().unordered(Kind::Pod).filter_map(Object::get::<Pod>);
        let mut left = pods.filter(|pod| pod.meta.namespace == *namespace && Counts::stage(pod) < Some(stage));
        let why = left.next().map_or(String::new(), |pod| {
            let condition = pod.body.condition(PodConditionType::PodScheduled);
            let text = condition.and_then(|condition| condition.text.as_deref());
            text.map_or(String::new(), |text| format!(": {}: {}", pod.meta.key(), text.message))
        });
        let done = if stage == Stage::Scheduled { "scheduled" } else { "attempted" };
        format!("{missing} of {wanted} pods of {namespace} are not {done}, and none was for {GIVE_UP}{why}")
    }
}

impl Churning {
    fn tick(&mut self, requests: &mut Vec<Request>) {
        for (number, template) in self.churn.templates.iter().enumerate() {
            match self.churn.mode {
                ChurnMode::Create => requests.push(Request::Create(template.clone())),
                ChurnMode::Recreate => {
                    let turn = self.ticks % self.churn.number;
                    let living = &mut self.living[number][turn as usize];
                    let meta = template.meta();
                    requests.push(match living.take() {
                        Some(name) => Request::Delete {
                            target: Target::Name(template.kind(), meta.namespace.clone(), name),
                            options: DeleteOptions::default(),
                        },
                        None => {
                            let mut object = template.clone();
                            if meta.name.is_empty() {
                                let name = ecow::eco_format!("{}{}", meta.generate_name, self.ticks);
                                object.meta_mut().name = name;
                            }
                            *living = Some(object.meta().name.clone());
                            Request::Create(object)
                        }
                    });
                }
            }
        }
        self.ticks = self.ticks.wrapping_add(1);
        self.next += self.churn.interval;
    }

    /// Whether it creates nothing any more.
    fn is_over(&self) -> bool {
        self.churn.mode == ChurnMode::Create && self.churn.number > 0 && self.ticks >= self.churn.number
    }
}

/// A tank without nodes, with a scheduler and nothing else.
fn tank(settings: &SchedulerSettings, invariants: &[&'static InvariantEntry]) -> Setup {
    let flags = Flags::default();
    Setup {
        clock: Clock::DEFAULT,
        net: NetSettings::DEFAULT,
        api_servers: 1,
        api_server: ApiServerSettings::default(),
        webhooks: Arc::from([]),
        custom_kinds: Vec::new(),
        pools: Vec::new(),
        nodes_registered: true,
        kubelet: Arc::new(KubeletSettings::defaults()),
        behaviours: Arc::new(Behaviours::none()),
        scheduler: Some(settings.clone()),
        schedulers: 1,
        controllers: Vec::new(),
        controller_flags: flags,
        controller_election: None,
        controller_managers: 1,
        timeline: Vec::new(),
        faults: Vec::new(),
        traffic: Arc::new(TrafficSettings::none()),
        invariants: invariants.to_vec(),
        operator_account: None,
        keep_journal: false,
    }
}
