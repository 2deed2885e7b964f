//! A node as policies see it: what it has, what is free, and how its cards are taken.

use super::Demand;

/// How many kinds of resources there may be, cards aside.
pub const RESOURCES: usize = 6;
/// Amounts of resources: CPU in millicores first, memory in bytes second, others in the order of the cluster.
pub type ResourceVector = [i64; RESOURCES];
/// How many cards a node can have.
pub const MAX_CARDS: usize = 16;
/// A whole card, in thousandths.
pub const CARD: i16 = 1000;

/// The cards of a node: what is free of each, in thousandths. Places beyond the number of cards hold zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Cards {
    /// What is free of each.
    pub free: [i16; MAX_CARDS],
    /// How many there are.
    pub count: u8,
}

impl Cards {
    /// So many idle cards.
    ///
    /// # Panics
    /// Where there are more than [`MAX_CARDS`].
    pub fn idle(count: u8) -> Cards {
        let mut free = [0; MAX_CARDS];
        free[..usize::from(count)].fill(CARD);
        Cards { free, count }
    }

    /// What is free on all of them.
    pub fn free_milli(&self) -> i64 {
        i64::from(self.free.iter().sum::<i16>())
    }

    /// How many nobody uses.
    pub fn idle_count(&self) -> u8 {
        self.free.iter().map(|free| u8::from(*free == CARD)).sum()
    }

    /// The fullest card with so much room, the lowest number among equals; [`MAX_CARDS`] where none has it.
    pub fn tightest(&self, milli: i16) -> usize {
        let mut best = (i16::MAX, MAX_CARDS);
        for (card, free) in self.free.iter().enumerate() {
            if *free >= milli && *free < best.0 {
                best = (*free, card);
            }
        }
        best.1
    }

    /// Whether some card has so much room.
    pub fn has_room(&self, milli: i16) -> bool {
        self.free.iter().any(|free| *free >= milli)
    }

    /// The cards as they would be with those given taken, a bit each.
    #[must_use]
    pub fn without(mut self, cards: u16) -> Cards {
        for (card, free) in self.free.iter_mut().enumerate() {
            if cards & (1 << card) != 0 {
                *free = 0;
            }
        }
        self
    }

    /// The cards as they would be with so much of one of them taken.
    #[must_use]
    pub fn with_taken(mut self, card: usize, milli: i16) -> Cards {
        self.free[card] -= milli;
        self
    }
}

/// A node as it is at an instant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeState {
    /// What it has.
    pub capacity: ResourceVector,
    /// What is free of it.
    pub free: ResourceVector,
    /// Its cards.
    pub cards: Cards,
    /// The bit of its model of cards; zero where it has none.
    pub model: u32,
    /// How many pods it runs that take a part of a card, and how many that take 1, 2, … whole ones.
    pub card_pods: [u16; MAX_CARDS + 1],
    /// How many pods it runs.
    pub pods: u32,
    /// Whether it takes pods at all: not while it is down or cordoned.
    pub is_open: bool,
}

impl NodeState {
    /// An empty node.
    pub fn new(capacity: ResourceVector, cards: u8, model: u32) -> NodeState {
        NodeState {
            capacity,
            free: capacity,
            cards: Cards::idle(cards),
            model,
            card_pods: [0; MAX_CARDS + 1],
            pods: 0,
            is_open: true,
        }
    }

    /// Whether the pod fits: every resource, the model of the cards, and the cards themselves.
    pub fn fits(&self, pod: &Demand) -> bool {
        self.is_open && (0..RESOURCES).all(|r| pod.asks[r] <= self.free[r]) && self.has_cards(pod)
    }

    /// Whether it has the cards, of the right model.
    pub fn has_cards(&self, pod: &Demand) -> bool {
        match pod.cards {
            0 => true,
            _ if pod.models & self.model == 0 => false,
            _ if pod.shares_card() => self.cards.has_room(pod.milli_per_card),
            cards => self.cards.idle_count() >= cards,
        }
    }

    /// Where among [`Self::card_pods`] the pod counts; nothing where it takes no card.
    pub fn kind(pod: &Demand) -> Option<usize> {
        match pod.cards {
            0 => None,
            _ if pod.shares_card() => Some(0),
            cards => Some(usize::from(cards)),
        }
    }

    /// The cards that a pod takes, a bit each: the one given where it shares, the idle ones with the lowest numbers else.
    ///
    /// # Panics
    /// Where it does not fit.
    pub fn cards_for(&self, pod: &Demand, shared: usize) -> u16 {
        if pod.cards == 0 {
            return 0;
        }
        if pod.shares_card() {
            return 1 << shared;
        }
        let mut wanted = pod.cards;
        let mut taken = 0;
        for (card, free) in self.cards.free.iter().enumerate() {
            if wanted > 0 && *free == CARD {
                taken |= 1 << card;
                wanted -= 1;
            }
        }
        assert_eq!(wanted, 0, "a pod was placed where it finds no cards");
        taken
    }

    /// Puts a pod there, on these cards.
    pub fn add(&mut self, pod: &Demand, cards: u16) {
        self.count(pod, cards, 1);
        self.pods += 1;
        if let Some(kind) = NodeState::kind(pod) {
            self.card_pods[kind] += 1;
        }
    }

    /// Takes a pod off that was put there on these cards.
    pub fn remove(&mut self, pod: &Demand, cards: u16) {
        self.count(pod, cards, -1);
        self.pods -= 1;
        if let Some(kind) = NodeState::kind(pod) {
            self.card_pods[kind] -= 1;
        }
    }

    fn count(&mut self, pod: &Demand, cards: u16, sign: i16) {
        for (free, asked) in self.free.iter_mut().zip(pod.asks) {
            *free -= i64::from(sign) * asked;
        }
        for (card, free) in self.cards.free.iter_mut().enumerate() {
            if cards & (1 << card) != 0 {
                *free -= sign * pod.milli_per_card;
            }
        }
    }

    /// The capacity of all its cards, in thousandths.
    pub fn card_capacity(&self) -> i64 {
        i64::from(self.cards.count) * i64::from(CARD)
    }
}
