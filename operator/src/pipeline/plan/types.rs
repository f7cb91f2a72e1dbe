//! What a plan is made of.

use foresail_crds::model_version::VersionRole;
use foresail_crds::pipeline::spec::FeatureSetSpec;
use foresail_crds::pipeline::status::{Action, Decision, Reason, RunRecord, RunState, WorkerError};
use foresail_crds::worker_config::{
    OtherAccount, ServedVersion, ServingConfig, TrainingRun, secret,
};
use foresail_crds::{ModelVersionSpec, ProviderAccountSpec, Role};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::gate::Verdict;
use crate::pipeline::another::Unreadable;
use crate::pipeline::observed::Observed;
use crate::pipeline::validate::{Beside, ValidatedPipeline};

/// What every decision is made from.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// What is declared.
    pub pipeline: &'a ValidatedPipeline,
    /// What exists.
    pub observed: &'a Observed,
    /// The time.
    pub now: Timestamp,
}

/// One thing that is decided now. A plan without steps holds everything as it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A run starts: it is recorded before its Job is made.
    Train {
        /// The record.
        run: Box<RunRecord>,
        /// Sentence with the numbers.
        message: String,
    },
    /// A run is wanted and held back; said once.
    Hold {
        /// What holds it back.
        reason: Reason,
        /// Sentence with the numbers.
        message: String,
    },
    /// The run in flight has failed.
    Fail(WorkerError),
    /// The run in flight has ended with a version.
    Finish {
        version: ServedVersion,
        /// The version as it is made; absent where it exists already.
        create: Option<Box<ModelVersionSpec>>,
        /// Whether it becomes the champion.
        verdict: Verdict,
    },
    /// The declared version becomes the champion.
    Pin(ServedVersion),
    /// The previous champion comes back in place of one whose object was deleted.
    Replace {
        /// The previous champion.
        to: ServedVersion,
        /// Number of the one that is gone.
        lost: u32,
    },
    /// The previous champion comes back.
    RollBack {
        /// The previous champion.
        to: ServedVersion,
        /// Number of the present one; 0 for none.
        from: u32,
    },
}

impl Step {
    /// The decision that status and Events speak of; none for a failure, which is an error.
    pub fn decision(&self, now: Timestamp) -> Option<Decision> {
        let (action, reason, message) = match self {
            Self::Train { run, message } => {
                (Action::TrainingStarted, run.trigger.into(), message.clone())
            }
            Self::Hold { reason, message } => (Action::RetrainSkipped, *reason, message.clone()),
            Self::Fail(_) => return None,
            Self::Finish { verdict, .. } => match verdict {
                Verdict::Promote { reason, message } => {
                    (Action::ModelPromoted, *reason, message.clone())
                }
                Verdict::Reject { reason, message } => {
                    (Action::ModelRejected, *reason, message.clone())
                }
                Verdict::Wait { message, until } => {
                    let reason = match until {
                        Some(_) => Reason::TooFewUnseen,
                        None => Reason::Manual,
                    };
                    (Action::ModelWaiting, reason, message.clone())
                }
            },
            Self::Pin(version) => {
                let message = format!(
                    "v{} is pinned by promotion.championVersion",
                    version.version
                );
                (Action::ModelPromoted, Reason::Pinned, message)
            }
            Self::Replace { to, lost } => {
                let message = format!(
                    "the ModelVersion of champion v{lost} was deleted; v{} serves in its place",
                    to.version
                );
                (Action::RolledBack, Reason::VersionDeleted, message)
            }
            Self::RollBack { to, from } => {
                let message = format!(
                    "champion v{from} replaced by v{} as the annotation asks",
                    to.version
                );
                (Action::RolledBack, Reason::Annotation, message)
            }
        };
        Some(Decision {
            action,
            reason,
            message,
            time: Time(now),
        })
    }
}

/// A drift alarm that was not announced yet.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAlarm {
    /// Its start.
    pub since: Time,
    /// Sentence with the numbers.
    pub message: String,
}

/// Role of one version, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct AssignedRole {
    /// Number of the version.
    pub version: u32,
    pub role: VersionRole,
    /// Why it has that role.
    pub reason: String,
}

