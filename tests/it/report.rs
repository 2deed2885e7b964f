//! The page of a run: it holds what it must, needs nothing from outside, and no name can break it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use wavetank::kernel::{Span, Time};
use wavetank::report::{
    ExpectationLine, FailedActionLine, FaultBand, Machines, Page, Story as RunStory, Summary, fault_bands, plots,
    write_page,
};
use wavetank::sim::Sim;

use crate::story::{Story, run_kept, shipped, web};

/// Elements that have no end.
const VOID: [&str; 5] = ["meta", "input", "br", "link", "img"];
/// Elements whose text holds no elements.
const RAW: [&str; 3] = ["script", "style", "title"];

/// A page, taken apart as strictly as XML: how often each element occurs. Anything that is not well-formed is an error.
fn elements(page: &str) -> Result<BTreeMap<String, usize>, String> {
    let mut counts = BTreeMap::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>").ok_or("no doctype")?;
    while let Some(start) = rest.find('<') {
        check_text(&rest[..start])?;
        rest = &rest[start + 1..];
        let end = end_of_tag(rest).ok_or_else(|| format!("a tag without end: {}", head_of(rest)))?;
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop().as_deref() != Some(name) {
                return Err(format!("</{name}> closes nothing, before {}", head_of(rest)));
            }
            continue;
        }
        let name = tag.split_whitespace().next().unwrap_or_default().to_owned();
        check_attributes(&tag[name.len()..])?;
        *counts.entry(name.clone()).or_default() += 1;
        if RAW.contains(&name.as_str()) && !open.contains(&"svg".to_owned()) {
            let close = format!("</{name}>");
            let end = rest.find(&close).ok_or_else(|| format!("{name} without end"))?;
            if name == "script" && rest[..end].contains("<") && rest[..end].trim_start().starts_with(['{', '[']) {
                return Err(format!("data with a raw <: {}", head_of(rest)));
            }
            rest = &rest[end + close.len()..];
        } else if !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    check_text(rest)?;
    if open.is_empty() { Ok(counts) } else { Err(format!("left open: {open:?}")) }
}

/// Where a tag ends: at the first `>` outside quotes.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(at, c)| {
        quoted ^= c == '"';
        (c == '>' && !quoted).then_some(at)
    })
}

fn check_text(text: &str) -> Result<(), String> {
    let known = ["&lt;", "&gt;", "&amp;", "&quot;"];
    let stray = text.match_indices('&').find(|(at, _)| !known.iter().any(|entity| text[*at..].starts_with(entity)));
    match stray {
        Some((at, _)) => Err(format!("a stray & in {}", head_of(&text[at..]))),
        None if text.contains('>') => Err(format!("a stray > in {text}")),
        None => Ok(()),
    }
}

/// `name`, or `name="value"`, with spaces between.
fn check_attributes(text: &str) -> Result<(), String> {
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-:".contains(c))).unwrap_or(rest.len());
        if end == 0 {
            return Err(format!("an attribute without a name in {text}"));
        }
        rest = &rest[end..];
        if let Some(value) = rest.strip_prefix("=\"") {
            let end = value.find('"').ok_or_else(|| format!("a value without end in {text}"))?;
            check_text(&value[..end].replace('>', ""))?;
            rest = &value[end + 1..];
        }
        rest = rest.trim_start();
    }
    Ok(())
}

fn head_of(text: &str) -> String {
    text.chars().take(60).collect()
}

#[track_caller]
fn check_page(page: &str) -> BTreeMap<String, usize> {
    let counts = elements(page).unwrap_or_else(|why| panic!("the page is not well-formed: {why}"));
    for outside in ["http://", "https://", "@import", "url(", "src=", "<link", "<base", "fetch(", "XMLHttpRequest"] {
        // What a run itself says may hold addresses; none of these does.
        assert!(!page.contains(outside), "the page holds {outside}");
    }
    counts
}

