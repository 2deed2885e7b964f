//! Ranges of IP addresses, as the node IPAM controller and the pod network cut them.
//!
//! Follows `pkg/controller/nodeipam/ipam/cidrset` in what it can express. Left out: the search for
//! a free range and the limit of 2^16 ranges for IPv6: the caller counts and remembers.
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IpFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl IpFamily {
    /// That of an address.
    pub fn of(address: IpAddr) -> IpFamily {
        if address.is_ipv6() { IpFamily::V6 } else { IpFamily::V4 }
    }

    /// The family that `IPv4` and `IPv6` mean.
    pub fn parse(name: &str) -> Option<IpFamily> {
        match name {
            "IPv4" => Some(IpFamily::V4),
            "IPv6" => Some(IpFamily::V6),
            _ => None,
        }
    }
}

/// An IPv4 or IPv6 range; bits after the prefix are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    base: IpAddr,
    prefix_len: u8,
}

impl Cidr {
    /// The range of `prefix_len` bits that holds `address`.
    ///
    /// # Errors
    /// Where the prefix is longer than the address.
    pub fn new(address: IpAddr, prefix_len: u8) -> Result<Self, String> {
        let width = width(address);
        if prefix_len > width {
            return Err(format!("a prefix of {prefix_len} bits is longer than the {width} bits of {address}"));
        }
        Ok(Self { base: from_bits(bits(address) & !low_mask(width - prefix_len), width), prefix_len })
    }

    /// The first address of the range.
    pub fn base(&self) -> IpAddr {
        self.base
    }

    /// How many leading bits all addresses of the range share.
    pub fn prefix_len(&self) -> u8 {
        self.prefix_len
    }

    /// Whether this is a range of IPv6 addresses.
    pub fn is_ipv6(&self) -> bool {
        self.base.is_ipv6()
    }

    /// Whether `address` lies in the range; an address of the other family never does.
    pub fn contains(&self, address: IpAddr) -> bool {
        let width = width(self.base);
        address.is_ipv6() == self.is_ipv6() && bits(address) & !low_mask(width - self.prefix_len) == bits(self.base)
    }

    /// How many ranges of `prefix_len` bits fit in, at most `u128::MAX`; 0 where it is a wider range.
    pub fn subnet_count(&self, prefix_len: u8) -> u128 {
        if prefix_len < self.prefix_len || prefix_len > width(self.base) {
            return 0;
        }
        1_u128.checked_shl(u32::from(prefix_len - self.prefix_len)).unwrap_or(u128::MAX)
    }

    /// The range number `index` (from 0) of `prefix_len` bits within this one.
    ///
    /// # Errors
    /// Where the ranges would be wider than this one, or it holds no so many.
    pub fn subnet(&self, prefix_len: u8, index: u128) -> Result<Self, String> {
        let width = width(self.base);
        if prefix_len < self.prefix_len || prefix_len > width {
            return Err(format!("the range {self} cannot be cut into ranges of {prefix_len} bits"));
        }
        let count = self.subnet_count(prefix_len);
        if index >= count {
            return Err(format!(
                "the range {self} holds {count} ranges of {prefix_len} bits: there is no number {index}"
            ));
        }
        let offset = index.checked_shl(u32::from(width - prefix_len)).unwrap_or(0);
        Ok(Self { base: from_bits(bits(self.base) | offset, width), prefix_len })
    }

    /// How many addresses the range holds, the first and last included, at most `u128::MAX`.
    pub fn host_count(&self) -> u128 {
        1_u128.checked_shl(u32::from(width(self.base) - self.prefix_len)).unwrap_or(u128::MAX)
    }

    /// The address number `index` (from 0, which is the base).
    ///
    /// # Errors
    /// Where the range holds no so many.
    pub fn host(&self, index: u128) -> Result<IpAddr, String> {
        let count = self.host_count();
        if index >= count {
            return Err(format!("the range {self} holds {count} addresses: there is no number {index}"));
        }
        Ok(from_bits(bits(self.base) | index, width(self.base)))
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("invalid CIDR address: {text}");
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        if prefix.is_empty() || prefix.len() > 3 || !prefix.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        let prefix_len: u8 = prefix.parse().map_err(|_| wrong())?;
        Self::new(address, prefix_len).map_err(|_| wrong())
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix_len)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv6() { 128 } else { 32 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn from_bits(bits: u128, width: u8) -> IpAddr {
    if width == 128 { IpAddr::V6(Ipv6Addr::from(bits)) } else { IpAddr::V4(Ipv4Addr::from(bits as u32)) }
}

fn low_mask(count: u8) -> u128 {
    u128::MAX.checked_shr(128 - u32::from(count)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(range: &str, cut: impl Fn(Cidr) -> Result<String, String>, expected: Result<&str, &str>) {
        let found = range.parse().and_then(cut);
        assert_eq!(found, expected.map(str::to_string).map_err(str::to_string), "for {range}");
    }

    #[test]
    fn ranges_are_read_and_printed() {
        check("10.244.1.7/16", |c| Ok(c.to_string()), Ok("10.244.0.0/16"));
        check("fd00::1/56", |c| Ok(c.to_string()), Ok("fd00::/56"));
        check("0.0.0.0/0", |c| Ok(c.to_string()), Ok("0.0.0.0/0"));
        check("::/0", |c| Ok(c.host_count().to_string()), Ok("340282366920938463463374607431768211455"));
        for wrong in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/+8", "fd00::/129"] {
            check(wrong, |c| Ok(c.to_string()), Err(&format!("invalid CIDR address: {wrong}")));
        }
    }

    #[test]
    fn nodes_get_their_part_of_the_cluster() {
        check("10.244.0.0/16", |c| Ok(c.subnet_count(24).to_string()), Ok("256"));
        check("10.244.0.0/16", |c| Ok(c.subnet(24, 255)?.to_string()), Ok("10.244.255.0/24"));
        check(
            "10.244.0.0/16",
            |c| Ok(c.subnet(24, 256)?.to_string()),
            Err("the range 10.244.0.0/16 holds 256 ranges of 24 bits: there is no number 256"),
        );
        check(
            "10.244.0.0/16",
            |c| Ok(c.subnet(8, 0)?.to_string()),
            Err("the range 10.244.0.0/16 cannot be cut into ranges of 8 bits"),
        );
        check("fd00::/56", |c| Ok(c.subnet(64, 3)?.to_string()), Ok("fd00:0:0:3::/64"));
        check("::/0", |c| Ok(c.subnet(0, 0)?.to_string()), Ok("::/0"));
    }

    #[test]
    fn pods_get_an_address_of_their_node() {
        check("10.244.3.0/24", |c| Ok(c.host(2)?.to_string()), Ok("10.244.3.2"));
        check(
            "10.244.3.0/24",
            |c| Ok(c.host(256)?.to_string()),
            Err("the range 10.244.3.0/24 holds 256 addresses: there is no number 256"),
        );
        check("fd00:0:0:3::/64", |c| Ok(c.host(10)?.to_string()), Ok("fd00:0:0:3::a"));
        check("10.0.0.0/8", |c| Ok(c.contains("10.1.2.3".parse().unwrap()).to_string()), Ok("true"));
        check("10.0.0.0/8", |c| Ok(c.contains("11.1.2.3".parse().unwrap()).to_string()), Ok("false"));
        check("::/0", |c| Ok(c.contains("10.1.2.3".parse().unwrap()).to_string()), Ok("false"));
    }
}