/// What the operator will make true.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// What is decided now, in order; mostly nothing, or one thing.
    pub steps: Vec<Step>,
    /// Which versions serve: content of the `-serving` ConfigMap.
    pub serving: ServingConfig,
    /// Run in flight or last finished.
    pub run: Option<RunRecord>,
    /// Job of the run in flight.
    pub training: Option<TrainingRun>,
    /// Role of each version.
    pub roles: Vec<AssignedRole>,
    /// Drift alarm that is announced now.
    pub new_alarm: Option<NewAlarm>,
    /// Start of the drift alarm that is, or now will be, announced.
    pub alarm_announced: Option<Time>,
    /// Consumed rollback annotation.
    pub rollback: Option<String>,
    /// The prepare Job has succeeded for the present configuration.
    pub prepared: bool,
    /// Moves of the source may be mistakes, and no run starts before a person says what they are.
    pub stopped: bool,
    /// There are predictors, or will be. They stay when no champion is left: they answer with what they have loaded.
    pub serves: bool,
    /// The pinned version does not exist.
    pub missing_pin: Option<u32>,
    /// Numbers of `serving.versions` that no version has.
    pub missing_versions: Vec<u32>,
    /// Feature sets of versions that rows are made of beside the declared one.
    pub feature_sets: Vec<FeatureSetSpec>,
    /// The champion, when no rows can be made for it.
    pub without_rows: Option<u32>,
    /// What a provider is asked with.
    pub account: Option<ProviderAccountSpec>,
    /// What other accounts of the source are asked with, in its order.
    pub other_accounts: Vec<OtherAccount>,
    /// The source names an account that cannot be used. Who asks stays as it is: without one it could ask nothing, and what
    /// was read stands.
    pub lacks_account: bool,
    /// Why the bars of the Pipeline that the source names are not to be read.
    pub unreadable: Option<Unreadable>,
    /// Who reads these bars is not made yet. Once made it stays: what it has read stands, and it follows the spec.
    pub waits_for_bars: bool,
}

impl Plan {
    /// What configurations are made of beside the spec.
    pub fn beside(&self) -> Beside<'_> {
        Beside {
            served: &self.feature_sets,
            account: self.account.as_ref(),
            bars_are_read: false,
            other_accounts: &self.other_accounts,
        }
    }

    /// Whether the workload of a role can be made.
    pub fn makes(&self, role: Role) -> bool {
        let reads_bars = matches!(role, Role::Lake | Role::Stream);
        let waits = self.waits_for_bars && reads_bars;
        !(self.leaves(role) || waits)
    }

    /// Whether the workload of a role and its configurations are neither made nor changed nor removed.
    pub fn leaves(&self, role: Role) -> bool {
        self.lacks_account && role.facts().secrets.contains(&secret::PROVIDER)
    }

    /// Version that serves.
    pub fn champion(&self) -> Option<&ServedVersion> {
        self.serving.champion.as_ref()
    }

    /// The run in flight.
    pub fn running(&self) -> Option<&RunRecord> {
        let run = self.run.as_ref();
        run.filter(|run| run.state == RunState::Running)
    }

    /// A run starts now.
    pub fn starts(&self) -> bool {
        let is_start = |step: &Step| matches!(step, Step::Train { .. });
        self.steps.iter().any(is_start)
    }

    /// A run ended with a version now.
    pub fn finishes(&self) -> bool {
        let is_end = |step: &Step| matches!(step, Step::Finish { .. });
        self.steps.iter().any(is_end)
    }

    /// Version to make from a finished run.
    pub fn create(&self) -> Option<&ModelVersionSpec> {
        self.steps.iter().find_map(|step| match step {
            Step::Finish { create, .. } => create.as_deref(),
            _ => None,
        })
    }

    /// Newest decision, when one is taken now.
    pub fn decision(&self, now: Timestamp) -> Option<Decision> {
        let mut decisions = self
            .steps
            .iter()
            .rev()
            .filter_map(|step| step.decision(now));
        decisions.next()
    }

    /// Takes a step: the only place where a decision changes what will be true.
    pub(super) fn take(&mut self, step: Option<Step>) {
        let Some(step) = step else { return };
        match &step {
            Step::Train { run, .. } => self.run = Some((**run).clone()),
            Step::Hold { .. } => {}
            Step::Fail(error) => {
                if let Some(run) = &mut self.run {
                    run.state = RunState::Failed;
                    run.error = Some(error.clone());
                }
            }
            Step::Finish {
                version, verdict, ..
            } => self.finish(version, verdict),
            Step::Pin(version) => self.promote(version),
            Step::RollBack { to, .. } => self.promote(to),
            Step::Replace { to, .. } => {
                self.promote(to);
                // It has taken the champion's place, and nothing stands behind it.
                self.serving.previous = None;
            }
        }
        self.steps.push(step);
    }

    fn finish(&mut self, version: &ServedVersion, verdict: &Verdict) {
        if let Some(run) = &mut self.run {
            run.state = RunState::Succeeded;
            run.version = Some(version.version);
            run.error = None;
            run.comparable_from = match verdict {
                Verdict::Wait { until, .. } => until.clone(),
                Verdict::Promote { .. } | Verdict::Reject { .. } => None,
            };
        }
        match verdict {
            Verdict::Promote { .. } => self.promote(version),
            // The alarm that led to the run is measured against the newer data from now on.
            Verdict::Reject { .. } if self.serving.champion.is_some() => {
                self.serving.drift_reference = Some(version.clone());
            }
            Verdict::Reject { .. } | Verdict::Wait { .. } => {}
        }
    }

    /// Makes `next` the champion and keeps the present one loaded. Alarms are measured against the
    /// champion's own reference again.
    fn promote(&mut self, next: &ServedVersion) {
        if self.serving.champion.as_ref() != Some(next) {
            self.serving.previous = self.serving.champion.replace(next.clone());
        }
        self.serving.drift_reference = None;
    }
}