fn story(scenario: &str) -> RunStory {
    RunStory {
        scenario: scenario.into(),
        seed: 7,
        ended: "its duration was over".into(),
        expectations: Vec::new(),
        failed_actions: Vec::new(),
        machines: Vec::new(),
        currency: None,
        repeat: "wavetank run x.yaml --seed 7".into(),
    }
}

fn page(sim: &Sim, story: RunStory, faults: &[FaultBand]) -> String {
    let machines = story.machines.clone();
    let summary = Summary::of(sim, story);
    let mut out = Vec::new();
    write_page(&Page { summary: &summary, sim, machines: &machines, faults }, &mut out)
        .expect("memory takes everything");
    String::from_utf8(out).expect("a page is text")
}

fn at(seconds: u64) -> Time {
    Time::ZERO + Span::from_secs(seconds)
}

#[test]
fn the_page_of_a_run_holds_all_plots_tables_and_faults() {
    let result = run_kept(&shipped("rolling-update-undo"), 1);
    let expectation = ExpectationLine {
        expectation: "deployment/web rolled out".into(),
        met: false,
        decided_at_seconds: Some(151.0),
        detail: "5 of 10 updated".into(),
    };
    let nodes = (0..4).map(|n| format!("worker-{n}").into()).collect();
    let machines = vec![Machines { pool: "worker".into(), nodes, price_per_hour: Some(0.25) }];
    let failed = FailedActionLine {
        place: "timeline[0].drain".into(),
        at_seconds: 9.0,
        may_fail: false,
        errors: vec!["error: nodes \"x\" not found".into()],
    };
    let story = RunStory {
        expectations: vec![expectation],
        failed_actions: vec![failed],
        machines,
        currency: Some("EUR".into()),
        ..story("undo")
    };
    let faults =
        [FaultBand { name: "node-crash".into(), detail: "worker-1 loses power".into(), from: at(90), until: at(200) }];
    let page = page(&result.sim, story, &faults);
    let counts = check_page(&page);
    let shown = |text: &str| assert!(page.contains(text), "{text} is missing");
    for plot in plots::ALL {
        shown(&format!("<section id=\"{}\"><h2>{}</h2>", plot.name, plot.title));
    }
    // Pods, one Deployment, CPU and memory, requests.
    assert_eq!((counts["svg"], counts["figure"]), (7, 7));
    assert_eq!(page.matches("class=\"fault\"").count(), 14, "a band in each figure, a name below it");
    for text in [
        "1 of 1 expectation not met, 1 action failed",
        "timeline[0].drain succeeds",
        "5 of 10 updated",
        "cost 0.1667 EUR, of which",
        "ScalingReplicaSet",
        "set image deployment/web web=registry.example.com/web:v2-typo",
        "deployment.apps/web image updated",
        "node-crash",
        "wavetank run x.yaml --seed 7",
    ] {
        shown(text);
    }
}

#[test]
fn images_are_well_formed_by_themselves() {
    let page = page(&run_kept(&shipped("drain"), 1).sim, story("drain"), &[]);
    let mut images = 0;
    for (start, _) in page.match_indices("<svg") {
        let end = start + page[start..].find("</svg>").expect("an image has an end") + "</svg>".len();
        let parsed = roxmltree::Document::parse(&page[start..end]).expect("an image is XML");
        let paths = parsed.descendants().filter(|node| node.has_tag_name("path"));
        for path in paths {
            let drawn = path.attribute("d").expect("a path has a course");
            assert!(
                drawn.starts_with('M') && drawn.chars().all(|c| c.is_ascii_digit() || " -MHVZ".contains(c)),
                "{drawn}"
            );
        }
        images += 1;
    }
    assert!(images >= 4);
}

