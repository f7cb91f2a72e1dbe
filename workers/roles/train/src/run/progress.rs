//! How far a run is, for the log and for the status of the Pipeline.

use foresail_crds::pipeline::status::TrainingStatus;
use foresail_runtime_base::Reporter;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::validation::walk_forward::FoldProgress;

/// Reports the stages of one run.
pub(super) struct Progress {
    pub run_id: String,
    pub reporter: Reporter<TrainingStatus>,
}

/// Two ends of a stage, percent of the run.
#[derive(Clone, Copy)]
pub(super) struct Stage {
    pub from: u32,
    pub to: u32,
}

impl Stage {
    /// Where `done` of `all` parts end; `all` at least 1.
    fn at(self, done: usize, all: usize) -> u32 {
        let parts = (self.to - self.from) as usize * done.min(all) / all.max(1);
        self.from + u32::try_from(parts).unwrap_or(0)
    }
}

impl Progress {
    pub(super) fn status(&self, percent: u32, stage: &str) -> TrainingStatus {
        tracing::info!(percent, stage, "progress");
        TrainingStatus {
            run_id: self.run_id.clone(),
            progress_percentage: percent,
            stage: stage.into(),
            last_updated_time: Some(Time(Timestamp::now())),
            ..TrainingStatus::default()
        }
    }

    pub(super) fn report(&self, percent: u32, stage: &str) {
        self.reporter.set(self.status(percent, stage));
    }

    /// Reports each epoch of the final fit.
    pub(super) fn epochs(&self, stage: Stage, epochs: usize) -> impl Fn(usize, f64) {
        move |epoch, loss| {
            let text = format!("fitting, epoch {epoch} of {epochs}, loss {loss:.4}");
            self.report(stage.at(epoch, epochs), &text);
        }
    }

    /// Reports each epoch of a fold; `kind` is its name.
    pub(super) fn folds(&self, stage: Stage, folds: usize, kind: &str) -> impl Fn(FoldProgress) {
        move |progress| {
            let FoldProgress { fold, epoch, loss } = progress;
            let number = fold + 1;
            let text = format!(
                "validating {kind}, fold {number} of {folds}, epoch {epoch}, loss {loss:.4}"
            );
            self.report(stage.at(fold, folds), &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_ends_where_the_next_begins() {
        let stage = Stage { from: 65, to: 80 };
        assert_eq!(
            (stage.at(0, 20), stage.at(10, 20), stage.at(20, 20)),
            (65, 72, 80)
        );
        assert_eq!((stage.at(9, 3), stage.at(0, 0)), (80, 65));
    }
}
