//! The kinds that an API server serves, as its REST face asks for them: built-in ones, and those of CRDs in each of their
//! versions.

use std::sync::Arc;

use crate::api::{Kind, KindInfo};
use crate::rest::Kinds;
use crate::store::Store;

/// The kinds of a store.
#[derive(Clone, Copy, Debug)]
pub struct ServedKinds<'a>(pub &'a Store);

impl Kinds for ServedKinds<'_> {
    fn resource(&self, group: &str, version: &str, plural: &str) -> Option<(Kind, Arc<KindInfo>)> {
        self.0.served(group, version, plural)
    }
}
