//! Modules of a crate: their files, what each defines and brings in, and the paths its code writes. Built by
//! following `mod` lines from the crate's root, so a file that only tests declare is never seen.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::tokens::{self, Token};

/// Place of a module in [`Tree::modules`].
pub type Id = usize;

/// A name brought in by `use`.
#[derive(Clone, Debug)]
pub struct Import {
    /// What stands behind `use`, braces resolved.
    pub path: Vec<String>,
    /// The name it has here; nothing for `*`.
    pub name: Option<String>,
    /// `pub use`, of any reach.
    pub public: bool,
}

/// A module, in a file of its own or inline.
#[derive(Debug, Default)]
pub struct Module {
    /// Its file, in [`Tree::files`].
    pub file: usize,
    /// The module around it.
    pub parent: Option<Id>,
    /// Modules declared in it.
    pub children: Vec<(String, Id)>,
    /// Items defined in it.
    pub defined: BTreeSet<String>,
    /// Its `use` lines.
    pub imports: Vec<Import>,
    /// Paths of two or more names outside `use` lines.
    pub paths: Vec<Vec<String>>,
    /// Every name outside `use` lines.
    pub words: BTreeSet<String>,
}

/// All modules of one crate.
#[derive(Debug, Default)]
pub struct Tree {
    /// The root is the first.
    pub modules: Vec<Module>,
    /// Source files.
    pub files: Vec<PathBuf>,
}

