//! Cards (GPUs) as pods share them: what annotations ask for, and what is taken of each card of a node.
//!
//! Source: the open-gpu-share plugin, in the version of the simulator of Weng et al., 'Beware of Fragmentation', USENIX
//! ATC 2023 (`hkust-adsl/kubernetes-scheduler-simulator`, `pkg/type/open-gpu-share`), whose names these are. A node says
//! how many cards it has in `status.allocatable` and of which model in a label; a pod says in annotations how many it
//! asks for, how much of each, and of which models; the annotation of the index says which it has.
//! Left out: `assume-time` and other annotations for bookkeeping; cards beyond [`MAX_CARDS`] of a node. Beyond upstream: of
//! count and amount one alone will do (one card, whole cards), and amounts that make no sense are refused, where upstream
//! takes them for none.

use super::policies::{ANY_MODEL, CARD, Cards, Demand, MAX_CARDS, NodeState};
use super::{NodeRow, NodeView};
use crate::api::{Labels, Name, Node, Obj, Pod, Quantity};

/// How much of each card a pod asks for, in thousandths (annotation); all that a node has (allocatable).
pub const CARD_MILLI: &str = "alibabacloud.com/gpu-milli";
/// How many cards a pod asks for (annotation), or a node has (allocatable).
pub const CARD_COUNT: &str = "alibabacloud.com/gpu-count";
/// The model of a node's cards (label), or the models that a pod takes, with `|` between (annotation).
pub const CARD_MODEL: &str = "alibabacloud.com/gpu-card-model";
/// The cards that a pod has, by number from 0 on, with `-` between (annotation).
pub const CARD_INDEX: &str = "alibabacloud.com/gpu-index";

/// Models of cards that are told apart; all further ones count as one.
const MODELS_MAX: u32 = u32::BITS;

/// What a pod asks of cards.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CardAsk {
    /// How many.
    pub cards: u8,
    /// How much of each, in thousandths.
    pub milli: i16,
    /// The models that it takes, as written; empty for any.
    pub models: Name,
}

impl CardAsk {
    /// What annotations ask for; nothing where they ask for no card.
    ///
    /// # Errors
    /// A sentence that says which annotation cannot be meant.
    pub fn of(annotations: &Labels) -> Result<Option<CardAsk>, Name> {
        if annotations.is_empty() {
            return Ok(None);
        }
        let (count, milli) = (number(annotations, CARD_COUNT)?, number(annotations, CARD_MILLI)?);
        if count.is_none() && milli.is_none() {
            return Ok(None);
        }
        let (count, milli) = (count.unwrap_or(1), milli.unwrap_or(i64::from(CARD)));
        if count == 0 || milli == 0 {
            return Ok(None);
        }
        if count > MAX_CARDS as i64 {
            return Err(ecow::eco_format!("annotation {CARD_COUNT}: no node has more than {MAX_CARDS} GPUs"));
        }
        if milli > i64::from(CARD) {
            return Err(ecow::eco_format!("annotation {CARD_MILLI}: a GPU has no more than {CARD}"));
        }
        let models = annotations.get(CARD_MODEL).cloned().unwrap_or_default();
        Ok(Some(CardAsk { cards: count as u8, milli: milli as i16, models }))
    }
}

fn number(annotations: &Labels, key: &str) -> Result<Option<i64>, Name> {
    let Some(text) = annotations.get(key) else { return Ok(None) };
    match text.parse::<Quantity>().map(|quantity| quantity.value()) {
        Ok(number) if number >= 0 => Ok(Some(number)),
        Ok(_) | Err(_) => Err(ecow::eco_format!("annotation {key}: {text:?} is no amount")),
    }
}

/// What a pod asks for and which cards it has, a bit each; nothing where it has none, or its annotations make no sense.
fn taken(annotations: &Labels) -> Option<(CardAsk, u16)> {
    let index = annotations.get(CARD_INDEX)?;
    let ask = CardAsk::of(annotations).ok()??;
    let mut cards = 0;
    for number in index.split('-') {
        let number = number.parse::<usize>().ok().filter(|number| *number < MAX_CARDS)?;
        cards |= 1 << number;
    }
    Some((ask, cards))
}

/// Whether two states of a pod hold the same cards.
pub(super) fn holds_same(one: &Labels, other: &Labels) -> bool {
    one.same_storage(other) || one == other || taken(one) == taken(other)
}

