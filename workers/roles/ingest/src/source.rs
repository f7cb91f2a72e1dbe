//! A source is an ordered sequence of rows that reads the same every time, until its file is replaced.

use std::time::Duration;

use foresail_bars::{Described, RawRow, Simulator, in_order};
use foresail_crds::pipeline::spec::CsvSource;
use foresail_crds::worker_config::{IngestConfig, SourceAddress};
use foresail_runtime_base::{Outside, RoleError};

use crate::fetch::{self, Version};
use crate::spool::Spooled;

/// Rows in order of position, with the next one in view.
pub(crate) struct Rows {
    rows: Box<dyn Iterator<Item = Result<RawRow, RoleError>> + Send>,
    ahead: Option<RawRow>,
}

impl Rows {
    pub(crate) fn new(
        mut rows: impl Iterator<Item = Result<RawRow, RoleError>> + Send + 'static,
    ) -> Result<Self, RoleError> {
        Ok(Self {
            ahead: rows.next().transpose()?,
            rows: Box::new(rows),
        })
    }

    /// The next row.
    pub(crate) fn peek(&self) -> Option<&RawRow> {
        self.ahead.as_ref()
    }

    /// Takes the next row when it fits.
    ///
    /// # Errors
    /// Those of reading the row after it.
    pub(crate) fn next_if(
        &mut self,
        fits: impl FnOnce(&RawRow) -> bool,
    ) -> Result<Option<RawRow>, RoleError> {
        if !self.ahead.as_ref().is_some_and(fits) {
            return Ok(None);
        }
        let after = self.rows.next().transpose()?;
        Ok(std::mem::replace(&mut self.ahead, after))
    }
}

/// An open source.
pub(crate) enum Source {
    /// A file, as it was when it was fetched.
    Csv(Box<CsvFile>),
    /// The simulator of the configuration.
    Simulator,
}

/// A fetched file.
pub(crate) struct CsvFile {
    spec: CsvSource,
    address: SourceAddress,
    file: Spooled,
    version: Version,
}

impl Source {
    /// Opens what is declared.
    ///
    /// # Errors
    /// Those of fetching the file.
    pub(crate) async fn open(config: &IngestConfig, outside: &Outside) -> Result<Self, RoleError> {
        if config.source.simulator.is_some() {
            return Ok(Self::Simulator);
        }
        let spec = config.source.csv.clone().ok_or_else(no_source)?;
        let address = SourceAddress::new(&spec, &config.allowed_networks);
        let (file, version) = fetch::fetch(&address, outside).await?;
        Ok(Self::Csv(Box::new(CsvFile {
            spec,
            address,
            file,
            version,
        })))
    }

    /// Reads it from its first row.
    ///
    /// # Errors
    /// Those of [`in_order`], and user error `BadSimulator`.
    pub(crate) fn rows(&self, config: &IngestConfig) -> Result<Rows, RoleError> {
        match (self, &config.source.simulator) {
            (Self::Csv(csv), _) => {
                let open = || Ok(csv.file.reader());
                let described = Described::new(config, csv.spec.clone());
                let described = csv.file.described(described);
                Rows::new(in_order(open, &described, tempfile::tempfile)?)
            }
            (Self::Simulator, Some(spec)) => {
                let simulator = Simulator::new(spec, &config.symbols(), config.calendar)?;
                Rows::new(simulator.map(Ok))
            }
            (Self::Simulator, None) => Err(no_source()),
        }
    }

    /// Name of the provider, as bars carry it.
    pub(crate) fn provider(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Simulator => "simulator",
        }
    }

    /// How often it is looked at again; never when it cannot change.
    pub(crate) fn poll(&self) -> Option<Duration> {
        match self {
            Self::Csv(csv) => csv.spec.poll.as_duration(),
            Self::Simulator => None,
        }
    }

    /// Whether it reads differently now.
    ///
    /// # Errors
    /// S3 and HTTP failures by class.
    pub(crate) async fn has_changed(&self, outside: &Outside) -> Result<bool, RoleError> {
        match self {
            Self::Csv(csv) => fetch::has_changed(&csv.address, outside, &csv.version).await,
            Self::Simulator => Ok(false),
        }
    }
}

fn no_source() -> RoleError {
    RoleError::user(
        "NoSource",
        "source must have exactly one of csv and simulator",
    )
}
