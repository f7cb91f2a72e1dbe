//! Circles of files inside a crate: `a` needs `b` and `b` needs `a`, so neither can be read, tested or moved alone.
//! A name counts for the file that defines it, so a file that only re-exports its children is in no circle.
//! What a child takes from the file its folder belongs to does not count: parent and children are one room.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::modules::{Id, Import, Module, Tree};

/// Re-exports of re-exports are followed this far.
const DEPTH: u8 = 16;

/// Files that need each other, with one name for each need.
#[derive(Debug, PartialEq, Eq)]
pub struct Circle {
    /// The files.
    pub files: BTreeSet<PathBuf>,
    /// From, to, the name that is used.
    pub needs: Vec<(PathBuf, PathBuf, String)>,
}

/// Finds the circles of a crate.
pub fn find(tree: &Tree) -> Vec<Circle> {
    let needs = needs(tree);
    let reached: Vec<BTreeSet<usize>> = (0..tree.files.len())
        .map(|file| reachable(&needs, file))
        .collect();
    let mut circles = Vec::new();
    let mut seen = BTreeSet::new();
    for file in 0..tree.files.len() {
        let group: BTreeSet<usize> = reached[file]
            .iter()
            .copied()
            .filter(|&other| reached[other].contains(&file))
            .collect();
        if group.len() > 1 && seen.insert(group.clone()) {
            circles.push(circle(tree, &needs, &group));
        }
    }
    circles
}

type Needs = BTreeMap<(usize, usize), String>;

fn circle(tree: &Tree, needs: &Needs, group: &BTreeSet<usize>) -> Circle {
    let inside = needs
        .iter()
        .filter(|((from, to), _)| group.contains(from) && group.contains(to));
    Circle {
        files: group.iter().map(|&file| tree.files[file].clone()).collect(),
        needs: inside
            .map(|((from, to), name)| {
                (
                    tree.files[*from].clone(),
                    tree.files[*to].clone(),
                    name.clone(),
                )
            })
            .collect(),
    }
}

/// Files that `file` needs, and those they need.
fn reachable(needs: &Needs, file: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open = vec![file];
    while let Some(from) = open.pop() {
        for (_, to) in needs.range((from, 0)..=(from, usize::MAX)).map(|(k, _)| k) {
            if found.insert(*to) {
                open.push(*to);
            }
        }
    }
    found
}

fn needs(tree: &Tree) -> Needs {
    let mut needs = Needs::new();
    for (id, module) in tree.modules.iter().enumerate() {
        let own = files_around(tree, id);
        let mut add = |path: &[String]| {
            if let Some(Target::Item(file)) = resolve(tree, id, path, false, DEPTH)
                && !own.contains(&file)
            {
                needs
                    .entry((module.file, file))
                    .or_insert_with(|| path.join("::"));
            }
        };
        for path in &module.paths {
            add(path);
        }
        for import in &module.imports {
            match &import.name {
                Some(name) if !import.public || module.words.contains(name) => add(&import.path),
                Some(_) => {}
                None => glob(tree, id, import).iter().for_each(|path| add(path)),
            }
        }
    }
    needs
}

/// The file of a module, and those of the modules around it.
fn files_around(tree: &Tree, id: Id) -> BTreeSet<usize> {
    let around = std::iter::successors(Some(id), |&id| tree.modules[id].parent);
    around.map(|id| tree.modules[id].file).collect()
}

/// The names of this module that `use path::*` can have brought in.
fn glob(tree: &Tree, id: Id, import: &Import) -> Vec<Vec<String>> {
    let Some(Target::Module(target)) = resolve(tree, id, &import.path, true, DEPTH) else {
        return Vec::new();
    };
    let words = tree.modules[id].words.iter();
    words
        .filter(|word| lookup(tree, target, word, false, DEPTH).is_some())
        .map(|word| [import.path.as_slice(), std::slice::from_ref(word)].concat())
        .collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Module(Id),
    /// Defined in this file.
    Item(usize),
}

/// What a path written in a module means; nothing when it leads out of the crate. `more`: something follows it.
fn resolve(tree: &Tree, from: Id, path: &[String], more: bool, depth: u8) -> Option<Target> {
    let depth = depth.checked_sub(1)?;
    let mut here = from;
    let mut relative = true;
    for (at, name) in path.iter().enumerate() {
        let more = more || at + 1 < path.len();
        let module: &Module = &tree.modules[here];
        here = match name.as_str() {
            "crate" => 0,
            "self" => here,
            "super" => module.parent?,
            _ => match lookup(tree, here, name, more, depth) {
                Some(Target::Module(next)) => next,
                Some(item) => return Some(item),
                // Made by a macro, or a trait's: it belongs to the module that was named.
                None if !relative => return Some(Target::Item(module.file)),
                None => return None,
            },
        };
        relative = false;
    }
    Some(Target::Module(here))
}

