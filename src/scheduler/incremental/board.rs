//! Which node is best: nodes that a pod fits on by themselves, grouped by all that their scores and rejections depend
//! on beside themselves, each group with the best base score of every 64 nodes.
//!
//! A *base score* is what a node earns by itself; a group's *offset* is what all its nodes earn beside (normalised and
//! spread scores). The best node of a group is the one with the best base score, whatever the offset, so that a pod is
//! decided by looking at groups and blocks instead of nodes, and a node that changes costs one block.

use rustc_hash::FxHashMap;

/// A place in the order of nodes.
pub(super) type Position = u32;
/// A group's number on its board.
pub(super) type GroupIndex = u32;

const BLOCK: usize = 64;
const NONE: u32 = u32::MAX;
const EMPTY: i32 = i32::MIN;

/// A node: 16 bytes, so that a change of it touches one cache line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    base: i32,
    group: GroupIndex,
    /// What it earns by its Node object alone.
    pub(super) object_score: i32,
    /// Why its Node object cannot take the pod; zero where it can.
    pub(super) object_status: u16,
    /// Why the node cannot take the pod; zero where it can.
    pub(super) status: u16,
}

const OFF: Cell = Cell { base: 0, group: NONE, object_score: 0, object_status: 0, status: 0 };

/// The nodes of a template's board, by group.
#[derive(Debug)]
pub(super) struct Board {
    /// The nodes by position.
    pub(super) cells: Vec<Cell>,
    groups: Vec<Group>,
    by_key: FxHashMap<Box<[i64]>, GroupIndex>,
    free: Vec<GroupIndex>,
}

/// Nodes with the same key.
#[derive(Debug)]
pub(super) struct Group {
    /// What the nodes have in common.
    pub(super) key: Box<[i64]>,
    /// How many there are.
    pub(super) nodes: u32,
    members: Vec<u64>,
    best: Vec<i32>,
    ties: Vec<u8>,
}

impl Group {
    fn new(key: Box<[i64]>, blocks: usize) -> Group {
        Group { key, nodes: 0, members: vec![0; blocks], best: vec![EMPTY; blocks], ties: vec![0; blocks] }
    }

    /// A member of a block has come or risen to a score.
    fn rose(&mut self, block: usize, to: i32) {
        if to > self.best[block] {
            (self.best[block], self.ties[block]) = (to, 1);
        } else if to == self.best[block] {
            self.ties[block] += 1;
        }
    }

    /// A member of a block has gone or sunk from a score.
    fn sank(&mut self, block: usize, from: i32, cells: &[Cell]) {
        if from < self.best[block] {
            return;
        }
        self.ties[block] -= 1;
        if self.ties[block] == 0 {
            let (best, ties) = best_of(self.members[block], block, cells);
            self.best[block] = best;
            self.ties[block] = ties as u8;
        }
    }

    /// The nodes of a block with this base score.
    fn with(&self, block: usize, mask: u64, cells: &[Cell], wanted: i64) -> u64 {
        let mut bits = 0;
        let mut rest = self.members[block] & mask;
        while rest != 0 {
            let bit = rest.trailing_zeros() as usize;
            if i64::from(cells[block * BLOCK + bit].base) == wanted {
                bits |= 1 << bit;
            }
            rest &= rest - 1;
        }
        bits
    }
}

/// The best total, and how many nodes have it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Best {
    /// Base score and offset of the group.
    pub(super) total: i64,
    /// Nodes that have it.
    pub(super) ties: u64,
}

impl Board {
    /// A board for so many nodes, with none on it.
    pub(super) fn new(nodes: usize) -> Board {
        Board { cells: vec![OFF; nodes], groups: Vec::new(), by_key: FxHashMap::default(), free: Vec::new() }
    }

