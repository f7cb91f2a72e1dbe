//! Threads that stay, for calls of less than a millisecond: starting threads for each would cost more than it gives.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The threads; the caller of [`Pool::run`] works too, so there is one fewer than asked for.
pub(crate) struct Pool {
    threads: Option<rayon::ThreadPool>,
}

impl Pool {
    /// Starts `threads - 1` threads; none when the system has no more (the results do not depend on it).
    pub(crate) fn new(threads: usize) -> Self {
        let build = || {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads - 1)
                .thread_name(|i| format!("recurrent-{}", i + 1))
                .build()
                .ok()
        };
        Self {
            threads: if threads > 1 { build() } else { None },
        }
    }

    /// Calls `call` with every number below `tasks`, each once, and returns when all are done.
    pub(crate) fn run(&mut self, tasks: usize, call: &(dyn Fn(usize) + Sync)) {
        let Some(pool) = self.threads.as_ref().filter(|_| tasks > 1) else {
            (0..tasks).for_each(call);
            return;
        };
        let next = AtomicUsize::new(0);
        let work = || {
            loop {
                let task = next.fetch_add(1, Ordering::Relaxed);
                if task >= tasks {
                    return;
                }
                call(task);
            }
        };
        pool.in_place_scope(|scope| {
            for _ in 0..pool.current_num_threads().min(tasks - 1) {
                scope.spawn(|_| work());
            }
            work();
        });
    }
}
#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

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
