//! The threads of the log: one writes, one runs the errands beside it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::log::Unavailable;
use crate::log::shared::Shared;
use crate::log::writer::Writer;
use crate::model::Position;

/// A running log. To be stopped with [`LogThread::stop`]; dropping it leaves the threads running.
pub struct LogThread {
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
    writing: JoinHandle<Result<Position, Unavailable>>,
    errands: JoinHandle<()>,
}

impl LogThread {
    /// Starts both threads.
    ///
    /// # Errors
    /// What the system says when it has no thread to give.
    pub fn spawn(mut writer: Writer) -> io::Result<Self> {
        let shared = Arc::clone(&writer.shared);
        let stop = Arc::new(AtomicBool::new(false));
        let errands = {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name("log-errands".into())
                .spawn(move || shared.background.run(&|| shared.wake()))?
        };
        shared.background.set_threaded();
        let is_stopped = Arc::clone(&stop);
        let spawned = thread::Builder::new().name("log".into()).spawn(move || {
            writer.shared.set_thread(thread::current());
            while !is_stopped.load(Ordering::Acquire) {
                match writer.step() {
                    Some(wait) => thread::park_timeout(wait),
                    None => thread::park(),
                }
            }
            writer.finish()
        });
        match spawned {
            Ok(writing) => Ok(Self {
                shared,
                stop,
                writing,
                errands,
            }),
            Err(error) => {
                shared.background.stop();
                Err(error)
            }
        }
    }

    /// Writes and syncs all that was appended, then ends both threads. Nothing may be appended any
    /// more. Answers the last position, which is safe.
    ///
    /// # Errors
    /// Why not everything is safe.
    pub fn stop(self) -> Result<Position, Unavailable> {
        self.stop.store(true, Ordering::Release);
        self.writing.thread().unpark();
        // A panic ends the process before anybody could join.
        let finished = self.writing.join().unwrap_or(Err(Unavailable::Failed));
        self.shared.background.stop();
        let ended = self.errands.join();
        finished.and_then(|position| ended.map(|()| position).or(Err(Unavailable::Failed)))
    }
}
