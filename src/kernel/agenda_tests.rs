//! The agenda beside an ordered map, and the stories that the map does not tell.

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
        Pair { agenda: Agenda::new(), model: BTreeMap::new(), tickets: Vec::new(), now: Time::ZERO }
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
#[should_panic(expected = "an event was posted for t+0.000000004s, but the agenda is already at")]
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
    let (held, room) = entries.fold((0, 0), |(held, room), some| (held + some.len(), room + some.capacity()));
    assert!(held < 300 && room < 20_000, "{held} entries, room for {room}");
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
