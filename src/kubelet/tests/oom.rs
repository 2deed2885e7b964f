//! Stories of a node with 4Gi of memory on which memory runs out too fast for evictions, and of what is no pod's.

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::super::*;
use super::harness::{Story, container, named, server, spec};
use crate::api::PodPhase;
use crate::event::MachineResource;

const MI: u64 = 1 << 20;
const GI: u64 = 1 << 30;

fn with(name: &str, request: &str, limit: Option<&str>) -> v1::Container {
    let list = |memory: &str| {
        let amounts = [("memory", memory), ("cpu", "100m")];
        Some(amounts.map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned()))).into())
    };
    let resources = v1::ResourceRequirements {
        requests: list(request),
        limits: limit.and_then(list),
        ..v1::ResourceRequirements::default()
    };
    v1::Container { resources: Some(resources), ..container(name) }
}

fn uses(memory: u64) -> Behaviour {
    server().uses_memory(Course::Constant(memory))
}

/// Whom it hits when `leak` of a sudden takes so many MiB beside these pods, before the node has been looked at.
#[track_caller]
fn check(leak: (v1::Container, u64), others: &[(v1::Container, u64)], victim: &str) {
    let course = Course::Steps(vec![(Span::ZERO, MI), (Span::from_secs(11), leak.1 * MI)]);
    let mut behaviours = vec![named("leak", server().uses_memory(course))];
    behaviours.extend(others.iter().map(|(container, memory)| named(&container.name, uses(*memory))));
    let mut story = Story::new(behaviours);
    for (other, _) in others {
        story.apply(&other.name.clone(), spec("Always", vec![other.clone()]));
    }
    story.run_until(Time::ZERO + Span::from_secs(11));
    story.apply("leak", spec("Always", vec![leak.0]));
    story.run_until(Time::ZERO + Span::from_secs(26));
    let killed: Vec<&str> = story
        .pods
        .values()
        .filter(|pod| {
            let last = pod.body.status.containers[0].last.as_ref();
            last.is_some_and(|last| (last.exit_code, last.reason.as_str()) == (137, "OOMKilled"))
        })
        .map(|pod| pod.meta.name.as_str())
        .collect();
    assert_eq!(killed, [victim], "{:#?}", story.events);
    let said = format!("SystemOOM: System OOM encountered, victim process: {victim}, pid: ");
    let count = story.events.iter().filter(|event| event.contains(&said)).count();
    assert!(count > 0, "{:#?}", story.events);
}

#[test]
fn the_kernel_kills_who_promised_least_and_takes_most() {
    let small = || with("small", "64Mi", None);
    let ledger = || with("ledger", "2Gi", Some("2Gi"));
    // Who asks for nothing goes before who asks for a little, and who is limited to what it asks for goes last.
    check((container("leak"), 2000), &[(small(), GI), (ledger(), 2 * GI)], "leak");
    // Of those who ask for something, who asks for little and takes much.
    check((with("leak", "512Mi", None), 2000), &[(with("half", "1Gi", None), GI), (ledger(), 2 * GI)], "leak");
    // The size counts as well: a bystander that asks for nothing and takes almost nothing is not as bad as the leak.
    check((with("leak", "512Mi", None), 4300), &[(container("idle"), MI)], "leak");
    // But one that asks for much is spared for one that asks for nothing.
    check((with("leak", "4Gi", None), 3600), &[(container("idle"), 700 * MI)], "idle");
}

#[test]
fn a_container_that_the_kernel_has_killed_is_started_again_with_back_off() {
    let course = Course::Ramp { from: 0, to: 8 * GI, over: Span::from_secs(6) };
    let mut story = Story::new(vec![named("web", server().uses_memory(course))]);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(7);
    story.expect("web", "Running ready Runningx1");
    story.run_for(4);
    story.expect("web", "Running unready CrashLoopBackOffx1");
    assert_eq!(story.times_of("SystemOOM").len(), 2);
    assert_eq!(story.times_of("Evicted").len(), 0);
}

#[test]
fn a_service_that_leaks_drives_pods_off_and_is_killed_itself_in_the_end() {
    let mut story = Story::new(vec![]);
    story.apply("web", spec("Always", vec![with("web", "1Gi", None)]));
    story.apply("ledger", spec("Always", vec![with("ledger", "1Gi", Some("1Gi"))]));
    story.run_for(30);
    assert_eq!(story.to_come(), 0);
    story.load(3, MachineResource::Memory, 120, 1200);
    // 2Gi are taken, two more are leaked within 500 s. Neither pod exceeds its request: the first one goes.
    story.run_for(540);
    assert_eq!(story.phase("web"), PodPhase::Failed);
    assert_eq!(
        story.pod("web").body.status.message,
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 64648Ki. "
    );
    assert_eq!(story.phase("ledger"), PodPhase::Running);
    story.run_for(300);
    assert_eq!(story.phase("ledger"), PodPhase::Failed);
    // With nobody left, the kernel kills the service itself, which starts again.
    story.run_for(250);
    let said = story.events.iter().find(|event| event.contains("SystemOOM")).unwrap();
    assert!(said.contains("victim process: leaking-service"), "{said}");
    story.unload(3);
    story.run_for(400);
    let node = story.node.as_ref().unwrap();
    assert_eq!(node.body.condition("MemoryPressure").unwrap().status, "False");
    story.run_for(1200);
    assert_eq!(story.to_come(), 0, "whatever the fault has brought is over");
}

#[test]
fn what_fills_the_disk_outlives_the_machine_and_what_leaks_does_not() {
    let mut story = Story::new(vec![]);
    story.load(1, MachineResource::Memory, 96, 60);
    story.load(2, MachineResource::Disk, 95, 60);
    story.run_for(90);
    let conditions = |story: &Story| {
        let node = story.node.as_ref().unwrap();
        ["MemoryPressure", "DiskPressure"].map(|kind| node.body.condition(kind).unwrap().status.clone())
    };
    assert_eq!(conditions(&story), ["False", "True"]);
    story.load(3, MachineResource::Memory, 5, 1);
    story.run_for(30);
    assert_eq!(conditions(&story), ["True", "True"]);
    story.stop();
    story.run_for(10);
    story.boot();
    story.run_for(30);
    assert_eq!(conditions(&story), ["False", "True"], "the leaks have only begun again");
    story.run_for(60);
    assert_eq!(conditions(&story), ["True", "True"]);
}
