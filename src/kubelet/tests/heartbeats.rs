//! Stories of Leases and node statuses.

use super::super::*;
use super::harness::{Story, container, settings, spec};

#[test]
fn heartbeats_that_may_not_be_computed_are_sent_on_the_same_grid() {
    let mut story = Story::new(vec![]);
    assert_eq!((story.heartbeats, story.renewals), (1, 0));
    story.run_for(14);
    story.compute_heartbeats(false);
    story.run_for(100);
    assert_eq!((story.heartbeats, story.renewals), (1, 10));
    assert_eq!(story.node_statuses, 0, "nothing has changed");
    story.compute_heartbeats(true);
    story.run_for(100);
    assert_eq!((story.heartbeats, story.renewals), (2, 11), "one more, then they are computed again");
    assert_eq!(story.to_come(), 0);
}

#[test]
fn an_unchanged_status_is_repeated_every_five_minutes() {
    let mut story = Story::with(KubeletSettings { elide_heartbeats: false, ..settings() }, vec![], true);
    story.run_for(1200);
    // At 10, 310, 610 and 910 s.
    assert_eq!(story.node_statuses, 4);
    assert_eq!(story.renewals, 120);
}

#[test]
fn a_node_that_was_out_of_sight_says_that_it_is_ready() {
    let mut story = Story::new(vec![]);
    story.run_for(14);
    story.compute_heartbeats(false);
    story.cut = true;
    story.run_for(60);
    story.lose_sight_of_node();
    story.run_for(60);
    assert!(!story.node.as_ref().unwrap().body.is_ready());
    story.cut = false;
    story.run_for(20);
    let node = story.node.clone().unwrap();
    assert!(node.body.is_ready());
    let since = node.body.condition("Ready").unwrap().last_transition_time.clone().unwrap().0.as_second();
    let since = since - crate::api::Clock::DEFAULT.start_unix_seconds;
    assert!((135..=155).contains(&since), "{since}");
    assert_eq!(story.times_of("NodeReady").len(), 1);
    assert_eq!(story.node_statuses, 1);
}

#[test]
fn a_watch_that_tells_of_an_unready_node_is_answered_at_the_next_update() {
    let mut story = Story::new(vec![]);
    story.run_for(14);
    story.lose_sight_of_node();
    story.run_for(10);
    assert!(story.node.as_ref().unwrap().body.is_ready());
    assert_eq!(story.to_come(), 0);
}

#[test]
fn a_status_that_does_not_arrive_is_tried_five_times_an_update() {
    let mut story = Story::new(vec![]);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(5);
    story.cut = true;
    story.run_for(20);
    assert_eq!((story.node_statuses, story.node_status_tries), (0, 10));
    story.cut = false;
    story.run_for(10);
    assert_eq!((story.node_statuses, story.node_status_tries), (1, 11));
}

#[test]
fn a_new_process_renews_the_lease_that_it_finds() {
    let mut story = Story::new(vec![]);
    story.run_for(14);
    story.stop();
    story.run_for(5);
    story.restart();
    story.run_for(5);
    assert_eq!((story.heartbeats, story.renewals), (2, 1));
}
