//! Waiting for what must come, with a deadline that only a broken program misses.

use std::time::{Duration, Instant};

/// How long a loaded machine may take for anything that is waited for.
pub const DEADLINE: Duration = Duration::from_mins(3);
const POLL_EVERY: Duration = Duration::from_millis(50);

/// Asks `probe` until it answers `Some`.
///
/// # Panics
/// It did not within [`DEADLINE`].
pub async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "waited {DEADLINE:?} for: {what}");
        tokio::time::sleep(POLL_EVERY).await;
    }
}
