//! Shares as colours: fifteen steps of viridis, which read the same in any colour blindness and in grey.
//!
//! Nothing and all have a step of their own; between them the steps are even. Source: the viridis map of matplotlib
//! (Smith, van der Walt, Firing 2015), ten of its colours with straight lines between them.

use maud::{Markup, html};

use super::looks::{Anchor, label, px, width_of};
use super::{Axis, WIDTH};

/// How many steps there are.
pub(super) const SHADES: usize = 15;

/// The colours from nothing to all.
pub(super) const COLOURS: [[u8; 3]; SHADES] = [
    [0x44, 0x01, 0x54],
    [0x47, 0x1a, 0x6b],
    [0x45, 0x31, 0x7d],
    [0x3f, 0x47, 0x88],
    [0x37, 0x5b, 0x8c],
    [0x2f, 0x6e, 0x8e],
    [0x28, 0x7f, 0x8e],
    [0x23, 0x90, 0x8c],
    [0x22, 0xa2, 0x87],
    [0x30, 0xb2, 0x7c],
    [0x4d, 0xc1, 0x6b],
    [0x72, 0xcf, 0x56],
    [0xa1, 0xd9, 0x3a],
    [0xd0, 0xe1, 0x2a],
    [0xfd, 0xe7, 0x25],
];

/// The step of a share of one; what is no number has none.
pub(super) fn shade(share: f64) -> Option<usize> {
    match share {
        _ if share.is_nan() => None,
        _ if share <= 0.0 => Some(0),
        _ if share >= 1.0 => Some(SHADES - 1),
        _ => Some(1 + ((share * (SHADES - 2) as f64) as usize).min(SHADES - 3)),
    }
}

/// The colour of a step as SVG takes it.
pub(super) fn colour(shade: usize) -> String {
    let [red, green, blue] = COLOURS[shade.min(SHADES - 1)];
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// A share of one as it reads.
pub(super) fn percent(share: Option<f64>) -> String {
    match share {
        Some(share) if share.is_finite() => format!("{}%", super::scale::grouped(share * 100.0, 0)),
        Some(_) | None => "–".to_owned(),
    }
}

/// The scale of colours, a line high.
pub(super) fn scale(axis: &Axis, top: f64) -> Markup {
    let words = super::looks::cut_to(&axis.words(), WIDTH - 230.0);
    let left = width_of(&words) + 40.0;
    html! {
        (label(0.0, top + 12.0, Anchor::Start, &words))
        (label(left - 5.0, top + 12.0, Anchor::End, "0%"))
        @for number in 0..SHADES {
            rect x=(px(left + number as f64 * 9.0)) y=(px(top + 2.0)) width="9" height="11" fill=(colour(number)) {}
        }
        (label(left + SHADES as f64 * 9.0 + 5.0, top + 12.0, Anchor::Start, "100%"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_all_have_a_step_of_their_own() {
        let shades = [-1.0, 0.0, 1e-9, 0.5, 0.999, 1.0, 7.0].map(shade);
        assert_eq!(shades, [0, 0, 1, 7, 13, 14, 14].map(Some));
        assert_eq!(shade(f64::NAN), None);
    }
}
