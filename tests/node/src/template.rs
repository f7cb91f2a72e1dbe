//! Text with `__PLACEHOLDERS__`: configuration of the node, manifests, examples.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Reads `file` and fills it in.
pub fn render_file(file: &Path, values: &[(&str, String)]) -> Result<String> {
    let text = fs::read_to_string(file)
        .with_context(|| format!("cannot read the template {}", file.display()))?;
    render(&text, values).with_context(|| format!("template {}", file.display()))
}

/// Replaces every `__KEY__`; a placeholder nobody filled in is an error.
pub fn render(text: &str, values: &[(&str, String)]) -> Result<String> {
    let mut filled = text.to_owned();
    for (key, value) in values {
        filled = filled.replace(&format!("__{key}__"), value);
    }
    if let Some(name) = leftover(&filled) {
        bail!("nothing to put in for `__{name}__`: remove it, or add the value to the caller");
    }
    Ok(filled)
}

fn leftover(text: &str) -> Option<&str> {
    text.split("__").skip(1).step_by(2).find(|part| {
        part.len() > 1
            && part
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_in_every_occurrence() {
        let text = render("__IP__:53 and __IP__:54", &[("IP", "10.0.0.1".into())]).unwrap();
        assert_eq!(text, "10.0.0.1:53 and 10.0.0.1:54");
    }

    #[test]
    fn names_the_placeholder_that_is_left() {
        let error = render("a: __NOBODY__", &[]).unwrap_err();
        assert!(error.to_string().contains("__NOBODY__"));
    }
}
