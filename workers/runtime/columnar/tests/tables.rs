//! Tables as other programs write them, and what is made of damaged ones.

#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::{self, Read, Write};
use std::process::Command;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array,
    Float64Array, Int64Array, ListArray, RecordBatch, StringArray, StringViewArray,
    TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use foresail_columnar::Kind;
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;

const MIB: usize = 1 << 20;

fn table() -> RecordBatch {
    let day = 1_607_990_400_000_000; // 2020-12-15, midnight UTC
    let hour = 3_600_000_000;
    let local = TimestampMicrosecondArray::from(vec![day + 5 * hour, day - 10 * hour]);
    let offset = TimestampNanosecondArray::from(vec![day * 1_000, day * 1_000 + 1]);
    let dictionary: DictionaryArray<Int32Type> = vec![Some("BRK,B"), None].into_iter().collect();
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1)]), None]);
    let columns: [(&str, ArrayRef); 14] = [
        (
            "Date",
            Arc::new(local.clone().with_timezone("America/New_York")),
        ),
        ("offset", Arc::new(offset.with_timezone("+09:00"))),
        ("wall", Arc::new(local)),
        ("day", Arc::new(Date32Array::from(vec![18_611, -1]))),
        ("symbol", Arc::new(dictionary)),
        (
            "a \"name\"",
            Arc::new(StringArray::from(vec!["two\nlines", "x"])),
        ),
        (
            "view",
            Arc::new(StringViewArray::from(vec![Some("v"), None])),
        ),
        ("list", Arc::new(list)),
        ("close", Arc::new(Float64Array::from(vec![50.22, f64::NAN]))),
        ("small", Arc::new(Float32Array::from(vec![50.22, 0.1]))),
        (
            "volume",
            Arc::new(Int64Array::from(vec![Some(646_055), None])),
        ),
        (
            "split",
            Arc::new(
                Decimal128Array::from(vec![250, -1])
                    .with_precision_and_scale(10, 2)
                    .unwrap(),
            ),
        ),
        ("last", Arc::new(BooleanArray::from(vec![true, false]))),
        ("large", Arc::new(Float64Array::from(vec![1e300, 1.0]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn parquet(batch: &RecordBatch, compression: Compression) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn arrow(batch: &RecordBatch, compression: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default()
        .try_with_compression(compression)
        .unwrap();
    let mut writer =
        FileWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

fn stored(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn text(bytes: &[u8]) -> io::Result<Option<String>> {
    let Some(kind) = Kind::of(bytes) else {
        return Ok(None);
    };
    let mut text = String::new();
    kind.text(Arc::new(stored(bytes)))?
        .read_to_string(&mut text)?;
    Ok(Some(text))
}

#[test]
fn every_value_is_text_that_reads_back_equal() {
    let batch = table();
    let large = format!("1{}", "0".repeat(300));
    let expected = format!(
        "Date,offset,wall,day,symbol,\"a \"\"name\"\"\",view,close,small,volume,split,last,large\n\
         2020-12-15T00:00:00-05:00,2020-12-15T09:00:00+09:00,2020-12-15T05:00:00,2020-12-15,\"BRK,B\",\"two lines\",v,\
         50.22,50.22,646055,2.50,true,{large}\n\
         2020-12-14T09:00:00-05:00,2020-12-15T09:00:00.000000001+09:00,2020-12-14T14:00:00,1969-12-31,,x,,\
         ,0.1,,-0.01,false,1\n"
    );
    let packed = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::ZSTD(ZstdLevel::default()),
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4_RAW,
    ];
    for compression in packed {
        let found = text(&parquet(&batch, compression)).unwrap().unwrap();
        assert_eq!(found, expected, "{compression:?}");
    }
    for compression in [
        None,
        Some(CompressionType::ZSTD),
        Some(CompressionType::LZ4_FRAME),
    ] {
        let found = text(&arrow(&batch, compression)).unwrap().unwrap();
        assert_eq!(found, expected, "{compression:?}");
    }
}

#[test]
fn what_is_no_table_of_columns_is_not_read_as_one() {
    for bytes in [b"".as_slice(), b"P", b"date,close\n", b"\x1f\x8b\x08\0\0\0"] {
        assert_eq!(text(bytes).unwrap(), None);
    }
    let zone = TimestampMicrosecondArray::from(vec![0]).with_timezone("Mars/Olympus");
    let batch = RecordBatch::try_from_iter([("date", Arc::new(zone) as ArrayRef)]).unwrap();
    let error = text(&arrow(&batch, None)).unwrap_err();
    assert!(error.to_string().contains("`Mars/Olympus`"), "{error}");
}

/// A damaged file is an error or a table; it is no panic, and asks for no memory that nobody has.
#[test]
fn a_damaged_file_is_an_error() {
    let batch = table();
    let whole = [
        parquet(&batch, Compression::SNAPPY),
        arrow(&batch, Some(CompressionType::ZSTD)),
        arrow(&batch, None),
    ];
    let mut state = 7u64;
    let mut pick = |choices: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % choices
    };
    let mut errors = 0;
    for run in 0..3_000 {
        let mut bytes = whole[run % 3].clone();
        match pick(3) {
            0 => bytes.truncate(6 + pick(bytes.len() - 6)),
            1 => (0..4).for_each(|_| {
                let at = 6 + pick(bytes.len() - 6);
                bytes[at] = pick(256) as u8;
            }),
            // A length that nothing has.
            _ => {
                let at = 6 + pick(bytes.len() - 14);
                bytes[at..at + 8].fill([0x7f, 0xff][pick(2)]);
            }
        }
        errors += usize::from(text(&bytes).is_err());
    }
    assert!(errors > 1_000, "{errors}");
}

/// Writes row groups and batches as large files have them, and returns how many lines are read.
fn lines(kind: &str) -> usize {
    let rows = 100_000;
    let close = |group: usize| {
        let values = (0..rows).map(|row| (group * rows + row) as f64 / 7.0);
        Arc::new(Float64Array::from_iter_values(values)) as ArrayRef
    };
    let batch = |group| RecordBatch::try_from_iter([("close", close(group))]).unwrap();
    let file = tempfile::tempfile().unwrap();
    let schema = batch(0).schema();
    let kind = if kind == "Parquet" {
        let properties = WriterProperties::builder().set_dictionary_enabled(false);
        let properties = properties.set_max_row_group_row_count(Some(rows)).build();
        let out = file.try_clone().unwrap();
        let mut writer = ArrowWriter::try_new(out, schema, Some(properties)).unwrap();
        (0..200).for_each(|group| writer.write(&batch(group)).unwrap());
        writer.close().unwrap();
        Kind::Parquet
    } else {
        let mut writer = FileWriter::try_new(file.try_clone().unwrap(), &schema).unwrap();
        (0..200).for_each(|group| writer.write(&batch(group)).unwrap());
        writer.finish().unwrap();
        Kind::Arrow
    };
    assert!(file.metadata().unwrap().len() > 150 * MIB as u64);
    let mut text = kind.text(Arc::new(file)).unwrap();
    let mut buffer = vec![0; 64 << 10];
    let mut lines = 0;
    loop {
        let length = text.read(&mut buffer).unwrap();
        if length == 0 {
            return lines;
        }
        lines += buffer[..length]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
    }
}

/// Most memory this process has had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

#[test]
fn a_file_of_any_size_is_read_within_64_mib() {
    const KIND: &str = "FORESAIL_TEST_KIND_OF_TABLE";
    if let Ok(kind) = std::env::var(KIND) {
        println!("\nlines={} peak={}", lines(&kind), peak());
        return;
    }
    for kind in ["Parquet", "Arrow"] {
        // A process of its own, so that nothing else counts.
        let out = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "a_file_of_any_size_is_read_within_64_mib",
                "--nocapture",
            ])
            .env(KIND, kind)
            .output()
            .unwrap();
        let out = String::from_utf8(out.stdout).unwrap();
        let number = |key: &str| {
            let text = out
                .split(key)
                .nth(1)
                .and_then(|t| t.split_whitespace().next());
            text.unwrap_or_else(|| panic!("{kind}: {out}"))
                .parse::<usize>()
                .unwrap()
        };
        assert_eq!(number("lines="), 200 * 100_000 + 1, "{kind}");
        let peak = number("peak=");
        assert!(peak < 64 * MIB, "{kind}: {peak} bytes");
    }
}
