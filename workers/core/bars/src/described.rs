//! What a Pipeline says of a file.

use foresail_crds::pipeline::spec::{CsvLayout, CsvSource, Stamp};
use foresail_crds::worker_config::IngestConfig;
use foresail_domain::{Interval, TradingCalendar};

/// A file as it is described: what its columns are called, and what tells one reading from another.
#[derive(Clone, Debug)]
pub struct Described {
    /// `spec.source.csv`; its address is what messages name.
    pub csv: CsvSource,
    /// Declared symbols; none when nobody declares them.
    pub symbols: Vec<String>,
    /// Whose days sessions are.
    pub calendar: TradingCalendar,
    /// Length of the bars that are read.
    pub interval: Interval,
}

impl Described {
    /// By a Pipeline.
    pub fn new(config: &IngestConfig, csv: CsvSource) -> Self {
        Self {
            csv,
            symbols: config.symbols().into_iter().collect(),
            calendar: config.calendar.exchange(),
            interval: config.source.interval,
        }
    }

    /// By nothing but the source: no symbol is declared, and the calendar is the usual one.
    pub fn alone(csv: CsvSource) -> Self {
        Self {
            csv,
            symbols: Vec::new(),
            calendar: TradingCalendar::default(),
            interval: Interval::default(),
        }
    }

    /// The same for the text of a file of columns, which is made here: what is declared of the text of files says nothing
    /// about it.
    pub fn of_columns(mut self) -> Self {
        if let Some(dialect) = &mut self.csv.dialect {
            (dialect.encoding, dialect.delimiter, dialect.skip_lines) = (None, None, None);
        }
        self
    }

    /// Which moment of a bar its row names; `None` where it names its session.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        let declared = self.csv.dialect.as_ref().and_then(|dialect| dialect.stamp);
        self.interval
            .is_intraday()
            .then(|| declared.unwrap_or_default())
    }

    pub(crate) fn layout(&self) -> Option<CsvLayout> {
        self.csv.dialect.as_ref()?.layout
    }
}
