//! What a synthetic file says that cannot be, where more than one value decides it.

use super::file::{AmountFile, DrawnAmountFile, LifetimesFile, MachinePoolFile, ShapeFile, SizesFile, SyntheticFile};
use super::scalar::Size;
use crate::api::located::{Half, Issue, Path, Segment};
use crate::trace::MAX_CARDS;

/// The most tasks and machines that a file may ask for.
const TASKS_MAX: u32 = 10_000_000;
const MACHINES_MAX: u32 = 1_000_000;

impl SyntheticFile {
    /// What is wrong with it, with paths from here on; nothing where it can be generated.
    pub fn issues(&self) -> Vec<Issue> {
        let mut issues = Vec::new();
        let tasks = Spot::default().key("tasks");
        if !(1..=TASKS_MAX).contains(&self.tasks.count) {
            issues.push(tasks.key("count").issue("so many tasks cannot be made", "a number from 1 to 10000000"));
        }
        if let SizesFile::Shapes(shapes) = &self.tasks.sizes {
            let sizes = tasks.key("sizes");
            if shapes.is_empty() {
                issues.push(sizes.issue("there is no shape", "at least one, as - {cpu: 500m, memory: 1Gi}"));
            }
            issues.extend(shapes.iter().enumerate().flat_map(|(index, shape)| of_shape(shape, &sizes.index(index))));
        }
        if let Some(LifetimesFile::Pareto { min, max, .. }) = &self.tasks.lifetimes
            && min.0 >= max.0
        {
            let at = tasks.key("lifetimes").key("pareto").key("max");
            issues.push(at.issue("the longest is not longer than the shortest", "more than min"));
        }
        let machines = Spot::default().key("machines");
        for (index, pool) in self.machines.iter().enumerate() {
            let at = machines.index(index);
            issues.extend(of_pool(pool, &at));
            if self.machines[..index].iter().any(|earlier| earlier.name == pool.name) {
                issues.push(at.key("name").issue(format!("a second pool {:?}", pool.name), "another name"));
            }
        }
        issues
    }
}

fn of_pool(pool: &MachinePoolFile, at: &Spot) -> Vec<Issue> {
    let mut issues = Vec::new();
    if !(1..=MACHINES_MAX).contains(&pool.count) {
        issues.push(at.key("count").issue("so many machines cannot be made", "a number from 1 to 1000000"));
    }
    if pool.gpus > MAX_CARDS {
        issues.push(at.key("gpus").issue("a machine has no so many GPUs", "at most 16"));
    }
    if pool.gpus > 0 && pool.model.is_empty() {
        issues.push(at.key("gpus").issue("the GPUs have no model", "model: T4 beside it, or any other name"));
    }
    if pool.gpus == 0 && !pool.model.is_empty() {
        issues.push(at.key("model").issue("a model, but no GPUs", "how many in gpus"));
    }
    if pool.price_per_hour.is_nan() || pool.price_per_hour < 0.0 {
        issues.push(at.key("pricePerHour").issue("a price below zero", "0 or more"));
    }
    issues
}

fn of_shape(shape: &ShapeFile, at: &Spot) -> Vec<Issue> {
    let mut issues = Vec::new();
    if shape.gpus > MAX_CARDS {
        issues.push(at.key("gpus").issue("no machine has so many GPUs", "at most 16"));
    }
    match shape.gpu_milli {
        Some(0 | 1001..) => issues.push(at.key("gpuMilli").issue("no part of one GPU", "a number from 1 to 1000")),
        Some(1..=1000) if shape.gpus == 0 => {
            issues.push(at.key("gpuMilli").issue("a part of a GPU, but no GPU", "gpus: 1 beside it"));
        }
        Some(1..1000) if shape.gpus > 1 => {
            issues.push(at.key("gpuMilli").issue("a part of several GPUs", "gpus: 1: only one GPU is shared"));
        }
        Some(_) | None => {}
    }
    if shape.gpus == 0 && !shape.models.is_empty() {
        issues.push(at.key("models").issue("models, but no GPUs", "how many in gpus"));
    }
    issues.extend(of_amount(&shape.cpu, &at.key("cpu")));
    issues.extend(of_amount(&shape.memory, &at.key("memory")));
    issues
}

fn of_amount(amount: &AmountFile, at: &Spot) -> Option<Issue> {
    let falls = |min: &Size, max: &Size| min.0.nanos() > max.0.nanos();
    match amount {
        AmountFile::Drawn(DrawnAmountFile::Uniform { min, max }) if falls(min, max) => {
            Some(at.key("uniform").key("max").issue("the largest is smaller than the smallest", "min or more"))
        }
        AmountFile::Drawn(DrawnAmountFile::Pareto { min, max, .. }) if min.0.nanos() >= max.0.nanos() => {
            Some(at.key("pareto").key("max").issue("the largest is not larger than the smallest", "more than min"))
        }
        AmountFile::Fixed(_) | AmountFile::Drawn(_) => None,
    }
}

/// A place in the file.
#[derive(Clone, Default)]
struct Spot(Vec<Segment>);

impl Spot {
    fn key(&self, key: &str) -> Spot {
        self.step(Segment::Key(key.to_owned()))
    }

    fn index(&self, index: usize) -> Spot {
        self.step(Segment::Index(index))
    }

    fn step(&self, segment: Segment) -> Spot {
        Spot(self.0.iter().cloned().chain([segment]).collect())
    }

    fn issue(&self, message: impl Into<String>, help: &str) -> Issue {
        Issue { path: Path(self.0.clone()), message: message.into(), help: Some(help.to_owned()), place: Half::Value }
    }
}
