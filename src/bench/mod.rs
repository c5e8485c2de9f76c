//! The load tester: `cloakroom bench`.
//!
//! | file | what it is for |
//! |---|---|
//! | `args` | the command line |
//! | `run`, `preload` | the phases of a run: preload, measurement, audit |
//! | `phase`, `worker`, `connection` | threads, their share of the work, their connections |
//! | `endpoint`, `socket`, `opening` | where the server is, and a connection to it |
//! | `workload`, `sessions`, `random` | which request comes next |
//! | `pacer` | the schedule of an open loop |
//! | `target` | requests and replies of the servers that can be put under load, one file or folder each |
//! | `verify` | what must be true of every reply, and what was not |
//! | `recorder`, `report`, `process`, `machine` | what was measured, and how it is shown |
//! | `conditions` | when a run counts as failed |
//! | `echo_server` | servers that only send back what they get |
//! | `idle` | what connections cost that do nothing |

mod args;
mod conditions;
mod connection;
mod echo_server;
mod endpoint;
mod failure;
mod idle;
mod machine;
mod opening;
mod pacer;
mod phase;
mod preload;
mod process;
mod random;
mod recorder;
mod report;
mod run;
mod sessions;
mod socket;
mod stopwatch;
mod target;
mod verify;
mod worker;
mod workload;

pub use args::Args;
pub use run::{run, run_to};
