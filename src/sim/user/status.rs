//! `kubectl rollout status`: waits until a rollout is done, and says what it waits for.
//! Upstream: `kubectl/pkg/cmd/rollout/rollout_status.go`; the sentences are in `check::rollout`.
//!
//! kubectl watches the object and prints a line a change; here it is read once a second, and a line is printed where it
//! is another. Left out: `--timeout`, `--revision`.

use super::Step;
use super::shell::{Failure, Progress, Shell, Subject};
use crate::api::{Kind, Uid};
use crate::check::{Rollout, rollout};
use crate::event::{Answer, Request};
use crate::kernel::Span;

const PERIOD: Span = Span::from_secs(1);

/// A wait under way.
#[derive(Clone, Debug)]
pub(super) struct Status {
    subject: Subject,
    /// Whose rollout it is, once that has been read.
    uid: Option<Uid>,
    last: String,
}

impl Status {
    /// # Errors
    /// A kind that is not rolled out.
    pub(super) fn new(subject: Subject) -> Result<Status, String> {
        match subject.kind {
            Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => {
                Ok(Status { subject, uid: None, last: String::new() })
            }
            _ => Err(format!("no status viewer has been implemented for {}", subject.group_kind())),
        }
    }

    pub(super) fn step(&mut self, step: Step, shell: &mut Shell<'_>) -> Progress {
        let object = match step {
            Step::Begin | Step::Timer(_) => {
                shell.ask(0, Request::Get(self.subject.target()));
                return Progress::UnderWay;
            }
            Step::Reply(_, Ok(Answer::Object(object))) => object,
            Step::Reply(_, Ok(_)) => panic!("a GET is answered with an object"),
            Step::Reply(_, Err(error)) if self.uid.is_none() => {
                shell.fail(Failure::Server(error));
                return Progress::Ended;
            }
            Step::Reply(_, Err(error)) if error.reason.code() == 404 => return self.is_gone(shell),
            // A watch is opened again and again while the server is away.
            Step::Reply(_, Err(_)) => {
                shell.wait(0, PERIOD);
                return Progress::UnderWay;
            }
        };
        if *self.uid.get_or_insert(object.meta().uid) != object.meta().uid {
            return self.is_gone(shell);
        }
        let (told, is_done) = match rollout(&object) {
            Rollout::Done(told) => (told, true),
            Rollout::Waits { told, .. } => (told, false),
            Rollout::Refused(why) => {
                shell.fail(Failure::Plain(why));
                return Progress::Ended;
            }
        };
        if told != self.last {
            shell.say(told.clone());
            self.last = told;
        }
        if is_done {
            return Progress::Ended;
        }
        shell.wait(0, PERIOD);
        Progress::UnderWay
    }

    fn is_gone(&self, shell: &mut Shell<'_>) -> Progress {
        shell.fail(Failure::Plain("object has been deleted".to_owned()));
        Progress::Ended
    }
}
