//! Waiting with a limit, and with something to read meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use tokio::time::sleep;

use crate::settings::NeedsNode;

const POLL: Duration = Duration::from_millis(500);
const PRINT_EVERY: Duration = Duration::from_secs(15);

/// Calls `probe` until it is `Ok`; an error says what is still missing and is printed from time to time.
///
/// # Errors
/// The last answer of `probe`, after `limit`.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let begin = Instant::now();
    let mut printed = begin;
    loop {
        let missing = match probe().await {
            Ok(found) => {
                if printed != begin {
                    println!("  {what}: after {:.0?}", begin.elapsed());
                }
                return Ok(found);
            }
            Err(missing) if missing.is::<NeedsNode>() => return Err(missing),
            Err(missing) => missing,
        };
        if begin.elapsed() >= limit {
            return Err(anyhow!("{what}: not within {limit:?}: {missing:#}"));
        }
        if printed.elapsed() >= PRINT_EVERY {
            printed = Instant::now();
            println!(
                "  waiting for {what} ({:.0?}): {missing:#}",
                begin.elapsed()
            );
        }
        sleep(POLL).await;
    }
}

/// Checks that `probe` stays `Ok` for `span`.
///
/// # Errors
/// The first error of `probe`.
pub async fn holds(
    what: &str,
    span: Duration,
    mut probe: impl AsyncFnMut() -> Result<()>,
) -> Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < span {
        if let Err(broken) = probe().await {
            return Err(anyhow!(
                "{what}: no longer after {:.0?}: {broken:#}",
                begin.elapsed()
            ));
        }
        sleep(POLL).await;
    }
    Ok(())
}
