//! Bounds, optima and packings held against one another, and cases whose answers are known.

use proptest::prelude::*;

use super::*;

fn bin(name: &str, capacity: &[i64], micro_dollars: i64) -> BinKind {
    BinKind { name: name.into(), capacity: capacity.to_vec(), at_most: None, micro_dollars }
}

fn items(sizes: &[(&[i64], u32)], bins: usize) -> Vec<ItemKind> {
    let item = |(number, (size, count)): (usize, &(&[i64], u32))| ItemKind {
        name: ecow::eco_format!("item-{number}"),
        size: size.to_vec(),
        count: *count,
        may_use: vec![true; bins],
        per_bin: None,
    };
    sizes.iter().enumerate().map(item).collect()
}

fn in_one_kind(capacity: &[i64], sizes: &[(&[i64], u32)]) -> Problem {
    Problem { bins: vec![bin("bin", capacity, 1)], items: items(sizes, 1), objective: Objective::Nodes }
}

/// What each bound says, the least price there is, and the price of the best packing that was found by rules.
#[track_caller]
fn check(problem: &Problem, volume: i64, one_dimension: i64, bound: i64, optimum: i64, found: i64) {
    let bracket = bracket(problem, Effort::USUAL);
    let best = match super::optimum(problem, Limits::SMALL) {
        Optimum::Best(packing) => packing.price(problem),
        Optimum::Infeasible => -1,
        Optimum::GaveUp => -2,
    };
    let packed = bracket.packing.as_ref().map_or(-1, |packing| packing.price(problem));
    let answers = [bracket.volume, bracket.one_dimension, bracket.bound, best, packed];
    assert_eq!(answers, [volume, one_dimension, bound, optimum, found], "volume, L3, best bound, optimum, packing");
}

#[test]
fn first_fit_decreasing_takes_eleven_bins_where_nine_do() {
    // Johnson, 'Near-optimal bin packing algorithms', MIT (1973): 11/9 OPT, here with a bin of 1000.
    let problem = in_one_kind(&[1000], &[(&[501], 6), (&[252], 6), (&[251], 6), (&[248], 12)]);
    let decreasing = pack(&problem, Some(0), Size::Largest, Fit::First).map(|packing| packing.nodes());
    assert_eq!(decreasing, Some(11));
    check(&problem, 9, 9, 9, 9, 9);
}

#[test]
fn what_bins_of_which_there_are_so_many_can_hold_at_most() {
    #[track_caller]
    fn check(capacity: &[i64], bins: u32, sizes: &[(&[i64], u32)], worth: &[i64], expected: i64) {
        let mut problem = in_one_kind(capacity, sizes);
        problem.bins[0].at_most = Some(bins);
        assert_eq!(most(&problem, worth), expected);
    }
    check(&[10], 2, &[(&[5], 3)], &[7], 21);
    check(&[10], 1, &[(&[5], 3)], &[7], 14);
    // The denser goes first; the rest is filled with parts.
    check(&[10], 1, &[(&[4], 2), (&[4], 2)], &[8, 4], 18);
    check(&[10, 10], 1, &[(&[10, 1], 1), (&[1, 10], 1)], &[11, 11], 20);
    check(&[10], 3, &[(&[11], 3)], &[7], 0);
    check(&[10], 3, &[], &[], 0);
}

#[test]
fn items_cannot_be_cut() {
    // Martello and Toth, 'Knapsack Problems' (1990), chapter 8: by volume three bins would do.
    let sizes: Vec<(&[i64], u32)> =
        vec![(&[70], 1), (&[60], 1), (&[50], 1), (&[33], 3), (&[11], 1), (&[7], 1), (&[3], 1)];
    check(&in_one_kind(&[100], &sizes), 3, 4, 4, 4, 4);
    check(&in_one_kind(&[100], &[(&[51], 7)]), 4, 7, 7, 7, 7);
    check(&in_one_kind(&[100], &[(&[34], 9)]), 4, 5, 5, 5, 5);
}

