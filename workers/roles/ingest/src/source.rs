//! A source is an ordered sequence of rows that reads the same every time it is opened.

use foresail_bars::{CsvRows, RawRow, Simulator};
use foresail_crds::worker_config::{IngestConfig, SourceAddress};
use foresail_runtime_base::{Outside, RoleError};

use crate::fetch;

/// Rows in order of position.
pub(crate) type Rows = Box<dyn Iterator<Item = RawRow> + Send>;

/// Opens the declared source from its first row.
///
/// # Errors
/// Those of fetching the file; user error `CsvHeader` when a needed column is absent.
pub(crate) async fn open(
    config: &IngestConfig,
    outside: &Outside,
) -> Result<(Rows, &'static str), RoleError> {
    if let Some(spec) = &config.source.simulator {
        let simulator = Simulator::new(spec, &config.symbols(), config.calendar)?;
        return Ok((Box::new(simulator), "simulator"));
    }
    let spec = config.source.csv.as_ref().ok_or_else(|| {
        RoleError::user(
            "NoSource",
            "source must have exactly one of csv and simulator",
        )
    })?;
    let address = SourceAddress::new(spec, &config.allowed_networks);
    let bytes = fetch::fetch_all(&address, outside).await?;
    Ok((Box::new(CsvRows::new(&bytes, spec)?), "csv"))
}
