//! A request from outside that is answered at once: how a driver steps through a recorded conversation.

use super::Sim;
use crate::check::By;
use crate::event::{Cause, ClientIndex, PartId, Reply, Request};
use crate::record::EntryKind;
use crate::store::Context;

impl Sim {
    /// Answers a user's request now: no message is under way, no fault can touch it, and it is validated as any user's.
    pub fn ask(&mut self, request: Request) -> Reply {
        let part = PartId::User;
        let (verb, kind) = (request.verb(), request.kind());
        self.tally.count_request(self.now, part, ClientIndex(0), verb, kind);
        let cause = self.write(EntryKind::Request, part, None, verb as u64, Cause::START);
        let context = Context { now: self.now, cause, from: part, replica: 0 };
        let reply = match self.store.ask_webhooks(&request) {
            Some(asked) => self.store.handle_admitted(request, &asked.verdict, &context),
            None => self.store.handle(request, &context),
        };
        self.after_store(By::living(part), cause);
        reply
    }
}
