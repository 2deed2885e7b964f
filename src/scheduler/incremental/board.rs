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

/// The nodes of a template's board, by group.
#[derive(Debug)]
pub(super) struct Board {
    base: Vec<i32>,
    group: Vec<GroupIndex>,
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

    /// Looks at a block again. A member that rises above the others or joins them costs no look at them.
    fn refresh(&mut self, block: usize, base: &[i32]) {
        let (mut best, mut ties) = (EMPTY, 0u8);
        let mut rest = self.members[block];
        while rest != 0 {
            let score = base[block * BLOCK + rest.trailing_zeros() as usize];
            if score > best {
                (best, ties) = (score, 1);
            } else if score == best {
                ties += 1;
            }
            rest &= rest - 1;
        }
        self.best[block] = best;
        self.ties[block] = ties;
    }

    fn best(&self) -> i32 {
        self.best.iter().copied().max().unwrap_or(EMPTY)
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
        Board {
            base: vec![0; nodes],
            group: vec![NONE; nodes],
            groups: Vec::new(),
            by_key: FxHashMap::default(),
            free: Vec::new(),
        }
    }

    /// Puts a node on the board, or moves it to where it belongs now.
    pub(super) fn put(&mut self, at: Position, key: &[i64], base: i32) {
        let position = at as usize;
        let before = self.group[position];
        if before != NONE {
            if *self.groups[before as usize].key == *key {
                if self.base[position] != base {
                    self.base[position] = base;
                    self.groups[before as usize].refresh(position / BLOCK, &self.base);
                }
                return;
            }
            self.take(at);
        }
        self.base[position] = base;
        let number = self.number(key);
        self.group[position] = number;
        let group = &mut self.groups[number as usize];
        group.nodes += 1;
        group.members[position / BLOCK] |= 1 << (position % BLOCK);
        group.refresh(position / BLOCK, &self.base);
    }

    /// Takes a node off the board.
    pub(super) fn take(&mut self, at: Position) {
        let position = at as usize;
        let number = std::mem::replace(&mut self.group[position], NONE);
        if number == NONE {
            return;
        }
        let group = &mut self.groups[number as usize];
        group.nodes -= 1;
        group.members[position / BLOCK] &= !(1 << (position % BLOCK));
        group.refresh(position / BLOCK, &self.base);
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
                self.groups.push(Group::new(owned.clone(), self.base.len().div_ceil(BLOCK)));
                self.groups.len() as GroupIndex - 1
            }
        };
        self.by_key.insert(owned, number);
        number
    }

    /// How many nodes there are, on the board or not.
    pub(super) fn len(&self) -> usize {
        self.base.len()
    }

    /// All groups by number, empty ones included.
    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The group of a node that is on the board.
    pub(super) fn group_of(&self, at: Position) -> Option<GroupIndex> {
        let group = self.group[at as usize];
        (group != NONE).then_some(group)
    }

    /// The base score of a node that is on the board.
    pub(super) fn base_of(&self, at: Position) -> i64 {
        i64::from(self.base[at as usize])
    }

    /// The best total among groups with an offset, and how many nodes have it. `offsets` is by group.
    pub(super) fn best(&self, offsets: &[Option<i64>]) -> Option<Best> {
        let open = || self.groups.iter().zip(offsets).filter(|(group, _)| group.nodes > 0);
        let total = open().filter_map(|(group, offset)| Some(i64::from(group.best()) + (*offset)?)).max()?;
        let ties_of = |(group, offset): (&Group, &Option<i64>)| -> u64 {
            let Some(offset) = offset else { return 0 };
            let wanted = total - offset;
            let blocks = group.best.iter().zip(&group.ties).filter(|(best, _)| i64::from(**best) == wanted);
            blocks.map(|(_, ties)| u64::from(*ties)).sum()
        };
        Some(Best { total, ties: open().map(ties_of).sum() })
    }

    /// The node number `which` among those with this total, in the order of nodes.
    pub(super) fn tie(&self, offsets: &[Option<i64>], total: i64, mut which: u64) -> Option<Position> {
        let open: Vec<(&Group, i64)> = (self.groups.iter().zip(offsets))
            .filter(|(group, _)| group.nodes > 0)
            .filter_map(|(group, offset)| Some((group, total - (*offset)?)))
            .collect();
        for block in 0..self.base.len().div_ceil(BLOCK) {
            let here = open.iter().filter(|(group, wanted)| i64::from(group.best[block]) == *wanted);
            let ties: u64 = here.clone().map(|(group, _)| u64::from(group.ties[block])).sum();
            if which >= ties {
                which -= ties;
                continue;
            }
            let mut bits = 0;
            for (group, wanted) in here {
                let mut rest = group.members[block];
                while rest != 0 {
                    let offset = rest.trailing_zeros() as usize;
                    if i64::from(self.base[block * BLOCK + offset]) == *wanted {
                        bits |= 1u64 << offset;
                    }
                    rest &= rest - 1;
                }
            }
            for _ in 0..which {
                bits &= bits - 1;
            }
            return Some((block * BLOCK) as Position + bits.trailing_zeros());
        }
        None
    }
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
            let best = plain.iter().filter_map(total).max();
            prop_assert_eq!(board.best(&by_group).map(|best| best.total), best);
            if let Some(best) = board.best(&by_group) {
                let ties: Vec<u32> =
                    (0..200).filter(|at| total(&plain[*at as usize]) == Some(best.total)).collect();
                prop_assert_eq!(best.ties, ties.len() as u64);
                let found: Vec<u32> =
                    (0..best.ties).filter_map(|which| board.tie(&by_group, best.total, which)).collect();
                prop_assert_eq!(found, ties);
            }
        }
    }
}