#[test]
fn faults_stand_in_the_page_with_whom_they_hit() {
    let faults =
        "faults:\n- at: 2m\n  lasts: 3m\n  nodeCrash: {nodes: node-1}\n- at: 4m\n  kubeletHang: {nodes: node-2}\n";
    let mut cluster = Story::of_nodes(3, faults);
    cluster.apply(&web(5, "nginx:1"));
    cluster.sim.run_until(at(600));
    let bands = fault_bands(&cluster.sim);
    let times: Vec<(Time, Time)> = bands.iter().map(|band| (band.from, band.until)).collect();
    assert_eq!(times, [(at(120), at(300)), (at(240), at(600))]);
    let page = page(&cluster.sim, story("faults"), &bands);
    check_page(&page);
    assert!(page.contains(&bands[0].name) && bands[0].name.contains("node-1"), "{bands:?}");
}

#[track_caller]
fn check_broken(page: &str, why: &str) {
    let found = elements(&format!("<!DOCTYPE html>{page}"));
    assert!(found.as_ref().is_err_and(|error| error.contains(why)), "{found:?}");
}

#[test]
fn a_page_that_is_not_well_formed_is_found_out() {
    check_broken("<p>a", "left open");
    check_broken("<p>a</b></p>", "closes nothing");
    check_broken("<p>a & b</p>", "stray &");
    check_broken("<p>a > b</p>", "stray >");
    check_broken("<p title=\"a & b\"></p>", "stray &");
    check_broken("<p \"onclick\"></p>", "without a name");
    check_broken("<script>{\"a\":\"<b>\"}</script>", "raw <");
}

#[test]
fn a_cluster_in_which_nothing_happened_has_a_page() {
    let empty = Story::of_nodes(1, "");
    let counts = check_page(&page(&empty.sim, story("empty"), &[]));
    assert!(counts["section"] >= plots::ALL.len());
}

#[test]
fn the_same_run_has_the_same_page_and_a_fork_goes_on_with_it() {
    let cluster = || {
        let mut story = Story::of_nodes(3, "");
        story.apply(&web(5, "nginx:1"));
        story.sim.run_until(at(40));
        story.sim
    };
    let (mut one, other) = (cluster(), cluster());
    let shown = |sim: &Sim| page(sim, story("twice"), &[]);
    assert_eq!(shown(&one), shown(&other));
    let mut fork = other.fork().expect("no guest lives here");
    one.run_until(at(400));
    fork.run_until(at(400));
    assert_eq!(shown(&one), shown(&fork));
}

#[test]
fn idleness_is_exact_whatever_happens_between() {
    let mut cluster = Story::of_nodes(1, "");
    cluster.sim.run_until(at(100));
    let machines = vec![Machines { pool: "node".into(), nodes: vec!["node-0".into()], price_per_hour: Some(3600.0) }];
    let story = RunStory { machines, ..story("idle") };
    let cost = Summary::of(&cluster.sim, story).cost.expect("there is a price");
    assert_eq!((cost.total, cost.idle), (100.0, 100.0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_text_breaks_the_page(
        texts in prop::collection::vec("[ -~]{0,12}|</?(script|svg|b)>|\\PC{0,8}|\"'&<>|\\u{2028}|]]>|<!--", 6),
        from in 0_u64..100,
        lasts in 0_u64..1_000,
    ) {
        let sim = Story::of_nodes(1, "").sim;
        let line = ExpectationLine {
            expectation: texts[0].clone(),
            met: false,
            decided_at_seconds: None,
            detail: texts[1].clone(),
        };
        let machines = vec![Machines { pool: texts[2].as_str().into(), nodes: vec!["node-0".into()], price_per_hour: Some(1.0) }];
        let story = RunStory { expectations: vec![line], machines, repeat: texts[3].clone(), ..story(&texts[2]) };
        let fault = FaultBand { name: texts[4].clone(), detail: texts[5].clone(), from: at(from), until: at(from + lasts) };
        let faults = vec![fault; 9];
        let plain = elements(&page(&sim, RunStory { repeat: String::new(), ..story.clone() }, &[]));
        let found = elements(&page(&sim, story, &faults));
        prop_assert!(found.is_ok(), "{:?}", found);
        let scripts = |counts: &BTreeMap<String, usize>| counts.get("script").copied();
        prop_assert_eq!(found.as_ref().ok().and_then(scripts), plain.as_ref().ok().and_then(scripts));
    }
}
