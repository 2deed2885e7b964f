//! `kubectl delete`: the deletion, then the wait until the object is gone. Upstream: `kubectl/pkg/cmd/delete`.
//!
//! kubectl waits with a watch; here the object is read once a second, until it is gone or another one has its name.
//! `--grace-period=0` means `--grace-period=0 --force`: kubectl makes it 1 without `--force`, for which an action has no
//! word of its own. Left out: the end of the wait after a week.

use super::Step;
use super::shell::{Failure, Progress, Shell, Subject};
use crate::api::Uid;
use crate::event::{Answer, DeleteOptions, ErrorReason, Preconditions, Propagation, Reply, Request};
use crate::kernel::Span;

const POLL: Span = Span::from_secs(1);

/// A deletion under way.
#[derive(Clone, Debug)]
pub(super) struct Delete {
    subject: Subject,
    options: DeleteOptions,
    awaits: Awaits,
}

#[derive(Clone, Copy, Debug)]
enum Awaits {
    /// The answer to the deletion.
    Deletion,
    /// The end of the object with this uid.
    End(Uid),
}

impl Delete {
    pub(super) fn new(subject: Subject, propagation: Propagation, grace_seconds: Option<i64>) -> Delete {
        let preconditions = Preconditions::default();
        let options = DeleteOptions { grace_seconds, propagation: Some(propagation), preconditions };
        Delete { subject, options, awaits: Awaits::Deletion }
    }

    pub(super) fn step(&mut self, step: Step, shell: &mut Shell<'_>) -> Progress {
        match step {
            Step::Begin => {
                if self.is_forced() {
                    shell.say(
                        "Warning: Immediate deletion does not wait for confirmation that the running resource has been \
                         terminated. The resource may continue to run on the cluster indefinitely."
                            .to_owned(),
                    );
                }
                shell.ask(0, Request::Delete { target: self.subject.target(), options: self.options });
                Progress::UnderWay
            }
            Step::Timer(_) => {
                shell.ask(0, Request::Get(self.subject.target()));
                Progress::UnderWay
            }
            Step::Reply(_, reply) => match self.awaits {
                Awaits::Deletion => self.deleted(reply, shell),
                Awaits::End(uid) => Delete::looked(uid, reply, shell),
            },
        }
    }

    /// Where it stands.
    pub(super) fn place(&self) -> u8 {
        match self.awaits {
            Awaits::Deletion => 0,
            Awaits::End(_) => 1,
        }
    }

    fn is_forced(&self) -> bool {
        self.options.grace_seconds == Some(0)
    }

    fn deleted(&mut self, reply: Reply, shell: &mut Shell<'_>) -> Progress {
        let answer = match reply {
            Ok(answer) => answer,
            Err(error) => {
                shell.fail(Failure::Server(error));
                return Progress::Ended;
            }
        };
        let operation = if self.is_forced() { "force deleted" } else { "deleted" };
        let Subject { namespace, name, .. } = &self.subject;
        let place = if namespace.is_empty() { String::new() } else { format!(" from {namespace} namespace") };
        shell.say(format!("{} {:?} {operation}{place}", self.subject.kind_name(), name.as_str()));
        let Answer::Object(object) = answer else { return Progress::Ended };
        self.awaits = Awaits::End(object.meta().uid);
        shell.ask(0, Request::Get(self.subject.target()));
        Progress::UnderWay
    }

    fn looked(uid: Uid, reply: Reply, shell: &mut Shell<'_>) -> Progress {
        match reply {
            Ok(Answer::Object(object)) if object.meta().uid == uid => {
                shell.wait(0, POLL);
                Progress::UnderWay
            }
            Ok(_) => Progress::Ended,
            Err(error) if error.reason == ErrorReason::NotFound => Progress::Ended,
            Err(error) => {
                shell.fail(Failure::Server(error));
                Progress::Ended
            }
        }
    }
}
