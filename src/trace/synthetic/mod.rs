//! Synthetic traces: arrivals, sizes, life times and groups drawn by a seed.
//!
//! A trace is a pure function of its file and the seed. Each draw belongs to one purpose and one submission, so a longer
//! trace begins with the shorter one, and another life time leaves arrivals and sizes as they were.
//! Left out: dependence between sizes and life times, and between one submission and the next; users; tasks that come
//! again after they failed.

mod arrivals;
mod check;
mod distribution;
mod file;
mod scalar;
#[cfg(feature = "cli")]
mod schema;
#[cfg(test)]
mod tests;

pub use file::{
    AmountFile, ArrivalsFile, DrawnAmountFile, GroupsFile, LifetimesFile, MachinePoolFile, ShapeFile, SizesFile,
    SyntheticFile, TasksFile,
};
pub use scalar::{CountRange, Length, Positive, Share, Size};

use super::{Amounts, Machine, RESOURCES, Task, Trace};
use crate::api::{Name, Quantity};
use crate::kernel::{Chance, Draw, Purpose, Span, object_hash};
use arrivals::Arrivals;
use distribution::{log_normal, pareto, uniform};

const SHAPE: Purpose = Purpose::new("synthetic-shape");
const CPU: Purpose = Purpose::new("synthetic-cpu");
const MEMORY: Purpose = Purpose::new("synthetic-memory");
const LIFETIME: Purpose = Purpose::new("synthetic-lifetime");
const GROUP: Purpose = Purpose::new("synthetic-group");
const GROUP_SIZE: Purpose = Purpose::new("synthetic-group-size");

/// No amount is larger, so that sums of them stay numbers.
const AMOUNT_MAX: f64 = 1e15;

impl SyntheticFile {
    /// Whether the sizes are those of a trace, which [`generate`] must be given.
    pub fn needs_trace(&self) -> bool {
        self.tasks.sizes == SizesFile::Trace
    }
}

/// The trace of a file that [`SyntheticFile::issues`] finds nothing wrong with. `observed` is the trace whose sizes the
/// tasks have, where the file says so.
///
/// # Panics
/// Where the file needs a trace, and none is given or it has no tasks.
pub fn generate(file: &SyntheticFile, observed: Option<&Trace>, seed: u64) -> Trace {
    let resources = match observed {
        Some(observed) if file.needs_trace() => observed.resources.clone(),
        Some(_) | None => vec!["cpu".into(), "memory".into()],
    };
    Trace { resources, machines: file.machines.iter().flat_map(pool).collect(), tasks: tasks(file, observed, seed) }
}

fn pool(pool: &MachinePoolFile) -> impl Iterator<Item = Machine> {
    (0..pool.count).map(|number| Machine {
        name: Name::from(format!("{}-{number}", pool.name)),
        capacity: amounts(milli(&pool.cpu.0), whole(&pool.memory.0)),
        cards: pool.gpus,
        model: pool.model.as_str().into(),
        zone: match pool.zones.len() {
            0 => Name::new(),
            zones => pool.zones[number as usize % zones].as_str().into(),
        },
        node_type: pool.node_type.as_str().into(),
        price_per_hour: pool.price_per_hour,
    })
}

fn tasks(file: &SyntheticFile, observed: Option<&Trace>, seed: u64) -> Vec<Task> {
    let maker = Maker { file: &file.tasks, observed, chance: Chance { seed }, object: object_hash("tasks") };
    let mut arrivals = Arrivals::of(file.tasks.arrivals.as_ref(), maker.chance);
    let count = file.tasks.count as usize;
    let mut tasks: Vec<Task> = Vec::with_capacity(count);
    for submission in 0.. {
        if tasks.len() == count {
            break;
        }
        let mut task = maker.shape(submission);
        task.arrives = arrivals.next();
        task.leaves = maker.lifetime(submission).map(|lifetime| task.arrives.saturating_add(lifetime));
        let size = maker.group_size(submission);
        if size.is_some() {
            task.gang = Name::from(format!("group-{submission}"));
        }
        for _ in 0..size.unwrap_or(1).min(count - tasks.len()) {
            task.name = Name::from(format!("task-{}", tasks.len()));
            tasks.push(task.clone());
        }
    }
    tasks
}

/// What is drawn for one submission.
struct Maker<'f> {
    file: &'f TasksFile,
    observed: Option<&'f Trace>,
    chance: Chance,
    object: u64,
}

