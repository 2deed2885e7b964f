//! A run: pods come, are placed, wait, leave; nodes fail and are drained; a sample after each pod that came.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::figures::{Standing, Tally};
use super::sample::Arrived;
use super::{Conditions, Figures, Park, Placer, Plan, Queue, Sample, Spot};
use crate::kernel::{Agenda, Purpose, Time};

const FAILURE: Purpose = Purpose::new("placement-node-failure");

/// A run on its way.
pub struct Run<'a> {
    pub(super) plan: &'a Plan,
    conditions: Conditions,
    pub(super) placer: Box<dyn Placer + 'a>,
    pub(super) park: Park,
    agenda: Agenda<Event>,
    now: Time,
    /// When the last pods come: after that nothing fails any more.
    last_arrival: Time,
    pub(super) pods: Vec<Pod>,
    /// The first pod of each arrival that came.
    first_pods: Vec<u32>,
    /// Arrivals that came and are not decided yet, for placers that want several at once.
    batch: Vec<u32>,
    /// What waits, by priority and then by arrival: how many pods, and since when.
    waiting: BTreeMap<(Reverse<i32>, u32), (u32, Time)>,
    waiting_pods: u32,
    /// The pods of each node.
    pub(super) pods_of: Vec<BTreeSet<u32>>,
    arrived: Arrived,
    pub(super) tally: Tally,
    samples: Vec<Sample>,
    /// How nodes stood when the last pod came.
    pub(super) standing: Standing,
    moment: f64,
    at_moment: Option<Vec<f64>>,
}

/// What came of a run.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// A sample after every pod that came.
    pub samples: Vec<Sample>,
    /// What it comes to.
    pub figures: Figures,
    /// How full each node was at the chosen moment, in percent of its cards (of its CPU where it has none), in the order of
    /// the machines of the trace.
    pub nodes_at_moment: Vec<f64>,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Arrive(u32),
    /// The pod leaves, if this is still the placement that is meant.
    Leave(u32, u32),
    Fail(u32, u64),
    Return(u32, u64),
    Drain(u32),
    Reopen(u32),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Pod {
    pub(super) class: u32,
    pub(super) arrival: u32,
    pub(super) spot: Option<Spot>,
    /// When it was placed last.
    pub(super) placed_at: Time,
    /// How often it was placed.
    placements: u32,
    /// Whether it ended or was turned away.
    is_gone: bool,
}

