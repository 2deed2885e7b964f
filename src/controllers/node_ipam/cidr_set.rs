//! The ranges of one cluster range that nodes have or may get. Upstream: `pkg/controller/nodeipam/ipam/cidrset`.

use std::net::IpAddr;

use crate::api::Cidr;

/// How many bits longer than the cluster's an IPv6 node prefix may be. Upstream: `clusterSubnetMaxDiff`.
const IPV6_BITS_MAX: u8 = 16;

/// A cluster range cut into node ranges, with those in use.
#[derive(Clone, Debug)]
pub(super) struct CidrSet {
    cluster: Cidr,
    node_prefix: u8,
    /// How many node ranges there are.
    count: u32,
    /// How many of them are in use.
    allocated: u32,
    /// Where the search for a free one starts.
    next_candidate: u32,
    /// One bit a node range.
    used: Vec<u64>,
}

impl CidrSet {
    /// All of `cluster` free, in ranges of `node_prefix` bits.
    ///
    /// # Errors
    /// The node ranges are wider than the cluster's, or too many.
    pub(super) fn new(cluster: Cidr, node_prefix: u8) -> Result<CidrSet, String> {
        let width = if cluster.is_ipv6() { 128 } else { 32 };
        if node_prefix < cluster.prefix_len() || node_prefix > width {
            return Err(format!("the range {cluster} cannot be cut into node ranges of {node_prefix} bits"));
        }
        let bits = node_prefix - cluster.prefix_len();
        if bits >= 32 || (cluster.is_ipv6() && bits > IPV6_BITS_MAX) {
            return Err("New CIDR set failed; the node CIDR size is too big".to_owned());
        }
        let count = 1_u32 << bits;
        let used = vec![0; (count as usize).div_ceil(64)];
        Ok(CidrSet { cluster, node_prefix, count, allocated: 0, next_candidate: 0, used })
    }

    /// Takes the next free range, going round from the one that was taken last; none where all are in use.
    pub(super) fn allocate_next(&mut self) -> Option<Cidr> {
        if self.allocated == self.count {
            return None;
        }
        let mut candidate = self.next_candidate;
        while self.is_used(candidate) {
            candidate = (candidate + 1) % self.count;
        }
        self.next_candidate = (candidate + 1) % self.count;
        self.mark(candidate, true);
        self.cluster.subnet(self.node_prefix, u128::from(candidate)).ok()
    }

    /// Marks all node ranges that a range touches as in use.
    ///
    /// # Errors
    /// The range has nothing in common with the cluster's.
    pub(super) fn occupy(&mut self, range: Cidr) -> Result<(), String> {
        self.mark_all(range, true)
    }

    /// Marks all node ranges that a range touches as free.
    ///
    /// # Errors
    /// The range has nothing in common with the cluster's.
    pub(super) fn release(&mut self, range: Cidr) -> Result<(), String> {
        self.mark_all(range, false)
    }

    /// Whether a range and the cluster's have addresses in common.
    pub(super) fn overlaps(&self, range: Cidr) -> bool {
        self.cluster.contains(range.base()) || range.contains(self.cluster.base())
    }

    /// How many node ranges are in use, and where the next search starts: what decides which one comes next.
    pub(super) fn state(&self) -> (&[u64], u32) {
        (&self.used, self.next_candidate)
    }

    fn mark_all(&mut self, range: Cidr, used: bool) -> Result<(), String> {
        if !self.overlaps(range) {
            return Err(format!("cidr {range} is out the range of cluster cidr {}", self.cluster));
        }
        let (first, last) = if self.cluster.prefix_len() < range.prefix_len() {
            let first = self.index(range.base());
            let more = self.node_prefix.saturating_sub(range.prefix_len());
            (first, first + ((1_u32 << more) - 1))
        } else {
            (0, self.count - 1)
        };
        for index in first..=last {
            if self.is_used(index) != used {
                self.mark(index, used);
            }
        }
        Ok(())
    }

    /// The number of the node range that holds an address of the cluster's range.
    fn index(&self, address: IpAddr) -> u32 {
        let offset = match (address, self.cluster.base()) {
            (IpAddr::V4(address), IpAddr::V4(base)) => {
                u128::from(u32::from(address) ^ u32::from(base)).checked_shr(32 - u32::from(self.node_prefix))
            }
            (IpAddr::V6(address), IpAddr::V6(base)) => {
                (u128::from(address) ^ u128::from(base)).checked_shr(128 - u32::from(self.node_prefix))
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => panic!("the families differ"),
        };
        offset.unwrap_or(0) as u32
    }

    fn is_used(&self, index: u32) -> bool {
        self.used[index as usize / 64] >> (index % 64) & 1 == 1
    }

    fn mark(&mut self, index: u32, used: bool) {
        let (word, bit) = (index as usize / 64, 1_u64 << (index % 64));
        if used {
            self.used[word] |= bit;
            self.allocated += 1;
        } else {
            self.used[word] &= !bit;
            self.allocated -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn set(cluster: &str, node_prefix: u8) -> CidrSet {
        CidrSet::new(cluster.parse().unwrap(), node_prefix).unwrap()
    }

    #[track_caller]
    fn check(set: &mut CidrSet, expected: Option<&str>) {
        assert_eq!(set.allocate_next().map(|range| range.to_string()).as_deref(), expected);
    }

    #[test]
    fn a_released_range_comes_again_only_after_the_others() {
        let mut set = set("10.0.0.0/22", 24);
        check(&mut set, Some("10.0.0.0/24"));
        check(&mut set, Some("10.0.1.0/24"));
        set.release("10.0.0.0/24".parse().unwrap()).unwrap();
        check(&mut set, Some("10.0.2.0/24"));
        check(&mut set, Some("10.0.3.0/24"));
        check(&mut set, Some("10.0.0.0/24"));
        check(&mut set, None);
    }

    #[test]
    fn a_wide_range_occupies_all_node_ranges_that_it_touches() {
        let mut set = set("10.0.0.0/21", 24);
        set.occupy("10.0.0.0/23".parse().unwrap()).unwrap();
        set.occupy("10.0.3.128/25".parse().unwrap()).unwrap();
        check(&mut set, Some("10.0.2.0/24"));
        check(&mut set, Some("10.0.4.0/24"));
        set.occupy("10.0.0.0/8".parse().unwrap()).unwrap();
        check(&mut set, None);
        let wrong = set.occupy("11.0.0.0/24".parse().unwrap());
        assert_eq!(wrong.unwrap_err(), "cidr 11.0.0.0/24 is out the range of cluster cidr 10.0.0.0/21");
    }

    #[test]
    fn ipv6_ranges_are_cut_as_well() {
        let mut set = set("fd00:10::/48", 64);
        set.occupy("fd00:10::/64".parse().unwrap()).unwrap();
        check(&mut set, Some("fd00:10:0:1::/64"));
        assert!(CidrSet::new("fd00::/40".parse().unwrap(), 64).is_err(), "more than 65,536 ranges");
        assert!(CidrSet::new("10.0.0.0/24".parse().unwrap(), 16).is_err());
    }
}