    /// Puts a node on the board, or moves it to where it belongs now.
    pub(super) fn put(&mut self, at: Position, key: &[i64], base: i32) {
        let position = at as usize;
        let before = self.cells[position].group;
        if before != NONE {
            if *self.groups[before as usize].key == *key {
                self.rescore(at, base);
                return;
            }
            self.take(at);
        }
        self.cells[position].base = base;
        let number = self.number(key);
        self.cells[position].group = number;
        let group = &mut self.groups[number as usize];
        group.nodes += 1;
        group.members[position / BLOCK] |= 1 << (position % BLOCK);
        group.rose(position / BLOCK, base);
    }

    /// Gives a node that is on the board another base score; whether it is there.
    pub(super) fn rescore(&mut self, at: Position, base: i32) -> bool {
        let Cell { group, base: old, .. } = self.cells[at as usize];
        if group == NONE {
            return false;
        }
        self.cells[at as usize].base = base;
        let (group, block) = (&mut self.groups[group as usize], at as usize / BLOCK);
        if base > old {
            group.rose(block, base);
        } else if base < old {
            group.sank(block, old, &self.cells);
        }
        true
    }

    /// Takes a node off the board.
    pub(super) fn take(&mut self, at: Position) {
        let position = at as usize;
        let number = std::mem::replace(&mut self.cells[position].group, NONE);
        if number == NONE {
            return;
        }
        let group = &mut self.groups[number as usize];
        group.nodes -= 1;
        group.members[position / BLOCK] &= !(1 << (position % BLOCK));
        group.sank(position / BLOCK, self.cells[position].base, &self.cells);
        if group.nodes == 0 {
            self.by_key.remove(&group.key);
            self.free.push(number);
        }
    }

    fn number(&mut self, key: &[i64]) -> GroupIndex {
        if let Some(number) = self.by_key.get(key) {
            return *number;
        }
        let owned: Box<[i64]> = key.into();
        let number = match self.free.pop() {
            Some(number) => {
                self.groups[number as usize].key = owned.clone();
                number
            }
            None => {
                self.groups.push(Group::new(owned.clone(), self.cells.len().div_ceil(BLOCK)));
                self.groups.len() as GroupIndex - 1
            }
        };
        self.by_key.insert(owned, number);
        number
    }

    /// All groups by number, empty ones included.
    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The group of a node that is on the board.
    pub(super) fn group_of(&self, at: Position) -> Option<GroupIndex> {
        let group = self.cells[at as usize].group;
        (group != NONE).then_some(group)
    }

    /// The base score of a node that is on the board.
    pub(super) fn base_of(&self, at: Position) -> i64 {
        i64::from(self.cells[at as usize].base)
    }

    /// All nodes, from a position on and round the end.
    pub(super) fn everything(&self, start: usize) -> Window {
        let mut window = Window { parts: Vec::new(), length: self.cells.len() };
        window.extend(start, self.cells.len());
        window.extend(0, start);
        window
    }

    /// The nodes from a position on, round the end, until so many of the open groups have been seen; and how many of
    /// each group those are. `counts` comes with a number above zero for open groups.
    pub(super) fn until(&self, start: usize, wanted: usize, counts: &mut [u32]) -> Window {
        let all = self.cells.len();
        let open: Vec<usize> = (0..counts.len()).filter(|group| counts[*group] > 0).collect();
        open.iter().for_each(|group| counts[*group] = 0);
        let mut window = Window { parts: Vec::new(), length: 0 };
        let mut missing = wanted as u32;
        for (from, to) in [(start, all), (0, start)] {
            let mut at = from;
            while at < to && missing > 0 {
                let block = at / BLOCK;
                let end = to.min((block + 1) * BLOCK);
                let mut mask = mask_of(at % BLOCK, end - block * BLOCK);
                let seen: u64 = open.iter().fold(0, |seen, group| seen | self.groups[*group].members[block]) & mask;
                let mut next = end;
                if seen.count_ones() >= missing {
                    let last = nth_bit(seen, missing - 1);
                    mask &= mask_of(0, last + 1);
                    next = block * BLOCK + last + 1;
                }
                missing -= (seen & mask).count_ones();
                for group in &open {
                    counts[*group] += (self.groups[*group].members[block] & mask).count_ones();
                }
                window.length += next - at;
                at = next;
            }
            window.extend(from, at);
        }
        window
    }