impl<'a> Run<'a> {
    /// A run at its start. `moment` is when nodes are looked at one by one: after so many percent have arrived.
    pub fn new(plan: &'a Plan, conditions: Conditions, placer: Box<dyn Placer + 'a>, moment: f64) -> Run<'a> {
        let park = Park::new(plan);
        let pods_of = vec![BTreeSet::new(); plan.nodes.len()];
        let mut run = Run {
            plan,
            conditions,
            placer,
            park,
            agenda: Agenda::new(),
            now: Time::ZERO,
            last_arrival: plan.arrivals.last().map_or(Time::ZERO, |arrival| arrival.at),
            pods: Vec::new(),
            first_pods: Vec::new(),
            batch: Vec::new(),
            waiting: BTreeMap::new(),
            waiting_pods: 0,
            pods_of,
            arrived: Arrived::default(),
            tally: Tally::default(),
            samples: Vec::new(),
            standing: Standing::default(),
            moment,
            at_moment: None,
        };
        if !plan.arrivals.is_empty() {
            run.agenda.post(plan.arrivals[0].at, Event::Arrive(0));
        }
        if let Some(drains) = conditions.drains {
            run.agenda.post(Time::ZERO + drains.every, Event::Drain(0));
        }
        for node in 0..plan.nodes.len() as u32 {
            run.post_failure(node, 0);
        }
        run
    }

    /// All of it.
    pub fn finish(mut self) -> Outcome {
        while let Some((at, event)) = self.agenda.pop() {
            if at > self.last_arrival && self.waiting.is_empty() {
                break;
            }
            self.tally.pass(self.now, at.min(self.last_arrival), &self.park);
            self.now = at;
            self.handle(event);
        }
        let figures = Figures::of(&self);
        let at_moment = self.at_moment.take().unwrap_or_else(|| self.nodes_by_machine());
        Outcome { samples: self.samples, figures, nodes_at_moment: at_moment }
    }

    /// Does what an event says.
    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrive(arrival) => self.arrive(arrival),
            Event::Leave(pod, placement) => {
                if self.pods[pod as usize].placements == placement && self.pods[pod as usize].spot.is_some() {
                    let node = self.take_off(pod);
                    self.pods[pod as usize].is_gone = true;
                    self.retry(node);
                }
            }
            Event::Fail(node, n) => {
                self.park.set_open(node, false, &self.plan.setting.typical);
                self.tally.failures += 1;
                self.evict_all(node);
                if let Some(failures) = self.conditions.failures {
                    self.agenda.post(self.now + failures.lasts, Event::Return(node, n));
                }
            }
            Event::Return(node, n) => {
                self.reopen(node);
                self.post_failure(node, n + 1);
            }
            Event::Drain(node) => {
                let Some(drains) = self.conditions.drains else { return };
                self.park.set_open(node, false, &self.plan.setting.typical);
                self.evict_all(node);
                self.agenda.post(self.now + drains.lasts, Event::Reopen(node));
                let next = (node + 1) % self.park.nodes().len() as u32;
                if self.now + drains.every <= self.last_arrival {
                    self.agenda.post(self.now + drains.every, Event::Drain(next));
                }
            }
            Event::Reopen(node) => self.reopen(node),
        }
    }

    fn post_failure(&mut self, node: u32, n: u64) {
        let Some(failures) = self.conditions.failures else { return };
        let machine = u64::from(self.plan.machines[node as usize]);
        let draw = self.plan.chance.draw(FAILURE, machine, n);
        let at = self.now + draw.exponential(failures.mean_between);
        if at <= self.last_arrival {
            self.agenda.post(at, Event::Fail(node, n));
        }
    }

    fn reopen(&mut self, node: u32) {
        self.park.set_open(node, true, &self.plan.setting.typical);
        self.retry(node);
    }

    fn arrive(&mut self, number: u32) {
        let next = number as usize + 1;
        if let Some(arrival) = self.plan.arrivals.get(next) {
            self.agenda.post(arrival.at, Event::Arrive(next as u32));
        }
        self.first_pods.push(self.pods.len() as u32);
        for class in &self.plan.arrivals[number as usize].classes {
            self.pods.push(Pod {
                class: *class,
                arrival: number,
                spot: None,
                placed_at: Time::ZERO,
                placements: 0,
                is_gone: false,
            });
        }
        self.batch.push(number);
        if self.batch.len() >= self.placer.batch() || next == self.plan.arrivals.len() {
            let batch = std::mem::take(&mut self.batch);
            self.decide_batch(&batch);
        }
    }

    /// Decides about arrivals in the order, and on the nodes, that the placer wishes. Gangs go one by one.
    fn decide_batch(&mut self, batch: &[u32]) {
        if let [only] = batch {
            return self.decide_new(*only, None);
        }
        let (single, gangs): (Vec<u32>, Vec<u32>) =
            batch.iter().partition(|number| self.plan.arrivals[**number as usize].classes.len() == 1);
        let classes: Vec<u32> = single.iter().map(|number| self.plan.arrivals[*number as usize].classes[0]).collect();
        for (pod, node) in self.placer.arrange(self.plan, &self.park, &classes) {
            self.decide_new(single[pod], node);
        }
        gangs.into_iter().for_each(|gang| self.decide_new(gang, None));
    }

    /// Decides about an arrival for the first time.
    fn decide_new(&mut self, number: u32, wish: Option<usize>) {
        let size = self.plan.arrivals[number as usize].classes.len() as u32;
        let blocked = self.conditions.queue == Queue::Fifo && !self.waiting.is_empty();
        let is_placed = !blocked && (self.place_all(number, wish) || self.may_preempt(number));
        for class in &self.plan.arrivals[number as usize].classes {
            self.arrived.count(&self.plan.classes[*class as usize]);
        }
        if is_placed {
            self.tally.waited(self.now, self.plan.arrivals[number as usize].at, size);
        } else {
            self.wait_or_reject(number, size);
        }
        self.sample();
    }

    /// Lets a pod that fits nowhere preempt others, where that is asked for and it comes alone.
    fn may_preempt(&mut self, number: u32) -> bool {
        let pods = self.unplaced(number);
        self.conditions.preemption && pods.len() == 1 && self.preempt(pods[0])
    }

    fn wait_or_reject(&mut self, number: u32, pods: u32) {
        self.tally.waited += pods;
        match self.conditions.queue {
            Queue::None => {
                self.tally.rejected += pods;
                for pod in self.unplaced(number) {
                    self.pods[pod as usize].is_gone = true;
                }
            }
            Queue::Retry | Queue::Fifo => {
                let priority = self.plan.arrivals[number as usize].priority;
                let waited = self.waiting.insert((Reverse(priority), number), (pods, self.now));
                self.waiting_pods += pods - waited.map_or(0, |(before, _)| before);
            }
        }
    }

    fn sample(&mut self) {
        let (totals, rejected) = (self.park.totals(), self.tally.rejected);
        let sample = Sample::new(self.plan, self.now, &self.arrived, totals, rejected, self.waiting_pods);
        self.samples.push(sample);
        if self.samples.len() == self.plan.arrivals.len() {
            self.standing = Standing::of(self.plan, &self.park);
        }
        self.tally.most_nodes = self.tally.most_nodes.max(sample.nodes_used);
        if self.at_moment.is_none() && sample.arrived_pct >= self.moment {
            self.at_moment = Some(self.nodes_by_machine());
        }
    }

    /// The pods of an arrival that are not placed.
    fn unplaced(&self, number: u32) -> Vec<u32> {
        let first = self.first_pods[number as usize];
        let size = self.plan.arrivals[number as usize].classes.len() as u32;
        let is_unplaced = |pod: &Pod| pod.spot.is_none() && !pod.is_gone;
        (first..first + size).filter(|pod| is_unplaced(&self.pods[*pod as usize])).collect()
    }

    /// Places all pods of an arrival that are not placed, or none of them.
    fn place_all(&mut self, number: u32, wish: Option<usize>) -> bool {
        let pods = self.unplaced(number);
        for (place, pod) in pods.iter().enumerate() {
            let class = self.pods[*pod as usize].class;
            let wished = wish.and_then(|node| self.placer.place_on(self.plan, &self.park, class, node));
            let Some(spot) = wished.or_else(|| self.placer.place(self.plan, &self.park, class)) else {
                for placed in &pods[..place] {
                    self.take_off(*placed);
                }
                return false;
            };
            self.put(*pod, spot);
        }
        pods.into_iter().for_each(|pod| self.count_placed(pod));
        true
    }

    /// A pod is placed for good, until it leaves or loses its node.
    pub(super) fn count_placed(&mut self, pod: u32) {
        let placed = &mut self.pods[pod as usize];
        placed.placements += 1;
        placed.placed_at = self.now;
        self.tally.placements += 1;
        self.tally.moved += u32::from(placed.placements > 1);
        if let Some(lasts) = self.plan.arrivals[placed.arrival as usize].lasts {
            self.agenda.post(self.now + lasts, Event::Leave(pod, placed.placements));
        }
    }

    pub(super) fn put(&mut self, pod: u32, spot: Spot) {
        let class = self.pods[pod as usize].class;
        self.park.add(&self.plan.classes[class as usize], spot, &self.plan.setting.typical);
        self.placer.placed(self.plan, class, spot, pod);
        self.pods[pod as usize].spot = Some(spot);
        self.pods_of[spot.node as usize].insert(pod);
    }

    /// Takes a pod off its node, and says which that was.
    pub(super) fn take_off(&mut self, pod: u32) -> u32 {
        let Pod { class, spot, .. } = self.pods[pod as usize];
        let spot = spot.expect("a pod that is taken off a node is on one");
        self.park.remove(&self.plan.classes[class as usize], spot, &self.plan.setting.typical);
        self.placer.removed(self.plan, class, spot, pod);
        self.pods[pod as usize].spot = None;
        self.pods_of[spot.node as usize].remove(&pod);
        spot.node
    }

    /// Evicts the pods of a node that is closed. Each comes anew, on its own.
    fn evict_all(&mut self, node: u32) {
        let pods: Vec<u32> = self.pods_of[node as usize].iter().copied().collect();
        for pod in &pods {
            self.take_off(*pod);
            self.tally.evicted += 1;
        }
        self.come_anew(&pods);
    }

    /// Pods that lost their nodes are tried at once.
    pub(super) fn come_anew(&mut self, pods: &[u32]) {
        let mut numbers: Vec<u32> = pods.iter().map(|pod| self.pods[*pod as usize].arrival).collect();
        numbers.dedup();
        for number in numbers {
            let pods = self.unplaced(number).len() as u32;
            if pods > 0 && !self.place_all(number, None) {
                self.wait_or_reject(number, pods);
            }
        }
    }

    /// Tries what waits, now that a node has more room.
    fn retry(&mut self, node: u32) {
        let mut hopeless = BTreeSet::new();
        let mut from = None;
        loop {
            let next = match from {
                None => self.waiting.iter().next(),
                Some(last) => self.waiting.range((Bound::Excluded(last), Bound::Unbounded)).next(),
            };
            let Some((&entry, &(pods, since))) = next else { return };
            from = Some(entry);
            let number = entry.1;
            let arrival = &self.plan.arrivals[number as usize];
            let class = arrival.classes[0];
            let is_single = arrival.classes.len() == 1;
            let is_hopeless = is_single
                && (hopeless.contains(&class)
                    || !self.park.nodes()[node as usize].fits(&self.plan.classes[class as usize]));
            if !is_hopeless && self.place_all(number, None) {
                self.waiting.remove(&entry);
                self.waiting_pods -= pods;
                self.tally.waited(self.now, since, pods);
            } else if self.conditions.queue == Queue::Fifo {
                return;
            } else if is_single {
                hopeless.insert(class);
            }
        }
    }

    /// How full each node is, by machine.
    fn nodes_by_machine(&self) -> Vec<f64> {
        let mut full = vec![0.0; self.park.nodes().len()];
        for (node, machine) in self.park.nodes().iter().zip(&self.plan.machines) {
            full[*machine as usize] = super::figures::fill_percent(node);
        }
        full
    }

    /// How many pods wait.
    pub(super) fn waiting_pods(&self) -> u32 {
        self.waiting_pods
    }

    /// What stands on nodes at the end.
    pub(super) fn last_sample(&self) -> Sample {
        self.samples.last().copied().unwrap_or_default()
    }
}

impl Arrived {
    fn count(&mut self, pod: &crate::scheduler::policies::Demand) {
        self.pods += 1;
        for (sum, asked) in self.asks.iter_mut().zip(pod.asks) {
            *sum += asked;
        }
        self.card_milli += pod.card_milli();
    }
}
