//! Reads a Delta table by its specification, file by file: an opinion independent of the crate the
//! lake sink uses.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::Value;

use crate::{Cluster, s3};

/// A row of the table by column name.
pub type Columns = BTreeMap<String, Field>;

/// The newest version of a table.
pub struct Table {
    /// Its version.
    pub version: u64,
    /// Rows the log says are in it.
    pub logged_rows: u64,
    /// The rows.
    pub rows: Vec<Columns>,
    /// Application transactions: identifier and version.
    pub transactions: BTreeMap<String, i64>,
}

/// Reads the table below `folder` (of the bucket, ending in `/`).
///
/// # Errors
/// When it is missing or not what the log says.
pub async fn read(cluster: &Cluster, folder: &str) -> Result<Table> {
    let (mut files, mut transactions, mut version) = (BTreeMap::new(), BTreeMap::new(), 0);
    while let Some(commit) =
        s3::get(cluster, &format!("{folder}_delta_log/{version:020}.json")).await?
    {
        for line in String::from_utf8_lossy(&commit).lines() {
            let action: Value = serde_json::from_str(line).context("a commit is not JSON")?;
            follow(&action, &mut files, &mut transactions)?;
        }
        version += 1;
    }
    ensure!(version > 0, "there is no Delta table at {folder}");
    let (mut rows, mut logged_rows) = (Vec::new(), 0);
    for (path, add) in &files {
        let before = rows.len();
        let body = s3::get(cluster, &format!("{folder}{path}")).await?;
        let body = body.with_context(|| format!("{path} is in the log and not in the store"))?;
        let partition = add["partitionValues"].as_object();
        for row in parquet_rows(body)? {
            let mut row = row;
            for (column, value) in partition.into_iter().flatten() {
                row.entry(column.clone())
                    .or_insert_with(|| Field::Str(value.as_str().unwrap_or_default().to_owned()));
            }
            rows.push(row);
        }
        let stats: Value = serde_json::from_str(add["stats"].as_str().unwrap_or("{}"))?;
        let logged = stats["numRecords"]
            .as_u64()
            .unwrap_or((rows.len() - before) as u64);
        logged_rows += logged;
    }
    Ok(Table {
        version: version - 1,
        logged_rows,
        rows,
        transactions,
    })
}

fn follow(
    action: &Value,
    files: &mut BTreeMap<String, Value>,
    transactions: &mut BTreeMap<String, i64>,
) -> Result<()> {
    let path = |part: &Value| {
        let text = part["path"].as_str().context("an action without a path")?;
        Ok::<_, anyhow::Error>(text.replace("%3D", "=").replace("%20", " "))
    };
    if action["add"].is_object() {
        files.insert(path(&action["add"])?, action["add"].clone());
    } else if action["remove"].is_object() {
        files.remove(&path(&action["remove"])?);
    } else if let Some(id) = action["txn"]["appId"].as_str() {
        let version = action["txn"]["version"]
            .as_i64()
            .context("a txn without version")?;
        transactions.insert(id.to_owned(), version);
    }
    Ok(())
}

/// Rows of a Parquet file.
///
/// # Errors
/// When it is not one.
pub fn parquet_rows(body: bytes::Bytes) -> Result<Vec<Columns>> {
    let reader = SerializedFileReader::new(body).context("not a Parquet file")?;
    let rows = reader.get_row_iter(None)?;
    rows.map(|row| Ok(columns(&row?))).collect()
}

fn columns(row: &Row) -> Columns {
    row.get_column_iter()
        .map(|(name, field)| (name.clone(), field.clone()))
        .collect()
}

/// A 64-bit integer, also when it is stored as a timestamp (then in milliseconds).
pub fn integer(row: &Columns, names: &[&str]) -> Result<i64> {
    match field(row, names)? {
        Field::Long(value) | Field::TimestampMillis(value) => Ok(*value),
        Field::Int(value) => Ok(i64::from(*value)),
        Field::TimestampMicros(value) => Ok(*value / 1_000),
        other => anyhow::bail!("{names:?} is {other:?}"),
    }
}

/// The text in the first of these columns that the row has.
pub fn text(row: &Columns, names: &[&str]) -> Result<String> {
    match field(row, names)? {
        Field::Str(value) => Ok(value.clone()),
        other => anyhow::bail!("{names:?} is {other:?}"),
    }
}

/// The same for a number that may be null.
pub fn double(row: &Columns, names: &[&str]) -> Result<Option<f64>> {
    match field(row, names)? {
        Field::Double(value) => Ok(Some(*value)),
        Field::Null => Ok(None),
        other => anyhow::bail!("{names:?} is {other:?}"),
    }
}

fn field<'a>(row: &'a Columns, names: &[&str]) -> Result<&'a Field> {
    names
        .iter()
        .find_map(|name| row.get(*name))
        .with_context(|| {
            let present: BTreeSet<&String> = row.keys().collect();
            format!("no column {names:?} among {present:?}")
        })
}
