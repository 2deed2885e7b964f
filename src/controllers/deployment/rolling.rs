//! How large each ReplicaSet of a Deployment should be: pure functions over sizes.
//! Upstream: `pkg/controller/deployment/rolling.go`, the scaling in `sync.go`, and `util/deployment_util.go`.

use crate::api::{DeploymentStrategy, IntOrPercent, Name, Timestamp};

/// The limits of a rolling update in pods.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fenceposts {
    /// How many pods may exist on top of the wished number.
    pub max_surge: i32,
    /// How many pods may be missing.
    pub max_unavailable: i32,
}

/// How large a ReplicaSet is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// `spec.replicas`.
    pub replicas: i32,
    /// `status.availableReplicas`.
    pub available: i32,
}

/// What proportional scaling looks at in a ReplicaSet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    /// `spec.replicas`, above zero.
    pub replicas: i32,
    /// The annotation `max-replicas`, where it is there and a number.
    pub max_replicas: Option<i32>,
    /// When the set was created.
    pub created: Timestamp,
    /// Decides between sets of the same age.
    pub name: Name,
}

/// The limits of a strategy for a number of replicas. Both are zero with `Recreate`. Where both come out as zero,
/// one pod may be missing: the surge might not fit into a quota.
/// Upstream: `MaxSurge`, `MaxUnavailable`, `ResolveFenceposts`.
pub fn fenceposts(strategy: &DeploymentStrategy, replicas: i32) -> Fenceposts {
    let (max_surge, max_unavailable) = match strategy {
        DeploymentStrategy::Recreate => (0, 0),
        DeploymentStrategy::RollingUpdate { max_unavailable, max_surge } => resolve(max_surge, max_unavailable, replicas),
    };
    Fenceposts { max_surge, max_unavailable: if replicas == 0 { 0 } else { max_unavailable.min(replicas) } }
}

fn resolve(max_surge: &IntOrPercent, max_unavailable: &IntOrPercent, replicas: i32) -> (i32, i32) {
    match (max_surge.scaled(replicas, true), max_unavailable.scaled(replicas, false)) {
        (Ok(0), Ok(0)) => (0, 1),
        (Ok(surge), Ok(unavailable)) => (surge, unavailable),
        // Validation lets no such value pass.
        (Err(_), _) | (_, Err(_)) => (0, 0),
    }
}

/// How large the new ReplicaSet should be now. `total` is the sum of the sizes of all sets, the new one included.
/// Upstream: `NewRSNewReplicas`.
pub fn new_set_replicas(strategy: &DeploymentStrategy, desired: i32, total: i32, new: i32) -> i32 {
    match strategy {
        DeploymentStrategy::Recreate => desired,
        DeploymentStrategy::RollingUpdate { .. } => {
            let most = desired + fenceposts(strategy, desired).max_surge;
            if total >= most { new } else { new + (most - total).min(desired - new) }
        }
    }
}

/// By how many pods the old ReplicaSets may shrink in this sync, if above zero. Pods of the new set that are not
/// available count as if they would stay so. Upstream: `reconcileOldReplicaSets`.
pub fn scale_down_limit(total: i32, min_available: i32, new: Size) -> i32 {
    total - min_available - (new.replicas - new.available)
}

/// What is to be done about old pods that are not available.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CleanUp {
    /// Which old ReplicaSets shrink to what.
    pub changes: Vec<(usize, i32)>,
    /// A status lags so far behind that more pods are available than wished: nothing else may shrink in this sync.
    pub stale: bool,
}

/// Which old ReplicaSets shrink to what, so that pods that are not available go. `old` are sorted from old to new.
/// Upstream: `cleanupUnhealthyReplicas`, which takes a stale status for an error.
pub fn clean_up_unhealthy(old: &[Size], limit: i32) -> CleanUp {
    let mut left = limit;
    let mut found = CleanUp::default();
    for (index, set) in old.iter().enumerate() {
        if left <= 0 {
            break;
        }
        if set.replicas == 0 || set.replicas == set.available {
            continue;
        }
        let fewer = left.min(set.replicas - set.available);
        if fewer < 0 {
            found.stale = true;
            break;
        }
        found.changes.push((index, set.replicas - fewer));
        left -= fewer;
    }
    found
}

/// Which old ReplicaSets shrink to what, so that no more than `surplus` available pods go. `old` are sorted from old to
/// new. Upstream: `scaleDownOldReplicaSetsForRollingUpdate`.
pub fn scale_down(old: &[Size], surplus: i32) -> Vec<(usize, i32)> {
    let mut left = surplus;
    let mut changes = Vec::new();
    for (index, set) in old.iter().enumerate() {
        if left <= 0 {
            break;
        }
        if set.replicas == 0 {
            continue;
        }
        let fewer = left.min(set.replicas);
        changes.push((index, set.replicas - fewer));
        left -= fewer;
    }
    changes
}

