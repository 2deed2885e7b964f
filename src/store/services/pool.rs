//! Numbers that are given away: addresses of Services and node ports.
//!
//! A pool has two bands: what is asked for by number may lie anywhere, what is drawn comes from the upper band, and from
//! the lower one only where the upper is full. The place where the search begins is drawn; the next free number from
//! there on is taken. Upstream: `pkg/registry/core/service/ipallocator/ipallocator.go`,
//! `portallocator/allocator.go`, `allocator/bitmap.go`.

use std::net::IpAddr;

use crate::api::cidr::Cidr;

/// Why a number is not given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Refused {
    /// It is somebody else's.
    Allocated(&'static str),
    /// It lies outside, with the sentence for it.
    NotInRange(String),
    /// None is left.
    Full,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::Allocated(what) => write!(f, "provided {what} is already allocated"),
            Refused::NotInRange(sentence) => f.write_str(sentence),
            Refused::Full => f.write_str("range is full"),
        }
    }
}

/// A range of numbers, and which of them are taken. A copy costs nothing.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    first: u128,
    size: u128,
    /// Where the upper band begins.
    band: u128,
    taken: imbl::OrdSet<u128>,
    what: &'static str,
    outside: String,
}

impl Pool {
    /// The addresses of a range, but for its first, and the last one of IPv4.
    pub(super) fn of_addresses(range: &Cidr) -> Pool {
        let hosts = range.host_count();
        let size = hosts.saturating_sub(if range.is_ipv6() { 1 } else { 2 });
        Pool {
            first: to_bits(range.base()).saturating_add(1),
            size,
            band: lower_band(hosts, 16, 16, 256).min(size),
            taken: imbl::OrdSet::new(),
            what: "IP",
            outside: super::OUTSIDE.to_owned(),
        }
    }

    /// Ports from the first to the last one.
    pub(super) fn of_ports(first: u16, last: u16) -> Pool {
        let size = u128::from(last - first) + 1;
        Pool {
            first: u128::from(first),
            size,
            band: lower_band(size, 16, 32, 128),
            taken: imbl::OrdSet::new(),
            what: "port",
            outside: format!("provided port is not in the valid range. The range of valid ports is {first}-{last}"),
        }
    }

    /// Takes this number.
    pub(super) fn take(&mut self, number: u128) -> Result<(), Refused> {
        if number < self.first || number - self.first >= self.size {
            return Err(Refused::NotInRange(self.outside.clone()));
        }
        match self.taken.insert(number) {
            Some(_) => Err(Refused::Allocated(self.what)),
            None => Ok(()),
        }
    }

    /// Takes a free number; `below` draws among so many.
    pub(super) fn take_any(&mut self, mut below: impl FnMut(u128) -> u128) -> Result<u128, Refused> {
        for (from, to) in [(self.band, self.size), (0, self.band)] {
            if from < to
                && let Some(number) = self.free_from(from, to, from + below(to - from))
            {
                self.taken.insert(number);
                return Ok(number);
            }
        }
        Err(Refused::Full)
    }

    /// Gives a number back; nothing happens where it was not taken.
    pub(super) fn release(&mut self, number: u128) {
        self.taken.remove(&number);
    }

    /// Those that are taken.
    pub(super) fn taken_numbers(&self) -> impl Iterator<Item = u128> + '_ {
        self.taken.iter().copied()
    }

    /// How many are taken.
    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.taken.len()
    }

    /// The first free number of a band from an offset on, and round from the band's begin.
    fn free_from(&self, from: u128, to: u128, start: u128) -> Option<u128> {
        self.free_between(start, to).or_else(|| self.free_between(from, start))
    }

    fn free_between(&self, from: u128, to: u128) -> Option<u128> {
        let (from, to) = (self.first + from, self.first + to);
        let mut free = from;
        for taken in self.taken.range(from..to) {
            if *taken != free {
                break;
            }
            free += 1;
        }
        (free < to).then_some(free)
    }
}

/// How much of a range is kept for what is asked for by number. Upstream: `calculateRangeOffset`.
fn lower_band(size: u128, least: u128, step: u128, most: u128) -> u128 {
    if size <= least { 0 } else { (size / step).clamp(least, most) }
}

/// An address as a number.
pub(super) fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(text: &str) -> Pool {
        Pool::of_addresses(&text.parse().unwrap())
    }

    #[track_caller]
    fn check(mut pool: Pool, draw: u128, expected: &str) {
        let found = pool.take_any(|count| draw.min(count - 1)).unwrap();
        let expected = expected.parse::<IpAddr>().map_or_else(|_| expected.parse().unwrap(), to_bits);
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_drawn_comes_from_the_upper_band() {
        check(range("10.0.0.0/16"), 0, "10.0.1.1");
        check(range("10.0.0.0/16"), u128::MAX, "10.0.255.254");
        check(range("10.0.0.0/24"), 0, "10.0.0.17");
        check(range("10.0.0.0/28"), 0, "10.0.0.1");
        check(range("fd00:10::/108"), 0, "fd00:10::101");
        check(range("fd00:10::/108"), u128::MAX, "fd00:10::f:ffff");
        check(Pool::of_ports(30000, 32767), 0, "30086");
        check(Pool::of_ports(30000, 30015), 3, "30003");
    }

    #[test]
    fn what_is_taken_or_outside_is_refused_in_upstreams_words() {
        let mut pool = range("10.0.0.0/30");
        let address = |text: &str| to_bits(text.parse().unwrap());
        assert_eq!(pool.take(address("10.0.0.1")), Ok(()));
        assert_eq!(pool.take(address("10.0.0.1")).unwrap_err().to_string(), "provided IP is already allocated");
        let outside = "the provided network does not match the current range";
        assert_eq!(pool.take(address("10.0.0.3")).unwrap_err().to_string(), outside);
        assert_eq!(pool.take_any(|_| 0), Ok(address("10.0.0.2")));
        assert_eq!(pool.take_any(|_| 0).unwrap_err().to_string(), "range is full");
        pool.release(address("10.0.0.1"));
        assert_eq!(pool.take_any(|_| 0), Ok(address("10.0.0.1")));
        let outside = "provided port is not in the valid range. The range of valid ports is 30000-32767";
        assert_eq!(Pool::of_ports(30000, 32767).take(80).unwrap_err().to_string(), outside);
    }

    proptest! {
        #[test]
        fn nothing_is_given_twice_and_everything_is_given(draws in prop::collection::vec(any::<u64>(), 30)) {
            let mut pool = Pool::of_ports(30000, 30024);
            let mut draws = draws.into_iter();
            let mut given = std::collections::BTreeSet::new();
            for _ in 0..25 {
                let draw = u128::from(draws.next().unwrap_or(0));
                prop_assert!(given.insert(pool.take_any(|count| draw % count).unwrap()));
            }
            prop_assert_eq!(pool.take_any(|_| 0), Err(Refused::Full));
        }
    }
}
