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

const DIGIT_BITS: u32 = 6;
const RADIX: usize = 1 << DIGIT_BITS;
const LEVELS: usize = 64_usize.div_ceil(DIGIT_BITS as usize);
/// Slots with at most so many entries are sorted instead of spread.
const SORTED_MAX: usize = 24;
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

    fn ticket(&self) -> Ticket {
        Ticket {
            at: self.at,
            sequence: self.sequence(),
        }
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
        let entry = Entry {
            at,
            stamp: sequence << 1,
            event,
        };
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
        let mut all: Vec<_> = self
            .entries()
            .map(|entry| (entry.at, entry.ticket(), &entry.event))
            .collect();
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
            self.run
                .sort_unstable_by(|a, b| (b.at, b.stamp).cmp(&(a.at, a.stamp)));
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
        Some((
            digit,
            std::mem::take(&mut self.slots[level * RADIX + digit]),
        ))
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
            let found = self
                .run
                .binary_search_by(|entry| key.cmp(&(entry.at, entry.sequence())));
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
        let index = slot
            .binary_search_by_key(&ticket.sequence, |entry| entry.sequence())
            .ok()?;
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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The agenda beside an ordered map that does the same slowly.
    #[derive(Clone)]
    struct Pair {
        agenda: Agenda<u64>,
        model: BTreeMap<(Time, u64), Ticket>,
        tickets: Vec<(Ticket, (Time, u64))>,
        now: Time,
    }

    #[derive(Clone, Debug)]
    enum Step {
        Post { gap: u64 },
        PostMany { gap: u64, times: u8, apart: u64 },
        Pop(u8),
        Peek,
        Cancel(usize),
        CancelFirst,
        Fork,
    }

    impl Pair {
        fn new() -> Pair {
            Pair {
                agenda: Agenda::new(),
                model: BTreeMap::new(),
                tickets: Vec::new(),
                now: Time::ZERO,
            }
        }

        fn post(&mut self, gap: u64) {
            let at = Time(self.now.0.saturating_add(gap));
            let n = self.tickets.len() as u64;
            let ticket = self.agenda.post(at, n);
            self.model.insert((at, n), ticket);
            self.tickets.push((ticket, (at, n)));
        }

        #[track_caller]
        fn pop(&mut self) {
            let expected = self.model.pop_first().map(|((at, n), _)| (at, n));
            assert_eq!(self.agenda.pop(), expected);
            self.now = expected.map_or(self.now, |(at, _)| at);
        }

        #[track_caller]
        fn cancel(&mut self, index: usize) {
            if self.tickets.is_empty() {
                return;
            }
            let (ticket, key) = self.tickets[index % self.tickets.len()];
            let expected = self.model.remove(&key).is_some();
            assert_eq!(self.agenda.cancel(ticket), expected, "{ticket:?}");
            assert!(!self.agenda.cancel(ticket), "cancelled twice");
        }

        #[track_caller]
        fn apply(&mut self, step: &Step) {
            match *step {
                Step::Post { gap } => self.post(gap),
                Step::PostMany { gap, times, apart } => {
                    for n in 0..u64::from(times) {
                        self.post(gap.saturating_add(n.saturating_mul(apart)));
                    }
                }
                Step::Pop(times) => (0..times).for_each(|_| self.pop()),
                Step::Peek => {
                    let expected = self.model.keys().next().map(|key| key.0);
                    assert_eq!(self.agenda.next_time(), expected);
                }
                Step::Cancel(index) => self.cancel(index),
                Step::CancelFirst => {
                    let first = self.model.keys().next().map(|key| key.1);
                    if let Some(n) = first {
                        self.cancel(n as usize);
                    }
                }
                Step::Fork => {
                    let mut fork = self.clone();
                    fork.post(3);
                    fork.check_rest();
                }
            }
            self.check_contents();
        }

        #[track_caller]
        fn check_contents(&self) {
            assert_eq!(self.agenda.len(), self.model.len());
            assert_eq!(self.agenda.is_empty(), self.model.is_empty());
            assert_eq!(self.agenda.iter().count(), self.model.len());
            let sorted: Vec<_> = self.agenda.sorted();
            let expected = self.model.iter().map(|((at, n), ticket)| (*at, *ticket, n));
            assert!(sorted.into_iter().eq(expected));
            self.agenda.check_invariants();
        }

        #[track_caller]
        fn check_rest(mut self) {
            while !self.model.is_empty() {
                self.pop();
            }
            assert_eq!(self.agenda.next_time(), None);
            assert_eq!(self.agenda.pop(), None);
            assert_eq!(self.agenda.cancelled, 0);
        }
    }

    impl<E> Agenda<E> {
        #[track_caller]
        fn check_invariants(&self) {
            for (index, slot) in self.slots.iter().enumerate() {
                let (level, digit) = (index / RADIX, index % RADIX);
                let occupied = self.occupied[level] >> digit & 1 == 1;
                assert_eq!(occupied, !slot.is_empty(), "level {level} slot {digit}");
                assert!(slot.iter().all(|e| self.place(e.at) == (level, digit)));
                assert!(slot.iter().all(|e| e.at >= self.base.max(self.run_end)));
                let disordered = self.disordered[level] >> digit & 1 == 1;
                assert!(disordered || slot.is_sorted_by_key(|e| e.stamp));
            }
            for level in 0..LEVELS {
                let occupied = self.levels >> level & 1 == 1;
                assert_eq!(occupied, self.occupied[level] != 0);
            }
            assert!(self.run.is_sorted_by(|a, b| a.ticket() > b.ticket()));
            assert!(self.run.first().is_none_or(|e| e.at <= self.run_end));
        }
    }

    fn gaps() -> impl Strategy<Value = u64> {
        prop_oneof![
            3 => Just(0_u64),
            3 => 0_u64..200,
            3 => 0_u64..5_000_000,
            2 => (0_u64..20).prop_map(|n| n * 1_000_000_000),
            1 => (any::<u64>(), 0_u32..64).prop_map(|(n, shift)| n >> shift),
        ]
    }

    fn steps() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => gaps().prop_map(|gap| Step::Post { gap }),
            2 => (gaps(), 0_u8..200, gaps())
                .prop_map(|(gap, times, apart)| Step::PostMany { gap, times, apart: apart >> 4 }),
            6 => (0_u8..6).prop_map(Step::Pop),
            1 => (0_u8..=255).prop_map(Step::Pop),
            3 => Just(Step::Peek),
            4 => any::<usize>().prop_map(Step::Cancel),
            3 => Just(Step::CancelFirst),
            1 => Just(Step::Fork),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

        #[test]
        fn the_agenda_does_what_an_ordered_map_does(steps in prop::collection::vec(steps(), 0..120)) {
            let mut pair = Pair::new();
            for step in &steps {
                pair.apply(step);
            }
            pair.check_rest();
        }
    }

    #[test]
    fn events_posted_now_come_after_those_already_there() {
        let mut agenda = Agenda::new();
        for name in ["a", "b"] {
            agenda.post(Time(70), name);
        }
        assert_eq!(agenda.pop(), Some((Time(70), "a")));
        agenda.post(Time(70), "c");
        agenda.post(Time(71), "d");
        agenda.post(Time(70), "e");
        let rest: Vec<_> = std::iter::from_fn(|| agenda.pop()).collect();
        let expected = [(70, "b"), (70, "c"), (70, "e"), (71, "d")];
        assert_eq!(rest, expected.map(|(at, name)| (Time(at), name)));
    }

    #[test]
    #[should_panic(
        expected = "an event was posted for t+0.000000004s, but the agenda is already at"
    )]
    fn posting_in_the_past_is_our_bug() {
        let mut agenda = Agenda::new();
        agenda.post(Time(5), ());
        agenda.pop();
        agenda.post(Time(4), ());
    }

    #[test]
    fn the_last_instant_can_be_posted() {
        let mut agenda = Agenda::new();
        agenda.post(Time::MAX, 2);
        agenda.post(Time::ZERO, 1);
        assert_eq!(agenda.pop(), Some((Time::ZERO, 1)));
        assert_eq!(agenda.next_time(), Some(Time::MAX));
        assert_eq!(agenda.pop(), Some((Time::MAX, 2)));
        agenda.post(Time::MAX, 3);
        assert_eq!(agenda.pop(), Some((Time::MAX, 3)));
    }

    #[test]
    fn memory_does_not_grow_when_timers_are_reset_over_and_over() {
        let mut agenda = Agenda::new();
        let mut timers: Vec<Ticket> = (0..100).map(|n| agenda.post(Time(1 << 40), n)).collect();
        for n in 0..100_000 {
            let timer = &mut timers[n % 100];
            assert!(agenda.cancel(*timer));
            *timer = agenda.post(Time((1 << 40) + n as u64), n);
            agenda.next_time();
        }
        let entries = agenda.slots.iter().chain([&agenda.run]);
        let (held, room) = entries.fold((0, 0), |(held, room), some| {
            (held + some.len(), room + some.capacity())
        });
        assert!(
            held < 300 && room < 20_000,
            "{held} entries, room for {room}"
        );
        assert_eq!(agenda.len(), 100);
    }

    #[test]
    fn descending_and_bursting_posts_before_a_peeked_event_stay_in_order() {
        let mut pair = Pair::new();
        pair.post(3_600_000_000_000);
        pair.apply(&Step::Peek);
        for n in (0..2_000).rev() {
            pair.post(n * 1_000_000);
        }
        for n in 0..2_000 {
            pair.post(n % 7);
        }
        pair.check_contents();
        pair.check_rest();
    }
}