/// Cards as the annotation of the index writes them.
pub fn index_text(cards: u16) -> Name {
    let numbers = (0..MAX_CARDS).filter(|number| cards & (1 << number) != 0).map(|number| number.to_string());
    numbers.collect::<Vec<_>>().join("-").into()
}

/// Models of cards by number, in the order in which nodes had them first.
#[derive(Clone, Debug, Default)]
pub struct CardModels(Vec<Name>);

impl CardModels {
    /// The bit of a node's model, new where it was never heard of.
    fn bit(&mut self, model: &str) -> u32 {
        let known = self.0.iter().position(|known| known == model);
        let number = known.unwrap_or_else(|| {
            self.0.push(model.into());
            self.0.len() - 1
        });
        1 << (number as u32).min(MODELS_MAX - 1)
    }

    /// The bits of the models that a pod takes.
    pub fn bits(&self, models: &str) -> u32 {
        if models.is_empty() {
            return ANY_MODEL;
        }
        let number = |model: &str| self.0.iter().position(|known| known == model);
        let numbers = models.split('|').filter_map(number);
        numbers.fold(0, |bits, number| bits | 1 << (number as u32).min(MODELS_MAX - 1))
    }
}

/// The cards of a node, and how its pods take them.
#[derive(Clone, PartialEq, Debug)]
pub struct NodeCards {
    count: u8,
    model: u32,
    /// What is taken of each, in thousandths; more than there is where somebody gave them out twice.
    used: [i32; MAX_CARDS],
    /// As [`NodeState::card_pods`].
    pods: [u16; MAX_CARDS + 1],
}

impl NodeCards {
    /// What a Node offers, with nobody on it; nothing where it offers none.
    pub(super) fn of(node: &Obj<Node>, models: &mut CardModels) -> Option<Box<NodeCards>> {
        let offered = node.body.status.allocatable.as_ref()?.get(CARD_COUNT)?;
        let count = Quantity::try_from(offered).map_or(0, |count| count.value().clamp(0, MAX_CARDS as i64));
        if count == 0 {
            return None;
        }
        let model = models.bit(node.meta.labels.get(CARD_MODEL).map_or("", Name::as_str));
        Some(Box::new(NodeCards { count: count as u8, model, used: [0; MAX_CARDS], pods: [0; MAX_CARDS + 1] }))
    }

    /// Whether it is the same cards, whoever has them.
    pub(super) fn is_as(&self, other: &NodeCards) -> bool {
        (self.count, self.model) == (other.count, other.model)
    }

    /// All that there is of them, in thousandths.
    pub(super) fn capacity(&self) -> i64 {
        i64::from(self.count) * i64::from(CARD)
    }

    /// Counts a pod in, or out where `sign` is -1, if its annotations say which cards it has.
    pub(super) fn count(&mut self, annotations: &Labels, sign: i32) {
        let Some((ask, cards)) = taken(annotations) else { return };
        for (number, used) in self.used.iter_mut().enumerate() {
            if cards & (1 << number) != 0 {
                *used += sign * i32::from(ask.milli);
            }
        }
        let shares = ask.cards == 1 && ask.milli < CARD;
        let kind = if shares { 0 } else { usize::from(ask.cards) };
        self.pods[kind] = self.pods[kind].saturating_add_signed(sign as i16);
    }

    /// The bit of their model.
    pub fn model(&self) -> u32 {
        self.model
    }

    /// What is free of them.
    pub fn free(&self) -> Cards {
        let mut cards = Cards::idle(self.count);
        for (free, used) in cards.free.iter_mut().zip(&self.used).take(usize::from(self.count)) {
            *free = (i32::from(CARD) - used).clamp(0, i32::from(CARD)) as i16;
        }
        cards
    }
}

fn amounts(milli_cpu: i64, memory: i64, ephemeral_storage: i64) -> super::policies::ResourceVector {
    let mut amounts = [0; super::policies::RESOURCES];
    amounts[..3].copy_from_slice(&[milli_cpu, memory, ephemeral_storage]);
    amounts
}

/// What a node has, by resource: CPU, memory, ephemeral storage.
pub(super) fn capacity_of(row: &NodeRow) -> super::policies::ResourceVector {
    amounts(row.milli_cpu, row.memory, row.ephemeral_storage)
}

