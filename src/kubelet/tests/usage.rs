//! Stories of what containers take, and of exits that come by chance.

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::super::*;
use super::harness::{Story, container, named, server, spec};
use crate::kernel::Chance;

const MI: u64 = 1024 * 1024;

fn with_memory(name: &str, request: &str, limit: &str) -> v1::Container {
    let memory = |amount: &str| [("memory".to_owned(), Quantity(amount.to_owned()))].into();
    let resources = v1::ResourceRequirements {
        requests: Some(memory(request)),
        limits: Some(memory(limit)),
        ..v1::ResourceRequirements::default()
    };
    v1::Container { resources: Some(resources), ..container(name) }
}

#[test]
fn a_container_that_takes_more_memory_than_its_limit_is_killed_at_that_instant() {
    let ramp = Course::Ramp { from: 0, to: 200 * MI, over: Span::from_secs(100) };
    let mut story = Story::new(vec![named("web", server().uses_memory(ramp))]);
    story.apply("web", spec("Always", vec![with_memory("web", "10Mi", "100Mi")]));
    story.run_for(52);
    story.expect("web", "Running ready Runningx0");
    assert!(story.kubelet.is_idle(), "its end is declared");
    let used = story.kubelet.usage(story.now, Chance { seed: 1 }).memory;
    assert!((99 * MI..100 * MI).contains(&used), "{used}");
    story.run_for(1);
    story.expect("web", "Running ready Runningx1");
    let last = story.pod("web").body.status.containers[0].last.clone().unwrap();
    assert_eq!((last.exit_code, last.reason.as_str()), (137, "OOMKilled"));
    story.run_for(51);
    story.expect("web", "Running unready CrashLoopBackOffx1");
}

#[test]
fn without_a_limit_or_below_it_nothing_happens() {
    let constant = Course::Constant(100 * MI);
    let mut story = Story::new(vec![named("a", server().uses_memory(constant.clone()))]);
    story.apply("web", spec("Always", vec![container("a"), with_memory("b", "10Mi", "10Mi")]));
    story.run_for(600);
    story.expect("web", "Running ready Runningx0 Runningx0");
    // What is not declared is what is requested.
    let expected = Usage { memory: 110 * MI, pids: 2, ..Usage::default() };
    assert_eq!(story.kubelet.usage(story.now, Chance { seed: 1 }), expected);
    story.delete("web", 30);
    story.run_for(5);
    assert_eq!(story.kubelet.usage(story.now, Chance { seed: 1 }), Usage::default());
}

#[test]
fn exits_come_in_some_lives_and_not_in_others() {
    let mut sometimes = server().exits(Range::millis(1_000, 1_000), 1);
    sometimes.exit = sometimes.exit.map(|exit| Exit { probability: 0.5, ..exit });
    let mut story = Story::new(vec![named("web", sometimes)]);
    for number in 0..40 {
        story.apply(&format!("web-{number}"), spec("Always", vec![container("web")]));
    }
    story.run_for(3600);
    let restarts: Vec<u32> = (0..40).map(|number| story.pod(&format!("web-{number}")).body.restarts()).collect();
    let steady = restarts.iter().filter(|count| **count == 0).count();
    assert!((10..=30).contains(&steady), "half of all first lives last: {restarts:?}");
    let all: u32 = restarts.iter().sum();
    assert!((20..=80).contains(&all), "one restart a pod on average: {restarts:?}");
}