    /// The best total among groups with an offset, and how many nodes have it. `offsets` is by group.
    pub(super) fn best(&self, window: &Window, offsets: &[Option<i64>]) -> Option<Best> {
        let mut best: Option<Best> = None;
        for (group, offset) in self.groups.iter().zip(offsets) {
            let Some(offset) = offset else { continue };
            for part in &window.parts {
                let (base, ties) = part.best(group, &self.cells);
                let total = i64::from(base) + offset;
                match &mut best {
                    _ if ties == 0 => {}
                    Some(best) if best.total > total => {}
                    Some(best) if best.total == total => best.ties += ties,
                    _ => best = Some(Best { total, ties }),
                }
            }
        }
        best
    }

    /// The node number `which` among those with this total, in the order of the window.
    pub(super) fn tie(&self, window: &Window, offsets: &[Option<i64>], total: i64, mut which: u64) -> Option<Position> {
        let open: Vec<(&Group, i64)> = (self.groups.iter().zip(offsets))
            .filter(|(group, _)| group.nodes > 0)
            .filter_map(|(group, offset)| Some((group, total - (*offset)?)))
            .collect();
        for (block, mask) in window.parts.iter().flat_map(Part::blocks) {
            let here = open.iter().filter(|(group, wanted)| i64::from(group.best[block]) >= *wanted);
            // No node of the window has more than the total, so that in whole blocks the count of the best is right.
            if mask == u64::MAX {
                let ties: u64 = here.clone().map(|(group, _)| u64::from(group.ties[block])).sum();
                if which >= ties {
                    which -= ties;
                    continue;
                }
            }
            let bits = here.fold(0, |bits, (group, wanted)| bits | group.with(block, mask, &self.cells, *wanted));
            let ties = u64::from(bits.count_ones());
            if which < ties {
                return Some((block * BLOCK + nth_bit(bits, which as u32)) as Position);
            }
            which -= ties;
        }
        None
    }

    /// All nodes with this total, in the order of the window.
    pub(super) fn ties<'a>(
        &'a self,
        window: &'a Window,
        offsets: &'a [Option<i64>],
        total: i64,
    ) -> impl Iterator<Item = Position> + 'a {
        window.parts.iter().flat_map(Part::blocks).flat_map(move |(block, mask)| {
            (0..BLOCK).filter(move |bit| mask & (1 << bit) != 0).filter_map(move |bit| {
                let position = (block * BLOCK + bit) as Position;
                let offset = offsets[self.group_of(position)? as usize]?;
                (self.base_of(position) + offset == total).then_some(position)
            })
        })
    }
}

/// Nodes in the order in which a decision looks at them.
#[derive(Debug)]
pub(super) struct Window {
    parts: Vec<Part>,
    /// How many there are.
    pub(super) length: usize,
}

/// A stretch of nodes.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// Whole blocks: from, to.
    Whole(usize, usize),
    /// Some nodes of a block.
    Some(usize, u64),
}

impl Window {
    /// The nodes from one position to before another come next.
    fn extend(&mut self, from: usize, to: usize) {
        let (first, last) = (from.div_ceil(BLOCK), to / BLOCK);
        if from >= to {
            return;
        }
        if first > last {
            let block = from / BLOCK;
            self.parts.push(Part::Some(block, mask_of(from - block * BLOCK, to - block * BLOCK)));
            return;
        }
        if !from.is_multiple_of(BLOCK) {
            self.parts.push(Part::Some(from / BLOCK, mask_of(from % BLOCK, BLOCK)));
        }
        if first < last {
            self.parts.push(Part::Whole(first, last));
        }
        if !to.is_multiple_of(BLOCK) {
            self.parts.push(Part::Some(last, mask_of(0, to % BLOCK)));
        }
    }
}

impl Part {
    fn blocks(&self) -> impl Iterator<Item = (usize, u64)> + use<> {
        let (from, to, mask) = match *self {
            Part::Whole(from, to) => (from, to, u64::MAX),
            Part::Some(block, mask) => (block, block + 1, mask),
        };
        (from..to).map(move |block| (block, mask))
    }