impl Tree {
    /// Reads a crate from its `lib.rs` or `main.rs`.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        let folder = root.parent().unwrap_or(Path::new("")).to_path_buf();
        tree.add_file(root, folder, None)?;
        Ok(tree)
    }

    /// `folder` is where the files of its child modules lie.
    fn add_file(&mut self, file: &Path, folder: PathBuf, parent: Option<Id>) -> Result<Id> {
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        self.files.push(file.to_path_buf());
        let id = self.add_module(self.files.len() - 1, parent);
        let tokens = tokens::read(&text);
        self.read_body(id, &tokens, &folder)?;
        Ok(id)
    }

    fn add_module(&mut self, file: usize, parent: Option<Id>) -> Id {
        self.modules.push(Module {
            file,
            parent,
            ..Module::default()
        });
        self.modules.len() - 1
    }

    fn read_body(&mut self, id: Id, tokens: &[Token], folder: &Path) -> Result<()> {
        let (mut at, mut depth) = (0, 0_i32);
        while let Some(token) = tokens.get(at) {
            match token {
                Token::Sign('{') => depth += 1,
                Token::Sign('}') => depth -= 1,
                Token::Word(word) if word == "use" && !is_capture(tokens, at) => {
                    let end = end_of(tokens, at, ';');
                    let public = is_public(tokens, at);
                    let before = Import {
                        path: Vec::new(),
                        name: None,
                        public,
                    };
                    imports(&tokens[at + 1..end], &before, &mut self.modules[id].imports);
                    at = end;
                }
                Token::Word(word) if word == "mod" => {
                    at = self.read_module(id, tokens, at, folder)?;
                    continue;
                }
                Token::Word(word) => {
                    self.modules[id].words.insert(word.clone());
                    if depth == 0 {
                        self.modules[id].defined.extend(definition(tokens, at));
                    }
                    let path = path(tokens, at);
                    if path.len() > 1 && !follows(tokens, at, &Token::Separator) {
                        self.modules[id].paths.push(path);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        Ok(())
    }

    /// A declared or inline module; returns where to go on.
    fn read_module(&mut self, id: Id, tokens: &[Token], at: usize, folder: &Path) -> Result<usize> {
        let Some(name) = tokens.get(at + 1).and_then(Token::word) else {
            return Ok(at + 1);
        };
        if tokens.get(at + 2).is_some_and(|token| token.is('{')) {
            let end = tokens::close(tokens, at + 2);
            let child = self.add_module(self.modules[id].file, Some(id));
            self.modules[id].children.push((name.to_owned(), child));
            self.read_body(child, &tokens[at + 3..end - 1], &folder.join(name))?;
            return Ok(end);
        }
        let file = match declared_path(tokens, at) {
            Some(path) => {
                let own = self.files[self.modules[id].file].clone();
                own.parent().unwrap_or(Path::new("")).join(path)
            }
            None => {
                let flat = folder.join(format!("{name}.rs"));
                if flat.exists() {
                    flat
                } else {
                    folder.join(name).join("mod.rs")
                }
            }
        };
        let child = self.add_file(&file, folder.join(name), Some(id))?;
        self.modules[id].children.push((name.to_owned(), child));
        Ok(at + 2)
    }
}

/// `impl Trait + use<'a>` is no import.
fn is_capture(tokens: &[Token], at: usize) -> bool {
    tokens.get(at + 1).is_some_and(|token| token.is('<'))
}

fn end_of(tokens: &[Token], at: usize, sign: char) -> usize {
    (at..tokens.len())
        .find(|&i| tokens[i].is(sign))
        .unwrap_or(tokens.len())
}

fn follows(tokens: &[Token], at: usize, token: &Token) -> bool {
    at > 0 && tokens[at - 1] == *token
}

/// `pub`, or the bracket of `pub(crate)`, stands before.
fn is_public(tokens: &[Token], at: usize) -> bool {
    let Some(before) = at.checked_sub(1) else {
        return false;
    };
    tokens[before].is(')') || tokens[before].word() == Some("pub")
}

/// `#[path = "..."]` before `mod`, with or without `pub`.
fn declared_path(tokens: &[Token], at: usize) -> Option<&str> {
    let before = tokens[..at].iter().rev().take(5);
    let mut near = before.take_while(|token| !token.is(';') && !token.is('}'));
    near.find_map(|token| match token {
        Token::Path(path) => Some(path.as_str()),
        _ => None,
    })
}

/// The name an item keyword gives.
fn definition(tokens: &[Token], at: usize) -> Option<String> {
    let keyword = tokens[at].word()?;
    let name = match keyword {
        "fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static" => {
            tokens.get(at + 1)?
        }
        "macro_rules" => tokens.get(at + 2)?,
        _ => return None,
    };
    let name = name.word()?;
    (!matches!(name, "fn" | "unsafe" | "mut" | "async" | "extern")).then(|| name.to_owned())
}

/// The names joined by `::` from here on.
fn path(tokens: &[Token], mut at: usize) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(name) = tokens.get(at).and_then(Token::word) {
        names.push(name.to_owned());
        if tokens.get(at + 1) != Some(&Token::Separator) {
            break;
        }
        at += 2;
    }
    names
}

/// Takes a `use` tree apart.
fn imports(tokens: &[Token], before: &Import, found: &mut Vec<Import>) {
    for branch in branches(tokens) {
        let mut import = before.clone();
        let mut rest = branch;
        while let [Token::Word(name), Token::Separator, tail @ ..] = rest {
            import.path.push(name.clone());
            rest = tail;
        }
        // `use ::name` is another crate's.
        match rest {
            [Token::Sign('{'), inner @ .., Token::Sign('}')] => imports(inner, &import, found),
            [Token::Sign('*')] => found.push(import),
            [Token::Word(name), tail @ ..] => {
                let last = tail.last().and_then(Token::word).unwrap_or(name);
                if name == "self" && !import.path.is_empty() {
                    import.name = match tail {
                        [] => import.path.last().cloned(),
                        _ => Some(last.to_owned()),
                    };
                } else {
                    import.name = Some(last.to_owned());
                    import.path.push(name.clone());
                }
                found.push(import);
            }
            _ => {}
        }
    }
}

/// Parts between the commas of one level.
fn branches(tokens: &[Token]) -> Vec<&[Token]> {
    let mut parts = Vec::new();
    let (mut begin, mut at) = (0, 0);
    while at < tokens.len() {
        if tokens[at].is('{') {
            at = tokens::close(tokens, at);
            continue;
        }
        if tokens[at].is(',') {
            parts.push(&tokens[begin..at]);
            begin = at + 1;
        }
        at += 1;
    }
    parts.push(&tokens[begin..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<(String, Option<String>)> {
        let mut found = Vec::new();
        let before = Import {
            path: Vec::new(),
            name: None,
            public: false,
        };
        imports(&tokens::read(text), &before, &mut found);
        found
            .into_iter()
            .map(|import| (import.path.join("::"), import.name))
            .collect()
    }

    #[test]
    fn a_use_tree_is_taken_apart() {
        let found = names("crate::{a::{self, B as C}, d::*, e}");
        let expected = [
            ("crate::a", Some("a")),
            ("crate::a::B", Some("C")),
            ("crate::d", None),
            ("crate::e", Some("e")),
        ];
        let expected = expected.map(|(path, name)| (path.to_owned(), name.map(str::to_owned)));
        assert_eq!(found, expected);
    }
}
