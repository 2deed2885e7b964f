//! Admission webhooks from outside: what they refuse, what waits for them, and what becomes of a cluster without them.

use wavetank::api::{Kind, Object};
use wavetank::kernel::Span;
use wavetank::sim::Action;

use crate::story::{Story, resource, web};

/// A webhook with a Deployment and a Service in a namespace of its own, which looks at pods of other namespaces.
fn policy(more: &str) -> String {
    format!(
        "apiVersion: v1
kind: Namespace
metadata: {{name: policy}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: policy, namespace: policy}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: policy}}}}
  template:
    metadata: {{labels: {{app: policy}}}}
    spec: {{containers: [{{name: main, image: \"policy:1\"}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: policy, namespace: policy}}
spec: {{selector: {{app: policy}}, ports: [{{port: 443, targetPort: 8443}}]}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {{name: policy}}
webhooks:
- name: pods.policy.example.com
  clientConfig: {{service: {{namespace: policy, name: policy, path: /pods}}}}
  rules: [{{operations: [CREATE], apiGroups: [\"\"], apiVersions: [v1], resources: [pods]}}]
  namespaceSelector: {{matchExpressions: [{{key: kubernetes.io/metadata.name, operator: NotIn, values: [policy]}}]}}
  sideEffects: None
  admissionReviewVersions: [v1]
  {more}
"
    )
}

fn scale_policy(story: &mut Story, replicas: i32) {
    let mut policy = resource(Kind::Deployment, "policy");
    policy.namespace = "policy".into();
    story.act(Action::Scale { resource: policy, replicas });
}

/// The messages of Events of a reason.
fn told(story: &Story, reason: &str) -> Vec<String> {
    let events = story.sim.store().objects(Kind::Event, story.sim.now());
    let events = events.into_iter().filter_map(|event| match event {
        Object::Event(event) if event.body.reason == reason => Some(event.body.message.to_string()),
        _ => None,
    });
    events.collect()
}

fn with_policy(more: &str, scenario: &str) -> Story {
    let mut story = Story::of_nodes(3, scenario);
    story.apply(&policy(more));
    story.run_for(60);
    story
}

#[test]
fn while_its_pods_are_gone_no_pod_is_created_and_afterwards_all_goes_on() {
    let mut story = with_policy("failurePolicy: Fail", "");
    scale_policy(&mut story, 0);
    story.run_for(60);
    story.apply(&web(3, "nginx:1"));
    story.run_for(60);
    assert_eq!(story.pods_of("web").len(), 0);
    let expected = "Error creating: Internal error occurred: failed calling webhook \"pods.policy.example.com\": failed to call \
                    webhook: Post \"https://policy.policy.svc:443/pods?timeout=10s\": no endpoints available for service \
                    \"policy\"";
    let failed = told(&story, "FailedCreate");
    assert!(!failed.is_empty() && failed.iter().all(|told| told == expected), "{failed:?}");
    scale_policy(&mut story, 1);
    story.run_for(400);
    story.expect_ready("web", 3);
}

#[test]
fn a_webhook_that_may_be_ignored_stops_nothing() {
    let mut story = with_policy("failurePolicy: Ignore", "");
    scale_policy(&mut story, 0);
    story.run_for(60);
    story.apply(&web(3, "nginx:1"));
    story.run_for(60);
    story.expect_ready("web", 3);
}

#[test]
fn what_a_webhook_denies_is_told_in_its_words() {
    let declared = "webhooks:
- name: pods.policy.example.com
  denies:
  - when: [{field: 'spec.containers[0].image', equals: 'nginx:latest'}]
    message: image tag latest is not allowed
";
    let mut story = with_policy("", declared);
    story.apply(&web(2, "nginx:latest"));
    story.run_for(30);
    let expected = "Error creating: admission webhook \"pods.policy.example.com\" denied the request: image tag latest is not allowed";
    let failed = told(&story, "FailedCreate");
    assert!(!failed.is_empty() && failed.iter().all(|told| told == expected), "{failed:?}");
    story.apply(&web(2, "nginx:1"));
    story.run_for(60);
    story.expect_ready("web", 2);
}

/// How long it takes from the creation of a Deployment until its first pod is created.
fn until_first_pod(scenario: &str) -> Option<Span> {
    let mut story = with_policy("timeoutSeconds: 5", scenario);
    story.apply(&web(1, "nginx:1"));
    let start = story.now();
    for _ in 0..60 {
        story.run_for(1);
        if let Some(pod) = story.pods_of("web").first() {
            return Some(story.sim.clock().time(pod.meta.created).since(start));
        }
    }
    None
}

#[test]
fn a_slow_webhook_delays_and_one_that_is_too_slow_fails() {
    let quick = until_first_pod("").expect("a pod");
    assert!(quick < Span::from_secs(2), "{quick}");
    let slow = until_first_pod("faults:\n- at: 30s\n  webhookSlow: {by: 3s}\n").expect("a pod");
    assert!(slow >= Span::from_secs(3) && slow < Span::from_secs(5), "{slow}");
    let mut story = with_policy("timeoutSeconds: 5", "faults:\n- at: 30s\n  lasts: 90s\n  webhookSlow: {by: 6s..9s}\n");
    story.apply(&web(1, "nginx:1"));
    story.run_for(40);
    assert_eq!(story.pods_of("web").len(), 0);
    let failed = told(&story, "FailedCreate");
    assert!(
        !failed.is_empty() && failed.iter().all(|told| told.ends_with("?timeout=5s\": context deadline exceeded")),
        "{failed:?}"
    );
    story.run_for(120);
    story.expect_ready("web", 1);
}

#[test]
fn a_webhook_that_is_down_refuses_connections_until_it_is_back() {
    let fault = "faults:\n- at: 30s\n  lasts: 90s\n  webhookDown: {webhooks: pods.policy.example.com}\n";
    let mut story = with_policy("", fault);
    story.apply(&web(1, "nginx:1"));
    story.run_for(30);
    assert_eq!(story.pods_of("web").len(), 0);
    let failed = told(&story, "FailedCreate");
    assert!(
        !failed.is_empty() && failed.iter().all(|told| told.ends_with(":8443: connect: connection refused")),
        "{failed:?}"
    );
    story.run_for(120);
    story.expect_ready("web", 1);
    let mut story = with_policy("", &fault.replace("pods.policy", "other"));
    story.apply(&web(1, "nginx:1"));
    story.run_for(30);
    story.expect_ready("web", 1);
}
