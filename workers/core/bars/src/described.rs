//! What a Pipeline says of a file.

use foresail_crds::pipeline::spec::{CsvLayout, CsvSource};
use foresail_crds::worker_config::IngestConfig;
use foresail_domain::TradingCalendar;

/// A file as it is described: what its columns are called, and what tells one reading from another.
#[derive(Clone, Debug)]
pub struct Described {
    /// `spec.source.csv`; its address is what messages name.
    pub csv: CsvSource,
    /// Declared symbols; none when nobody declares them.
    pub symbols: Vec<String>,
    /// Whose days sessions are.
    pub calendar: TradingCalendar,
}

impl Described {
    /// By a Pipeline.
    pub fn new(config: &IngestConfig, csv: CsvSource) -> Self {
        Self {
            csv,
            symbols: config.symbols().into_iter().collect(),
            calendar: config.calendar.exchange(),
        }
    }

    /// By nothing but the source: no symbol is declared, and the calendar is the usual one.
    pub fn alone(csv: CsvSource) -> Self {
        Self {
            csv,
            symbols: Vec::new(),
            calendar: TradingCalendar::default(),
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

    pub(crate) fn layout(&self) -> Option<CsvLayout> {
        self.csv.dialect.as_ref()?.layout
    }
}
