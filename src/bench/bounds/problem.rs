//! What is packed into what: kinds of bins, kinds of items, and packings of the one into the other.

use crate::api::Name;

/// What is to be small.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Objective {
    /// The number of bins.
    Nodes,
    /// What they cost together.
    Cost,
}

/// Bins that are alike: nodes of a type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BinKind {
    /// What it is called.
    pub name: Name,
    /// How much of each resource a bin has.
    pub capacity: Vec<i64>,
    /// How many there may be at most; absent: any number.
    pub at_most: Option<u32>,
    /// What one costs an hour, in millionths of a dollar.
    pub micro_dollars: i64,
}

/// Items that are alike: pods of a template.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ItemKind {
    /// What it is called.
    pub name: Name,
    /// How much of each resource an item takes.
    pub size: Vec<i64>,
    /// How many there are.
    pub count: u32,
    /// Which kinds of bins may hold them, by number.
    pub may_use: Vec<bool>,
    /// How many of them one bin may hold, however much room it has; absent: any number.
    pub per_bin: Option<u32>,
}

/// Items that are to be packed.
///
/// Amounts and prices are not negative. Cards (GPUs) are two of the resources, whole cards and milli of cards, of which
/// an item takes what it asks for together. That is a relaxation: it does not see that a share of a card must lie on
/// one card, so that bounds stay bounds, while a packing may hold shares that no card has room for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The bins.
    pub bins: Vec<BinKind>,
    /// The items.
    pub items: Vec<ItemKind>,
    /// What is to be small.
    pub objective: Objective,
}

impl Problem {
    /// What a bin of a kind counts for.
    pub fn price(&self, kind: usize) -> i64 {
        match self.objective {
            Objective::Nodes => 1,
            Objective::Cost => self.bins[kind].micro_dollars,
        }
    }

    /// How many items of a kind fit into an empty bin of a kind, were there nothing else.
    pub fn most(&self, item: usize, kind: usize) -> u32 {
        let (item, bin) = (&self.items[item], &self.bins[kind]);
        if !item.may_use[kind] || bin.at_most == Some(0) {
            return 0;
        }
        room_for(item, &bin.capacity).min(item.count).min(item.per_bin.unwrap_or(u32::MAX))
    }

    /// Whether an item fits into an empty bin.
    pub fn fits(&self, item: usize, kind: usize) -> bool {
        self.most(item, kind) > 0
    }

    /// The kinds of bins that an item fits into.
    pub fn homes(&self, item: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.bins.len()).filter(move |kind| self.fits(item, *kind))
    }

    /// The items that fit into no bin at all. Bounds leave them aside.
    pub fn homeless(&self) -> Vec<usize> {
        let wanted = (0..self.items.len()).filter(|item| self.items[*item].count > 0);
        wanted.filter(|item| self.homes(*item).next().is_none()).collect()
    }

    /// How many resources there are.
    pub fn resources(&self) -> usize {
        self.bins.iter().map(|bin| bin.capacity.len()).max().unwrap_or(0)
    }

    /// How many bins of each kind there may be, as far as it matters: never more than items.
    pub(super) fn limits(&self) -> Vec<u32> {
        let items = self.items.iter().fold(0_u32, |sum, item| sum.saturating_add(item.count));
        self.bins.iter().map(|bin| bin.at_most.unwrap_or(items).min(items)).collect()
    }
}

/// How many items of a kind have room in what is free.
pub(super) fn room_for(item: &ItemKind, free: &[i64]) -> u32 {
    let of_each = item.size.iter().zip(free).filter(|(size, _)| **size > 0).map(|(size, free)| free / size);
    of_each.min().map_or(u32::MAX, |most| u32::try_from(most.max(0)).unwrap_or(u32::MAX))
}

/// Bins that hold the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Filled {
    /// The kind of bin.
    pub kind: usize,
    /// How many of each kind of item are in each of them.
    pub items: Vec<u32>,
    /// How many such bins there are.
    pub times: u32,
}

/// Where everything lies.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Packing {
    /// The bins.
    pub bins: Vec<Filled>,
}

impl Packing {
    /// How many bins there are.
    pub fn nodes(&self) -> i64 {
        self.bins.iter().map(|bin| i64::from(bin.times)).sum()
    }

    /// What they count for.
    pub fn price(&self, problem: &Problem) -> i64 {
        self.bins.iter().map(|bin| problem.price(bin.kind) * i64::from(bin.times)).sum()
    }

    /// How many bins of each kind there are.
    pub fn by_kind(&self, problem: &Problem) -> Vec<u32> {
        let mut counts = vec![0; problem.bins.len()];
        self.bins.iter().for_each(|bin| counts[bin.kind] += bin.times);
        counts
    }

    /// What is wrong with it, if anything: a bin that holds too much or what it may not, items that lie nowhere or that
    /// there are not, too many bins of a kind.
    pub fn flaw(&self, problem: &Problem) -> Option<String> {
        for bin in &self.bins {
            let kind = &problem.bins[bin.kind];
            for (item, count) in problem.items.iter().zip(&bin.items) {
                if *count > 0 && (!item.may_use[bin.kind] || item.per_bin.is_some_and(|most| *count > most)) {
                    return Some(format!("a bin {} may not hold {count} of {}", kind.name, item.name));
                }
            }
            if let Some(resource) = (0..kind.capacity.len()).find(|at| used(problem, bin, *at) > kind.capacity[*at]) {
                return Some(format!("a bin {} holds too much of resource {resource}", kind.name));
            }
        }
        for (at, item) in problem.items.iter().enumerate() {
            let packed: u64 = self.bins.iter().map(|bin| u64::from(bin.items[at]) * u64::from(bin.times)).sum();
            if packed != u64::from(item.count) {
                return Some(format!("{packed} of {} {} are packed", item.count, item.name));
            }
        }
        let counts = self.by_kind(problem);
        let over = problem.bins.iter().zip(counts).find(|(kind, count)| kind.at_most.is_some_and(|most| *count > most));
        over.map(|(kind, count)| format!("there are {count} bins {}", kind.name))
    }

    /// Bins that hold the same become one entry, in the order of kinds.
    pub(super) fn merged(mut self) -> Packing {
        self.bins.retain(|bin| bin.times > 0 && bin.items.iter().any(|count| *count > 0));
        self.bins.sort_by(|one, other| (one.kind, &other.items).cmp(&(other.kind, &one.items)));
        self.bins.dedup_by(|next, kept| {
            let same = next.kind == kept.kind && next.items == kept.items;
            kept.times += if same { next.times } else { 0 };
            same
        });
        self
    }
}

fn used(problem: &Problem, bin: &Filled, resource: usize) -> i64 {
    problem.items.iter().zip(&bin.items).map(|(item, count)| item.size[resource] * i64::from(*count)).sum()
}
