//! Objects, kinds, keys, selectors, quantities, naming, patches.
pub mod cidr;
pub mod intstr;

pub mod naming;
pub mod quantity;

pub mod text;
pub mod selector;
pub mod merge;
