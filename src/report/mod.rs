//! What a run looks like to people and tools: tables in kubectl's looks, files, a page with plots.
//!
//! Everything here is a pure function of a finished simulation: nothing is timed, nothing is remembered, no file is
//! opened. What writes takes a `Write`; `cli` decides where it leads. The same run gives the same bytes.

mod actions;
mod age;
mod batch;
pub mod chart;
mod cost;
mod custom;
mod events;
mod faults;
mod html;
mod journal;
mod metrics;
mod nodes;
mod objects;
mod perfetto;
pub mod plots;
mod pod_status;
mod pods;
mod requests;
pub mod study;
mod summary;
mod sweep;
mod table;
mod text;
mod traffic;
mod unserved;
mod workloads;

pub use actions::action_text;
pub use age::human_duration;
pub use batch::{BatchReport, batch_report};
pub use cost::{CostReport, Machines, PoolCost, cost_report};
pub use custom::{CustomTable, UncheckedRules, custom_tables, unchecked_rules};
pub use events::{EventLine, notable_events};
pub use faults::{FaultLine, fault_lines};
pub use html::{FaultBand, Page, fault_bands, write_page};
pub use journal::write_journal;
pub use metrics::{METRIC_COLUMNS, MetricColumn, write_metrics};
pub use nodes::{NodeLine, NodesReport, Spread, nodes_report};
pub use objects::write_objects;
pub use perfetto::write_trace;
pub use pod_status::pod_status;
pub use pods::{PodLine, PodsReport, pods_report};
pub use requests::{RequestLine, requests_by_client};
pub use study::{study_page, study_svgs, write_study_page};
pub use summary::{ActionLine, ExpectationLine, FailedActionLine, Story, Summary, ViolationLine};
pub use sweep::{AxisLine, FirstFailed, SweepLine, SweepSummary, write_sweep};
pub use table::Table;
pub use text::{Looks, write_text};
pub use traffic::{EndpointReport, TrafficReport};
pub use unserved::{UnservedKind, counted, unserved_kinds};
pub use workloads::{WorkloadLine, workloads};