    /// The best base score of a group's nodes here, and how many have it.
    fn best(&self, group: &Group, cells: &[Cell]) -> (i32, u64) {
        match *self {
            Part::Whole(from, to) => {
                let best = group.best[from..to].iter().copied().max().unwrap_or(EMPTY);
                let blocks = group.best[from..to].iter().zip(&group.ties[from..to]);
                (best, blocks.filter(|(of_block, _)| **of_block == best).map(|(_, ties)| u64::from(*ties)).sum())
            }
            Part::Some(block, mask) if group.members[block] & !mask == 0 => {
                (group.best[block], u64::from(group.ties[block]))
            }
            Part::Some(block, mask) => best_of(group.members[block] & mask, block, cells),
        }
    }
}

/// The best base score of some nodes of a block, and how many have it.
fn best_of(members: u64, block: usize, cells: &[Cell]) -> (i32, u64) {
    let (mut best, mut ties) = (EMPTY, 0);
    let mut rest = members;
    while rest != 0 {
        let score = cells[block * BLOCK + rest.trailing_zeros() as usize].base;
        if score > best {
            (best, ties) = (score, 1);
        } else if score == best {
            ties += 1;
        }
        rest &= rest - 1;
    }
    (best, ties)
}

/// Bits from one to before another.
fn mask_of(from: usize, to: usize) -> u64 {
    let below = |bit: usize| if bit >= BLOCK { u64::MAX } else { (1 << bit) - 1 };
    below(to) & !below(from)
}

/// The place of the set bit number `n`.
fn nth_bit(bits: u64, n: u32) -> usize {
    (0..n).fold(bits, |bits, _| bits & (bits - 1)).trailing_zeros() as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_best_and_its_ties_are_those_of_a_scan(
            moves in prop::collection::vec((0u32..200, prop::option::of((0i64..4, 0i32..5))), 1..400),
            offsets in prop::collection::vec(prop::option::of(0i64..6), 4),
            start in 0usize..200,
            wanted in 1u32..220,
        ) {
            let mut board = Board::new(200);
            let mut plain = vec![None; 200];
            for (at, what) in moves {
                plain[at as usize] = what;
                match what {
                    Some((key, base)) => board.put(at, &[key], base),
                    None => board.take(at),
                }
            }
            let by_group: Vec<Option<i64>> = board.groups().iter().map(|group| offsets[group.key[0] as usize]).collect();
            let total = |what: &Option<(i64, i32)>| {
                let (key, base) = (*what)?;
                Some(i64::from(base) + offsets[key as usize]?)
            };
            let mut counts: Vec<u32> = (board.groups().iter().zip(&by_group))
                .map(|(group, offset)| if offset.is_some() { group.nodes } else { 0 })
                .collect();
            let feasible: u32 = counts.iter().sum();
            let window = match wanted < feasible {
                true => board.until(start, wanted as usize, &mut counts),
                false => board.everything(start),
            };
            prop_assert_eq!(counts.iter().sum::<u32>(), feasible.min(wanted));
            let seen = (0..window.length).map(|offset| (start + offset) % 200);
            let totals: Vec<(u32, i64)> = seen.filter_map(|at| Some((at as u32, total(&plain[at])?))).collect();
            let best = totals.iter().map(|(_, total)| *total).max();
            prop_assert_eq!(board.best(&window, &by_group).map(|best| best.total), best);
            if let Some(best) = board.best(&window, &by_group) {
                let ties: Vec<u32> =
                    totals.iter().filter(|(_, total)| *total == best.total).map(|(at, _)| *at).collect();
                prop_assert_eq!(best.ties, ties.len() as u64);
                let found: Vec<u32> = (0..best.ties)
                    .filter_map(|which| board.tie(&window, &by_group, best.total, which))
                    .collect();
                prop_assert_eq!(&found, &ties);
                prop_assert_eq!(board.ties(&window, &by_group, best.total).collect::<Vec<u32>>(), ties);
            }
        }
    }
}
