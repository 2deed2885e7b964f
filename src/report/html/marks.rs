//! Faults and actions in the figures: bands and lines over the image, names in lanes below it.

use maud::{Markup, html};

use super::svg::{WIDTH, x};
use crate::kernel::Time;

/// How many lanes of names there are at most; what finds no room there is drawn without its name.
const LANES: usize = 4;
/// How wide a letter of a name is taken to be, in units of the image.
const LETTER: u64 = 28;

/// Something that all figures show: a fault from one instant to another, an action at one.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Mark {
    /// What it is called below the image.
    pub(super) name: String,
    /// What it is in full.
    pub(super) detail: String,
    pub(super) from: Time,
    pub(super) until: Time,
    pub(super) kind: MarkKind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MarkKind {
    Fault,
    Action,
}

/// The bands and lines, in the units of an image of curves.
pub(super) fn bands(marks: &[Mark], end: Time) -> Markup {
    html! {
        @for mark in marks {
            @let (from, to) = (x(mark.from, end), x(mark.until, end));
            @match mark.kind {
                MarkKind::Fault => {
                    rect class="fault" x=(from) y="0" width=(to.saturating_sub(from).max(4)) height="1000" {
                        title { (mark.detail) }
                    }
                }
                MarkKind::Action => { path class="action" d=(format!("M{from} 0V1000")) { title { (mark.detail) } } }
            }
        }
    }
}

/// Where a name stands: its lane, its left edge and its room, in units of the image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    lane: usize,
    left: u64,
    room: u64,
}

/// The names below an image.
pub(super) fn strip(marks: &[Mark], end: Time) -> Markup {
    let places = places(marks, end);
    let lanes = places.iter().flatten().map(|place| place.lane + 1).max().unwrap_or(0);
    let percent = |units: u64| units as f64 * 100.0 / WIDTH as f64;
    html! {
        @if lanes > 0 {
            div class="strip" style=(format!("height:{:.2}em", lanes as f64 * 1.5)) {
                @for (mark, place) in marks.iter().zip(&places) {
                    @if let Some(place) = place {
                        @let top = place.lane as f64 * 1.5;
                        @let (from, to) = (x(mark.from, end), x(mark.until, end));
                        @let class = match mark.kind { MarkKind::Fault => "fault", MarkKind::Action => "action" };
                        i class=(class) style=(format!(
                            "top:{top:.2}em;left:{:.2}%;width:{:.2}%", percent(from), percent(to.saturating_sub(from)),
                        )) {}
                        span title=(mark.detail) style=(format!(
                            "top:{top:.2}em;left:{:.2}%;width:{:.2}%", percent(place.left), percent(place.room),
                        )) { (mark.name) }
                    }
                }
            }
        }
    }
}

/// The place of each name, or none: no name covers another, however narrow the page is.
fn places(marks: &[Mark], end: Time) -> Vec<Option<Place>> {
    let mut lane_ends: Vec<u64> = Vec::new();
    let place = |mark: &Mark| {
        let wide = ((mark.name.chars().count() as u64 + 2) * LETTER).min(WIDTH * 2 / 5);
        let left = x(mark.from, end).min(WIDTH - wide);
        let reach = x(mark.until, end).max(left + wide);
        let lane = lane_ends.iter().position(|lane_end| *lane_end <= left).unwrap_or(lane_ends.len());
        if lane >= LANES {
            return None;
        }
        if lane == lane_ends.len() {
            lane_ends.push(0);
        }
        lane_ends[lane] = reach;
        Some(Place { lane, left, room: reach - left })
    };
    marks.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(name: &str, from: u64, until: u64) -> Mark {
        let (from, until) = (Time(from), Time(until));
        Mark { name: name.into(), detail: String::new(), from, until, kind: MarkKind::Fault }
    }

    #[test]
    fn names_find_lanes_in_which_none_covers_another() {
        let marks = [mark("first", 0, 50), mark("second", 10, 20), mark("third", 55, 60), mark("last", 100, 100)];
        let lanes: Vec<Option<usize>> =
            places(&marks, Time(100)).iter().map(|place| place.map(|one| one.lane)).collect();
        assert_eq!(lanes, [Some(0), Some(1), Some(0), Some(0)]);
    }

    #[test]
    fn what_finds_no_room_has_no_name() {
        let marks: Vec<Mark> = (0..50).map(|n| mark("one of many", n, n)).collect();
        assert!(places(&marks, Time(100)).iter().any(Option::is_none));
        assert!(places(&marks, Time(0)).iter().flatten().count() == LANES);
    }
}
