//! The load tester: `cloakroom bench`.
//!
//! | file | what it is for |
//! |---|---|
//! | `args` | the command line |
//! | `run` | the phases of a run: preload, measurement, audit |
//! | `phase`, `worker`, `connection` | threads, their share of the work, their connections |
//! | `workload`, `sessions`, `random` | which request comes next |
//! | `pacer` | the schedule of an open loop |
//! | `target` | requests and replies of the services that can be put under load |
//! | `verify` | what must be true of every reply, and what was not |
//! | `recorder`, `report`, `process`, `machine` | what was measured, and how it is shown |
//! | `idle` | what connections cost that do nothing |

mod args;
mod connection;
mod endpoint;
mod failure;
mod idle;
mod machine;
mod pacer;
mod phase;
mod preload;
mod process;
mod random;
mod recorder;
mod report;
mod run;
mod sessions;
mod stopwatch;
mod target;
mod verify;
mod worker;
mod workload;

pub use args::Args;
pub use run::{run, run_to};
