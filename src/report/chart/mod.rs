//! Charts with text of their own, as SVG: curves with bands, bars with intervals, heat maps, nodes at a moment.
//!
//! A chart is plain data and one pure function draws it, in units of its own, 480 wide. The same drawing stands in a page,
//! where style sheets give it the colours of light or dark, and in a file by itself for a paper: white ground, its own
//! colours and fonts, nothing else needed. Without colour, curves differ by dashes and markers, and what a colour says is
//! said in a `title` too. No script is needed to read it. The same data gives the same bytes.

mod bars;
mod cells;
mod curves;
mod heat;
mod looks;
mod png;
mod scale;
mod shade;
mod table;

use maud::{Markup, PreEscaped, html};

pub use bars::{Bars, Group, Interval};
pub use cells::{Cell, CellGroup, Cells};
pub use curves::{Curves, Point, Series};
pub use heat::{HeatMap, HeatRow};
pub use looks::{clean, shortened};
pub use scale::{amount, decimals_of, grouped};
pub use table::figures;

/// The style sheet of a page with charts; it takes the page's variables for colours.
pub(super) const PAGE_STYLE: &str = include_str!("page.css");
/// The style sheet inside a chart that stands alone.
const PAPER_STYLE: &str = include_str!("paper.css");
/// How wide a chart is, in its own units.
const WIDTH: f64 = 480.0;

/// A chart.
#[derive(Clone, PartialEq, Debug)]
pub struct Chart {
    /// What it shows. A page says so above the image; a paper in its caption.
    pub title: String,
    /// What is drawn.
    pub body: Body,
}

/// What is drawn.
#[derive(Clone, PartialEq, Debug)]
pub enum Body {
    /// Curves with bands.
    Curves(Curves),
    /// Bars with intervals.
    Bars(Bars),
    /// Rows and columns of shares.
    Heat(HeatMap),
    /// A small cell for each thing.
    Cells(Cells),
}

/// What an axis or a scale of colours counts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Axis {
    /// What is counted.
    pub title: String,
    /// In what; may be empty.
    pub unit: String,
}

impl Axis {
    /// Title and unit as they stand at the axis.
    pub fn words(&self) -> String {
        if self.unit.is_empty() { self.title.clone() } else { format!("{} ({})", self.title, self.unit) }
    }
}

/// What was drawn, and how high it is.
struct Drawing {
    height: f64,
    inside: Markup,
}

impl Chart {
    /// The image as it stands in a page.
    pub fn in_page(&self) -> Markup {
        let drawing = self.draw();
        html! {
            svg class="chart" viewBox=(format!("0 0 {WIDTH} {}", looks::px(drawing.height))) role="img" aria-label=(clean(&self.title)) {
                (drawing.inside)
            }
        }
    }

    /// The image as a file of its own.
    pub fn stand_alone(&self) -> String {
        let drawing = self.draw();
        let height = looks::px(drawing.height);
        let image = html! {
            svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox=(format!("0 0 {WIDTH} {height}"))
                width=(WIDTH) height=(height) role="img" {
                title { (clean(&self.title)) }
                style { (PreEscaped(PAPER_STYLE)) }
                rect width=(WIDTH) height=(height) fill="#ffffff" {}
                (drawing.inside)
            }
        };
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n", image.into_string())
    }

    fn draw(&self) -> Drawing {
        match &self.body {
            Body::Curves(curves) => curves::draw(curves),
            Body::Bars(bars) => bars::draw(bars),
            Body::Heat(map) => heat::draw(map),
            Body::Cells(cells) => cells::draw(cells),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A chart of each kind with these names and numbers.
    fn charts(name: &str, numbers: &[f64]) -> Vec<Chart> {
        let axis = || Axis { title: name.to_owned(), unit: name.to_owned() };
        let points = |_: usize| {
            let point =
                |(n, mean): (usize, &f64)| Point { x: n as f64, mean: *mean, low: mean - 1.0, high: mean + 1.0 };
            numbers.iter().enumerate().map(point).collect()
        };
        let series = (0..9).map(|n| Series { name: format!("{name}{n}"), points: points(n) }).collect();
        let bars = numbers.iter().map(|mean| Some(Interval { mean: *mean, low: mean - 1.0, high: mean + 1.0 }));
        let group = Group { name: name.to_owned(), bars: bars.clone().chain([None]).collect() };
        let values: Vec<Option<f64>> = numbers.iter().map(|value| Some(*value)).chain([None]).collect();
        let row = |name: String| HeatRow { name, values: values.clone() };
        let columns: Vec<String> = values.iter().map(|value| format!("{name}{value:?}")).collect();
        let heat = |rows: usize| HeatMap {
            x: axis(),
            colour: axis(),
            columns: columns.clone(),
            rows: (0..rows).map(|n| row(format!("{name}{n}"))).collect(),
        };
        let cell = |value: &Option<f64>| Cell { name: name.to_owned(), value: *value };
        let groups = vec![CellGroup { name: name.to_owned(), cells: values.iter().map(cell).collect() }];
        [
            Body::Curves(Curves { x: axis(), y: axis(), series }),
            Body::Bars(Bars { axis: axis(), series: vec![name.to_owned(); numbers.len() + 1], groups: vec![group] }),
            Body::Heat(heat(2)),
            Body::Heat(heat(1_300)),
            Body::Cells(Cells { colour: axis(), groups }),
        ]
        .into_iter()
        .map(|body| Chart { title: name.to_owned(), body })
        .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn every_chart_is_xml_whatever_its_names_and_numbers_are(
            name in ".{0,40}|</svg>|<!--|\"'&<>]]>|\u{1}\u{b}\u{fffe}",
            numbers in prop::collection::vec(prop_oneof![-1e3..1e3_f64, 0.0..1.0_f64, any::<f64>()], 0..6),
        ) {
            for chart in charts(&name, &numbers) {
                let alone = chart.stand_alone();
                let parsed = roxmltree::Document::parse(&alone);
                prop_assert!(parsed.is_ok(), "{:?}\n{}", parsed.err(), alone);
                let inside = chart.in_page().into_string();
                let parsed = roxmltree::Document::parse(&inside);
                prop_assert!(parsed.is_ok(), "{:?}\n{}", parsed.err(), inside);
                prop_assert!(!alone.contains("NaN") && !alone.contains("inf"), "{}", alone);
                prop_assert!(figures(&chart).into_string().contains("<table>"));
            }
        }
    }

    #[test]
    fn a_chart_for_a_paper_needs_nothing_from_outside() {
        for chart in charts("a", &[0.5, 1.0]) {
            let alone = chart.stand_alone();
            assert_eq!(alone.matches("http").count(), 1, "the name space and no other address: {alone}");
            assert!(alone.contains("fill=\"#ffffff\"") && alone.contains("font-family") && !alone.contains("var("));
            assert!(!alone.contains("<script") && !chart.in_page().into_string().contains("http"));
        }
    }
}
