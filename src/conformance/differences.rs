//! What is different by design: recorded at v1.23, followed here at v1.34. Each with its upstream source.
//!
//! Two forms: texts that say the same in other words, which are compared as v1.23 would have written them, and fields
//! that are not comparable.

/// A difference that is meant.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The scenario, with `*` for anything.
    pub scenario: &'static str,
    /// The beginning of the field's path, each key with `*` for anything.
    pub path: &'static [&'static str],
    /// Whether it is about similar events that were combined: it holds where either side has combined some of that
    /// object.
    pub combined: bool,
    /// What differs, and why.
    pub why: &'static str,
    /// Where upstream says so.
    pub source: &'static str,
}

/// The fields that are not comparable.
pub const DIFFERENCES: &[Known] = &[
    Known {
        scenario: "*",
        path: &["events", "Deployment/*|ScalingReplicaSet|*"],
        combined: true,
        why: "the message holds the size before as well, so more messages are unlike one another, and similar events \
              are combined sooner",
        source: "pkg/controller/deployment/sync.go, scaleReplicaSet; client-go tools/record/events_cache.go",
    },
    Known {
        scenario: "*",
        path: &["events", "Pod/*|Preempted|*"],
        combined: false,
        why: "the message names the preemptor by its uid",
        source: "pkg/scheduler/framework/preemption, \"Preempted by pod %v on node %v\"",
    },
    Known {
        scenario: "x-preempt",
        path: &["podsPerNode"],
        combined: false,
        why: "the two nodes are equal and the first placement is a tie: n1 and n2 may be swapped",
        source: "the recording's README, cautions",
    },
    Known {
        scenario: "x-preempt",
        path: &["events", "Pod/*|FailedScheduling|*"],
        combined: false,
        why: POPPED_EARLY,
        source: "pkg/scheduler/backend/queue, SchedulerPopFromBackoffQ (on since 1.33)",
    },
    Known {
        scenario: "x-preempt",
        path: &["eventTotals", "Pod/*|FailedScheduling|*"],
        combined: false,
        why: POPPED_EARLY,
        source: "pkg/scheduler/backend/queue, SchedulerPopFromBackoffQ (on since 1.33)",
    },
    Known {
        scenario: "*",
        path: &["objects", "Endpoints/*", "labels", "endpoints.kubernetes.io/managed-by"],
        combined: false,
        why: "the Endpoints controller labels what it manages",
        source: "pkg/controller/endpoint/endpoints_controller.go, LabelManagedBy (since 1.33)",
    },
    Known {
        scenario: "*",
        path: &["objects", "Job/*", "conditions", "SuccessCriteriaMet"],
        combined: false,
        why: "a Job says that it will be complete before all its pods have ended",
        source: "pkg/controller/job/job_controller.go, newSuccessCondition, JobSuccessPolicy (since 1.31)",
    },
    Known {
        scenario: "*",
        path: &["objects", "Job/*", "conditions", "FailureTarget"],
        combined: false,
        why: "a Job says that it will have failed before all its pods have ended",
        source: "pkg/controller/job/job_controller.go, newFailedConditionForFailureTarget (since 1.28)",
    },
    Known {
        scenario: "*",
        path: &["objects", "Job/*", "conditions", "Complete", "reason"],
        combined: false,
        why: COMPLETE,
        source: "pkg/controller/job/job_controller.go, JobReasonCompletionsReached (since 1.31)",
    },
    Known {
        scenario: "*",
        path: &["objects", "Job/*", "conditions", "Complete", "message"],
        combined: false,
        why: COMPLETE,
        source: "pkg/controller/job/job_controller.go, JobReasonCompletionsReached (since 1.31)",
    },
    Known {
        scenario: "*",
        path: &["timeline", "job"],
        combined: false,
        why: "pods that end within a second are counted together, and counted as ended once their finalizers are gone",
        source: "pkg/controller/job/job_controller.go, SyncJobBatchPeriod, trackJobStatusAndRemoveFinalizers (since 1.26)",
    },
    Known {
        scenario: "cron-forbid",
        path: &["events", "CronJob/*|JobAlreadyActive|*"],
        combined: false,
        why: TWO_UPDATES,
        source: "pkg/controller/job/job_controller.go, trackJobStatusAndRemoveFinalizers (since 1.26)",
    },
    Known {
        scenario: "cron-forbid",
        path: &["eventTotals", "CronJob/*|JobAlreadyActive|*"],
        combined: false,
        why: TWO_UPDATES,
        source: "pkg/controller/job/job_controller.go, trackJobStatusAndRemoveFinalizers (since 1.26)",
    },
    Known {
        scenario: "x-pv-immediate",
        path: &["eventTotals", "Pod/*|FailedScheduling|*"],
        combined: false,
        why: BY_HINTS,
        source: "pkg/scheduler/backend/queue, SchedulerQueueingHints (on since 1.32)",
    },
    Known {
        scenario: "x-pv-immediate",
        path: &["events", "Pod/*|FailedScheduling|*"],
        combined: false,
        why: BY_HINTS,
        source: "pkg/scheduler/backend/queue, SchedulerQueueingHints (on since 1.32)",
    },
];