/// New sizes for all sets that have pods, in proportion, in the order in which they are to be written: a Deployment was
/// scaled in the middle of a rollout, or while paused. What rounding leaves goes to the largest set.
/// `status_replicas` stands in for an annotation that is missing. Upstream: `scale`, `GetReplicaSetProportion`.
pub fn proportional(shares: &[Share], desired: i32, max_surge: i32, status_replicas: i32) -> Vec<(usize, i32)> {
    let allowed = if desired > 0 { desired + max_surge } else { 0 };
    let to_add = allowed - shares.iter().map(|share| share.replicas).sum::<i32>();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    let age = |index: usize| (shares[index].created, shares[index].name.clone());
    // Sets of one size: the newer grow first, the older shrink first.
    order.sort_by(|&a, &b| {
        let by_age = if to_add > 0 { age(b).cmp(&age(a)) } else { age(a).cmp(&age(b)) };
        if to_add == 0 { std::cmp::Ordering::Equal } else { shares[b].replicas.cmp(&shares[a].replicas).then(by_age) }
    });
    let mut added = 0;
    let mut sizes = Vec::with_capacity(order.len());
    for index in order {
        let share = &shares[index];
        let proportion = proportion(share, desired, max_surge, status_replicas, to_add, added);
        added += proportion;
        sizes.push((index, share.replicas + proportion));
    }
    if let Some((_, largest)) = sizes.first_mut() {
        *largest = (*largest + to_add - added).max(0);
    }
    sizes
}

/// How much one set grows or shrinks. Upstream: `GetReplicaSetProportion`, `getReplicaSetFraction`.
fn proportion(share: &Share, desired: i32, max_surge: i32, status_replicas: i32, to_add: i32, added: i32) -> i32 {
    if share.replicas == 0 || to_add == 0 || to_add == added {
        return 0;
    }
    let fraction = if desired == 0 {
        -share.replicas
    } else {
        let before = share.max_replicas.filter(|replicas| *replicas != 0).unwrap_or(status_replicas);
        if before == 0 {
            return 0;
        }
        round(i64::from(share.replicas) * i64::from(desired + max_surge), i64::from(before)) - share.replicas
    };
    let allowed = to_add - added;
    if to_add > 0 { fraction.min(allowed) } else { fraction.max(allowed) }
}

