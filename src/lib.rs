//! wavetank: a deterministic Kubernetes cluster simulator, a wave tank for clusters.
//!
//! A discrete-event simulation drives an API server, virtual nodes with kubelets, a scheduler and the controllers. The
//! whole history of a cluster follows from a set-up and one seed, bit for bit, on any machine.
//!
//! ```text
//!  scenario ──► sim (the tank: owns every part, one dispatch) ──► record ──► report
//!                 │
//!    agenda ─► SimEvent ─► a part's handler ─► Outbox ─► net (latency, fate of each message)
//!                                                         │
//!                     caches ◄─ watch notices ◄─ store (API server: revisions, admission, watches)
//! ```
//!
//! # The rooms, lowest first
//! | room | purpose |
//! |---|---|
//! | [`kernel`] | agenda, time, chance; would compile with Kubernetes deleted |
//! | [`api`] | objects, kinds, keys, selectors, quantities, defaulting, validation, naming, patches |
//! | [`event`] | everything that can happen or be said, as closed enums |
//! | [`rest`] | what calls of the REST API ask for, and what answers look like |
//! | [`store`] | the API server |
//! | [`client`] | what a part holds: caches, work queues, expectations, plans, an outbox |
//! | [`net`] | carries messages: latency, fate |
//! | [`record`] | the journal with causes, the running digest |
//! | [`trace`] | readers of traces: machines and tasks, recorded or made |
//! | [`scheduler`] | kube-scheduler: queue, framework, plugins; placement policies |
//! | [`kubelet`] | the node agent |
//! | [`controllers`] | the control loops of kube-controller-manager |
//! | [`network`] | Services as users meet them: proxies, names, requests |
//! | [`fault`] | what breaks, as compositions of primitive effects |
//! | [`check`] | claims, expectations, invariants |
//! | [`sim`] | the tank |
//! | [`scenario`] | typed scenario files, lowered into a set-up |
//! | [`conformance`] | recorded behaviour of real control planes, done again here and compared |
//! | [`explore`] | many simulations of one scenario: seeds and grids over all cores |
//! | [`mod@bench`] | workloads that measure: streams of decisions, upstream's scheduler_perf |
//! | [`report`] | tables and files: pure functions of a finished simulation |
//! | `cli` | the command line: all other I/O |
//!
//! A room imports only rooms above it in this table; [`scheduler`], [`kubelet`], [`controllers`] and
//! [`network`] never import [`store`]. A test checks it.
//!
//! # What always holds
//! - Parts know the world only through their caches and the answers to their requests. They hold no references to one
//!   another; only [`sim`] moves things.
//! - Nothing from outside enters the tank: no wall clock, environment, file, thread, hash order or unseeded chance.
//! - A draw is a pure function of (seed, purpose, object, n): taking one action away leaves every other draw as it was.
//! - Every part is plain data: a simulation can be forked at any instant ([`sim::Sim::fork`]).
//! - JSON exists only at the edges; inside, objects move by `Arc`.
//!
//! # Where a line lives
//! A controller: `src/controllers/<name>.rs`. A scheduler plugin: `src/scheduler/plugins/<name>.rs`. A fault:
//! `src/fault/<name>.rs`. A check: `src/check/<name>.rs`. A subcommand:
//! `src/cli/<name>.rs`. Each plus two lines in the family's `mod.rs`.
pub mod api;
pub mod bench;
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod client;
pub mod conformance;
pub mod controllers;
pub mod event;
pub mod explore;
#[doc = include_str!("extend.md")]
pub mod extend {}
pub mod fault;
pub mod kernel;
pub mod kubelet;
pub mod net;
pub mod network;
pub mod record;
pub mod report;
pub mod rest;
pub mod scenario;
pub mod scheduler;
pub mod sim;
pub mod store;
pub mod trace;