#[test]
fn patterns_know_how_many_items_there_are() {
    // Fieldhouse, 'The duality gap in trim problems', SICUP Bulletin 5 (1990): 1/2 + 2/3 + 4/5 bins by patterns that
    // hold more than there is.
    check(&in_one_kind(&[30], &[(&[15], 1), (&[10], 2), (&[6], 4)]), 2, 2, 3, 3, 3);
}

#[test]
fn several_resources_keep_items_apart_that_each_would_let_together() {
    check(&in_one_kind(&[10, 10], &[(&[6, 1], 4), (&[1, 6], 4)]), 3, 4, 4, 4, 4);
    check(&in_one_kind(&[10, 10, 10], &[(&[5, 5, 1], 1), (&[5, 1, 5], 1), (&[1, 5, 5], 1)]), 2, 2, 2, 2, 2);
    check(&in_one_kind(&[10, 10, 10], &[(&[6, 5, 1], 1), (&[5, 1, 6], 1), (&[1, 6, 5], 1)]), 2, 2, 3, 3, 3);
}

#[test]
fn the_cheapest_mix_is_of_several_kinds() {
    let mut problem = Problem {
        bins: vec![bin("small", &[4], 5), bin("large", &[10], 9)],
        items: items(&[(&[5], 2), (&[4], 1)], 2),
        objective: Objective::Cost,
    };
    check(&problem, 13, 10, 14, 14, 14);
    problem.bins[0].at_most = Some(0);
    check(&problem, 18, 18, 18, 18, 18);
    problem.bins[1].at_most = Some(1);
    check(&problem, 18, 18, 18, -1, -1);
}

#[test]
fn items_that_keep_apart_need_bins_of_their_own() {
    let mut problem = in_one_kind(&[10], &[(&[1], 6), (&[2], 1)]);
    problem.items[0].per_bin = Some(2);
    check(&problem, 3, 1, 3, 3, 3);
}

#[test]
fn items_that_fit_nowhere_are_told() {
    let problem = in_one_kind(&[10], &[(&[11], 1), (&[2], 1)]);
    assert_eq!(problem.homeless(), [0]);
    check(&problem, 1, 1, 1, -1, -1);
}

#[test]
fn what_shares_no_bins_is_rounded_up_apart() {
    let mut problem = Problem {
        bins: vec![bin("plain", &[10, 0], 7), bin("cards", &[10, 2], 100)],
        items: items(&[(&[6, 0], 3), (&[1, 1], 3)], 2),
        objective: Objective::Cost,
    };
    problem.items[0].may_use[1] = false;
    assert_eq!(components(&problem).len(), 2);
    check(&problem, 14 + 200, 14 + 200 + 7, 221, 221, 221);
    problem.items[0].may_use[1] = true;
    assert_eq!(components(&problem).len(), 1);
}

/// Whether some packing is cheaper: every item, one after another, into every bin.
fn is_there_cheaper(problem: &Problem, than: i64) -> bool {
    let all: Vec<usize> =
        problem.items.iter().enumerate().flat_map(|(at, item)| (0..item.count).map(move |_| at)).collect();
    fn try_all(problem: &Problem, rest: &[usize], bins: &mut Vec<(usize, Vec<u32>)>, price: i64, than: i64) -> bool {
        if price >= than {
            return false;
        }
        let Some((item, rest)) = rest.split_first() else { return true };
        for at in 0..bins.len() {
            bins[at].1[*item] += 1;
            let fits = holds(problem, &bins[at]);
            let found = fits && try_all(problem, rest, bins, price, than);
            bins[at].1[*item] -= 1;
            if found {
                return true;
            }
        }
        for kind in (0..problem.bins.len()).filter(|kind| problem.fits(*item, *kind)) {
            let limit = problem.bins[kind].at_most.unwrap_or(u32::MAX) as usize;
            if bins.iter().filter(|bin| bin.0 == kind).count() >= limit {
                continue;
            }
            let mut held = vec![0; problem.items.len()];
            held[*item] = 1;
            bins.push((kind, held));
            let found = try_all(problem, rest, bins, price + problem.price(kind), than);
            bins.pop();
            if found {
                return true;
            }
        }
        false
    }
    fn holds(problem: &Problem, (kind, held): &(usize, Vec<u32>)) -> bool {
        let alone = Problem {
            items: problem
                .items
                .iter()
                .zip(held)
                .map(|(item, count)| ItemKind { count: *count, ..item.clone() })
                .collect(),
            ..problem.clone()
        };
        Packing { bins: vec![Filled { kind: *kind, items: held.clone(), times: 1 }] }.flaw(&alone).is_none()
    }
    try_all(problem, &all, &mut Vec::new(), 0, than)
}

