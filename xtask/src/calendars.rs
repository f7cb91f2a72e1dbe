//! The calendars of exchanges: files of `foresail-domain` that are made from a Python package, and not in a build, which
//! has no network.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use foresail_node::Paths;
use foresail_node::exec;
use foresail_node::progress::step;
use foresail_node::setup::stamp;
use foresail_node::versions::CALENDARS;

const FOLDER: &str = "workers/core/domain/calendars";
const GOLDEN: &str = "workers/core/domain/tests/golden/sessions.txt";

/// Writes them, and the checksums that they are tested with. The package is fetched once per version.
///
/// # Errors
/// When the package cannot be fetched, or the script ends with an error.
pub fn generate(paths: &Paths) -> Result<()> {
    let packages = paths.cache.join("calendars");
    stamp::folder(&packages, CALENDARS, |part| {
        step(&format!("fetching {CALENDARS} from PyPI"), || {
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "install", "--quiet", "--only-binary=:all:"])
                .args([CALENDARS, "--target"])
                .arg(part);
            exec::long(
                &mut pip,
                "pip",
                &paths.setup_log("calendars"),
                Duration::from_secs(300),
            )
        })
    })?;
    let folder = paths.repo.join(FOLDER);
    step("calendars", || {
        exec::run(
            Command::new("python3")
                .arg(folder.join("make.py"))
                .arg(&folder)
                .arg(paths.repo.join(GOLDEN))
                .env("PYTHONPATH", &packages),
        )
    })
}

/// Whether the committed ones are of the version that is pinned. That they say what this version says is tested in
/// `foresail-domain`, without the package.
///
/// # Errors
/// When they are of another one.
pub fn compare(paths: &Paths) -> Result<()> {
    let golden = paths.repo.join(GOLDEN);
    let text =
        fs::read_to_string(&golden).with_context(|| format!("cannot read {}", golden.display()))?;
    if !is_made_with(&text, CALENDARS) {
        bail!(
            "the calendars are not made with {CALENDARS}: run `make generate` and commit the result"
        );
    }
    Ok(())
}

fn is_made_with(golden: &str, package: &str) -> bool {
    golden.starts_with(&format!("# {}:", package.replace("==", " ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendars_of_another_version_are_told() {
        let golden = "# exchange_calendars 4.13.2: exchange, year\n";
        assert!(is_made_with(golden, "exchange_calendars==4.13.2"));
        assert!(!is_made_with(golden, "exchange_calendars==4.13"));
        assert!(!is_made_with(golden, "exchange_calendars==4.14.0"));
    }
}
