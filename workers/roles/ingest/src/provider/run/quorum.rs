//! Asks a second account for the closes of bars that are ready. What becomes of them is decided in `provider::quorum`.

use std::sync::Arc;

use foresail_crds::records::Refusal;
use foresail_crds::worker_config::IngestConfig;
use foresail_providers::{Row, Verdict};
use foresail_quota::Purpose;
use foresail_runtime_providers::{Provider, Stopped};
use futures::{StreamExt, stream};

use super::Live;
use crate::provider::entry::{Entry, Step};
use crate::provider::quorum::{self, Quorum, Said};
use crate::provider::round::{MOST_REQUESTS, TOGETHER};
use crate::provider::timetable::Timetable;
use crate::provider::wanted::Source;

/// The account that confirms bars, if the source names one, among the other accounts.
pub(super) fn open(
    config: &IngestConfig,
    others: &[(String, Arc<Provider>)],
) -> Option<(Arc<Provider>, Quorum)> {
    let declared = config.source.quorum.as_ref()?;
    let (name, provider) = others.iter().find(|(name, _)| *name == declared.account)?;
    let tolerance = declared.tolerance.as_f64().unwrap_or(0.0);
    let quorum = Quorum::new(name, tolerance, config.symbols().len());
    Some((Arc::clone(provider), quorum))
}

/// What the second account said of one symbol.
struct Answered {
    index: usize,
    entry: Entry,
    said: Said,
    answers: u64,
    stopped: Option<Stopped>,
}

impl Live<'_> {
    /// Has the rows that are ready of these symbols confirmed, and takes those out that are not. They are from the account
    /// `from`; gives back those that are to be refused.
    pub(super) async fn confirm(
        &mut self,
        indices: &[usize],
        from: &str,
        now: i64,
    ) -> Vec<(usize, Row, Refusal)> {
        let Some((provider, quorum)) = self.quorum.as_mut() else {
            return Vec::new();
        };
        if quorum.account.name == from {
            for index in indices {
                if let Some(entry) = self.entries.get_mut(*index) {
                    quorum.leave_out(*index, entry, self.timetable);
                }
            }
            return Vec::new();
        }
        let mut due = Vec::new();
        for index in indices {
            let Some(entry) = self.entries.get_mut(*index) else {
                continue;
            };
            let needed = quorum::needed(entry, self.timetable);
            let Some((review, own)) = needed.zip(quorum.own(*index)) else {
                continue;
            };
            if own.rests(now) {
                let judged = (&mut *entry, from);
                quorum.judge(*index, judged, &Said::Never, (self.timetable, now));
                continue;
            }
            entry.exchange(own);
            review.into_iter().for_each(|review| entry.begin(review));
            let empty = Entry::new(entry.symbol.clone());
            due.push((*index, std::mem::replace(entry, empty)));
        }
        if due.is_empty() {
            return Vec::new();
        }
        let (mut refused, mut stopped) = (Vec::new(), None);
        for answered in ask(due, provider, self.timetable, now).await {
            let (index, mut entry) = (answered.index, answered.entry);
            if let Some(own) = quorum.own(index) {
                entry.exchange(own);
            }
            quorum.account.answers += answered.answers;
            stopped = stopped.or(answered.stopped);
            let judged = (&mut entry, from);
            let differ = quorum.judge(index, judged, &answered.said, (self.timetable, now));
            refused.extend(differ.into_iter().map(|(row, why)| (index, row, why)));
            if let Some(place) = self.entries.get_mut(index) {
                *place = entry;
            }
        }
        let general = stopped.filter(|stopped| stopped.is_general);
        let poll = self.timetable.poll();
        quorum.account.was_asked(general.as_ref(), poll, now);
        refused
    }
}

/// Asks for all of these symbols, several at a time.
async fn ask(
    due: Vec<(usize, Entry)>,
    provider: &Provider,
    timetable: &Timetable,
    now: i64,
) -> Vec<Answered> {
    let level = provider.level().await;
    let asked: Vec<_> = due
        .into_iter()
        .map(|(index, entry)| {
            let level = level.clone();
            async move {
                match level {
                    Ok(level) => {
                        let source = Source {
                            provider: provider.kind(),
                            level,
                        };
                        closes((index, entry), (provider, source), timetable, now).await
                    }
                    Err(stopped) => Answered {
                        index,
                        entry,
                        said: Said::Nothing,
                        answers: 0,
                        stopped: Some(stopped),
                    },
                }
            }
        })
        .collect();
    stream::iter(asked).buffered(TOGETHER).collect().await
}

/// The closes of a symbol, as the second account has them.
async fn closes(
    (index, mut entry): (usize, Entry),
    (provider, source): (&Provider, Source),
    timetable: &Timetable,
    now: i64,
) -> Answered {
    let (mut said, mut answers, mut stop) = (Said::Nothing, 0, None);
    let purpose = entry.review.map_or(Purpose::Live, |_| Purpose::Repair);
    for _ in 0..MOST_REQUESTS {
        let Some(request) = quorum::request(&entry, &source, timetable, now) else {
            let series = entry.parts.series.take();
            let closes = series.map(|series| quorum::closes(series, timetable.today(now)));
            said = closes.map_or(Said::Nothing, Said::Closes);
            break;
        };
        let verdict = match provider.fetch(&request, purpose).await {
            Ok(verdict) => verdict,
            Err(stopped) => {
                stop = Some(stopped);
                break;
            }
        };
        answers += 1;
        let never = matches!(verdict, Verdict::BadSymbol | Verdict::NotEntitled { .. });
        if entry.take(&request, verdict, now) == Step::Over {
            said = if never { Said::Never } else { Said::Nothing };
            break;
        }
    }
    entry.forget_answers();
    Answered {
        index,
        entry,
        said,
        answers,
        stopped: stop,
    }
}