fn small_problems() -> impl Strategy<Value = Problem> {
    (1..=3_usize, 1..=3_usize, 1..=4_usize).prop_flat_map(|(resources, bins, kinds)| {
        let bin = (prop::collection::vec(6..=20_i64, resources), prop::option::weighted(0.2, 0..=3_u32), 1..=20_i64)
            .prop_map(|(capacity, at_most, price)| BinKind {
                name: "bin".into(),
                capacity,
                at_most,
                micro_dollars: price,
            });
        let may_use = prop::collection::vec(prop::bool::weighted(0.9), bins);
        let per_bin = prop::option::weighted(0.2, 1..=2_u32);
        let item = (prop::collection::vec(0..=9_i64, resources), 1..=3_u32, may_use, per_bin).prop_map(
            |(size, count, may_use, per_bin)| ItemKind { name: "item".into(), size, count, may_use, per_bin },
        );
        let objective = prop_oneof![Just(Objective::Nodes), Just(Objective::Cost)];
        (prop::collection::vec(bin, bins), prop::collection::vec(item, kinds), objective)
            .prop_map(|(bins, items, objective)| Problem { bins, items, objective })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn no_bound_is_above_the_optimum_and_no_packing_below(problem in small_problems()) {
        let packings: Vec<Packing> = {
            let mut packings = first_fit(&problem);
            let columns = columns(&problem, &packings, Effort::USUAL);
            packings.extend(rounding(&problem, &columns));
            packings
        };
        for packing in &packings {
            prop_assert_eq!(packing.flaw(&problem), None);
        }
        let best = match super::optimum(&problem, Limits::SMALL) {
            Optimum::Best(packing) => packing,
            Optimum::Infeasible => {
                prop_assert_eq!(packings, []);
                prop_assert!(!is_there_cheaper(&problem, i64::MAX));
                return Ok(());
            }
            Optimum::GaveUp => return Err(TestCaseError::fail("the optimum of a small problem is found")),
        };
        prop_assert_eq!(best.flaw(&problem), None);
        let price = best.price(&problem);
        prop_assert!(!is_there_cheaper(&problem, price));
        let hasty = Effort { rounds: 2, steps: 3, gap_ppm: 0 };
        let bounds = [
            ("volume", volume(&problem)),
            ("one dimension", one_dimension(&problem)),
            ("columns", columns(&problem, &packings, Effort::USUAL).bound),
            ("columns from nothing", columns(&problem, &[], Effort::USUAL).bound),
            ("columns in haste", columns(&problem, &[], hasty).bound),
            ("all", bracket(&problem, hasty).bound),
        ];
        for (name, bound) in bounds {
            prop_assert!(bound <= price, "{} says {}, and {} do", name, bound, price);
        }
        let sum = bracket(&problem, hasty).packing;
        prop_assert_eq!(sum.as_ref().and_then(|packing| packing.flaw(&problem)), None);
        for packing in packings.iter().chain(&sum) {
            prop_assert!(packing.price(&problem) >= price);
        }
    }
}
