//! What an earlier reading of the source has sent.

use std::collections::HashMap;

use foresail_crds::records::header;
use foresail_runtime_kafka::Message;

/// The newest bar sent of each symbol, milliseconds UTC. Empty in the first reading, where positions say all.
#[derive(Debug, Default)]
pub(crate) struct Marks(pub HashMap<String, i64>);

impl Marks {
    /// Whether an earlier reading has had this session of its symbol.
    pub(crate) fn cover(&self, place: Option<(&str, i64)>) -> bool {
        place.is_some_and(|(symbol, time)| self.0.get(symbol).is_some_and(|newest| time <= *newest))
    }

    /// Takes note of a bar that was sent.
    pub(crate) fn add(&mut self, symbol: &str, time: i64) {
        match self.0.get_mut(symbol) {
            Some(newest) => *newest = (*newest).max(time),
            None => {
                self.0.insert(symbol.to_string(), time);
            }
        }
    }
}

/// The event time of a bar, as its record says.
pub(crate) fn event_time(message: &Message) -> Option<i64> {
    message.header(header::EVENT_TIME)?.parse().ok()
}

/// The newest bar of its symbol, when a bar came after it: one that was missing, or a correction.
pub(crate) fn newest(message: &Message) -> Option<i64> {
    message.header(header::NEWEST_EVENT_TIME)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_cover_what_is_not_newer() {
        let mut marks = Marks::default();
        assert!(!marks.cover(Some(("X", 1))));
        marks.add("X", 7);
        marks.add("X", 5);
        assert!(marks.cover(Some(("X", 7))) && marks.cover(Some(("X", 1))));
        assert!(!marks.cover(Some(("X", 8))) && !marks.cover(Some(("Y", 1))));
        assert!(
            !marks.cover(None),
            "a row that names no session is no old one"
        );
    }
}
