//! A load generator: objects are created, all at once and each once, as a client with no limit of its own would.

use std::sync::Arc;

use super::Step;
use super::shell::{Failure, Progress, Shell};
use crate::api::Object;
use crate::client::TokenBucket;
use crate::event::Request;

/// Creations under way.
#[derive(Clone, Debug)]
pub(super) struct Create {
    objects: Arc<[Object]>,
    open: usize,
}

impl Create {
    pub(super) fn new(objects: Arc<[Object]>) -> Create {
        Create { open: objects.len(), objects }
    }

    pub(super) fn step(&mut self, step: Step, shell: &mut Shell<'_>) -> Progress {
        match step {
            Step::Begin => {
                shell.session.client.limit = TokenBucket::unlimited();
                for (thread, object) in (0..).zip(self.objects.iter()) {
                    shell.ask(thread, Request::Create(object.clone()));
                }
            }
            Step::Reply(thread, reply) => {
                self.open -= 1;
                match (reply, self.objects.get(thread as usize)) {
                    (Ok(_), Some(object)) => shell.say(created(object)),
                    (Err(error), _) => shell.fail(Failure::Server(error)),
                    (Ok(_), None) => {}
                }
            }
            Step::Timer(_) => {}
        }
        if self.open == 0 { Progress::Ended } else { Progress::UnderWay }
    }

    /// Where it stands.
    pub(super) fn place(&self) -> usize {
        self.open
    }
}

fn created(object: &Object) -> String {
    let kind = object.kind().info().map_or("", |info| &info.singular);
    format!("{kind}/{} created", object.meta().name)
}
