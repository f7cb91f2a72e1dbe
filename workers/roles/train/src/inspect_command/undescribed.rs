//! A file that no Pipeline describes: what it says of itself, and the Pipeline that would read it.

use std::path::Path;

use foresail_crds::pipeline::spec::CsvSource;
use foresail_domain::Interval;
use foresail_domain::symbol::LONGEST;
use foresail_runtime_base::RoleError;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::inspection::Inspection;
use crate::file::{self, Description, Rows};

/// Longest name of a Pipeline.
const LONGEST_NAME: usize = 40;
/// What is wrong with the Pipeline, at most.
const REFUSALS: usize = 3;
/// Reason of rows that are no bars of an interval.
const DOES_NOT_FIT: &str = "IntervalDoesNotFit";

/// Reads the file with a column of symbols, or, where it has none, as the one symbol that it is named after.
pub(super) fn inspect(path: &Path) -> Result<Inspection, RoleError> {
    let csv = csv(path)?;
    let mut spec = json!({"instruments": [{"symbol": "X"}], "source": {"csv": csv}});
    let mut how =
        Description::new(&parsed(pipeline(path, &spec))?, "inspected").map_err(internal)?;
    let dialect = file::dialect_undescribed(path, how.csv())?;
    let default = how.calendar().clone();
    let rows = read(path, &mut how)?;
    if !how.grid().interval().is_default() {
        spec["source"]["interval"] = json!(how.grid().interval());
    }
    let symbols = how.symbols().into_iter();
    spec["instruments"] = symbols.map(|symbol| json!({"symbol": symbol})).collect();
    if *how.calendar() != default {
        spec["calendar"] = json!(how.calendar());
    }
    let found = Inspection::new(path, dialect, how.grid(), rows);
    let whole = pipeline(path, &spec);
    let mut part = yaml(&spec)?;
    for refusal in foresail_admission::judge(&whole).iter().take(REFUSALS) {
        part.push_str(&format!("# The API server would refuse it: {refusal}\n"));
    }
    Ok(found.declaring(part, yaml(&whole)?))
}

/// The rows as daily bars, or as those of the first interval that they are apart.
fn read(path: &Path, how: &mut Description) -> Result<Rows, RoleError> {
    let daily = match file::read_undescribed(path, how) {
        Err(error) if error.reason == DOES_NOT_FIT => error,
        read => return read,
    };
    let parts = Interval::ALL.into_iter().filter(|one| one.is_intraday());
    for interval in parts {
        how.set_interval(interval);
        match file::read_undescribed(path, how) {
            Err(error) if error.reason == DOES_NOT_FIT => {}
            read => return read,
        }
    }
    Err(daily)
}

/// `spec.source.csv`.
fn csv(path: &Path) -> Result<Value, RoleError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.split_whitespace().collect::<Vec<_>>().join("-");
    let mut csv = json!({"uri": format!("s3://bucket/{name}"), "endpoint": "http://s3:9000"});
    let look = |csv: &Value| file::dialect_undescribed(path, &parsed::<CsvSource>(csv.clone())?);
    match look(&csv) {
        Err(error) if error.reason == "CsvHeader" => {
            csv["symbol"] = json!(symbol(path));
            // When this is no help either, the first error says what is missing.
            look(&csv).map_err(|_| error)?;
        }
        looked => drop(looked?),
    }
    Ok(csv)
}

/// A whole Pipeline with this in its spec: features and model of examples/five-day-close.yaml, and places that a person
/// fills in before it is applied.
fn pipeline(path: &Path, part: &Value) -> Value {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = stem(path).to_lowercase().chars().map(letter).collect();
    let name: String = name.trim_matches('-').chars().take(LONGEST_NAME).collect();
    let name = name.trim_matches('-');
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    let name = if starts { name } else { "bars" };
    let mut spec = part.clone();
    spec["kafka"] = json!({"bootstrapServers": "kafka:9092"});
    spec["lake"] = json!({"uri": "s3://bucket/lake", "endpoint": "http://s3:9000", "secretName": "s3-credentials"});
    spec["features"] = json!([
        {"name": "ema_10d", "function": "EmaRatio", "window": 10},
        {"name": "ema_20d", "function": "EmaRatio", "window": 20},
        {"name": "rsi_14d", "function": "Rsi", "window": 14},
    ]);
    spec["training"] = json!({
        "model": {"kind": "Linear", "ridge": "0.1"}, "horizon": 5, "lookback": 30, "maxSessions": 5000,
    });
    if spec["source"]["interval"].is_string() {
        // Days of many bars.
        spec["training"]["maxSessions"] = json!(20);
        spec["drift"] = json!({"windowSessions": 2});
        spec["promotion"] = json!({"gateWindowSessions": 2});
    }
    json!({"apiVersion": "foresail.dev/v1alpha1", "kind": "Pipeline", "metadata": {"name": name}, "spec": spec})
}

/// A code for the one instrument of a file: its name, as far as a code may look so.
fn symbol(path: &Path) -> String {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || "._=^-".contains(*c);
    let code: String = stem(path).to_uppercase().chars().filter(allowed).collect();
    let code = code.trim_start_matches(['.', '_', '=', '-']);
    let code: String = code.chars().take(LONGEST).collect();
    if code.is_empty() {
        "STOCK".into()
    } else {
        code
    }
}

/// The name of a file without what says of which kind it is.
fn stem(path: &Path) -> String {
    const KINDS: [&str; 7] = [".gz", ".zst", ".csv", ".tsv", ".txt", ".parquet", ".arrow"];
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut stem = name.as_ref();
    while let Some((start, kind)) = stem.rfind('.').map(|at| stem.split_at(at))
        && KINDS.contains(&kind.to_lowercase().as_str())
    {
        stem = start;
    }
    stem.to_owned()
}

fn parsed<T: DeserializeOwned>(value: Value) -> Result<T, RoleError> {
    serde_json::from_value(value).map_err(internal)
}

fn yaml(value: &Value) -> Result<String, RoleError> {
    serde_saphyr::to_string(value).map_err(internal)
}

fn internal(error: impl std::fmt::Display) -> RoleError {
    RoleError::internal(
        "BadDescription",
        format!("the file cannot be described: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_of_a_file_makes_a_name_of_a_pipeline_and_a_code() {
        for (file, name, code) in [
            ("a/My File (1).csv", "my-file--1", "MYFILE1"),
            ("^GSPC.csv.gz", "gspc", "^GSPC"),
            ("brk.b.CSV", "brk-b", "BRK.B"),
            ("2020.csv", "bars", "2020"),
            ("spy.parquet", "spy", "SPY"),
            ("данные.csv", "bars", "STOCK"),
            (".csv", "bars", "STOCK"),
        ] {
            let path = Path::new(file);
            let made = pipeline(path, &json!({}));
            assert_eq!(made["metadata"]["name"], name, "{file}");
            assert_eq!(symbol(path), code);
            let csv =
                json!({"uri": "s3://bucket/f.csv", "endpoint": "http://s3:9000", "symbol": code});
            let part = json!({"instruments": [{"symbol": code}], "source": {"csv": csv}});
            assert_eq!(foresail_admission::judge(&pipeline(path, &part)), []);
        }
    }
}
