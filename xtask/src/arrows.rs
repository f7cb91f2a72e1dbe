//! `cargo xtask arrows`: the layers of docs/architecture.md, read from where packages lie, and the order of files
//! inside each package. Who may name a big dependency stands in deny.toml.

mod circles;
mod layers;
mod modules;
mod pure;
mod tokens;
mod untied;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use circles::Circle;
use foresail_node::Paths;
use foresail_node::exec;
use modules::Tree;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    src_path: PathBuf,
}

/// What was found, and which exceptions were needed.
#[derive(Default)]
struct Findings {
    violations: Vec<String>,
    arrows: Vec<(&'static str, &'static str)>,
    circles: Vec<&'static [&'static str]>,
}

/// Fails with every arrow that points the wrong way, every circle of files, and every breach of purity.
///
/// # Errors
/// When there is one, or a file cannot be read.
pub fn check(paths: &Paths) -> Result<()> {
    let json = exec::capture(exec::cargo(paths).args([
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
        "--locked",
    ]))?;
    let metadata: Metadata =
        serde_json::from_str(&json).context("`cargo metadata` printed no JSON")?;
    let root = &metadata.workspace_root;
    let mut found = Findings::default();
    for package in &metadata.packages {
        found.arrows_of(root, package);
        for target in &package.targets {
            found.files_of(root, package, target)?;
        }
    }
    found.note_unneeded();
    if !found.violations.is_empty() {
        bail!("the layers do not hold:\n{}", found.violations.join("\n"));
    }
    println!(
        "arrows: {} packages, every arrow points down, no circle of files; exceptions: {}",
        metadata.packages.len(),
        untied::ARROWS.len() + untied::CIRCLES.len()
    );
    Ok(())
}

impl Findings {
    fn arrows_of(&mut self, root: &Path, package: &Package) {
        let folder = below(
            root,
            package.manifest_path.parent().unwrap_or(Path::new("")),
        );
        let Some(layer) = layers::layer(folder) else {
            self.violations.push(format!(
                "{} lies in {}, which is in no layer: see docs/architecture.md",
                package.name,
                folder.display()
            ));
            return;
        };
        let used = package
            .dependencies
            .iter()
            .filter(|d| d.kind.as_deref() != Some("dev"));
        for dependency in used {
            if layer < 2 && pure::RUNTIMES.contains(&dependency.name.as_str()) {
                self.violations.push(format!(
                    "{} is pure and names {}",
                    package.name, dependency.name
                ));
            }
            let Some(target) = dependency.path.as_deref().map(|path| below(root, path)) else {
                continue;
            };
            if !layers::may_use(folder, target) {
                self.arrow(folder, target);
            }
        }
    }

    fn arrow(&mut self, from: &Path, to: &Path) {
        let known = untied::ARROWS
            .iter()
            .find(|(f, t)| from == Path::new(f) && to == Path::new(t));
        match known {
            Some(known) => self.arrows.push(*known),
            None => self.violations.push(format!(
                "{} uses {}, which is not below it",
                from.display(),
                to.display()
            )),
        }
    }

    fn files_of(&mut self, root: &Path, package: &Package, target: &Target) -> Result<()> {
        let is = |kind: &str| target.kind.iter().any(|k| k == kind);
        if !is("lib") && !is("bin") {
            return Ok(());
        }
        let tree = Tree::read(&target.src_path)?;
        let folder = below(
            root,
            package.manifest_path.parent().unwrap_or(Path::new("")),
        );
        let (breaches, rule) = match layers::layer(folder).filter(|_| is("lib")) {
            Some(0 | 1) => (pure::breaches(&tree), "is to be pure"),
            Some(2 | 3) => (pure::environment(&tree), "is below `main`"),
            _ => Default::default(),
        };
        for (file, name) in breaches {
            let file = below(root, &file).display();
            self.violations
                .push(format!("{file} {rule} and names {name}"));
        }
        for circle in circles::find(&tree) {
            self.circle(root, &circle);
        }
        Ok(())
    }

    fn circle(&mut self, root: &Path, circle: &Circle) {
        let known = untied::CIRCLES.iter().find(|known| {
            let mut files = circle.files.iter().map(|file| below(root, file));
            files.all(|file| known.iter().any(|name| file == Path::new(name)))
        });
        if let Some(known) = known {
            self.circles.push(known);
            return;
        }
        let needs = circle.needs.iter().map(|(from, to, name)| {
            let (from, to) = (below(root, from), below(root, to));
            format!("  {} needs {} of {}", from.display(), name, to.display())
        });
        let needs: Vec<String> = needs.collect();
        self.violations.push(format!(
            "{} files need each other:\n{}",
            circle.files.len(),
            needs.join("\n")
        ));
    }

    /// An exception that lets nothing pass any more is one too many.
    fn note_unneeded(&mut self) {
        let unneeded = "lets nothing pass any more: remove it from xtask/src/arrows/untied.rs";
        for (from, to) in untied::ARROWS {
            if !self.arrows.contains(&(*from, *to)) {
                self.violations.push(format!("{from} -> {to} {unneeded}"));
            }
        }
        for circle in untied::CIRCLES {
            if !self.circles.contains(circle) {
                self.violations
                    .push(format!("the circle of {} {unneeded}", circle.join(", ")));
            }
        }
    }
}

fn below<'a>(root: &Path, path: &'a Path) -> &'a Path {
    path.strip_prefix(root).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &str, uses: &str) -> Package {
        let manifest = format!("/repo/{folder}/Cargo.toml");
        let path = PathBuf::from(format!("/repo/{uses}"));
        Package {
            name: "planted".into(),
            manifest_path: manifest.into(),
            dependencies: vec![Dependency {
                name: "other".into(),
                kind: None,
                path: Some(path),
            }],
            targets: Vec::new(),
        }
    }

    fn violations(package: &Package) -> Vec<String> {
        let mut found = Findings::default();
        found.arrows_of(Path::new("/repo"), package);
        found.violations
    }

    #[test]
    fn a_planted_wrong_arrow_is_refused() {
        let found = violations(&package("workers/roles/feed", "workers/roles/lake"));
        assert_eq!(
            found,
            ["workers/roles/feed uses workers/roles/lake, which is not below it"]
        );
        let found = violations(&package("workers/roles/feed", "workers/core/features"));
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn a_pure_package_names_no_runtime() {
        let mut package = package("workers/core/view", "crds");
        package.dependencies[0].name = "tokio".into();
        package.dependencies[0].path = None;
        assert_eq!(violations(&package), ["planted is pure and names tokio"]);
    }

    #[test]
    fn a_package_outside_the_layers_is_refused() {
        assert_eq!(violations(&package("helpers", "crds")).len(), 1);
    }
}
