use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use foresail_bars::{CsvRows, Described, in_order};
use foresail_crds::pipeline::spec::CsvSource;
use foresail_crds::worker_config::SourceAddress;
use foresail_runtime_base::{Outside, Secrets};

use super::*;

const MIB: usize = 1 << 20;
const HEADER: &[u8] = b"symbol,date,close,text\n";

fn spec() -> Described {
    let spec: CsvSource =
        serde_json::from_value(serde_json::json!({"uri": "http://h/f.csv"})).unwrap();
    Described::alone(spec)
}

fn spooled(uri: &str, pieces: &[&[u8]], largest: u64) -> Result<Spooled, RoleError> {
    let mut spool = Spool::with_limit(uri, largest)?;
    pieces.iter().try_for_each(|piece| spool.push(piece))?;
    spool.finish()
}

fn text(file: &Spooled) -> String {
    let mut text = String::new();
    file.reader().read_to_string(&mut text).unwrap();
    text
}

fn packed(parts: &[&[u8]]) -> Vec<u8> {
    let mut packed = Vec::new();
    for part in parts {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(part).unwrap();
        packed.extend(encoder.finish().unwrap());
    }
    packed
}

#[test]
fn a_file_is_unpacked_by_its_content_and_read_as_often_as_wanted() {
    let plain = spooled("http://h/f.csv", &[b"ab", b"", b"c"], 100).unwrap();
    assert_eq!((text(&plain), text(&plain)), ("abc".into(), "abc".into()));
    // Two members, in pieces that end anywhere.
    let bytes = packed(&[b"first\n", b"second\n"]);
    for uri in ["s3://b/f.csv.gz", "s3://b/f.csv"] {
        let pieces: Vec<&[u8]> = bytes.chunks(3).collect();
        let file = spooled(uri, &pieces, 100).unwrap();
        assert_eq!(text(&file), "first\nsecond\n");
    }
    let frame = zstd::encode_all(b"first\n".as_slice(), 3).unwrap();
    let bytes = [frame.as_slice(), &frame].concat();
    let pieces: Vec<&[u8]> = bytes.chunks(3).collect();
    let file = spooled("s3://b/f.csv", &pieces, 100).unwrap();
    assert_eq!(text(&file), "first\nfirst\n");
    let misnamed = spooled("s3://b/f.csv.gz", &[b"abcdef"], 100).unwrap();
    assert_eq!(text(&misnamed), "abcdef");
    assert_eq!(text(&spooled("s3://b/f.csv", &[], 100).unwrap()), "");
}

#[test]
fn each_failure_says_whose_it_is() {
    let reason = |found: Result<Spooled, RoleError>| found.err().unwrap().reason;
    let whole = packed(&[b"symbol,date,close\n"]);
    let cut = &whole[..whole.len() - 3];
    assert_eq!(
        reason(spooled("http://h/f.gz", &[cut], 100)),
        "SourceUnreadable"
    );
    assert_eq!(
        reason(spooled("http://h/f", &[b"\x1f\x8bno more of it"], 100)),
        "SourceUnreadable"
    );
    assert_eq!(
        reason(spooled("http://h/f", &[b"text"], 3)),
        "SourceTooLarge"
    );
    // The size that counts is the one on disk.
    assert_eq!(
        reason(spooled("http://h/f.gz", &[&whole], 17)),
        "SourceTooLarge"
    );
    assert!(spooled("http://h/f.gz", &[&whole], 18).is_ok());
    let frame = zstd::encode_all(b"symbol,date,close\n".as_slice(), 3).unwrap();
    let cut = &frame[..frame.len() - 3];
    let error = spooled("http://h/f.zst", &[cut], 100).err().unwrap();
    assert_eq!(error.reason, "SourceUnreadable");
    assert!(error.message.contains("whole Zstandard file"), "{error}");
    assert_eq!(
        reason(spooled("http://h/f.zst", &[&frame], 17)),
        "SourceTooLarge"
    );
    assert!(spooled("http://h/f.zst", &[&frame], 18).is_ok());
}

/// A file of columns is its text, packed or not, and a damaged one is a fault of the source.
#[test]
fn a_file_of_columns_is_read_as_its_text() {
    let closes = arrow_array::Float64Array::from(vec![1.5, 2.5]);
    let columns = [(
        "close",
        std::sync::Arc::new(closes) as arrow_array::ArrayRef,
    )];
    let batch = arrow_array::RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = arrow_ipc::writer::FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let bytes = writer.into_inner().unwrap();
    for bytes in [bytes.clone(), packed(&[&bytes])] {
        let file = spooled("http://h/f", &[&bytes], MIB as u64).unwrap();
        assert_eq!(text(&file), "close\n1.5\n2.5\n");
        assert_eq!(text(&file), "close\n1.5\n2.5\n");
    }
    let cut = spooled("http://h/f", &[&bytes[..bytes.len() - 1]], MIB as u64).unwrap();
    let error = CsvRows::new(cut.reader(), &spec()).err().unwrap();
    assert_eq!(error.reason, "SourceUnreadable", "{error}");
}

