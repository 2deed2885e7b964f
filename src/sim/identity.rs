//! In whose name requests come, where RBAC is to judge them.

use std::sync::Arc;

use super::Sim;
use super::user::split;
use crate::event::{PartId, Token};
use crate::store::UserInfo;

/// The account of what is under test: controllers in a process of their own, and guests.
#[derive(Clone, Debug)]
pub(super) struct Operator {
    /// The account; absent: nobody judges them.
    pub(super) user: Option<Arc<UserInfo>>,
    /// The process of the controllers under test, where there are any.
    pub(super) manager: Option<PartId>,
}

impl Sim {
    /// In whose name a part sends a request; `None`: it may do anything.
    pub(super) fn user_of_request(&self, from: PartId, token: Token) -> Option<Arc<UserInfo>> {
        match from {
            PartId::User => {
                let (number, _) = split(token.0);
                self.timeline.get(number as usize).and_then(|timed| timed.user.clone())
            }
            _ => self.user_of_part(from),
        }
    }

    /// In whose name a part watches; `None`: it may watch anything.
    pub(super) fn user_of_part(&self, part: PartId) -> Option<Arc<UserInfo>> {
        let is_under_test = matches!(part, PartId::Guest(_)) || self.operator.manager == Some(part);
        self.operator.user.clone().filter(|_| is_under_test)
    }
}
