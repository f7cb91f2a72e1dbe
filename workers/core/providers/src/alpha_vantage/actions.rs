//! Splits and dividends of Alpha Vantage: the history, and what is declared.

use jiff::civil::Date;

use super::document::{Entry, List};
use crate::action::{Dividend, Split};
use crate::verdict::{Fault, Listed};

/// The splits of a list, oldest first.
pub(super) fn splits(list: List) -> Result<Listed<Split>, Fault> {
    let read = |entry: &Entry| {
        let date = date(entry.effective_date.as_deref())?;
        Split::checked(date, entry.split_factor.number()?)
    };
    listed(list, read, |split| split.date)
}

/// The dividends of a list, oldest first.
pub(super) fn dividends(list: List) -> Result<Listed<Dividend>, Fault> {
    let read = |entry: &Entry| {
        let date = date(entry.ex_dividend_date.as_deref())?;
        Dividend::checked(date, entry.amount.number()?, None)
    };
    listed(list, read, |dividend| dividend.ex_date)
}

fn listed<T>(
    list: List,
    read: impl Fn(&Entry) -> Result<T, &'static str>,
    date: impl Fn(&T) -> Date,
) -> Result<Listed<T>, Fault> {
    let List::Entries(entries) = list else {
        return Err(Fault::Shape);
    };
    let mut listed = Listed::default();
    for entry in &entries {
        listed.take(read(entry));
    }
    listed.items.sort_by_key(date);
    Ok(listed)
}

/// A day; old entries have the text `None` for those that nobody wrote down.
fn date(text: Option<&str>) -> Result<Date, &'static str> {
    let text = text.ok_or("MissingField")?;
    text.parse().map_err(|_| "BadDate")
}
