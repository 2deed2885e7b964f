//! The agenda: what is to come, in the exact order (time, posting sequence).
//!
//! A hierarchical timing wheel of radix 64 with a `Vec` a slot (Varghese and Lauck, SOSP 1987), laid
//! out like a radix heap: eleven levels of six bits cover all of `u64`, and an entry's level is the
//! highest digit in which its time differs from `base`. So lower levels always come before higher
//! ones, no slot ever wraps, and where an entry lies follows from its time alone.
//!
//! When the wheel is asked for more, its first slot is either spread over the levels below or, if it
//! holds few entries (or is of the lowest level, hence of one instant), sorted into the `run`, from
//! which events come out. What is posted before the run's end is inserted there.
//!
//! Cost: an event is moved about once a level that its gap spans. A cancel finds its entry by
//! binary search and marks it; marked entries are dropped when they would come out, or all at once
//! when they outnumber the living, so that memory follows the number of live events.

use super::time::Time;
use std::cmp::Reverse;

const DIGIT_BITS: u32 = 6;
const RADIX: usize = 1 << DIGIT_BITS;
const LEVELS: usize = 64_usize.div_ceil(DIGIT_BITS as usize);
/// Slots with at most so many entries are sorted instead of spread.
const SORTED_MAX: usize = 48;
/// An early post that would move more entries of the run than this puts the later part back.
const EARLY_MAX: usize = 64;
/// A drained slot keeps its buffer up to so many entries.
const KEPT_CAPACITY: usize = 512;

/// A claim on a posted event, for `Agenda::cancel`. Unique within an agenda and its past; never
/// reused. A clone of an agenda knows the tickets from before the fork, not those from after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    at: Time,
    sequence: u64,
}

#[derive(Clone, Debug)]
struct Entry<E> {
    at: Time,
    /// The posting sequence times two, plus one if cancelled.
    stamp: u64,
    event: E,
}

impl<E> Entry<E> {
    fn is_cancelled(&self) -> bool {
        self.stamp & 1 == 1
    }

    fn sequence(&self) -> u64 {
        self.stamp >> 1
    }

    /// Time and stamp in one number: compared without a branch.
    #[inline]
    fn key(&self) -> u128 {
        u128::from(self.at.0) << 64 | u128::from(self.stamp)
    }

    fn ticket(&self) -> Ticket {
        Ticket { at: self.at, sequence: self.sequence() }
    }
}

/// Pending events by time. Invariants:
///
/// - `now` is the time of the last event that came out, and nothing pending is earlier.
/// - Every entry of the wheel is at or after `base` and `run_end`, and lies in the slot that `place`
///   names. The run's entries are at or before `run_end`, and where times are equal the run's
///   were posted first.
/// - A slot's entries are in posting order, unless its bit in `disordered` says otherwise.
#[derive(Clone, Debug)]
pub struct Agenda<E> {
    now: Time,
    base: Time,
    /// What comes next, last first.
    run: Vec<Entry<E>>,
    run_end: Time,
    slots: Vec<Vec<Entry<E>>>,
    /// A bit for each level with entries.
    levels: u16,
    /// For each level, a bit for each slot with entries.
    occupied: [u64; LEVELS],
    /// For each level, a bit for each slot whose entries are not in posting order.
    disordered: [u64; LEVELS],
    next_sequence: u64,
    live: usize,
    cancelled: usize,
}

impl<E> Default for Agenda<E> {
    fn default() -> Agenda<E> {
        Agenda::new()
    }
}

impl<E> Agenda<E> {
    /// Nothing to come; the time is zero.
    pub fn new() -> Agenda<E> {
        Agenda {
            now: Time::ZERO,
            base: Time::ZERO,
            run: Vec::new(),
            run_end: Time::ZERO,
            slots: (0..LEVELS * RADIX).map(|_| Vec::new()).collect(),
            levels: 0,
            occupied: [0; LEVELS],
            disordered: [0; LEVELS],
            next_sequence: 0,
            live: 0,
            cancelled: 0,
        }
    }

    /// Puts `event` down for `at`. It comes out after everything earlier, and after what has been
    /// posted for the same time before. Panics if `at` is before the last event that came out.
    #[inline]
    pub fn post(&mut self, at: Time, event: E) -> Ticket {
        let sequence = self.next_sequence;
        self.next_sequence = sequence + 1;
        self.live += 1;
        let entry = Entry { at, stamp: sequence << 1, event };
        if at >= self.base && at >= self.run_end {
            self.put(entry);
        } else {
            self.post_early(entry);
        }
        Ticket { at, sequence }
    }

