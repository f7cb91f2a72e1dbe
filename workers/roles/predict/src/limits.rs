//! What one request may take, and all of them together: nobody's request may keep others from an answer.

use std::sync::Arc;
use std::time::Duration;

use foresail_runtime_base::spawn_blocking;
use foresail_runtime_http::server::Bounds;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Largest body of a request in bytes: the daily bars of half a century.
pub(crate) const LARGEST_BODY: usize = 2 << 20;
/// Longest wait for a whole body.
pub(crate) const BODY_DEADLINE: Duration = Duration::from_secs(10);
/// Longest pause of a client within a body.
pub(crate) const BODY_PAUSE: Duration = Duration::from_secs(3);
/// What connections may take.
pub(crate) const CONNECTIONS: Bounds = Bounds {
    socket_buffer: 64 << 10,
    connections: 2_048,
    answer_pause: Duration::from_secs(30),
    age: Duration::from_secs(60),
};
/// Most connections that speak HTTP/2 at one time: each of them holds some 30 KiB, and carries many requests.
pub(crate) const MOST_GRPC_CONNECTIONS: usize = 1_024;
/// Most requests of one connection at one time; clients wait with others.
pub(crate) const MOST_STREAMS: u32 = 100;
/// Most points of one series, and most bars.
pub(crate) const MOST_POINTS: usize = 20_000;
/// Most series of one request.
pub(crate) const MOST_SERIES: usize = 100;
/// Most quantile levels, and most columns.
pub(crate) const MOST_LEVELS: usize = 100;
/// Longest name, in bytes.
pub(crate) const LONGEST_TEXT: usize = 64;

/// Requests worked on at one time; the others are refused for the moment.
const MOST_IN_FLIGHT: usize = 512;
/// KiB that all bodies and long answers may hold: with what computations take, they stay far below the 256 MiB of a pod.
const MEMORY: usize = 24 << 10;
/// Bytes that every body may hold without asking, so that small requests are read whatever large ones do.
const FREE: usize = 16 << 10;
/// Computations at one time, on threads of their own: a heavy request must not hold up a light one. The heaviest holds some
/// 40 MiB.
const MOST_COMPUTATIONS: usize = 2;
/// Longest wait for one of them.
const COMPUTATION_WAIT: Duration = Duration::from_secs(5);

/// Shared by all requests; what is taken comes back when it is dropped, whatever became of the request.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    in_flight: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    computations: Arc<Semaphore>,
}

/// KiB that all requests of one connection may hold without asking.
#[derive(Clone, Debug)]
pub(crate) struct Share(Arc<Semaphore>);

impl Share {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(FREE >> 10)))
    }
}

/// What a request holds that shares its connection with others.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    free: Option<OwnedSemaphorePermit>,
    paid: Option<OwnedSemaphorePermit>,
}

impl Memory {
    fn kib(&self) -> usize {
        let both = self.free.iter().chain(&self.paid);
        both.map(OwnedSemaphorePermit::num_permits).sum()
    }
}

fn merged(held: Option<OwnedSemaphorePermit>, more: OwnedSemaphorePermit) -> OwnedSemaphorePermit {
    match held {
        Some(mut held) => {
            held.merge(more);
            held
        }
        None => more,
    }
}

/// There is no room at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy(pub(crate) &'static str);

