//! What is read again, beside the newest sessions that come with every answer, and when: sessions without a bar, what a person
//! asks for, and the whole history of a symbol once in a while. Pure.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::civil::Date;

use super::timetable::Timetable;

/// Days within which the whole history of each symbol is read again, once.
const TURN: u64 = 91;

/// Why sessions are read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// A person asked for them.
    Refetch,
    /// They have no bar.
    Gaps,
    /// They have none, and the accounts before the fallback of this place were asked in vain.
    Left(u8),
    /// It is the turn of the symbol.
    Turn,
}

/// Sessions of a symbol that are read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Review {
    pub why: Why,
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Date,
}

impl Review {
    /// Whether it is of this day.
    pub(crate) fn contains(&self, date: Date) -> bool {
        (self.from..=self.to).contains(&date)
    }

    /// Whether its rows are compared with bars that were sent. A session that is several bars may have some of them.
    pub(crate) fn compares(&self, timetable: &Timetable) -> bool {
        !matches!(self.why, Why::Gaps | Why::Left(_)) || timetable.is_intraday()
    }
}

/// Whether the whole history of a symbol is read again with the bar of this session. The days of its turns follow from its
/// name, so that nobody has to remember them, and about as many symbols have theirs on each day.
pub(crate) fn is_turn(symbol: &str, session: Date, timetable: &Timetable) -> bool {
    let mut hasher = DefaultHasher::new();
    symbol.hash(&mut hasher);
    let shift = hasher.finish() % TURN;
    let day = |date: Date| {
        let days = date.since(Date::new(1970, 1, 1).unwrap_or(Date::MIN));
        days.map_or(0, |span| u64::try_from(span.get_days()).unwrap_or(0))
    };
    // The days since the session before count: some turn falls on a weekend.
    let turns = |date: Date| (day(date) + shift) / TURN;
    turns(session) > turns(timetable.back(session, 1))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::timetable::new_york;
    use super::*;

    #[test]
    fn each_symbol_has_its_turn_once_in_a_quarter() {
        let timetable = new_york();
        let year = timetable.sessions(date(2024, 1, 1), date(2024, 12, 29));
        let year: Vec<Date> = year.collect();
        let mut most = 0;
        for day in &year {
            let turns = (0..500).filter(|n| is_turn(&format!("S{n}"), *day, &timetable));
            most = most.max(turns.count());
        }
        assert!(most < 60, "{most} of 500 symbols on one day");
        for symbol in ["IBM", "MSFT", "VOD.L"] {
            let turns = year.iter().filter(|day| is_turn(symbol, **day, &timetable));
            assert_eq!(turns.count(), 4, "{symbol}");
        }
    }
}
