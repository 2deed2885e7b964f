//! What a container does, by the tag of its image, and how its status reads meanwhile.
//!
//! | image | behaviour |
//! |---|---|
//! | `app:ok` | running and ready with the first status |
//! | `app:slow-Ns` | running, ready N s later |
//! | `app:notready` | running, never ready |
//! | `app:crash` | CrashLoopBackOff from the first status on, restarted after 10, 20, 40 … 300 s |
//! | `app:badimage` | ErrImagePull, ImagePullBackOff 10 s later |
//! | `job:ok-Ns`, `job:fail-Ns` | running and ready, exit 0 or 1 N s later |
//! | `job:failidxI-Ns` | exit 1 where the completion index is I, else 0 |
//!
//! A suffix `-vX` only makes templates differ. Any other image counts as `app:ok`.

use serde_json::{Value, json};

use crate::kernel::Span;

/// The restart policy of a pod.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Restart {
    Always,
    OnFailure,
    Never,
}

/// What a container does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Behaviour {
    Ready,
    ReadyAfter(Span),
    NeverReady,
    Crash,
    BadImage,
    Exit { after: Span, code: i32 },
}

impl Behaviour {
    /// Of an image, in a pod with this completion index.
    pub(super) fn of(image: &str, index: Option<&str>) -> Behaviour {
        let name = image.rsplit('/').next().unwrap_or(image);
        let (name, tag) = name.split_once(':').unwrap_or((name, ""));
        let tag = match tag.rsplit_once("-v") {
            Some((tag, version)) if version.chars().all(char::is_alphanumeric) => tag,
            _ => tag,
        };
        let (word, after) = match tag.rsplit_once('-') {
            Some((word, after)) => match after.strip_suffix('s').and_then(|after| after.parse().ok()) {
                Some(seconds) => (word, Span::from_secs(seconds)),
                None => (tag, Span::ZERO),
            },
            None => (tag, Span::ZERO),
        };
        match (name, word) {
            ("app", "slow") => Behaviour::ReadyAfter(after),
            ("app", "notready") => Behaviour::NeverReady,
            ("app", "crash") => Behaviour::Crash,
            ("app", "badimage") => Behaviour::BadImage,
            ("job", "ok") => Behaviour::Exit { after, code: 0 },
            ("job", "fail") => Behaviour::Exit { after, code: 1 },
            ("job", word) => match word.strip_prefix("failidx") {
                Some(failing) => Behaviour::Exit { after, code: i32::from(index == Some(failing)) },
                None => Behaviour::Ready,
            },
            _ => Behaviour::Ready,
        }
    }
}

/// Where a container is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    Running {
        ready: bool,
    },
    /// Waits to be started again; it has ended with 1.
    BackOff,
    ErrImagePull,
    ImagePullBackOff,
    Ended {
        code: i32,
    },
}

/// One container of a pod.
#[derive(Clone, Debug)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) behaviour: Behaviour,
    pub(super) stage: Stage,
    pub(super) restarts: u32,
}

impl Container {
    /// As it is with the pod's first status, and when it changes next by itself.
    pub(super) fn first(&mut self, restart: Restart) -> Option<Span> {
        match self.behaviour {
            Behaviour::Ready => self.runs(true, None),
            Behaviour::NeverReady => self.runs(false, None),
            Behaviour::ReadyAfter(after) => self.runs(false, Some(after)),
            Behaviour::Exit { after, .. } => self.runs(true, Some(after)),
            Behaviour::BadImage => {
                self.stage = Stage::ErrImagePull;
                Some(Span::from_secs(10))
            }
            Behaviour::Crash => self.fails(restart),
        }
    }

    fn runs(&mut self, ready: bool, next: Option<Span>) -> Option<Span> {
        self.stage = Stage::Running { ready };
        next
    }

    /// Exit 1.
    fn fails(&mut self, restart: Restart) -> Option<Span> {
        if restart == Restart::Never {
            self.stage = Stage::Ended { code: 1 };
            return None;
        }
        self.stage = Stage::BackOff;
        self.restarts += 1;
        let doubled = 10u64.saturating_mul(1u64.checked_shl(self.restarts - 1).unwrap_or(u64::MAX));
        Some(Span::from_secs(doubled.min(300)))
    }

