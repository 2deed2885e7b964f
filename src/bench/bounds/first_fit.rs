//! Packings by first fit and best fit decreasing: what can be done, as bounds say what cannot.
//!
//! Source for several resources: R. Panigrahy, K. Talwar, L. Uyeda, U. Wieder, 'Heuristics for vector bin packing',
//! Microsoft Research (2011). Items come by size, the largest first; each goes into the first bin, or the one that is
//! then fullest, in which it has room. Where none has, a bin is opened: of one kind for all as long as the item fits
//! there and there are any left, else of the kind that is cheapest for its size. At the end each bin becomes the
//! cheapest that holds what is in it.

use super::Problem;
use super::problem::{Filled, Packing, room_for};

/// Which of the bins with room an item takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fit {
    /// The first.
    First,
    /// The one that is fullest with it.
    Best,
}

/// Which item is large.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Size {
    /// By the resource of which it takes the largest part.
    Largest,
    /// By the parts of all resources together.
    Sum,
}

/// All packings that the rules lead to, in no order of merit. Rules that find no place for an item lead to none.
pub fn first_fit(problem: &Problem) -> Vec<Packing> {
    let mut packings = Vec::new();
    for preferred in (0..problem.bins.len()).map(Some).chain([None]) {
        for size in [Size::Largest, Size::Sum] {
            for fit in [Fit::First, Fit::Best] {
                packings.extend(pack(problem, preferred, size, fit));
            }
        }
    }
    packings
}

/// The packing with the lowest price, the first among equals.
pub fn cheapest(problem: &Problem, packings: Vec<Packing>) -> Option<Packing> {
    packings.into_iter().min_by_key(|packing| (packing.price(problem), packing.nodes()))
}

/// One of them. `preferred` is the kind of bin that is opened where it can be.
pub fn pack(problem: &Problem, preferred: Option<usize>, size: Size, fit: Fit) -> Option<Packing> {
    let mut order: Vec<usize> = (0..problem.items.len()).filter(|item| problem.items[*item].count > 0).collect();
    let sizes: Vec<i64> = (0..problem.items.len()).map(|item| size_of(problem, item, preferred, size)).collect();
    order.sort_by_key(|item| (std::cmp::Reverse(sizes[*item]), *item));
    let mut open: Vec<Open> = Vec::new();
    let mut left = problem.limits();
    for item in order {
        let mut count = problem.items[item].count;
        while count > 0 {
            let (at, room) = match fit {
                Fit::First => first(problem, &open, item),
                Fit::Best => fullest(problem, &open, item),
            }
            .or_else(|| {
                let kind = kind_for(problem, item, preferred, &left)?;
                left[kind] -= 1;
                open.push(Open::empty(problem, kind));
                Some((open.len() - 1, problem.most(item, kind)))
            })?;
            let taken = room.min(count);
            open[at].put(problem, item, taken);
            count -= taken;
        }
    }
    Some(shrunk(problem, open, left))
}

/// In thousandths of a bin: of the preferred kind, or else of a bin that has of each resource the most there is.
fn size_of(problem: &Problem, item: usize, preferred: Option<usize>, size: Size) -> i64 {
    let part = |(resource, size): (usize, &i64)| {
        let most = problem.bins.iter().map(|bin| bin.capacity[resource]).max().unwrap_or(0);
        let whole = preferred.map_or(most, |kind| problem.bins[kind].capacity[resource]).max(1);
        (i128::from(*size) * 1_000_000 / i128::from(whole)) as i64
    };
    let parts = problem.items[item].size.iter().enumerate().map(part);
    match size {
        Size::Largest => parts.max().unwrap_or(0),
        Size::Sum => parts.sum(),
    }
}

/// A bin that is being filled.
#[derive(Clone, Debug)]
struct Open {
    kind: usize,
    free: Vec<i64>,
    items: Vec<u32>,
}

impl Open {
    fn empty(problem: &Problem, kind: usize) -> Open {
        Open { kind, free: problem.bins[kind].capacity.clone(), items: vec![0; problem.items.len()] }
    }

    /// How many more of an item it may hold.
    fn room(&self, problem: &Problem, at: usize) -> u32 {
        let item = &problem.items[at];
        if !item.may_use[self.kind] {
            return 0;
        }
        room_for(item, &self.free).min(item.per_bin.unwrap_or(u32::MAX).saturating_sub(self.items[at]))
    }

    fn put(&mut self, problem: &Problem, at: usize, count: u32) {
        self.items[at] += count;
        let sizes = &problem.items[at].size;
        self.free.iter_mut().zip(sizes).for_each(|(free, size)| *free -= size * i64::from(count));
    }

    /// What is free in it, in parts of its capacity.
    fn slack(&self, problem: &Problem) -> i64 {
        let capacity = &problem.bins[self.kind].capacity;
        let part = |(free, capacity): (&i64, &i64)| (i128::from(*free) << 20) / i128::from((*capacity).max(1));
        self.free.iter().zip(capacity).map(part).sum::<i128>() as i64
    }
}

/// The first bin with room for an item, and for how many.
fn first(problem: &Problem, open: &[Open], item: usize) -> Option<(usize, u32)> {
    let mut rooms = open.iter().map(|bin| bin.room(problem, item)).enumerate();
    rooms.find(|(_, room)| *room > 0)
}

/// The bin with the least slack that has room for an item. It stays that until it has none.
fn fullest(problem: &Problem, open: &[Open], item: usize) -> Option<(usize, u32)> {
    let rooms = open.iter().map(|bin| bin.room(problem, item)).enumerate().filter(|(_, room)| *room > 0);
    rooms.min_by_key(|(at, _)| open[*at].slack(problem))
}

/// The kind of bin to open for an item.
fn kind_for(problem: &Problem, item: usize, preferred: Option<usize>, left: &[u32]) -> Option<usize> {
    let possible = |kind: &usize| left[*kind] > 0 && problem.fits(item, *kind);
    preferred.filter(possible).or_else(|| {
        let price_of_one = |kind: &usize| (problem.price(*kind) << 20) / i64::from(problem.most(item, *kind));
        problem.homes(item).filter(possible).min_by_key(price_of_one)
    })
}

/// Each bin becomes the cheapest that holds what is in it.
fn shrunk(problem: &Problem, open: Vec<Open>, mut left: Vec<u32>) -> Packing {
    let holds = |bin: &Open, kind: usize| {
        let used = problem.bins[bin.kind].capacity.iter().zip(&bin.free).map(|(capacity, free)| capacity - free);
        let fits = used.zip(&problem.bins[kind].capacity).all(|(used, capacity)| used <= *capacity);
        fits && problem.items.iter().zip(&bin.items).all(|(item, count)| *count == 0 || item.may_use[kind])
    };
    let mut packing = Packing::default();
    for bin in open {
        let better = (0..problem.bins.len())
            .filter(|kind| problem.price(*kind) < problem.price(bin.kind) && left[*kind] > 0 && holds(&bin, *kind));
        let kind = better.min_by_key(|kind| problem.price(*kind)).unwrap_or(bin.kind);
        left[bin.kind] += 1;
        left[kind] -= 1;
        packing.bins.push(Filled { kind, items: bin.items, times: 1 });
    }
    packing.merged()
}