/// The quotient, rounded half away from zero. Upstream: `integer.RoundToInt32` of a float.
fn round(dividend: i64, divisor: i64) -> i32 {
    let magnitude = (2 * dividend.abs() + divisor.abs()) / (2 * divisor.abs());
    (magnitude * (dividend * divisor).signum()) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rolling(max_surge: &str, max_unavailable: &str) -> DeploymentStrategy {
        DeploymentStrategy::RollingUpdate {
            max_surge: IntOrPercent::parse(max_surge),
            max_unavailable: IntOrPercent::parse(max_unavailable),
        }
    }

    /// Rolls out by the functions alone: old sets as given, one pod of the new set becomes available whenever nothing
    /// is left to be done, until all are or `good` of them are. Gives the sizes, as the recordings do.
    fn rollout(strategy: &DeploymentStrategy, desired: i32, old: &[Size], good: i32) -> String {
        let limits = fenceposts(strategy, desired);
        let min_available = desired - limits.max_unavailable;
        let mut sets = old.to_vec();
        let mut lines = vec![line(&sets)];
        let total = |sets: &[Size]| sets.iter().map(|set| set.replicas).sum::<i32>();
        let first = new_set_replicas(strategy, desired, total(&sets), 0);
        sets.push(Size { replicas: first, available: 0 });
        lines.push(line(&sets));
        let newest = sets.len() - 1;
        loop {
            let new = sets[newest];
            let wanted = new_set_replicas(strategy, desired, total(&sets), new.replicas);
            if wanted != new.replicas {
                sets[newest].replicas = wanted;
                lines.push(line(&sets));
                continue;
            }
            let limit = scale_down_limit(total(&sets), min_available, new);
            let before = lines.len();
            if limit > 0 && total(&sets[..newest]) > 0 {
                for (index, replicas) in clean_up_unhealthy(&sets[..newest], limit).changes {
                    sets[index].replicas = replicas;
                    lines.push(line(&sets));
                }
                let available: i32 = sets.iter().map(|set| set.available).sum();
                for (index, replicas) in scale_down(&sets[..newest], available - min_available) {
                    sets[index].replicas = replicas;
                    sets[index].available = sets[index].available.min(replicas);
                    lines.push(line(&sets));
                }
            }
            if lines.len() > before {
                continue;
            }
            if new.available == new.replicas.min(good) {
                return lines.join(", ");
            }
            sets[newest].available += 1;
        }
    }

    fn line(sets: &[Size]) -> String {
        sets.iter().map(|set| set.replicas.to_string()).collect::<Vec<_>>().join(" ")
    }

    fn all_good(replicas: i32) -> Size {
        Size { replicas, available: replicas }
    }

    #[test]
    fn rollouts_go_as_recorded_ones() {
        let check = |strategy, desired, old: &[Size], good, expected: &str| {
            assert_eq!(rollout(&strategy, desired, old, good), expected);
        };
        check(rolling("1", "0"), 3, &[all_good(3)], 3, "3, 3 1, 2 1, 2 2, 1 2, 1 3, 0 3");
        check(rolling("25%", "25%"), 4, &[all_good(4)], 4, "4, 4 1, 3 1, 3 2, 2 2, 2 3, 1 3, 1 4, 0 4");
        check(
            rolling("3", "3"),
            10,
            &[all_good(10)],
            10,
            "10, 10 3, 7 3, 7 6, 6 6, 6 7, 5 7, 5 8, 4 8, 4 9, 3 9, 3 10, 2 10, 1 10, 0 10",
        );
        check(rolling("25%", "25%"), 4, &[all_good(4)], 0, "4, 4 1, 3 1, 3 2");
        check(rolling("3", "2"), 10, &[all_good(10)], 0, "10, 10 3, 8 3, 8 5");
    }

    #[test]
    fn a_new_set_without_room_starts_empty_and_unhealthy_pods_go_first() {
        let old = [all_good(3), Size { replicas: 2, available: 0 }];
        let expected = "3 2, 3 2 0, 3 0 0, 3 0 2, 2 0 2, 2 0 3, 1 0 3, 1 0 4, 0 0 4";
        assert_eq!(rollout(&rolling("25%", "25%"), 4, &old, 4), expected);
        let old = [all_good(4), Size { replicas: 5, available: 0 }];
        let expected = "4 5, 4 5 0, 4 0 0, 4 0 5, 3 0 5, 3 0 6, 2 0 6, 1 0 6, 0 0 6";
        assert_eq!(rollout(&rolling("3", "2"), 6, &old, 6), expected);
    }

    #[test]
    fn a_stale_status_stops_the_clean_up() {
        let old = [Size { replicas: 2, available: 1 }, Size { replicas: 7, available: 10 }];
        assert_eq!(clean_up_unhealthy(&old, 5), CleanUp { changes: vec![(0, 1)], stale: true });
        assert_eq!(clean_up_unhealthy(&old, 1), CleanUp { changes: vec![(0, 1)], stale: false });
    }

    #[track_caller]
    fn check_proportional(sizes: &[(i32, i32)], desired: i32, max_surge: i32, expected: &[i32]) {
        let share = |(index, (replicas, max)): (usize, &(i32, i32))| Share {
            replicas: *replicas,
            max_replicas: Some(*max),
            created: Timestamp(index as i64),
            name: ecow::eco_format!("set{index}"),
        };
        let shares: Vec<Share> = sizes.iter().enumerate().map(share).collect();
        let mut found = vec![0; sizes.len()];
        for (index, replicas) in proportional(&shares, desired, max_surge, 0) {
            found[index] = replicas;
        }
        assert_eq!(found, expected, "{sizes:?} to {desired} + {max_surge}");
    }

    #[test]
    fn scaling_in_the_middle_of_a_rollout_keeps_the_proportions() {
        check_proportional(&[(8, 13), (5, 13)], 15, 3, &[11, 7]);
        check_proportional(&[(11, 18), (7, 18)], 6, 3, &[5, 4]);
        check_proportional(&[(5, 10), (5, 10)], 11, 0, &[5, 6]);
        check_proportional(&[(5, 10), (5, 10)], 9, 0, &[4, 5]);
        check_proportional(&[(5, 10), (3, 10), (2, 10)], 0, 0, &[0, 0, 0]);
        check_proportional(&[(5, 10), (3, 10), (2, 10)], 20, 0, &[10, 6, 4]);
    }

    #[test]
    fn limits_are_rounded_so_that_one_of_them_is_left() {
        let check = |strategy, replicas, max_surge, max_unavailable| {
            assert_eq!(fenceposts(&strategy, replicas), Fenceposts { max_surge, max_unavailable });
        };
        check(rolling("25%", "25%"), 3, 1, 0);
        check(rolling("0", "1%"), 2, 0, 1);
        check(rolling("0", "10"), 3, 0, 3);
        check(rolling("0", "0"), 0, 0, 0);
        check(DeploymentStrategy::Recreate, 3, 0, 0);
    }
}