impl Maker<'_> {
    fn draw(&self, purpose: Purpose, submission: u64) -> Draw {
        self.chance.draw(purpose, self.object, submission)
    }

    /// A task that asks for something, without a name and without times.
    fn shape(&self, submission: u64) -> Task {
        let draw = self.draw(SHAPE, submission);
        let shapes = match (&self.file.sizes, self.observed) {
            (SizesFile::Shapes(shapes), _) => shapes,
            (SizesFile::Trace, Some(observed)) if !observed.tasks.is_empty() => {
                let task = &observed.tasks[draw.below(observed.tasks.len() as u64) as usize];
                return Task {
                    asks: task.asks,
                    cards: task.cards,
                    milli_per_card: task.milli_per_card,
                    models: task.models.clone(),
                    priority: task.priority,
                    ..Task::default()
                };
            }
            (SizesFile::Trace, _) => panic!("sizes were to be drawn from a trace, and there is none with tasks"),
        };
        let shape = chosen(shapes, &draw);
        let cpu = amount(&shape.cpu, milli, &self.draw(CPU, submission));
        let memory = amount(&shape.memory, whole, &self.draw(MEMORY, submission));
        let all_of_each = if shape.gpus == 0 { 0 } else { 1000 };
        Task {
            asks: amounts(cpu, memory),
            cards: shape.gpus,
            milli_per_card: shape.gpu_milli.unwrap_or(all_of_each),
            models: shape.models.iter().map(|model| model.as_str().into()).collect(),
            priority: shape.priority,
            ..Task::default()
        }
    }

    fn lifetime(&self, submission: u64) -> Option<Span> {
        let draw = self.draw(LIFETIME, submission);
        let nanos = |span: Length| span.0.as_nanos() as f64;
        let drawn = match *self.file.lifetimes.as_ref()? {
            LifetimesFile::Fixed(length) => return Some(length.0),
            LifetimesFile::Exponential { mean } => draw.exponential(mean.0).as_nanos() as f64,
            LifetimesFile::LogNormal { median, sigma, max } => {
                log_normal(&draw, nanos(median), sigma.0, max.map_or(f64::INFINITY, nanos))
            }
            LifetimesFile::Pareto { min, shape, max } => pareto(&draw, nanos(min), shape.0, nanos(max)),
        };
        Some(Span::from_nanos((libm::round(drawn) as u64).max(1)))
    }

    /// How many tasks a group has; nothing where the submission is a single task.
    fn group_size(&self, submission: u64) -> Option<usize> {
        let groups = self.file.groups.as_ref()?;
        if self.draw(GROUP, submission).unit() >= groups.share.0 {
            return None;
        }
        let CountRange { low, high } = groups.size;
        Some(low as usize + self.draw(GROUP_SIZE, submission).below(u64::from(high - low) + 1) as usize)
    }
}

/// One of the shapes, by weight.
fn chosen<'s>(shapes: &'s [ShapeFile], draw: &Draw) -> &'s ShapeFile {
    let weight = |shape: &ShapeFile| shape.weight.map_or(1.0, |weight| weight.0);
    let mut left = draw.unit() * shapes.iter().map(weight).sum::<f64>();
    let found = shapes.iter().find(|shape| {
        left -= weight(shape);
        left < 0.0
    });
    // What rounding leaves over belongs to the last.
    found.or(shapes.last()).expect("a file without shapes has been refused")
}

/// An amount in the unit that `of` counts in, at least one of it.
fn amount(amount: &AmountFile, of: fn(&Quantity) -> i64, draw: &Draw) -> i64 {
    let number = |size: &Size| of(&size.0) as f64;
    let drawn = match amount {
        AmountFile::Fixed(size) => number(size),
        AmountFile::Drawn(DrawnAmountFile::Uniform { min, max }) => uniform(draw, number(min), number(max)),
        AmountFile::Drawn(DrawnAmountFile::LogNormal { median, sigma, max }) => {
            log_normal(draw, number(median), sigma.0, max.as_ref().map_or(f64::INFINITY, number))
        }
        AmountFile::Drawn(DrawnAmountFile::Pareto { min, shape, max }) => {
            pareto(draw, number(min), shape.0, number(max))
        }
    };
    libm::round(drawn.clamp(1.0, AMOUNT_MAX)) as i64
}

fn milli(quantity: &Quantity) -> i64 {
    quantity.milli_value()
}

fn whole(quantity: &Quantity) -> i64 {
    quantity.value()
}

fn amounts(cpu: i64, memory: i64) -> Amounts {
    let mut amounts = [0; RESOURCES];
    amounts[0] = cpu;
    amounts[1] = memory;
    amounts
}