    /// Takes the event back: true if it was still to come, false if it came out or was cancelled
    /// before.
    pub fn cancel(&mut self, ticket: Ticket) -> bool {
        let Some(entry) = self.find(ticket) else {
            return false;
        };
        if entry.is_cancelled() {
            return false;
        }
        entry.stamp |= 1;
        self.live -= 1;
        self.cancelled += 1;
        if self.cancelled > self.live + RADIX {
            self.sweep();
        }
        true
    }

    /// Takes out the earliest event, of equals the one posted first.
    #[inline]
    pub fn pop(&mut self) -> Option<(Time, E)> {
        loop {
            match self.run.pop() {
                Some(entry) if entry.is_cancelled() => self.cancelled -= 1,
                Some(entry) => {
                    self.now = entry.at;
                    self.live -= 1;
                    return Some((entry.at, entry.event));
                }
                None if self.levels == 0 => return None,
                None => self.advance(),
            }
        }
    }

    /// The time of the event that `pop` would take out. Changes nothing that can be seen but the
    /// order of `iter`.
    #[inline]
    pub fn next_time(&mut self) -> Option<Time> {
        loop {
            match self.run.last() {
                Some(entry) if entry.is_cancelled() => {
                    self.run.pop();
                    self.cancelled -= 1;
                }
                Some(entry) => return Some(entry.at),
                None if self.levels == 0 => return None,
                None => self.advance(),
            }
        }
    }

    /// The number of events to come, without the cancelled.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether nothing is to come.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// All events to come, in the order in which they lie: the same for the same calls since
    /// `new`, `next_time` included, but not sorted. `sorted` depends on the contents alone.
    pub fn iter(&self) -> impl Iterator<Item = (Time, &E)> {
        self.entries().map(|entry| (entry.at, &entry.event))
    }

    /// All events to come in the order in which they would come out, with their tickets.
    pub fn sorted(&self) -> Vec<(Time, Ticket, &E)> {
        let mut all: Vec<_> = self.entries().map(|entry| (entry.at, entry.ticket(), &entry.event)).collect();
        all.sort_unstable_by_key(|(_, ticket, _)| *ticket);
        all
    }

    fn entries(&self) -> impl Iterator<Item = &Entry<E>> {
        let slots = self.slots.iter().flatten();
        let all = self.run.iter().rev().chain(slots);
        all.filter(|entry| !entry.is_cancelled())
    }

    /// The level and digit of `at` as seen from `base`.
    #[inline]
    fn place(&self, at: Time) -> (usize, usize) {
        let level = (63 - ((at.0 ^ self.base.0) | 1).leading_zeros()) / DIGIT_BITS;
        let digit = (at.0 >> (level * DIGIT_BITS)) as usize % RADIX;
        (level as usize, digit)
    }

    /// Puts an entry into the wheel, behind what its slot holds.
    #[inline]
    fn put(&mut self, entry: Entry<E>) {
        let (level, digit) = self.place(entry.at);
        self.levels |= 1 << level;
        self.occupied[level] |= 1 << digit;
        self.slots[level * RADIX + digit].push(entry);
    }

    /// Posts what belongs before the end of the run, or before `base`.
    #[cold]
    fn post_early(&mut self, entry: Entry<E>) {
        assert!(
            entry.at >= self.now,
            "an event was posted for {}, but the agenda is already at {}",
            entry.at,
            self.now
        );
        if entry.at >= self.run_end {
            self.rewind();
            self.put(entry);
            return;
        }
        // Of equals the one posted first is nearer to the end, where events come out.
        let index = self.run.partition_point(|other| other.at > entry.at);
        self.run.insert(index, entry);
        if self.run.len() - index > EARLY_MAX {
            self.shorten_run();
        }
    }

    /// Puts all but the next few entries of the run back into the wheel.
    fn shorten_run(&mut self) {
        if self.base > self.now {
            self.rewind();
        }
        let kept = self.run.split_off(self.run.len() - EARLY_MAX / 2);
        let later = std::mem::replace(&mut self.run, kept);
        self.run_end = self.run[0].at;
        for entry in later.into_iter().rev() {
            let (level, digit) = self.place(entry.at);
            self.disordered[level] |= 1 << digit;
            self.put(entry);
        }
    }

