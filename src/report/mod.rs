//! What a run looks like to people and tools: tables in kubectl's looks, and files.
//!
//! Everything here is a pure function of a finished simulation: nothing is timed, nothing is remembered, no file is
//! opened. What writes takes a `Write`; `cli` decides where it leads. The same run gives the same bytes.

mod age;
mod events;
mod journal;
mod metrics;
mod nodes;
mod objects;
mod pod_status;
mod pods;
mod requests;
mod summary;
mod table;
mod text;
mod unserved;
mod workloads;

pub use age::human_duration;
pub use events::{EventLine, notable_events};
pub use journal::write_journal;
pub use metrics::write_metrics;
pub use nodes::{NodeLine, NodesReport, Spread, nodes_report};
pub use objects::write_objects;
pub use pod_status::pod_status;
pub use pods::{PodLine, PodsReport, pods_report};
pub use requests::{RequestLine, requests_by_client};
pub use summary::{ActionLine, ExpectationLine, Story, Summary, ViolationLine};
pub use table::Table;
pub use text::{Looks, write_text};
pub use unserved::{UnservedKind, counted, unserved_kinds};
pub use workloads::{WorkloadLine, workloads};
