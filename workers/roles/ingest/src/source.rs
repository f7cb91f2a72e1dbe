//! A source is an ordered sequence of rows that reads the same every time, until its file is replaced.

use std::sync::Arc;
use std::time::Duration;

use foresail_bars::{Described, RawRow, Simulator, in_order};
use foresail_crds::pipeline::spec::CsvSource;
use foresail_crds::pipeline::status::SourceFiles;
use foresail_crds::worker_config::{IngestConfig, SourceAddress};
use foresail_runtime_base::{Outside, RoleError};

use crate::fetch::{self, Version};
use crate::folder::{Folder, FolderRows};
use crate::pattern::Pattern;
use crate::spool::Spooled;

/// Rows in order of position, with the next one in view.
pub(crate) struct Rows {
    rows: Reading,
    ahead: Option<RawRow>,
    /// The file of the next row, and of the one that was taken last, where the source has several.
    files: [Option<Arc<str>>; 2],
}

enum Reading {
    One(Box<dyn Iterator<Item = Result<RawRow, RoleError>> + Send>),
    Several(Box<FolderRows>),
}

impl Rows {
    /// Rows of one file.
    ///
    /// # Errors
    /// Those of reading the first row.
    pub(crate) fn new(
        rows: impl Iterator<Item = Result<RawRow, RoleError>> + Send + 'static,
    ) -> Result<Self, RoleError> {
        Self::of(Reading::One(Box::new(rows)))
    }

    /// Rows of several files.
    ///
    /// # Errors
    /// Those of reading the first row; that of the first file when none can be read.
    pub(crate) fn of_folder(rows: FolderRows) -> Result<Self, RoleError> {
        let rows = Self::of(Reading::Several(Box::new(rows)))?;
        let hopeless = match &rows.rows {
            Reading::Several(files) => files.hopeless(),
            Reading::One(_) => None,
        };
        hopeless.map_or(Ok(rows), Err)
    }

    fn of(rows: Reading) -> Result<Self, RoleError> {
        let mut rows = Self {
            rows,
            ahead: None,
            files: [None, None],
        };
        rows.advance()?;
        Ok(rows)
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
        let taken = self.ahead.take();
        self.files[1] = self.files[0].take();
        self.advance()?;
        Ok(taken)
    }

    /// The file of the row that was taken last, when the source has several.
    pub(crate) fn file(&self) -> Option<&Arc<str>> {
        self.files[1].as_ref()
    }

    /// What became of the files, when the source has several.
    pub(crate) fn told(&self) -> Option<&SourceFiles> {
        match &self.rows {
            Reading::One(_) => None,
            Reading::Several(files) => Some(files.told()),
        }
    }

    fn advance(&mut self) -> Result<(), RoleError> {
        match &mut self.rows {
            Reading::One(rows) => self.ahead = rows.next().transpose()?,
            Reading::Several(files) => {
                (self.ahead, self.files[0]) = files.next()?.unzip();
            }
        }
        Ok(())
    }
}

/// An open source.
pub(crate) enum Source {
    /// A file, as it was when it was fetched.
    Csv(Box<CsvFile>),
    /// Several of them.
    Folder(Box<Folder>),
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
        if let Some(pattern) = Pattern::of(&spec.uri)? {
            let folder = Folder::open(pattern, spec, (address, outside)).await?;
            return Ok(Self::Folder(Box::new(folder)));
        }
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
    /// Those of [`in_order`] and [`Rows::of_folder`], and user error `BadSimulator`.
    pub(crate) fn rows(&self, config: &IngestConfig) -> Result<Rows, RoleError> {
        match (self, &config.source.simulator) {
            (Self::Csv(csv), _) => {
                let open = || Ok(csv.file.reader());
                let described = Described::new(config, csv.spec.clone());
                let described = csv.file.described(described);
                Rows::new(in_order(open, &described, tempfile::tempfile)?)
            }
            (Self::Folder(folder), _) => Rows::of_folder(folder.rows(config)),
            (Self::Simulator, Some(spec)) => {
                let simulator = Simulator::new(spec, &config.symbols(), &config.bar_grid())?;
                Rows::new(simulator.map(Ok))
            }
            (Self::Simulator, None) => Err(no_source()),
        }
    }

    /// Name of the provider, as bars carry it.
    pub(crate) fn provider(&self) -> &'static str {
        match self {
            Self::Csv(_) | Self::Folder(_) => "csv",
            Self::Simulator => "simulator",
        }
    }

    /// How often it is looked at again; never when it cannot change.
    pub(crate) fn poll(&self) -> Option<Duration> {
        match self {
            Self::Csv(csv) => csv.spec.poll.as_duration(),
            Self::Folder(folder) => folder.poll(),
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
            Self::Folder(folder) => folder.has_changed(outside).await,
            Self::Simulator => Ok(false),
        }
    }
}

fn no_source() -> RoleError {
    RoleError::user(
        "NoSource",
        "source must have exactly one of csv, provider and simulator",
    )
}