/// A node as policies see it. It is only looked at where the pod fits, so it is open.
pub fn node_state(node: NodeView) -> NodeState {
    let row = node.row;
    let (count, model) = node.info.cards.as_ref().map_or((0, 0), |cards| (cards.count, cards.model));
    let mut state = NodeState::new(capacity_of(row), count, model);
    state.free[0] -= row.used_milli_cpu;
    state.free[1] -= row.used_memory;
    state.free[2] -= row.used_ephemeral_storage;
    if let Some(cards) = &node.info.cards {
        state.cards = cards.free();
        state.card_pods = cards.pods;
    }
    state.pods = u32::try_from(row.pods).unwrap_or(0);
    state
}

/// A pod as policies see it.
pub fn demand(pod: &Pod, ask: Option<&CardAsk>, models: &CardModels) -> Demand {
    let requests = pod.requests(false);
    Demand {
        asks: amounts(requests.milli_cpu, requests.memory, requests.ephemeral_storage),
        cards: ask.map_or(0, |ask| ask.cards),
        milli_per_card: ask.map_or(0, |ask| ask.milli),
        models: ask.map_or(ANY_MODEL, |ask| models.bits(&ask.models)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(annotations: &[(&str, &str)], expected: Result<Option<(u8, i16)>, &str>) {
        let annotations: Labels = annotations.iter().copied().collect();
        let asked = CardAsk::of(&annotations).map(|ask| ask.map(|ask| (ask.cards, ask.milli)));
        assert_eq!(asked.as_ref().map_err(Name::as_str), expected.as_ref().map_err(|text| *text));
    }

    #[test]
    fn annotations_say_how_many_cards_and_how_much_of_each() {
        check(&[], Ok(None));
        check(&[("a", "b")], Ok(None));
        check(&[(CARD_COUNT, "1"), (CARD_MILLI, "460")], Ok(Some((1, 460))));
        check(&[(CARD_COUNT, "8"), (CARD_MILLI, "1000")], Ok(Some((8, 1000))));
        check(&[(CARD_COUNT, "2")], Ok(Some((2, 1000))));
        check(&[(CARD_MILLI, "50")], Ok(Some((1, 50))));
        check(&[(CARD_COUNT, "0"), (CARD_MILLI, "0")], Ok(None));
        check(&[(CARD_COUNT, "17")], Err("annotation alibabacloud.com/gpu-count: no node has more than 16 GPUs"));
        check(&[(CARD_MILLI, "1001")], Err("annotation alibabacloud.com/gpu-milli: a GPU has no more than 1000"));
        check(&[(CARD_MILLI, "half")], Err("annotation alibabacloud.com/gpu-milli: \"half\" is no amount"));
    }

    #[test]
    fn an_index_names_cards() {
        assert_eq!(index_text(0b1011), "0-1-3");
        let with = |index: &str| [(CARD_MILLI, "300"), (CARD_INDEX, index)].into_iter().collect::<Labels>();
        assert_eq!(taken(&with("0-1-3")).map(|(_, cards)| cards), Some(0b1011));
        assert_eq!(taken(&with("16")), None);
        assert_eq!(taken(&with("")), None);
        assert!(holds_same(&with("2"), &with("2").with("a", "b")));
        assert!(!holds_same(&with("2"), &with("3")));
        assert!(!holds_same(&with("2"), &with("2").with(CARD_MILLI, "400")));
    }

    #[test]
    fn what_is_taken_is_given_back() {
        let mut cards = NodeCards { count: 2, model: 1, used: [0; MAX_CARDS], pods: [0; MAX_CARDS + 1] };
        let before = cards.clone();
        let share: Labels = [(CARD_MILLI, "700"), (CARD_INDEX, "1")].into_iter().collect();
        cards.count(&share, 1);
        assert_eq!(cards.free().free[..3], [1000, 300, 0]);
        cards.count(&share, 1);
        assert_eq!(cards.free().free[..3], [1000, 0, 0], "given out twice, and not below nothing");
        cards.count(&share, -1);
        cards.count(&share, -1);
        assert_eq!(cards, before);
    }

    #[test]
    fn models_have_a_bit_each_in_the_order_of_their_coming() {
        let mut models = CardModels::default();
        assert_eq!([models.bit("T4"), models.bit("P100"), models.bit("T4")], [1, 2, 1]);
        assert_eq!(models.bits(""), ANY_MODEL);
        assert_eq!(models.bits("P100|T4"), 3);
        assert_eq!(models.bits("P100|A10"), 2);
        assert_eq!(models.bits("A10"), 0);
    }
}