/// Fetches a file of 300 MiB from a server of its own, as ingest does, and returns how many rows are read.
fn read_over_http(packed: bool) -> usize {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/f.csv", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        assert_ne!((&stream).read(&mut request).unwrap(), 0);
        let mut answer = io::BufWriter::with_capacity(MIB, stream);
        let block = block();
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nETag: \"1\"\r\n";
        let blocks = 300 * MIB / block.len();
        if packed {
            // Its length is not known before.
            write!(answer, "{head}\r\n").unwrap();
            let mut encoder = GzEncoder::new(&mut answer, Compression::fast());
            encoder.write_all(HEADER).unwrap();
            (0..blocks).for_each(|_| encoder.write_all(block.as_bytes()).unwrap());
            encoder.finish().unwrap();
        } else {
            let length = HEADER.len() + blocks * block.len();
            write!(answer, "{head}Content-Length: {length}\r\n\r\n").unwrap();
            answer.write_all(HEADER).unwrap();
            (0..blocks).for_each(|_| answer.write_all(block.as_bytes()).unwrap());
        }
        answer.flush().unwrap();
    });
    foresail_runtime_base::init("test");
    let csv: CsvSource = serde_json::from_value(serde_json::json!({"uri": url})).unwrap();
    let address = SourceAddress::new(&csv, &["127.0.0.0/8".to_owned()]);
    let outside = Outside::plain(Secrets::at("/nowhere"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let fetched = runtime.block_on(crate::fetch::fetch(&address, &outside));
    let (file, _) = fetched.unwrap();
    let rows = CsvRows::new(file.reader(), &spec()).unwrap();
    rows.map(Result::unwrap).count()
}

/// A hundred rows.
fn block() -> String {
    format!("X,2000-01-03,1.5,{}\n", "x".repeat(580)).repeat(100)
}

/// Feeds what a file of this kind is made of, and returns how many rows are read.
fn read(kind: &str) -> usize {
    if kind.starts_with("over HTTP") {
        return read_over_http(kind.ends_with("packed"));
    }
    let block = block();
    let (uri, mut spool) = match kind {
        "plain" | "newest first" => ("f.csv", Spool::new("http://h/f.csv").unwrap()),
        _ => ("f.csv.gz", Spool::new("http://h/f.csv.gz").unwrap()),
    };
    if kind == "newest first" {
        spool.push(HEADER).unwrap();
        let first = jiff::civil::date(2000, 1, 3);
        for row in 0..300 * MIB / 80 {
            let date = first.saturating_sub(jiff::Span::new().days(row as i32 / 3_000));
            let line = format!("S{},{date},1.5,{:60}\n", row % 3_000, row);
            spool.push(line.as_bytes()).unwrap();
        }
    } else if uri == "f.csv" {
        spool.push(HEADER).unwrap();
        for _ in 0..300 * MIB / block.len() {
            spool.push(block.as_bytes()).unwrap();
        }
    } else if kind == "Zstandard" {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.write_all(HEADER).unwrap();
        for _ in 0..300 * MIB / block.len() {
            encoder.write_all(block.as_bytes()).unwrap();
            spool.push(&std::mem::take(encoder.get_mut())).unwrap();
        }
        spool.push(&encoder.finish().unwrap()).unwrap();
    } else {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(HEADER).unwrap();
        // Each line end was a row of its own, and 24 bytes: 20 MB of them were enough.
        let (filler, bytes) = match kind {
            "line ends" => (vec![b'\n'; MIB], 40 * MIB),
            "one line" => (vec![b'x'; MIB], 300 * MIB),
            _ => (block.into_bytes(), 300 * MIB),
        };
        for _ in 0..bytes / filler.len() {
            encoder.write_all(&filler).unwrap();
            spool.push(&std::mem::take(encoder.get_mut())).unwrap();
        }
        spool.push(&encoder.finish().unwrap()).unwrap();
    }
    let file = spool.finish().unwrap();
    if kind == "newest first" {
        let rows = in_order(|| Ok(file.reader()), &spec(), tempfile::tempfile).unwrap();
        return rows.map(Result::unwrap).count();
    }
    let rows = CsvRows::new(file.reader(), &spec()).unwrap();
    rows.map(Result::unwrap).count()
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
    const KIND: &str = "FORESAIL_TEST_KIND_OF_FILE";
    if let Ok(kind) = std::env::var(KIND) {
        let rows = read(&kind);
        println!("\nrows={rows} peak={}", peak());
        return;
    }
    let block = 300 * MIB / (598 * 100) * 100;
    for (kind, rows) in [
        ("plain", block),
        ("packed", block),
        ("Zstandard", block),
        ("line ends", 0),
        ("one line", 1),
        ("newest first", 300 * MIB / 80),
        ("over HTTP", block),
        ("over HTTP, packed", block),
    ] {
        // A process of its own, so that nothing else counts.
        let name = "spool::tests::a_file_of_any_size_is_read_within_64_mib";
        let out = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
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
        assert_eq!(number("rows="), rows, "{kind}");
        let peak = number("peak=");
        assert!(peak < 64 * MIB, "{kind}: {peak} bytes");
    }
}
