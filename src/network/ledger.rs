//! How many requests fared how, by endpoint.
//!
//! Requests are not events: a stream has a rate, and between two changes each endpoint gets its share of rate times time.
//! Shares are kept in units of which 10^12 are one request, so that nothing is lost between them; whole requests are
//! made of them only in the report, the largest remainders first.

use std::collections::BTreeMap;

use crate::api::Name;

/// So many make one request: a thousandth of a request a second, for a nanosecond, is one.
pub(super) const UNITS: u128 = 1_000_000_000_000;

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Fate {
    /// It is answered.
    Served,
    /// Somebody says at once that nobody answers: the machine of the endpoint, a proxy without endpoints, DNS.
    Refused,
    /// Nobody says anything until the client gives up.
    Lost,
}

/// Requests by what became of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fates {
    /// Answered.
    pub served: u64,
    /// Refused at once.
    pub refused: u64,
    /// Never answered.
    pub lost: u64,
}

impl Fates {
    /// All of them.
    pub fn all(&self) -> u64 {
        self.served + self.refused + self.lost
    }
}

/// The account of one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// By endpoint and fate; the empty name is nobody.
    units: BTreeMap<(Name, Fate), u128>,
}

impl Ledger {
    /// Adds to an account.
    pub(super) fn add(&mut self, endpoint: &Name, fate: Fate, units: u128) {
        if units > 0 {
            *self.units.entry((endpoint.clone(), fate)).or_default() += units;
        }
    }

    /// Whole requests by endpoint, in the order of names; their sum is that of all units, rounded down.
    pub(super) fn whole(&self) -> Vec<(Name, Fates)> {
        let total: u128 = self.units.values().sum();
        let mut missing = total / UNITS - self.units.values().map(|units| units / UNITS).sum::<u128>();
        let mut by_remainder: Vec<(&(Name, Fate), u128)> =
            self.units.iter().map(|(key, units)| (key, units % UNITS)).collect();
        by_remainder.sort_by_key(|(_, remainder)| std::cmp::Reverse(*remainder));
        let mut extra: BTreeMap<&(Name, Fate), u128> = BTreeMap::new();
        for (key, _) in by_remainder {
            if missing == 0 {
                break;
            }
            extra.insert(key, 1);
            missing -= 1;
        }
        let mut whole: BTreeMap<Name, Fates> = BTreeMap::new();
        for (key, units) in &self.units {
            let count = (units / UNITS + extra.get(key).copied().unwrap_or(0)) as u64;
            let fates = whole.entry(key.0.clone()).or_default();
            match key.1 {
                Fate::Served => fates.served += count,
                Fate::Refused => fates.refused += count,
                Fate::Lost => fates.lost += count,
            }
        }
        whole.into_iter().filter(|(_, fates)| fates.all() > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whole_requests_add_up_and_differ_from_their_shares_by_less_than_one(
            shares in prop::collection::vec(0_u128..5 * UNITS, 1..20)
        ) {
            let mut ledger = Ledger::default();
            for (number, share) in shares.iter().enumerate() {
                ledger.add(&Name::from(format!("p{number:02}")), Fate::Served, *share);
            }
            let whole = ledger.whole();
            let sum: u64 = whole.iter().map(|(_, fates)| fates.all()).sum();
            prop_assert_eq!(u128::from(sum), shares.iter().sum::<u128>() / UNITS);
            for (name, fates) in whole {
                let share = shares[name[1..].parse::<usize>().unwrap()];
                prop_assert!((u128::from(fates.served) * UNITS).abs_diff(share) < UNITS);
            }
        }
    }
}
