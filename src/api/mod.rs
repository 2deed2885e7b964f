//! Objects, kinds, keys, selectors, quantities, naming, patches.
pub mod cidr;
pub mod intstr;
pub mod merge;
pub mod naming;
pub mod quantity;
pub mod selector;
pub mod text;