    /// Its next change has come. When the one after it comes.
    pub(super) fn next(&mut self, restart: Restart) -> Option<Span> {
        match (self.behaviour, self.stage) {
            (Behaviour::ReadyAfter(_), Stage::Running { ready: false }) => self.runs(true, None),
            (Behaviour::BadImage, Stage::ErrImagePull) => {
                self.stage = Stage::ImagePullBackOff;
                None
            }
            (Behaviour::Crash, Stage::BackOff) => self.fails(restart),
            (Behaviour::Exit { code, .. }, Stage::Running { .. }) => {
                if code == 0 && restart != Restart::Always {
                    self.stage = Stage::Ended { code };
                    return None;
                }
                self.fails(restart)
            }
            (Behaviour::Exit { after, .. }, Stage::BackOff) => self.runs(true, Some(after)),
            _ => None,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.stage == Stage::Running { ready: true }
    }

    /// `containerStatuses[]`.
    pub(super) fn status(&self, started: &str) -> Value {
        let ended = |code: i32| {
            let reason = if code == 0 { "Completed" } else { "Error" };
            json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": started}})
        };
        let waiting = |reason: &str| json!({"waiting": {"reason": reason}});
        let state = match self.stage {
            Stage::Running { .. } => json!({"running": {"startedAt": started}}),
            Stage::BackOff => waiting("CrashLoopBackOff"),
            Stage::ErrImagePull => waiting("ErrImagePull"),
            Stage::ImagePullBackOff => waiting("ImagePullBackOff"),
            Stage::Ended { code } => ended(code),
        };
        let last = if self.restarts > 0 { ended(1) } else { json!({}) };
        json!({
            "name": self.name, "image": self.image, "imageID": "", "restartCount": self.restarts,
            "ready": self.is_ready(), "started": matches!(self.stage, Stage::Running { .. }),
            "state": state, "lastState": last,
        })
    }
}

/// `status.phase` of a pod with these containers.
pub(super) fn phase(containers: &[Container]) -> &'static str {
    let pulls = |container: &Container| matches!(container.stage, Stage::ErrImagePull | Stage::ImagePullBackOff);
    let code = |container: &Container| match container.stage {
        Stage::Ended { code } => Some(code),
        _ => None,
    };
    if containers.iter().any(pulls) {
        return "Pending";
    }
    let codes: Option<Vec<i32>> = containers.iter().map(code).collect();
    match codes {
        Some(codes) if codes.iter().all(|code| *code == 0) => "Succeeded",
        Some(_) => "Failed",
        None => "Running",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(image: &str, index: Option<&str>, expected: Behaviour) {
        assert_eq!(Behaviour::of(image, index), expected, "{image}");
    }

    #[test]
    fn tags_say_what_a_container_does() {
        let exit = |seconds: u64, code: i32| Behaviour::Exit { after: Span::from_secs(seconds), code };
        check("app:ok-v1", None, Behaviour::Ready);
        check("app:ok", None, Behaviour::Ready);
        check("app:slow-4s-v3", None, Behaviour::ReadyAfter(Span::from_secs(4)));
        check("app:notready", None, Behaviour::NeverReady);
        check("app:crash-v3", None, Behaviour::Crash);
        check("app:badimage-v2", None, Behaviour::BadImage);
        check("job:ok-2s", None, exit(2, 0));
        check("job:fail-1s", Some("0"), exit(1, 1));
        check("job:failidx1-2s", Some("1"), exit(2, 1));
        check("job:failidx1-2s", Some("0"), exit(2, 0));
        check("nginx:1.27", None, Behaviour::Ready);
        check("", None, Behaviour::Ready);
    }

    #[test]
    fn a_crashing_container_waits_twice_as_long_each_time() {
        let mut container = Container {
            name: "c".to_owned(),
            image: "app:crash".to_owned(),
            behaviour: Behaviour::Crash,
            stage: Stage::Running { ready: false },
            restarts: 0,
        };
        let mut waits = vec![container.first(Restart::Always)];
        waits.extend((0..6).map(|_| container.next(Restart::Always)));
        let seconds: Vec<u64> = waits.into_iter().flatten().map(|wait| wait.as_millis() / 1000).collect();
        assert_eq!(seconds, [10, 20, 40, 80, 160, 300, 300]);
    }
}