/// What a name means in a module. Where a module and an item share it, what follows decides.
fn lookup(tree: &Tree, here: Id, name: &str, more: bool, depth: u8) -> Option<Target> {
    let module = &tree.modules[here];
    let child = module.children.iter().find(|(child, _)| child == name);
    let child = child.map(|(_, id)| Target::Module(*id));
    if more && child.is_some() {
        return child;
    }
    if module.defined.contains(name) {
        return Some(Target::Item(module.file));
    }
    let named = module
        .imports
        .iter()
        .filter(|import| import.name.as_deref() == Some(name) && import.path != [name])
        .filter_map(|import| resolve(tree, here, &import.path, more, depth));
    let mut named: Vec<Target> = named.collect();
    named.sort_by_key(|target| matches!(target, Target::Module(_)) != more);
    if let Some(target) = named.first() {
        return Some(*target);
    }
    let depth = depth.checked_sub(1)?;
    let globs = module.imports.iter().filter(|import| import.name.is_none());
    let mut found =
        globs.filter_map(
            |import| match resolve(tree, here, &import.path, true, depth)? {
                Target::Module(target) if target != here => lookup(tree, target, name, more, depth),
                _ => None,
            },
        );
    found.next().or(child)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Circles of a crate made of these files, as names without `.rs`.
    fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let digest: String = files
            .iter()
            .flat_map(|(name, text)| [name.len(), text.len()])
            .map(|length| length.to_string())
            .collect();
        let folder =
            std::env::temp_dir().join(format!("foresail-circles-{}-{digest}", std::process::id()));
        for (name, text) in files {
            let file = folder.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let found = find(&Tree::read(&folder.join("lib.rs")).unwrap());
        let names = found.into_iter().map(|circle| {
            let relative = circle.files.into_iter().map(|file| {
                let name = file.strip_prefix(&folder).unwrap().with_extension("");
                name.display().to_string()
            });
            relative.collect()
        });
        let names = names.collect();
        fs::remove_dir_all(&folder).unwrap();
        names
    }

    #[test]
    fn a_planted_circle_is_found() {
        let found = circles(&[
            ("lib.rs", "mod plan; mod build; mod labels;"),
            (
                "plan.rs",
                "use crate::labels::Label; pub struct Plan; fn f() { super::build::kinds() }",
            ),
            ("build.rs", "use super::plan::Plan; pub fn kinds() {}"),
            ("labels.rs", "pub struct Label;"),
        ]);
        assert_eq!(found, [["build", "plan"]]);
    }

    #[test]
    fn a_circle_through_a_re_export_is_found() {
        let found = circles(&[
            ("lib.rs", "mod shapes; mod round;"),
            ("shapes.rs", "mod disc; pub use disc::Disc;"),
            ("shapes/disc.rs", "pub struct Disc(crate::round::Round);"),
            (
                "round.rs",
                "use crate::shapes; pub struct Round; fn f(d: shapes::Disc) {}",
            ),
        ]);
        assert_eq!(found, [["round", "shapes/disc"]]);
    }

    #[test]
    fn a_circle_through_a_star_is_found() {
        let found = circles(&[
            ("lib.rs", "mod a; mod b;"),
            (
                "a.rs",
                "use super::b::*; pub fn first() -> Second { Second }",
            ),
            (
                "b.rs",
                "pub struct Second; pub fn g() { crate::a::first(); }",
            ),
        ]);
        assert_eq!(found, [["a", "b"]]);
    }

    #[test]
    fn a_file_that_only_re_exports_is_in_no_circle() {
        let found = circles(&[
            (
                "lib.rs",
                "mod a; mod b; pub use a::First; pub use b::Second;",
            ),
            ("a.rs", "pub struct First;"),
            ("b.rs", "use crate::First; pub struct Second(First);"),
        ]);
        assert_eq!(found, Vec::<Vec<String>>::new());
    }

    #[test]
    fn a_child_may_use_what_its_parent_defines() {
        let found = circles(&[
            ("lib.rs", "mod plan; mod other;"),
            (
                "plan.rs",
                "mod start; pub struct Plan; fn f() { start::start() }",
            ),
            (
                "plan/start.rs",
                "pub fn start(plan: super::Plan) { crate::other::g() }",
            ),
            ("other.rs", "pub fn g() {}"),
        ]);
        assert_eq!(found, Vec::<Vec<String>>::new());
        let found = circles(&[
            ("lib.rs", "mod plan; mod other;"),
            (
                "plan.rs",
                "mod start; pub struct Plan; fn f() { start::start() }",
            ),
            (
                "plan/start.rs",
                "pub fn start(plan: super::Plan) { crate::other::g() }",
            ),
            (
                "other.rs",
                "use crate::plan::Plan; pub fn g() { let _ = Plan; }",
            ),
        ]);
        assert_eq!(found, [["other", "plan/start", "plan"]]);
    }

    #[test]
    fn tests_may_look_where_they_like() {
        let found = circles(&[
            ("lib.rs", "mod a; mod b;"),
            (
                "a.rs",
                "pub struct First; #[cfg(test)] mod tests { use crate::b::Second; }",
            ),
            ("b.rs", "pub struct Second(crate::a::First);"),
        ]);
        assert_eq!(found, Vec::<Vec<String>>::new());
    }
}
