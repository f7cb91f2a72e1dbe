//! The broker's jars, from Maven.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::stamp;
use crate::exec;
use crate::paths::Paths;
use crate::progress::step;
use crate::versions;

/// Folder of the jars.
pub fn jars(paths: &Paths) -> PathBuf {
    paths.tool("kafka", versions::KAFKA)
}

/// Fetches them unless they are there.
pub fn fetch(paths: &Paths) -> Result<()> {
    let pom = paths.node_file("kafka/pom.xml");
    let recipe = format!(
        "mvn dependency:copy-dependencies, pom.xml {}",
        exec::sha256(&pom)?
    );
    stamp::folder(&jars(paths), &recipe, |part| {
        step(&format!("fetching Kafka {}", versions::KAFKA), || {
            let mut command = Command::new("mvn");
            command
                .args(["--batch-mode", "--quiet", "--file"])
                .arg(&pom)
                .arg("dependency:copy-dependencies");
            command.arg(format!("-DoutputDirectory={}", part.display()));
            exec::long(
                &mut command,
                "Kafka's jars",
                &paths.setup_log("kafka"),
                Duration::from_secs(900),
            )
        })
    })
}
