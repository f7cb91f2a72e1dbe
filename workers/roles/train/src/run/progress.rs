//! How far a run is, for the log and for the status of the Pipeline.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use foresail_crds::pipeline::status::TrainingStatus;
use foresail_runtime_base::Reporter;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::validation::walk_forward::FoldProgress;

/// Percent of a run before the declared kind is fitted for the first time.
const FITS: u32 = 40;
/// Percent of a run once it is fitted for the last time.
pub(super) const FITTED: u32 = 80;

/// Reports the stages of one run.
pub(super) struct Progress {
    run_id: String,
    reporter: Reporter<TrainingStatus>,
    /// It never goes back: the members of an ensemble count their epochs one after the other.
    percent: AtomicU32,
    folds: AtomicUsize,
    /// When the fits began.
    began: OnceLock<Instant>,
}

impl Progress {
    pub(super) fn new(run_id: String, reporter: Reporter<TrainingStatus>) -> Self {
        Self {
            run_id,
            reporter,
            percent: AtomicU32::new(0),
            folds: AtomicUsize::new(0),
            began: OnceLock::new(),
        }
    }

    /// Reports the whole of a status, the last one.
    pub(super) fn end(&self, change: impl FnOnce(&mut TrainingStatus)) {
        let mut status = self.status(100, "done");
        change(&mut status);
        self.reporter.set(status);
    }

    /// Waits until the newest report is written; true when it is.
    pub(super) async fn flush(&self) -> bool {
        self.reporter.flush().await
    }

    fn status(&self, percent: u32, stage: &str) -> TrainingStatus {
        let percent = self
            .percent
            .fetch_max(percent, Ordering::Relaxed)
            .max(percent);
        let elapsed = self.began.get().map(Instant::elapsed);
        tracing::info!(percent, stage, "progress");
        TrainingStatus {
            run_id: self.run_id.clone(),
            progress_percentage: percent,
            estimated_remaining_seconds: elapsed.and_then(|elapsed| remaining(elapsed, percent)),
            stage: stage.into(),
            last_updated_time: Some(Time(Timestamp::now())),
            ..TrainingStatus::default()
        }
    }

    pub(super) fn report(&self, percent: u32, stage: &str) {
        self.reporter.set(self.status(percent, stage));
    }

    /// From here on the declared kind is fitted: before each of `folds`, and once more on all rows.
    pub(super) fn begin_fits(&self, folds: usize) {
        self.folds.store(folds, Ordering::Relaxed);
        self.began.get_or_init(Instant::now);
    }

    /// Reports the begin of a fold, and each epoch in it.
    pub(super) fn fold(&self, at: &FoldProgress, epochs: usize) {
        let folds = self.folds.load(Ordering::Relaxed);
        let what = format!("validating, fold {} of {folds}", at.fold + 1);
        self.fit(at.fold, (at.epoch, epochs), &what, at.loss);
    }

    /// Reports the begin of the last fit, and each epoch in it.
    pub(super) fn last_fit(&self, epoch: usize, epochs: usize, loss: Option<f64>) {
        let folds = self.folds.load(Ordering::Relaxed);
        self.fit(folds, (epoch, epochs), "fitting", loss);
    }

    fn fit(&self, fit: usize, (epoch, epochs): (usize, usize), what: &str, loss: Option<f64>) {
        let fits = self.folds.load(Ordering::Relaxed) + 1;
        let stage = match loss {
            Some(loss) => format!("{what}, epoch {epoch} of {epochs}, loss {loss:.4}"),
            None => what.into(),
        };
        self.report(
            percent(fit, fits, epoch as f64 / epochs.max(1) as f64),
            &stage,
        );
    }
}

/// Percent of the run when `done` of `fits` are done, and `share` of the next; each counts alike.
fn percent(done: usize, fits: usize, share: f64) -> u32 {
    let part = (done as f64 + share.min(1.0)) / fits.max(1) as f64;
    FITS + (f64::from(FITTED - FITS) * part.min(1.0)) as u32
}

/// Seconds until the last fit is done, when those until `percent` took `elapsed`. `None` before a tenth of them is
/// done, since it would be a guess, and after them: what follows is short.
fn remaining(elapsed: Duration, percent: u32) -> Option<u64> {
    let (done, all) = (percent.checked_sub(FITS)?, FITTED - FITS);
    if done * 10 < all || done >= all {
        return None;
    }
    let seconds = elapsed.as_secs_f64() * f64::from(all - done) / f64::from(done);
    Some(seconds.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fit_counts_alike_and_the_last_ends_where_the_next_stage_begins() {
        assert_eq!(
            [0.0, 0.5, 1.0].map(|share| percent(0, 4, share)),
            [40, 45, 50]
        );
        assert_eq!(
            [0.0, 0.5, 1.0].map(|share| percent(3, 4, share)),
            [70, 75, 80]
        );
        assert_eq!((percent(9, 4, 2.0), percent(0, 0, 0.0)), (80, 40));
    }

    #[test]
    fn the_rest_is_estimated_from_the_pace_once_there_is_one() {
        let seconds = Duration::from_secs;
        // A tenth took a minute: nine more are to come. At half as much is to come as was.
        assert_eq!(remaining(seconds(60), 44), Some(540));
        assert_eq!(remaining(seconds(60), 60), Some(60));
        assert_eq!(remaining(Duration::from_millis(100), 79), Some(1));
        for percent in [0, 30, 40, 43, 80, 90, 100] {
            assert_eq!(remaining(seconds(60), percent), None, "{percent}");
        }
    }

    #[tokio::test]
    async fn a_report_never_goes_back_and_tells_the_rest() {
        let (reporter, other) = Reporter::channel(foresail_crds::Role::Train);
        let progress = Progress::new("r".into(), reporter);
        let latest = || {
            let value = other.latest.borrow().clone().unwrap()["training"].clone();
            serde_json::from_value::<TrainingStatus>(value).unwrap()
        };
        progress.report(35, "looking for leaks");
        assert_eq!(latest().estimated_remaining_seconds, None);
        progress.begin_fits(1);
        progress.last_fit(1, 2, Some(0.5));
        assert!(latest().estimated_remaining_seconds.is_some());
        assert_eq!(latest().stage, "fitting, epoch 1 of 2, loss 0.5000");
        progress.last_fit(1, 9, None);
        assert_eq!(latest().progress_percentage, 70);
    }
}
