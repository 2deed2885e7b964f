//! What the page of a study and its images say, on made-up figures.

use proptest::prelude::*;

use super::made_up::{study, workload};
use super::*;

fn page(study: &StudyPage) -> String {
    let mut out = Vec::new();
    write_study_page(study, &mut out).expect("memory takes everything");
    String::from_utf8(out).expect("a page is text")
}

/// The page without the line that is HTML and not XML, as a tree. Void elements are closed for that.
fn check_tree(page: &str) {
    let body = page.split_once("<body").expect("a page has a body").1;
    let closed = format!("<body{}", body.trim_end_matches("</html>")).replace("<br>", "<br/>").replace(" hidden>", ">");
    let parsed = roxmltree::Document::parse(&closed);
    assert!(parsed.is_ok(), "{:?}", parsed.err());
}

#[test]
fn the_best_is_bold_and_what_cannot_be_told_apart_from_it_is_marked() {
    let text = page(&study(&["default"]));
    // 94.04 is within the interval of the best, 92.3 is not.
    assert!(text.contains("<td class=\"number best\"><b>94.12</b>"), "{text}");
    assert!(text.contains("94.04<abbr class=\"tie\" title=\"cannot be told apart from the best\">≈</abbr>"), "{text}");
    assert!(text.contains("92.30<span") && !text.contains("<b>92.30") && !text.contains("92.30<abbr"));
    assert!(!text.contains("<b>8,211.5</b>"), "where neither is better nobody is the best");
}

#[test]
fn a_value_stands_with_its_interval_deviation_rank_difference_and_gap() {
    let text = page(&study(&["default"]));
    for expected in
        ["92.30<span class=\"quiet\"> ±0.11</span>", "sd 0.15 · 3.<br>−1.82 [−1.93, −1.71]", "gap 4.0%", ">1,020.0<"]
    {
        assert!(text.contains(expected), "{expected}\nis not in\n{text}");
    }
}

#[test]
fn rows_go_by_rank_in_the_first_measure() {
    let mut turned = study(&["default"]);
    for measure in &mut turned.workloads[0].measures {
        measure.values.reverse();
    }
    let text = page(&turned);
    let place = |name: &str| text.find(&format!("<th scope=\"row\">{name}</th>")).expect("there is a row");
    assert!(place("random") < place("dotprod") && place("dotprod") < place("fgd"));
}

#[test]
fn the_page_is_well_formed_and_asks_for_nothing_from_outside() {
    for names in [&["default"][..], &["default", "cpu200"], &[]] {
        let text = page(&study(names));
        check_tree(&text);
        for outside in ["http:", "https:", "src=", "@import", "url(", "<link"] {
            assert!(!text.contains(outside), "the page holds {outside}");
        }
        assert_eq!(text.contains("id=\"overview\""), names.len() > 1);
    }
}

#[test]
fn each_plot_has_a_name_for_those_who_do_not_see_it_and_its_figures_as_a_table() {
    let text = page(&study(&["default"]));
    let count = |what: &str| text.matches(what).count();
    // Three of curves, seven measures and the differences, two moments.
    assert_eq!([count("<figure"), count("role=\"img\" aria-label=\""), count("<details>")], [13, 13, 13]);
}

#[test]
fn each_plot_is_an_image_of_its_own_under_its_own_name() {
    let images = study_svgs(&study(&["default", "default"]));
    let names: std::collections::BTreeSet<&String> = images.iter().map(|(name, _)| name).collect();
    assert_eq!((images.len(), names.len()), (2 * 13 + 1, 2 * 13 + 1));
    for expected in [
        "all-gpus-allocated-at-100-arrived.svg",
        "default-gpus-allocated.svg",
        "default-gpus-allocated-2.svg",
        "default-gpus-allocated-from-80.svg",
        "default-gpus-allocated-at-100-arrived-difference-to-the-best.svg",
        "default-nodes-random.svg",
    ] {
        assert!(names.iter().any(|name| *name == expected), "{expected} is not in {names:?}");
    }
    for (name, image) in &images {
        assert!(roxmltree::Document::parse(image).is_ok(), "{name}");
        assert_eq!(image.matches("http").count(), 1, "{name}");
    }
}

#[test]
fn the_page_of_a_study_of_a_trace_is_of_a_size_that_can_be_sent() {
    let size = page(&study(&["default"])).len();
    assert!(size < 700_000, "{size} bytes");
}

#[test]
fn what_was_not_measured_is_no_trouble() {
    let mut sparse = workload("sparse");
    sparse.measures.iter_mut().for_each(|measure| measure.values = vec![None; 6]);
    sparse.curves.iter_mut().for_each(|curves| curves.points.clear());
    sparse.moments[0].policy = 99;
    let empty = WorkloadFigures { name: "empty".into(), ..WorkloadFigures::default() };
    check_tree(&page(&StudyPage { workloads: vec![sparse, empty.clone()], ..StudyPage::default() }));
    check_tree(&page(&StudyPage { workloads: vec![empty], ..StudyPage::default() }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn no_name_breaks_the_page(name in "\\PC{0,20}|</script>|<b>|\"'&<>|\\.\\./\\.\\./etc/passwd|a\u{0}\u{7}b") {
        let mut named = study(&[&name]);
        named.title = name.clone();
        named.command = name.clone();
        named.workloads[0].policies[0] = name.clone();
        named.workloads[0].measures[0].name = name.clone();
        let text = page(&named);
        check_tree(&text);
        prop_assert_eq!(text.matches("</script").count(), 1);
        for (file, _) in study_svgs(&named) {
            prop_assert!(file.ends_with(".svg") && !file.contains('/') && !file.starts_with('.'), "{}", file);
        }
    }
}