    /// Sets `base` back to `now`. The levels below the one in which they differ have been spread
    /// from one slot of that level, and go back there.
    fn rewind(&mut self) {
        let old_base = std::mem::replace(&mut self.base, self.now);
        let (level, digit) = self.place(old_base);
        let mut gathered = Vec::new();
        for lower in 0..level {
            while let Some((_, entries)) = self.take_first_slot(lower) {
                gathered.extend(entries);
            }
        }
        if !gathered.is_empty() {
            self.levels |= 1 << level;
            self.occupied[level] |= 1 << digit;
            self.disordered[level] |= 1 << digit;
            self.slots[level * RADIX + digit].append(&mut gathered);
        }
    }

    /// Empties the wheel's first slot into the run, which must be empty, or the levels below.
    fn advance(&mut self) {
        let level = self.levels.trailing_zeros() as usize;
        let Some((digit, mut entries)) = self.take_first_slot(level) else {
            unreachable!("level {level} of the agenda is marked as occupied, but it is empty");
        };
        if level == 0 || entries.len() <= SORTED_MAX {
            self.run.extend(entries.drain(..).rev());
            self.run.sort_unstable_by_key(|entry| Reverse(entry.key()));
            self.run_end = self.run[0].at;
            self.base = self.run[self.run.len() - 1].at;
        } else {
            let shift = level as u32 * DIGIT_BITS;
            self.base = Time(entries[0].at.0 >> shift << shift);
            for entry in entries.drain(..) {
                self.put(entry);
            }
        }
        if entries.capacity() <= KEPT_CAPACITY {
            self.slots[level * RADIX + digit] = entries;
        }
    }

    /// Takes the entries of the first slot of a level, in posting order, with its digit.
    fn take_first_slot(&mut self, level: usize) -> Option<(usize, Vec<Entry<E>>)> {
        if self.occupied[level] == 0 {
            return None;
        }
        let digit = self.occupied[level].trailing_zeros() as usize;
        self.put_in_order(level, digit);
        self.occupied[level] &= !(1 << digit);
        if self.occupied[level] == 0 {
            self.levels &= !(1 << level);
        }
        Some((digit, std::mem::take(&mut self.slots[level * RADIX + digit])))
    }

    #[inline]
    fn put_in_order(&mut self, level: usize, digit: usize) {
        if self.disordered[level] >> digit & 1 == 1 {
            self.disordered[level] &= !(1 << digit);
            self.slots[level * RADIX + digit].sort_by_key(|entry| entry.stamp);
        }
    }

    /// The entry of a ticket, if it is still here.
    fn find(&mut self, ticket: Ticket) -> Option<&mut Entry<E>> {
        if ticket.at < self.now {
            return None;
        }
        if ticket.at <= self.run_end {
            let key = (ticket.at, ticket.sequence);
            let found = self.run.binary_search_by(|entry| key.cmp(&(entry.at, entry.sequence())));
            if let Ok(index) = found {
                return Some(&mut self.run[index]);
            }
        }
        if ticket.at < self.base {
            return None;
        }
        let (level, digit) = self.place(ticket.at);
        self.put_in_order(level, digit);
        let slot = &mut self.slots[level * RADIX + digit];
        let index = slot.binary_search_by_key(&ticket.sequence, |entry| entry.sequence()).ok()?;
        // A ticket of another agenda may share its number with an entry for another time.
        slot.get_mut(index).filter(|entry| entry.at == ticket.at)
    }

    /// Drops all cancelled entries.
    fn sweep(&mut self) {
        self.run.retain(|entry| !entry.is_cancelled());
        for level in 0..LEVELS {
            let mut left = self.occupied[level];
            while left != 0 {
                let digit = left.trailing_zeros() as usize;
                left &= left - 1;
                let slot = &mut self.slots[level * RADIX + digit];
                slot.retain(|entry| !entry.is_cancelled());
                if slot.is_empty() {
                    self.occupied[level] &= !(1 << digit);
                }
                if slot.len() < slot.capacity() / 4 {
                    slot.shrink_to_fit();
                }
            }
            if self.occupied[level] == 0 {
                self.levels &= !(1 << level);
            }
        }
        self.cancelled = 0;
    }
}

#[cfg(test)]
#[path = "agenda_tests.rs"]
mod tests;