const TWO_UPDATES: &str = "the end of a Job is written in two steps, and its CronJob is looked at after each";

const COMPLETE: &str = "the condition says why the Job is complete";

const BY_HINTS: &str =
    "a pod without room is tried again when something happens that a plugin says may help it, not at any change";

const POPPED_EARLY: &str =
    "a pod in back-off is tried as soon as no other waits: once more between the ends of two victims";

/// Texts that v1.34 words otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Reworded {
    known: Known,
    /// As v1.23 words it, where the text is of this kind.
    reword: fn(&str) -> Option<String>,
}

/// All of them.
pub const REWORDED: &[Reworded] = &[
    Reworded {
        known: Known {
            scenario: "*",
            path: &[],
            combined: false,
            why: "the message holds the size before as well",
            source: "pkg/controller/deployment/sync.go, scaleReplicaSet",
        },
        reword: scaled,
    },
    Reworded {
        known: Known {
            scenario: "*",
            path: &[],
            combined: false,
            why: "taints are called untolerated, and what preemption and claims came to is added",
            source: "pkg/scheduler/framework/plugins/tainttoleration; pkg/scheduler/framework/types.go, FitError",
        },
        reword: unschedulable,
    },
    Reworded {
        known: Known {
            scenario: "*",
            path: &[],
            combined: false,
            why: "the end of a Job is called its condition",
            source: "pkg/controller/cronjob/cronjob_controllerv2.go, SawCompletedJob",
        },
        reword: completed_job,
    },
];

/// A text as v1.23 words it, and why that differs; `None` where it does not.
pub(super) fn reworded(text: &str) -> Option<(String, &'static Known)> {
    REWORDED.iter().find_map(|reworded| Some(((reworded.reword)(text)?, &reworded.known)))
}

/// `Scaled up replica set web from 1 to 2` was `Scaled up replica set web to 2`.
fn scaled(text: &str) -> Option<String> {
    if !text.contains("Scaled up replica set ") && !text.contains("Scaled down replica set ") {
        return None;
    }
    let (head, sizes) = text.rsplit_once(" from ")?;
    let (_, after) = sizes.split_once(" to ")?;
    Some(format!("{head} to {after}"))
}

/// `Saw completed job: x, condition: Complete` was `Saw completed job: x, status: Complete`.
fn completed_job(text: &str) -> Option<String> {
    text.contains("Saw completed job: ").then(|| text.replace(", condition: ", ", status: ")).filter(|old| old != text)
}

