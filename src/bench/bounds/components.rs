//! Parts of a problem that share no bins: each is bounded, rounded up and packed for itself.

use super::Problem;

/// The parts, which together are the problem without the items that fit nowhere. Items and kinds of bins keep their
/// numbers: of what belongs to another part there is none.
pub fn components(problem: &Problem) -> Vec<Problem> {
    let mut part_of: Vec<usize> = (0..problem.bins.len()).collect();
    let wanted = |item: &usize| problem.items[*item].count > 0;
    for item in (0..problem.items.len()).filter(wanted) {
        let parts: Vec<usize> = problem.homes(item).map(|kind| part_of[kind]).collect();
        let Some(least) = parts.iter().min() else { continue };
        part_of.iter_mut().filter(|part| parts.contains(part)).for_each(|part| *part = *least);
    }
    let of_part = |part: usize| {
        let mut alone = problem.clone();
        let bins = alone.bins.iter_mut().zip(&part_of).filter(|(_, of)| **of != part);
        bins.for_each(|(bin, _)| bin.at_most = Some(0));
        for (at, item) in alone.items.iter_mut().enumerate() {
            if problem.homes(at).all(|kind| part_of[kind] != part) {
                item.count = 0;
            }
        }
        alone
    };
    let parts = (0..problem.bins.len()).filter(|kind| part_of[*kind] == *kind).map(of_part);
    parts.filter(|part| part.items.iter().any(|item| item.count > 0)).collect()
}
