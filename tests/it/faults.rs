//! Every fault strikes and heals, and what it breaks comes right again.

use wavetank::api::Kind;
use wavetank::event::PartId;
use wavetank::fault;
use wavetank::kernel::{Span, Time};
use wavetank::record::EntryKind;
use wavetank::sim::Action;

use crate::story::{Story, resource, web};

/// Six pods up on three nodes, then a fault from 2 min on.
fn struck(fault: &str) -> Story {
    let mut story = Story::of_nodes(3, &format!("faults:\n- at: 2m\n  {fault}\n"));
    story.apply(&web(6, "nginx:1"));
    story.run_for(100);
    story.expect_ready("web", 6);
    story
}

fn scale(story: &mut Story, replicas: i32) {
    story.act(Action::Scale { resource: resource(Kind::Deployment, "web"), replicas });
}

/// Entries of a kind about parts of some sort, after an instant.
fn entries(story: &Story, kind: EntryKind, after_s: u64) -> usize {
    let after = Time::ZERO + Span::from_secs(after_s);
    story.sim.journal().iter().filter(|entry| entry.kind == kind && entry.time > after).count()
}

#[test]
fn every_fault_strikes_and_ends_and_its_example_is_read() {
    for entry in fault::ALL {
        let example: String = entry.example.lines().map(|line| format!("  {line}\n")).collect();
        let yaml = format!("duration: 1h\nfaults:\n- {}", example.trim_start());
        let yaml = yaml.replace("worker-1", "node-1").replace("zone: a, ", "");
        let mut story = Story::of_nodes(3, &yaml);
        story.apply(&web(6, "nginx:1"));
        story.run_for(3600);
        let strikes = story.sim.strikes();
        assert!(!strikes.is_empty(), "{} never struck", entry.name);
        for strike in strikes {
            assert_eq!(strike.name, entry.name);
            assert!(!strike.hits.is_empty(), "{} hit nobody", entry.name);
            assert!(strike.until.is_some(), "{} never ended", entry.name);
        }
        assert!(!story.sim.is_struck());
        story.expect_ready("web", 6);
    }
}

#[test]
fn while_the_api_server_is_gone_kubectl_is_refused_and_afterwards_all_goes_on() {
    let mut story = struck("lasts: 60s\n  apiServerOutage: {}");
    story.run_for(30);
    scale(&mut story, 9);
    story.run_for(5);
    let refused = "The connection to the server 10.96.0.1:443 was refused - did you specify the right host or port?";
    assert!(story.printed().contains(refused), "{}", story.printed());
    story.run_for(60);
    scale(&mut story, 9);
    story.run_for(90);
    story.expect_ready("web", 9);
}

#[test]
fn an_api_server_that_is_left_serves_the_clients_of_the_one_that_is_gone() {
    let mut story = Story::of_nodes(
        3,
        "components: {apiServer: {replicas: 3}}\nfaults:\n- at: 2m\n  lasts: 10m\n  apiServerOutage: {replicas: 2}\n",
    );
    story.apply(&web(6, "nginx:1"));
    story.run_for(150);
    scale(&mut story, 9);
    story.run_for(60);
    story.expect_ready("web", 9);
}

#[test]
fn a_slow_api_server_serves_late() {
    let mut story = struck("lasts: 5m\n  apiServerLatency: {latency: 2s, parts: kubectl}");
    story.run_for(30);
    let before = story.now();
    scale(&mut story, 7);
    story.run_for(10);
    let said = story.said_at("deployment.apps/web scaled").expect("it is scaled");
    assert!(said.since(before) >= Span::from_secs(2), "after {}", said.since(before));
}

#[test]
fn a_controller_manager_that_is_cut_off_from_answers_does_not_do_things_twice() {
    let mut story =
        struck("lasts: 20s\n  componentPartition: {parts: kube-controller-manager, direction: fromApiServer}");
    story.run_for(21);
    scale(&mut story, 9);
    story.run_for(240);
    story.expect_ready("web", 9);
    assert_eq!(story.pods_of("web").len(), 9, "none too many");
}