impl Limits {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            in_flight: Arc::new(Semaphore::new(MOST_IN_FLIGHT)),
            memory: Arc::new(Semaphore::new(MEMORY)),
            computations: Arc::new(Semaphore::new(cores.min(MOST_COMPUTATIONS))),
        }
    }

    /// A place among the requests that are worked on.
    pub(crate) fn place(&self) -> Result<OwnedSemaphorePermit, Busy> {
        let place = Arc::clone(&self.in_flight).try_acquire_owned();
        place.map_err(|_| Busy("too many requests at one time"))
    }

    /// Memory for `bytes` in all, of which `held` are paid for.
    pub(crate) fn hold(
        &self,
        held: Option<OwnedSemaphorePermit>,
        bytes: usize,
    ) -> Result<Option<OwnedSemaphorePermit>, Busy> {
        let needed = bytes.saturating_sub(FREE).div_ceil(1 << 10);
        let paid = held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = u32::try_from(needed.saturating_sub(paid)).unwrap_or(u32::MAX);
        if more == 0 {
            return Ok(held);
        }
        Ok(Some(merged(held, self.memory(more)?)))
    }

    /// The same for a request that shares its connection with others: what is free is free once for all of them.
    pub(crate) fn hold_shared(
        &self,
        share: &Share,
        held: &mut Memory,
        bytes: usize,
    ) -> Result<(), Busy> {
        let needed = bytes.div_ceil(1 << 10);
        let more = u32::try_from(needed.saturating_sub(held.kib())).unwrap_or(u32::MAX);
        if more == 0 {
            return Ok(());
        }
        if let Ok(memory) = Arc::clone(&share.0).try_acquire_many_owned(more) {
            held.free = Some(merged(held.free.take(), memory));
            return Ok(());
        }
        held.paid = Some(merged(held.paid.take(), self.memory(more)?));
        Ok(())
    }

    /// KiB of the memory that all requests share.
    fn memory(&self, kib: u32) -> Result<OwnedSemaphorePermit, Busy> {
        let memory = Arc::clone(&self.memory).try_acquire_many_owned(kib);
        memory.map_err(|_| Busy("too much data at one time"))
    }

    /// Runs `work` on a thread that answers nobody else meanwhile.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let busy = Busy("too many computations at one time");
        let place = Arc::clone(&self.computations).acquire_owned();
        let Ok(Ok(place)) = timeout(COMPUTATION_WAIT, place).await else {
            return Err(busy);
        };
        // The work goes on when the client goes away, and so does its place.
        let done = spawn_blocking(move || {
            let _place = place;
            work()
        });
        done.await.map_err(|_| Busy("the computation was ended"))
    }
}

#[cfg(test)]
impl Limits {
    /// Computations that would begin at once.
    pub(crate) fn free_computations(&self) -> usize {
        self.computations.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_bodies_are_read_while_large_ones_hold_all_memory() {
        let limits = Limits::new();
        let mut held = Vec::new();
        loop {
            match limits.hold(None, LARGEST_BODY) {
                Ok(memory) => held.push(memory),
                Err(busy) => {
                    assert_eq!(busy, Busy("too much data at one time"));
                    break;
                }
            }
        }
        assert_eq!(held.len(), 12);
        assert!(limits.hold(None, FREE).is_ok());
        held.pop();
        let first = limits.hold(None, 1 << 20).unwrap();
        assert_eq!(first.as_ref().unwrap().num_permits(), 1_008);
        let all = limits.hold(first, LARGEST_BODY).unwrap();
        assert_eq!(all.unwrap().num_permits(), 2_032);
    }

    #[test]
    fn what_is_free_is_free_once_for_a_connection() {
        let limits = Limits::new();
        let all = limits.hold(None, (MEMORY << 10) + FREE).unwrap();
        let share = Share::new();
        let mut held: Vec<Memory> = (0..16).map(|_| Memory::default()).collect();
        for memory in &mut held {
            limits.hold_shared(&share, memory, 1_000).unwrap();
            limits.hold_shared(&share, memory, 1_024).unwrap();
        }
        let mut one_more = Memory::default();
        let refused = limits.hold_shared(&share, &mut one_more, 1);
        assert_eq!(refused, Err(Busy("too much data at one time")));
        // Another connection is free to go on, and so is this one when others give memory back.
        let other = Share::new();
        limits.hold_shared(&other, &mut one_more, FREE).unwrap();
        drop(all);
        let grown = limits.hold_shared(&share, &mut held[0], LARGEST_BODY);
        assert_eq!((grown, held[0].kib()), (Ok(()), LARGEST_BODY >> 10));
        assert_eq!(limits.memory.available_permits(), MEMORY - 2_047);
    }

    #[tokio::test]
    async fn a_computation_keeps_its_place_when_nobody_waits_for_it() {
        let limits = Limits::new();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let work = limits.compute(move || wait.recv().ok());
        let given_up = tokio::time::timeout(Duration::from_millis(50), work).await;
        assert!(given_up.is_err());
        let free = || limits.computations.available_permits();
        let before = free();
        drop(go);
        while free() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(free(), before + 1);
    }
}
