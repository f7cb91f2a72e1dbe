//! What is read again when no new bar is due: of a few symbols at a time, with requests that nothing else needs.

use std::collections::HashMap;

use foresail_crds::pipeline::refetch::Refetch;
use foresail_runtime_base::{RoleError, clock};

use super::Live;
use crate::provider::entry::Entry;
use crate::provider::recent::Wanted;
use crate::provider::review::Review;
use crate::provider::survey::Survey;

/// Symbols of which past bars are read again at the same time: what was sent of them is held meanwhile.
const REVIEWED_TOGETHER: usize = 4;

/// Takes note of what a person wants to be read again, unless it was.
pub(super) fn refetch(entries: &mut [Entry], wanted: Option<&Refetch>, followed: Option<&String>) {
    let Some(wanted) = wanted.filter(|wanted| followed != Some(&wanted.asked)) else {
        return;
    };
    for days in &wanted.days {
        let of = |entry: &&mut Entry| *entry.symbol == *days.symbol;
        for entry in entries.iter_mut().filter(of) {
            let (from, to) = entry.refetch.unwrap_or((days.from, days.to));
            entry.refetch = Some((from.min(days.from), to.max(days.to)));
        }
    }
}

impl Live<'_> {
    /// Reads again what is to be read again, of a few symbols. What cannot be asked now is put off.
    pub(super) async fn review(&mut self) -> Result<(), RoleError> {
        let now = clock::now_ms();
        let is_begun = |entry: &Entry| entry.is_begun || !entry.is_due(self.timetable, now);
        if !self.is_surveyed && self.entries.iter().all(is_begun) {
            self.survey(HashMap::new(), now).await?;
            self.is_surveyed = true;
        }
        let mut reviews: Vec<(usize, Review)> = Vec::new();
        for (index, entry) in self.entries.iter_mut().enumerate() {
            let room = reviews.len() < REVIEWED_TOGETHER;
            let review = entry.due_review(self.timetable, now).filter(|_| room);
            reviews.extend(review.map(|review| (index, review)));
        }
        if reviews.is_empty() {
            return Ok(());
        }
        let mut compared = HashMap::new();
        for (index, review) in &reviews {
            if let Some(entry) = self.entries.get_mut(*index) {
                entry.begin(*review);
                let from = self.timetable.start(review.from);
                let compares = review.compares(self.timetable);
                compared.extend(compares.then(|| (entry.symbol.to_string(), from)));
            }
        }
        if !compared.is_empty() {
            self.survey(compared, now).await?;
        }
        let mut due = Vec::new();
        for (index, _) in &reviews {
            if let Some(place) = self.entries.get_mut(*index) {
                let empty = Entry::new(place.symbol.clone());
                due.push((*index, std::mem::replace(place, empty)));
            }
        }
        let outcome = self.ask(due, now).await?;
        if let Some(stopped) = outcome.stopped.as_ref().or(outcome.failed.as_ref()) {
            let (reason, cause) = (&stopped.error.reason, &stopped.error.message);
            tracing::info!(reason, cause, "what is read again is asked for later");
        }
        for entry in self.entries.iter_mut() {
            entry.postpone(now);
            entry.memory.narrow();
        }
        self.publish(None, clock::now_ms());
        Ok(())
    }

    /// Reads from the topic which sessions have no bar, and what was sent of some symbols since an event time.
    async fn survey(&mut self, bars: HashMap<String, i64>, now: i64) -> Result<(), RoleError> {
        let wanted = Wanted {
            symbols: self.symbols,
            keep: self.timetable.kept(),
            providers: self.names,
            timetable: self.timetable,
        };
        let froms = bars.clone();
        let mut survey = Survey::new(wanted, bars);
        self.sink.survey(&mut survey).await?;
        let mut found = survey.found();
        for entry in self.entries.iter_mut() {
            let Some(found) = found.get_mut(&*entry.symbol) else {
                continue;
            };
            entry.gaps.found(std::mem::take(&mut found.gaps));
            entry.gaps.wait(now);
            if let Some(from) = froms.get(&*entry.symbol) {
                found.widen(&mut entry.memory, *from);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use foresail_domain::Symbol;
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_wish_is_followed_once_and_two_of_a_symbol_are_one() {
        let wish = "A 2024-02-01..2024-02-29, A 2024-01-02..2024-01-05, B 2024-01-02..2024-01-05";
        let wish = Refetch::parse(wish).unwrap();
        let followed = |last: Option<&str>| {
            let symbols = ["A", "B", "C"].map(|symbol| Entry::new(Symbol::new(symbol).unwrap()));
            let mut entries = Vec::from(symbols);
            let last = last.map(str::to_owned);
            refetch(&mut entries, Some(&wish), last.as_ref());
            let days = entries.into_iter().map(|entry| entry.refetch);
            days.collect::<Vec<_>>()
        };
        let (first, last) = (date(2024, 1, 2), date(2024, 2, 29));
        let days = [Some((first, last)), Some((first, date(2024, 1, 5))), None];
        assert_eq!(followed(None), days);
        assert_eq!(followed(Some("another one")), days);
        assert_eq!(followed(Some(wish.asked.as_str())), [None; 3]);
    }
}