/// `1 node(s) had untolerated taint {x: y}. preemption: …` was
/// `1 node(s) had taint {x: y}, that the pod didn't tolerate.`
fn unschedulable(text: &str) -> Option<String> {
    if !text.contains(" nodes are available: ") {
        return None;
    }
    let added = [" no new claims to deallocate", " preemption: "];
    let end = added.iter().filter_map(|words| text.find(words)).min().unwrap_or(text.len());
    let mut old = String::new();
    let mut rest = &text[..end];
    while let Some((head, tail)) = rest.split_once("had untolerated taint {") {
        let (taint, after) = tail.split_once('}')?;
        old.push_str(&format!("{head}had taint {{{taint}}}, that the pod didn't tolerate"));
        rest = after;
    }
    old.push_str(rest);
    // A refusal before any node was looked at was told of each node.
    const UNBOUND: &str = "pod has unbound immediate PersistentVolumeClaims.";
    if let Some((head, _)) = old.split_once(&format!(" nodes are available: {UNBOUND}")) {
        let nodes = head.rsplit('/').next().unwrap_or_default();
        old = format!("{head} nodes are available: {nodes} {UNBOUND}");
    }
    // The lists of reasons were sorted as they read then.
    let old = sorted_reasons(old.trim_end().trim_end_matches(','));
    (old != text).then_some(old)
}

fn sorted_reasons(text: &str) -> String {
    let Some((head, reasons)) = text.split_once(" nodes are available: ") else { return text.to_owned() };
    let mut parts: Vec<String> = Vec::new();
    for part in reasons.trim_end_matches('.').split(", ") {
        match parts.last_mut() {
            Some(last) if !part.starts_with(|c: char| c.is_ascii_digit()) => {
                last.push_str(", ");
                last.push_str(part);
            }
            _ => parts.push(part.to_owned()),
        }
    }
    parts.sort_unstable();
    format!("{head} nodes are available: {}.", parts.join(", "))
}

/// The entry of a field; `combined` tells whether similar events of its object were combined.
pub(super) fn known(scenario: &str, path: &[String], combined: bool) -> Option<&'static Known> {
    DIFFERENCES.iter().find(|known| {
        fits(known.scenario, scenario)
            && (combined || !known.combined)
            && known.path.len() <= path.len()
            && known.path.iter().zip(path).all(|(pattern, key)| fits(pattern, key))
    })
}

/// Whether a text is a pattern's, in which `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| fits(tail, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
    }

    #[test]
    fn a_star_stands_for_anything() {
        check("*", "", true);
        check("*", "x-preempt", true);
        check("x-*", "x-preempt", true);
        check("Pod/*|Preempted|*", "Pod/low-<r>|Preempted|Normal", true);
        check("Pod/*|Preempted|*", "Pod/low-<r>|Scheduled|Normal", false);
        check("dep", "dep-basic", false);
    }

    #[track_caller]
    fn check_words(text: &str, expected: Option<&str>) {
        assert_eq!(reworded(text).map(|(old, _)| old).as_deref(), expected, "{text}");
    }

    #[test]
    fn texts_of_today_read_as_they_did() {
        check_words("Scaled up replica set web from 0 to 4", Some("Scaled up replica set web to 4"));
        check_words("Scaled up replica set web to 4", None);
        check_words("Created pod: web", None);
        check_words(
            "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {x: y}. no new claims to \
             deallocate, preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod.",
            Some(
                "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had taint {x: y}, that the pod didn't tolerate.",
            ),
        );
        check_words(
            "0/3 nodes are available: 2 Insufficient cpu, 1 node(s) had untolerated taint {x: y}.",
            Some(
                "0/3 nodes are available: 1 node(s) had taint {x: y}, that the pod didn't tolerate, 2 Insufficient cpu.",
            ),
        );
        check_words("0/2 nodes are available: 2 Insufficient cpu.", None);
        check_words(
            "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found.",
            Some("0/3 nodes are available: 3 pod has unbound immediate PersistentVolumeClaims."),
        );
        check_words("Saw completed job: x, condition: Complete", Some("Saw completed job: x, status: Complete"));
    }
}
