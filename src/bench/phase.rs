//! A phase of a run: all threads connect, start together, and work until their source or the time
//! ends.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};

use crate::bench::connection::Connection;
use crate::bench::failure::Failure;
use crate::bench::opening::{self, OpeningFailure};
use crate::bench::pacer::Pacer;
use crate::bench::socket::{Address, Socket};
use crate::bench::stopwatch::Stopwatch;
use crate::bench::target::Target;
use crate::bench::worker::{State, Window, Worker};

/// What all phases of a run have in common.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) target: Arc<dyn Target>,
    /// Where it is, as given.
    pub(super) endpoint: String,
    pub(super) address: Address,
    pub(super) stopwatch: Stopwatch,
    pub(super) connections: usize,
    pub(super) threads: usize,
    /// Nanoseconds that a reply may take.
    pub(super) timeout: u64,
}

/// How long a phase runs and how fast.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    pub(super) depth: usize,
    /// Nanoseconds before requests are counted.
    pub(super) warm_up: u64,
    /// Nanoseconds in which requests are counted; `None` when the source ends the phase.
    pub(super) duration: Option<u64>,
    /// Requests a second of an open loop.
    pub(super) rate: Option<u64>,
}

impl Course {
    fn window(&self, start: u64) -> Window {
        let from = start.saturating_add(self.warm_up);
        Window {
            from,
            until: self.duration.map_or(u64::MAX, |d| from.saturating_add(d)),
        }
    }
}

/// A phase under way, as the thread sees it that waits for it.
pub(super) struct Progress<'p> {
    running: &'p AtomicUsize,
    created: &'p AtomicU64,
    pub(super) window: Window,
}

impl Progress<'_> {
    /// Sessions created so far.
    pub(super) fn created(&self) -> u64 {
        self.created.load(Ordering::Relaxed)
    }

    /// Holds the calling thread a tenth of a second; false when the phase has ended.
    pub(super) fn wait_a_little(&self) -> bool {
        thread::park_timeout(Duration::from_millis(100));
        self.running.load(Ordering::Relaxed) > 0
    }
}

/// What the threads of a phase share.
struct Shared {
    start: Barrier,
    unreachable: AtomicBool,
    running: AtomicUsize,
    created: Arc<AtomicU64>,
}

/// Runs one phase over the states of all threads, `watch` meanwhile on the calling thread.
///
/// # Errors
/// When a connection cannot be made or a thread not be started; the first one found.
pub(super) fn run<R>(
    setting: &Setting,
    course: Course,
    states: Vec<State>,
    watch: impl FnOnce(&Progress<'_>) -> R,
) -> Result<(Vec<State>, R), Failure> {
    let shared = Shared {
        start: Barrier::new(states.len() + 1),
        unreachable: AtomicBool::new(false),
        running: AtomicUsize::new(states.len()),
        created: Arc::new(AtomicU64::new(0)),
    };
    thread::scope(|scope| {
        let threads: Vec<_> = states
            .into_iter()
            .enumerate()
            .map(|(thread, state)| {
                let shared = &shared;
                scope.spawn(move || {
                    let result = run_thread(setting, course, thread, state, shared);
                    shared.running.fetch_sub(1, Ordering::Relaxed);
                    result
                })
            })
            .collect();
        shared.start.wait();
        let watched = (!shared.unreachable.load(Ordering::Relaxed)).then(|| {
            watch(&Progress {
                running: &shared.running,
                created: &shared.created,
                window: course.window(setting.stopwatch.nanos()),
            })
        });
        let mut states = Vec::new();
        for thread in threads {
            let died = || Failure::Local("a thread of the load tester died".to_owned());
            if let Some(state) = thread.join().map_err(|_panic| died())?? {
                states.push(state);
            }
        }
        let unreachable = || Failure::Local("a connection could not be made".to_owned());
        Ok((states, watched.ok_or_else(unreachable)?))
    })
}

/// `None` when another thread found the server unreachable.
fn run_thread(
    setting: &Setting,
    course: Course,
    thread: usize,
    state: State,
    shared: &Shared,
) -> Result<Option<State>, Failure> {
    let prepared = prepare(setting, thread);
    if prepared.is_err() {
        shared.unreachable.store(true, Ordering::Relaxed);
    }
    shared.start.wait();
    let (runtime, sockets) = prepared?;
    if shared.unreachable.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let start = setting.stopwatch.nanos();
    let window = course.window(start);
    let pacer = course.rate.map(|rate| {
        let share = (thread, setting.threads);
        Pacer::new(rate, course.depth, share, (start, window.until))
    });
    let worker = Rc::new(Worker {
        target: Arc::clone(&setting.target),
        stopwatch: setting.stopwatch,
        depth: course.depth,
        timeout: setting.timeout,
        window,
        pacer,
        created: Arc::clone(&shared.created),
        state: RefCell::new(state),
    });
    runtime.block_on(drive(&worker, &setting.address, sockets))?;
    let unsent = worker.pacer.as_ref().map_or(0, Pacer::unsent);
    drop(runtime);
    let worker = Rc::into_inner(worker)
        .ok_or_else(|| Failure::Local("a connection outlived its phase".to_owned()))?;
    let mut state = worker.state.into_inner();
    state.recorder.unsent += unsent;
    Ok(Some(state))
}

type Prepared = (tokio::runtime::LocalRuntime, Vec<Socket>);

/// The thread's runtime and its share of the connections, all of them open.
fn prepare(setting: &Setting, thread: usize) -> Result<Prepared, Failure> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .map_err(|e| Failure::Local(format!("a thread's event loop could not be made: {e}")))?;
    let share = share_of(setting.connections, thread, setting.threads);
    let sockets = runtime.block_on(async {
        let mut sockets = Vec::with_capacity(share);
        for _ in 0..share {
            sockets.push(opening::open(&*setting.target, &setting.address).await?);
        }
        Ok(sockets)
    });
    let sockets = sockets.map_err(|failure: OpeningFailure| failure.at(&setting.endpoint))?;
    Ok((runtime, sockets))
}

/// The part of `all` that falls to one of the threads.
pub(super) fn share_of(all: usize, thread: usize, threads: usize) -> usize {
    all / threads + usize::from(thread < all % threads)
}

async fn drive(
    worker: &Rc<Worker>,
    address: &Address,
    sockets: Vec<Socket>,
) -> Result<(), Failure> {
    let address = Rc::new(address.clone());
    let connections: Vec<_> = sockets
        .into_iter()
        .map(|socket| {
            let connection = Connection::new(Rc::clone(worker), Rc::clone(&address), socket);
            tokio::task::spawn_local(connection.run())
        })
        .collect();
    if let Some(pacer) = &worker.pacer {
        pacer
            .run(worker.stopwatch)
            .await
            .map_err(|e| Failure::Local(format!("the schedule's timer failed: {e}")))?;
    }
    for connection in connections {
        connection
            .await
            .map_err(|e| Failure::Local(format!("a connection's task died: {e}")))?;
    }
    Ok(())
}