#[test]
fn watches_that_are_cut_lose_nothing_whether_they_resume_or_list_again() {
    for then in ["resume", "relist"] {
        let mut story = struck(&format!("watchCut: {{then: {then}}}"));
        story.run_for(20);
        assert_eq!(story.sim.strikes().len(), 1);
        let lists = entries(&story, EntryKind::WatchEnded, 119);
        assert!(lists > 6, "{then}: {lists} watches ended");
        scale(&mut story, 9);
        story.run_for(60);
        story.expect_ready("web", 9);
        assert_eq!(story.pods_of("web").len(), 9);
    }
}

#[test]
fn a_watch_that_is_late_delays_what_depends_on_it() {
    let seconds_to_scale = |fault: &str| {
        let mut story = struck(fault);
        story.run_for(30);
        let before = story.now();
        scale(&mut story, 7);
        story.sim.run_until_holds(before + Span::from_mins(2), |sim| sim.store().count(Kind::Pod) == 7);
        story.now().since(before)
    };
    let late = seconds_to_scale("watchDelay: {delay: 5s, parts: kube-controller-manager, kind: deployments}");
    let usual = seconds_to_scale("watchDelay: {delay: 5s, parts: kube-controller-manager, kind: namespaces}");
    assert!(usual < Span::from_secs(1), "{usual}");
    assert!(late >= usual + Span::from_secs(5) && late < usual + Span::from_secs(6), "{late} against {usual}");
}

#[test]
fn a_frozen_watch_cache_hides_what_happens_until_it_thaws() {
    let mut story = struck("lasts: 60s\n  watchCacheFreeze: {}");
    story.run_for(25);
    scale(&mut story, 7);
    story.run_for(50);
    assert_eq!(story.sim.store().count(Kind::Pod), 6, "nobody has heard of it");
    story.run_for(60);
    story.expect_ready("web", 7);
}

#[test]
fn a_hanging_kubelet_takes_up_its_work_where_it_stood() {
    let mut story = struck("lasts: 30s\n  kubeletHang: {nodes: [node-0, node-1, node-2]}");
    story.run_for(25);
    scale(&mut story, 9);
    story.run_for(20);
    story.expect_ready("web", 6);
    story.run_for(60);
    story.expect_ready("web", 9);
}

#[test]
fn what_two_faults_keep_down_comes_back_when_both_have_ended() {
    let crash = |from: u32, lasts: u32| format!("- {{at: {from}s, lasts: {lasts}s, nodeCrash: {{nodes: node-1}}}}\n");
    let mut story = Story::of_nodes(3, &format!("faults:\n{}{}", crash(60, 60), crash(90, 60)));
    story.run_for(100);
    assert!(!story.sim.is_up(PartId::Kubelet(1)));
    story.run_for(40);
    assert!(!story.sim.is_up(PartId::Kubelet(1)), "the first has ended, the second has not");
    story.run_for(20);
    assert!(story.sim.is_up(PartId::Kubelet(1)));
}

#[test]
fn a_fault_strikes_again_and_again_about_its_period() {
    let mut story = Story::of_nodes(1, "faults:\n- {every: 10m ±2m, from: 5m, until: 60m, watchCut: {}}\n");
    story.run_for(3600);
    let at: Vec<f64> = story.sim.strikes().iter().map(|strike| strike.from.since(Time::ZERO).as_secs_f64()).collect();
    assert_eq!(at.len(), 6, "{at:?}");
    for (nth, at) in at.iter().enumerate() {
        let off = at - (300.0 + 600.0 * nth as f64);
        assert!(off.abs() <= 120.0 && off != 0.0, "strike {nth} at {at}");
    }
}

