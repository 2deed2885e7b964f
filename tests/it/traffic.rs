//! Requests to Services as their clients meet them: shares of a canary, a family that fails, nodes that have one alone.

use wavetank::check::ExpectationStatus;
use wavetank::network::{Fates, TrafficCounts};
use wavetank::scenario::RunResult;

use crate::story::{Story, run_kept, shipped};

#[track_caller]
fn told(name: &str) -> (RunResult, Vec<TrafficCounts>) {
    let result = run_kept(&shipped(name), 1);
    for outcome in &result.outcomes {
        assert!(matches!(outcome.status, ExpectationStatus::Met { .. }), "{name}: {outcome:?}");
    }
    let counts = result.sim.network().counts(result.sim.now());
    (result, counts)
}

/// How many thousandths of a stream the pods of a Deployment served.
fn share(counts: &TrafficCounts, deployment: &str) -> u64 {
    // The pods of `shop-canary` begin with `shop-` as well.
    let is_own = |pod: &str| pod.rsplitn(3, '-').nth(2).is_some_and(|owner| owner == deployment);
    let own = counts.by_endpoint.iter().filter(|(pod, _)| is_own(pod));
    own.map(|(_, fates)| fates.served).sum::<u64>() * 1000 / counts.total.all()
}

#[test]
fn a_canary_is_served_by_the_number_of_its_pods_and_nothing_is_lost() {
    let (_, counts) = told("canary");
    let shares: Vec<(&str, u64)> =
        counts.iter().take(3).map(|counts| (counts.name.as_str(), share(counts, "shop-canary"))).collect();
    assert_eq!(shares, [("a tenth", 100), ("three tenths", 300), ("all", 1000)]);
    let all = &counts[3].total;
    assert_eq!((all.served, all.refused, all.lost), (48_000, 0, 0));
}

#[test]
fn the_shipped_rollouts_come_true() {
    let (result, _) = told("rollouts");
    let printed: String = result.sim.parts().user.printed().iter().map(|line| format!("{}\n", line.text)).collect();
    for lines in [
        "deployment \"web\" successfully rolled out\n",
        "deployment.apps/web \nREVISION  CHANGE-CAUSE\n1         the first one\n2         v2, with more memory\n3         v2, with more \
         memory\n",
        "deployment.apps/web with revision #2\nPod Template:\n",
        "statefulset.apps/db \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n3         <none>\n",
        "daemonset.apps/agent \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n3         <none>\n",
        "deployment.apps/web \nREVISION  CHANGE-CAUSE\n2         v2, with more memory\n3         v2, with more memory\n4         the \
         first one\n",
    ] {
        assert!(printed.contains(lines), "{lines}\nis not in\n{printed}");
    }
}

#[test]
fn a_family_that_fails_loses_what_crosses_between_nodes_until_it_heals() {
    let (_, counts) = told("dual-stack");
    let total = |name: &str| counts.iter().find(|counts| counts.name == name).map(|counts| counts.total);
    // Three clients and three endpoints, one of each a node: a third stays on its node. 600 of 3,000 requests fall into the
    // minute.
    // Whole requests are made of thirds at each of three endpoints.
    assert_eq!(total("over IPv6"), Some(Fates { served: 2601, refused: 0, lost: 399 }));
    assert_eq!(total("over IPv4"), Some(Fates { served: 3000, refused: 0, lost: 0 }));
    assert_eq!(total("over either"), Some(Fates { served: 3000, refused: 0, lost: 0 }));
}

/// Two nodes of these families and a pod on each, and a Service of the other nodes' families that both ask.
fn two_nodes(family: &str, nodes: [&str; 2]) -> Vec<TrafficCounts> {
    let text = "components:\n  kubeApiserver: {service-cluster-ip-range: '10.96.0.0/16,fd00:10:96::/112'}\n  \
                kubeControllerManager: {cluster-cidr: '10.244.0.0/16,fd00:10:244::/56'}\ntraffic:\n- {from: {selector: app=a}, \
                to: a, rate: 10, start: 60s}\n";
    let pools = |index: usize| {
        format!("- {{name: pool{index}, count: 1, capacity: {{cpu: 4, memory: 8Gi}}, ipFamilies: {}}}", nodes[index])
    };
    let mut story = Story::of_pools(&format!("{}\n{}", pools(0), pools(1)), text);
    story.apply(&format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec: {{ipFamilies: [{family}], selector: {{app: a}}, ports: \
         [{{port: 80}}]}}\n---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {{name: a}}\nspec: {{selector: {{matchLabels: {{app: \
         a}}}}, template: {{metadata: {{labels: {{app: a}}}}, spec: {{containers: [{{name: c, image: 'a:1'}}]}}}}}}\n"
    ));
    story.run_for(160);
    story.expect_ready("a", 2);
    story.sim.network().counts(story.now())
}

#[track_caller]
fn check(family: &str, nodes: [&str; 2], served: u64, endpoints: usize) {
    let counts = &two_nodes(family, nodes)[0];
    let serving = counts.by_endpoint.iter().filter(|(pod, fates)| !pod.is_empty() && fates.served > 0).count();
    assert_eq!((counts.total.served, serving), (served, endpoints), "{family} on {nodes:?}: {counts:?}");
    assert_eq!(counts.total.all(), 1000);
}

#[test]
fn a_pod_serves_and_asks_over_the_families_of_its_node() {
    check("IPv4", ["[IPv4]", "[IPv4, IPv6]"], 1000, 2);
    check("IPv6", ["[IPv4, IPv6]", "[IPv6]"], 1000, 2);
    // The other pod has no address of the family: it is no endpoint, and what it asks goes nowhere.
    check("IPv4", ["[IPv4]", "[IPv6]"], 500, 1);
    check("IPv6", ["[IPv4]", "[IPv6]"], 500, 1);
}
