//! The disks of the simulated cloud: what is wrong with them at present.
//!
//! Faults say it ([`Primitive::Trouble`](super::Primitive::Trouble)); the stand-ins for drivers and the kubelets ask
//! before they do something to a disk. Where nothing is wrong, asking costs a comparison.

use std::sync::Arc;

use crate::api::Name;

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DiskEffect {
    /// Disks are not attached: the cloud takes the call and does not answer.
    AttachStuck,
    /// Disks are not detached, likewise.
    DetachStuck,
    /// Disks are not made, deleted or made larger: the cloud refuses.
    Outage,
    /// Reads and writes fail: disks cannot be mounted, and programs that use them end.
    IoErrors,
    /// There is no room left: programs that use them end. A disk that is made larger has room again.
    Full,
}

/// What is wrong, and with which disks: with those for which all that is given holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskTrouble {
    /// What.
    pub effect: DiskEffect,
    /// Of this driver; empty: of any.
    pub driver: Name,
    /// On, or going to or from, a node of this zone; empty: wherever they are.
    pub zone: Name,
    /// Of this claim, as `namespace/name`; empty: of any.
    pub claim: Name,
}

/// A disk as a trouble may be about it.
#[derive(Clone, Copy, Debug)]
pub struct DiskFacts<'a> {
    /// Its driver.
    pub driver: &'a str,
    /// The zone of the node; empty where there is none.
    pub zone: &'a str,
    /// The namespace and name of its claim.
    pub claim: (&'a str, &'a str),
}

impl DiskTrouble {
    /// Whether it is about a disk.
    pub fn concerns(&self, disk: DiskFacts<'_>) -> bool {
        let (namespace, name) = disk.claim;
        (self.driver.is_empty() || self.driver == disk.driver)
            && (self.zone.is_empty() || self.zone == disk.zone)
            && (self.claim.is_empty() || self.claim.split_once('/').is_some_and(|claim| claim == (namespace, name)))
    }
}

/// All that is wrong, each with the strike that brought it. Costs a pointer to hand around.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Disks(Option<Arc<Vec<(u32, DiskTrouble)>>>);

impl Disks {
    /// Whether something of the sort is wrong with a disk.
    pub fn suffers(&self, effect: DiskEffect, disk: DiskFacts<'_>) -> bool {
        let troubles = self.0.iter().flat_map(|troubles| troubles.iter());
        troubles.into_iter().any(|(_, trouble)| trouble.effect == effect && trouble.concerns(disk))
    }

    /// The same and what a strike brings.
    #[must_use]
    pub fn with(&self, strike: u32, trouble: DiskTrouble) -> Disks {
        let mut troubles = self.0.as_deref().cloned().unwrap_or_default();
        troubles.push((strike, trouble));
        Disks(Some(Arc::new(troubles)))
    }

    /// The same without what a strike has brought.
    #[must_use]
    pub fn without(&self, strike: u32) -> Disks {
        let mut troubles = self.0.as_deref().cloned().unwrap_or_default();
        troubles.retain(|(of, _)| *of != strike);
        Disks((!troubles.is_empty()).then(|| Arc::new(troubles)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: DiskFacts<'_> = DiskFacts { driver: "csi.a", zone: "z", claim: ("ns", "data") };

    #[track_caller]
    fn check(driver: &str, zone: &str, claim: &str, expected: bool) {
        let trouble =
            DiskTrouble { effect: DiskEffect::Full, driver: driver.into(), zone: zone.into(), claim: claim.into() };
        let disks = Disks::default().with(3, trouble);
        assert_eq!(disks.suffers(DiskEffect::Full, DISK), expected, "{driver} {zone} {claim}");
        assert!(!disks.suffers(DiskEffect::IoErrors, DISK));
        assert_eq!(disks.without(4), disks);
        assert_eq!(disks.without(3), Disks::default());
    }

    #[test]
    fn a_trouble_is_about_the_disks_for_which_all_that_is_given_holds() {
        check("", "", "", true);
        check("csi.a", "z", "ns/data", true);
        check("csi.b", "", "", false);
        check("", "y", "", false);
        check("", "", "ns/other", false);
        check("", "", "other/data", false);
    }
}
