//! What an answer of a provider means, who acts on it, and what happens next.

use std::time::Duration;

use crate::action::{Dividend, Split};
use crate::currency::Currency;
use crate::drops::Drops;
use crate::headers::Wait;
use crate::request::Request;
use crate::row::Row;

/// What an answer means. No variant holds text of the answer but [`Verdict::Unknown`], which is scrubbed.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// What was asked. The worker stores the rows.
    Data(Box<Answer>),
    /// Too many requests in a short time. The worker waits at least so long, and some more by chance, then asks the same
    /// again. After three in a row that are to wait a minute, the account is parked.
    Burst {
        /// 1 s, or 60 s where the limit is one of minutes.
        wait: Duration,
    },
    /// The requests of the day are used up. The account is parked for all its symbols, as `QuotaExhausted` with
    /// `nextAttempt`; when it ends is not documented, so it is tried now and then.
    DailyQuota,
    /// The account does not pay for this. `instead` is asked once; when that is refused too, or there is none, the source is
    /// `Stalled` until a person changes the plan or the spec.
    NotEntitled {
        /// The request for fewer rows.
        instead: Option<Box<Request>>,
    },
    /// The key is wrong or missing. The source is `Stalled` until a person changes the Secret.
    BadKey,
    /// The key is the one of the provider's examples. As [`Verdict::BadKey`].
    DemoKey,
    /// There is no such symbol, or the request is wrong for it. That symbol alone is left out and named; it may also be a
    /// fault in the provider's data, so the rest goes on and it is tried another day.
    BadSymbol,
    /// Some of the asked time lies further back than the provider has rows, and then it sends none at all. The worker cuts
    /// the window to the last `reach_days` days, asks again, and says what is missing.
    OutOfReach {
        /// Days back from now.
        reach_days: u32,
    },
    /// More time than one request may ask. The worker splits the window and asks for the parts.
    WindowTooWide {
        /// Most days of one request.
        widest_days: u32,
    },
    /// Nothing is there for this time. No failure: a gap, which the calendar judges.
    Empty,
    /// The provider does not want to be asked by this client. The worker backs off for long, at least `wait`, and does not
    /// try again before; rows on hand stay in use.
    Refused {
        /// What the answer asks to wait, if anything.
        wait: Option<Wait>,
    },
    /// The provider is not there: an error page, or a server error. The breaker of the host counts it; the last good data
    /// stays in use.
    Down,
    /// The answer is none that was asked, or not whole. The breaker counts it; nothing of it is believed.
    Malformed(Fault),
    /// An answer of no known kind. It convicts neither key nor symbol nor host; its beginning goes to the quarantine for a
    /// person to read, and the request is tried again later.
    Unknown {
        /// Its beginning without keys, at most [`LONGEST`](crate::scrub::LONGEST) bytes.
        scrubbed: String,
    },
}

impl Verdict {
    /// Its name in conditions, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Data(_) => "Data",
            Self::Burst { .. } => "Burst",
            Self::DailyQuota => "DailyQuota",
            Self::NotEntitled { .. } => "NotEntitled",
            Self::BadKey => "BadKey",
            Self::DemoKey => "DemoKey",
            Self::BadSymbol => "BadSymbol",
            Self::OutOfReach { .. } => "OutOfReach",
            Self::WindowTooWide { .. } => "WindowTooWide",
            Self::Empty => "Empty",
            Self::Refused { .. } => "Refused",
            Self::Down => "Down",
            Self::Malformed(_) => "Malformed",
            Self::Unknown { .. } => "Unknown",
        }
    }
}

/// What a JSON body says, before the status is asked.
#[derive(Debug)]
pub(crate) enum Said {
    /// A refusal in words.
    Words(Verdict),
    /// Data, or that there is none, without a word.
    Data(Verdict),
    /// Nothing known.
    Nothing,
}

impl From<Option<Verdict>> for Said {
    fn from(refusal: Option<Verdict>) -> Self {
        refusal.map_or(Self::Nothing, Self::Words)
    }
}

/// Why an answer is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Larger than [`LARGEST_BODY`](crate::LARGEST_BODY).
    TooLarge,
    /// No byte, or only spaces.
    NoBody,
    /// Still packed: gzip or zstd.
    Packed,
    /// No UTF-8.
    NotText,
    /// JSON that ends too early.
    Truncated,
    /// Begins as JSON and is none.
    NotJson,
    /// JSON of another shape than the documented one, or with more rows than an answer can have.
    Shape,
    /// Rows without a word of which symbol they are.
    NoSymbol,
    /// Rows of another symbol.
    WrongSymbol,
    /// Rows of another length than was asked.
    WrongInterval,
    /// A column of prices or volumes is missing, or they are of different lengths.
    UnevenColumns,
    /// Without the exchange's time zone, or with one that does not exist.
    NoTimeZone,
    /// Prices in something that is no currency.
    BadCurrency,
}

impl Fault {
    /// Its name in messages and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "TooLarge",
            Self::NoBody => "NoBody",
            Self::Packed => "Packed",
            Self::NotText => "NotText",
            Self::Truncated => "Truncated",
            Self::NotJson => "NotJson",
            Self::Shape => "Shape",
            Self::NoSymbol => "NoSymbol",
            Self::WrongSymbol => "WrongSymbol",
            Self::WrongInterval => "WrongInterval",
            Self::UnevenColumns => "UnevenColumns",
            Self::NoTimeZone => "NoTimeZone",
            Self::BadCurrency => "BadCurrency",
        }
    }
}

/// What was asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Rows of prices.
    Series(Series),
    /// The splits of a symbol, oldest first, with those declared for later; none is an answer too.
    Splits(Listed<Split>),
    /// The dividends of a symbol, oldest first, with those declared for later; none is an answer too.
    Dividends(Listed<Dividend>),
}

/// A list out of an answer. Entries read = `items` + `dropped`.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed<T> {
    /// What can be believed.
    pub items: Vec<T>,
    /// What cannot.
    pub dropped: Drops,
    /// Entries read.
    pub read: u64,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            dropped: Drops::default(),
            read: 0,
        }
    }
}

/// What the prices of a series are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// As they were paid.
    AsTraded,
    /// Restated for every split until the answer was made: [`undo_splits`](crate::traded::undo_splits) before they are
    /// stored, with all splits since the first row.
    SplitAdjusted,
}

/// Rows of one symbol. Rows read = `rows` + `dropped`.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Oldest first, each time once.
    pub rows: Vec<Row>,
    /// Rows that were read and are not given.
    pub dropped: Drops,
    /// Rows read.
    pub read: u64,
    /// Rows whose high or low was taken out to open or close, from which it differed only by rounding.
    pub widened: u64,
    /// What the prices are.
    pub basis: Basis,
    /// What they are paid in, where that is told; hundredths and thousandths are divided already.
    pub currency: Option<Currency>,
    /// Only the last 100 rows, whatever was asked.
    pub is_compact: bool,
    /// Splits within the asked window.
    pub splits: Listed<Split>,
    /// Dividends that go ex within it, on the same basis as the rows.
    pub dividends: Listed<Dividend>,
    /// Gains that a fund pays out, as the dividends.
    pub capital_gains: Listed<Dividend>,
}

impl<T> Listed<T> {
    /// One more entry, or why it is none.
    pub(crate) fn take(&mut self, item: Result<T, &'static str>) {
        self.read += 1;
        match item {
            Ok(item) => self.items.push(item),
            Err(reason) => self.dropped.add(reason),
        }
    }
}
