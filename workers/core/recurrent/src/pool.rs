//! A few threads that stay, for calls of a millisecond: starting threads for each would cost more than it gives.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// What is to be done: `call(0)`, `call(1)`, ... in any order on any thread.
#[derive(Clone, Copy)]
struct Job {
    call: *const (dyn Fn(usize) + Sync + 'static),
    tasks: usize,
}

// SAFETY: the pointer is to a `Sync` closure, and `Pool::run` keeps it alive until every thread has let go of it.
unsafe impl Send for Job {}

#[derive(Default)]
struct State {
    job: Option<Job>,
    generation: u64,
    busy: usize,
    panicked: bool,
    stop: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    start: Condvar,
    done: Condvar,
    next: AtomicUsize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The threads; the caller of [`Pool::run`] works too, so there is one fewer than asked for.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Starts `threads - 1` threads; fewer when the system has no more (the results do not depend on it).
    pub(crate) fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let threads = (1..threads)
            .filter_map(|i| {
                let shared = Arc::clone(&shared);
                let name = format!("recurrent-{i}");
                std::thread::Builder::new()
                    .name(name)
                    .spawn(move || serve(&shared))
                    .ok()
            })
            .collect();
        Self { shared, threads }
    }

    /// Calls `call` with every number below `tasks`, each once, and returns when all are done.
    pub(crate) fn run(&mut self, tasks: usize, call: &(dyn Fn(usize) + Sync)) {
        if self.threads.is_empty() || tasks < 2 {
            (0..tasks).for_each(call);
            return;
        }
        // SAFETY: only the lifetime changes. The pointer is used by threads counted in `busy` alone, and this
        // function does not return, nor unwind, before `busy` is zero and the job is taken away.
        let call: &'static (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(call) };
        let job = Job { call, tasks };
        self.shared.next.store(0, Ordering::Relaxed);
        {
            let mut state = self.shared.lock();
            state.job = Some(job);
            state.generation += 1;
            state.busy = self.threads.len();
            state.panicked = false;
        }
        self.shared.start.notify_all();
        let own = catch_unwind(AssertUnwindSafe(|| work(&self.shared, job)));
        let mut state = self.shared.lock();
        while state.busy > 0 {
            state = self
                .shared
                .done
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.job = None;
        let panicked = state.panicked;
        drop(state);
        if let Err(panic) = own {
            resume_unwind(panic);
        }
        assert!(!panicked, "a worker thread panicked");
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.start.notify_all();
        for thread in self.threads.drain(..) {
            // A panic of a job was reported when it happened.
            drop(thread.join());
        }
    }
}

fn serve(shared: &Shared) {
    let mut seen = 0;
    loop {
        let job = {
            let mut state = shared.lock();
            while state.generation == seen && !state.stop {
                state = shared
                    .start
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if state.stop {
                return;
            }
            seen = state.generation;
            state.job
        };
        let ok = job.is_none_or(|job| catch_unwind(AssertUnwindSafe(|| work(shared, job))).is_ok());
        let mut state = shared.lock();
        state.panicked |= !ok;
        state.busy -= 1;
        if state.busy == 0 {
            shared.done.notify_one();
        }
    }
}

fn work(shared: &Shared, job: Job) {
    loop {
        let task = shared.next.fetch_add(1, Ordering::Relaxed);
        if task >= job.tasks {
            return;
        }
        // SAFETY: `Pool::run` has not returned, as this thread is still counted; see there.
        unsafe { (*job.call)(task) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once() {
        for threads in 1..=4 {
            let mut pool = Pool::new(threads);
            for tasks in [0, 1, 2, 7, 40] {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, &|i| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let mut pool = Pool::new(3);
        let caught = catch_unwind(AssertUnwindSafe(|| pool.run(8, &|i| assert_ne!(i, 5))));
        assert!(caught.is_err());
        let sum = AtomicUsize::new(0);
        pool.run(8, &|i| {
            sum.fetch_add(i, Ordering::Relaxed);
        });
        assert_eq!(sum.into_inner(), 28);
    }
}