#[test]
fn a_fault_strikes_when_its_claim_comes_to_hold() {
    let when = "when: {resource: deployment/web, field: status.readyReplicas, atLeast: 3}";
    let mut story = Story::of_nodes(
        3,
        &format!("faults:\n- {{{when}, after: 5s, times: 2, lasts: 1s, componentPause: {{parts: kube-scheduler}}}}\n"),
    );
    story.apply(&web(2, "nginx:1"));
    story.run_for(120);
    assert_eq!(story.sim.strikes().len(), 0);
    scale(&mut story, 4);
    story.run_for(60);
    let ready = story.sim.strikes()[0].from;
    assert!(ready > Time::ZERO + Span::from_secs(125), "{ready}");
    for replicas in [1, 4, 1, 4] {
        scale(&mut story, replicas);
        story.run_for(60);
    }
    assert_eq!(story.sim.strikes().len(), 2, "once more, and no third time");
}

#[test]
fn taking_one_fault_away_leaves_the_draws_of_the_others() {
    let strikes = |faults: &str| {
        let mut story = Story::of_nodes(9, &format!("faults:\n{faults}"));
        story.run_for(3600);
        let strikes = story.sim.strikes().iter().filter(|strike| strike.name == "nodeCrash");
        strikes.map(|strike| (strike.from, strike.until, strike.hits.clone())).collect::<Vec<_>>()
    };
    let crash = "- {every: 5m ±1m, until: 50m, lasts: 1m..3m, nodeCrash: {nodes: {count: 2}}}\n";
    let cut = "- {every: 7m ±1m, until: 50m, watchCut: {}}\n";
    assert_eq!(strikes(crash), strikes(&format!("{cut}{crash}")));
}

/// The condition of a node, and whether it is tainted for it.
fn pressure(story: &Story, node: &str, condition: &str, taint: &str) -> (String, bool) {
    let Some(wavetank::api::Object::Node(node)) = story.sim.store().by_name(Kind::Node, "", node) else {
        panic!("{node} is there")
    };
    let status = node.body.condition(condition).expect("a kubelet reports it").status.clone();
    let key = format!("node.kubernetes.io/{taint}");
    (status, node.body.taints().iter().any(|found| found.key == key && found.effect == "NoSchedule"))
}

/// Strikes node-1 at 2 min for 10 min, and follows its condition and taint until the fault is over and for as long again
/// as the condition outlasts it.
#[track_caller]
fn check_pressure(fault: &str, condition: &str, taint: &str) {
    let flags =
        "components: {kubelet: {eviction-hard: \"memory.available<1Gi,nodefs.available<10%,pid.available<10%\"}}";
    let fault = format!("{flags}\nfaults:\n- at: 2m\n  lasts: 10m\n  {fault}\n");
    let mut story = Story::of_nodes(3, &fault);
    story.apply(&web(6, "nginx:1"));
    story.run_for(118);
    story.expect_ready("web", 6);
    assert_eq!(pressure(&story, "node-1", condition, taint), ("False".to_owned(), false));
    story.run_for(300);
    assert_eq!(pressure(&story, "node-1", condition, taint), ("True".to_owned(), true));
    assert_eq!(pressure(&story, "node-2", condition, taint), ("False".to_owned(), false));
    // Whoever was there has been driven off, and runs elsewhere.
    story.expect_ready("web", 6);
    assert!(!story.events("Evicted").is_empty(), "nobody was evicted");
    story.run_for(720);
    assert!(!story.sim.is_struck());
    assert_eq!(pressure(&story, "node-1", condition, taint), ("False".to_owned(), false));
    story.expect_ready("web", 6);
}

#[test]
fn a_memory_leak_drives_pods_off_its_node_until_it_ends() {
    check_pressure("memoryLeak: {nodes: node-1, percent: 103, over: 4m}", "MemoryPressure", "memory-pressure");
}

#[test]
fn a_disk_that_fills_drives_pods_off_its_node_until_it_ends() {
    check_pressure("diskFill: {nodes: node-1, percent: 95, over: 4m}", "DiskPressure", "disk-pressure");
}

#[test]
fn a_fork_bomb_drives_pods_off_its_node_until_it_ends() {
    check_pressure("forkBomb: {nodes: node-1, percent: 95, over: 1m}", "PIDPressure", "pid-pressure");
}
