//! What an operator looks after: the Pipelines and ProviderAccounts of all namespaces or of one, with all labels or with some.
//! Several operators in one cluster have each a share of their own, and a Lease of their own.
//!
//! Why labels, and why they are compared here: docs/adr/0037-operators-share-by-label.md.

use foresail_crds::names::hash8;
use kube::ResourceExt;
use kube::core::{Expression, Selector, SelectorExt};

/// Longest name of a label, and longest value.
const LONGEST: usize = 63;
/// Longest prefix of a key.
const LONGEST_PREFIX: usize = 253;
/// The Lease of an operator that looks after everything.
const LEASE: &str = "foresail-operator";

/// Whom an operator looks after; everybody by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    namespace: Option<String>,
    labels: Selector,
}

/// A label selector that is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "the label selector cannot be read at `{0}`: write key=value, key!=value, key in (a,b), key notin (a,b), key or !key, separated by commas"
)]
pub struct Invalid(String);

impl Selection {
    /// Those of a namespace, where one is given, that a label selector in the form of kubectl matches.
    ///
    /// # Errors
    /// When it is no label selector; the message names the part.
    pub fn new(namespace: Option<String>, selector: Option<&str>) -> Result<Self, Invalid> {
        let text = selector.unwrap_or_default().trim();
        let mut wanted = match text {
            "" => Vec::new(),
            _ => parts(text)
                .into_iter()
                .map(requirement)
                .collect::<Result<_, _>>()?,
        };
        // Written in another order it is the same selector, with the same Lease.
        wanted.sort();
        wanted.dedup();
        let namespace = namespace.filter(|name| !name.is_empty());
        Ok(Self {
            namespace,
            labels: wanted.into_iter().collect(),
        })
    }

    /// The only namespace, where it is one.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The label selector; empty for all.
    pub fn labels(&self) -> &Selector {
        &self.labels
    }

    /// Whether an object is to be looked after. Which namespaces are watched is not its matter.
    pub fn has(&self, object: &impl ResourceExt) -> bool {
        self.labels.matches(object.labels())
    }

    /// Name of the Lease: operators of one namespace that look after different things must not wait for each other.
    pub fn lease(&self) -> String {
        if self.namespace.is_none() && self.labels.selects_all() {
            return LEASE.to_owned();
        }
        let namespace = self.namespace().unwrap_or_default();
        let share = format!("{namespace}\n{}", self.labels);
        format!("{LEASE}-{}", hash8(share.as_bytes()))
    }
}

/// What stands between the commas that are in no parentheses.
fn parts(text: &str) -> Vec<&str> {
    let mut inside = false;
    let split = text.split(move |letter| {
        inside = match letter {
            '(' => true,
            ')' => false,
            _ => inside,
        };
        letter == ',' && !inside
    });
    split.map(str::trim).collect()
}

fn requirement(part: &str) -> Result<Expression, Invalid> {
    parse(part).ok_or_else(|| Invalid(part.to_owned()))
}

fn parse(part: &str) -> Option<Expression> {
    if let Some(listed) = part.strip_suffix(')') {
        let (head, values) = listed.split_once('(')?;
        let (name, operator) = head.trim().split_once(char::is_whitespace)?;
        let values = values.split(',').map(value).collect::<Option<_>>()?;
        return match operator.trim() {
            "in" => Some(Expression::In(key(name)?, values)),
            "notin" => Some(Expression::NotIn(key(name)?, values)),
            _ => None,
        };
    }
    if let Some((name, text)) = part.split_once("!=") {
        return Some(Expression::NotEqual(key(name)?, value(text)?));
    }
    if let Some((name, text)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Some(Expression::Equal(key(name)?, value(text)?));
    }
    match part.strip_prefix('!') {
        Some(name) => Some(Expression::DoesNotExist(key(name)?)),
        None => Some(Expression::Exists(key(part)?)),
    }
}

/// The key of a label: a name, with the domain of who gave it before a slash.
fn key(text: &str) -> Option<String> {
    let text = text.trim();
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    let is_domain = |domain: &str| {
        domain.len() <= LONGEST_PREFIX
            && domain.split('.').all(|word| {
                is_word(word)
                    && word.bytes().all(|letter| {
                        letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-'
                    })
            })
    };
    (is_word(name) && prefix.is_none_or(is_domain)).then(|| text.to_owned())
}

/// The value of a label, which may be empty.
fn value(text: &str) -> Option<String> {
    let text = text.trim();
    (text.is_empty() || is_word(text)).then(|| text.to_owned())
}

fn is_word(text: &str) -> bool {
    let ends = |letter: Option<char>| letter.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.len() <= LONGEST
        && ends(text.chars().next())
        && ends(text.chars().next_back())
        && text.chars().all(inner)
}

#[cfg(test)]
mod tests {
    use foresail_crds::Pipeline;
    use serde_json::{Value, json};

    use super::*;
    use crate::pipeline::object;

    fn selection(selector: &str) -> Selection {
        Selection::new(None, Some(selector)).unwrap()
    }

    fn labelled(labels: &Value) -> Pipeline {
        object(|v| v["metadata"]["labels"] = labels.clone())
    }

    #[test]
    fn labels_are_matched_as_kubectl_matches_them() {
        let labels = json!({"shard": "a", "foresail.dev/team": "", "tier": "gold"});
        let cases = [
            ("", true, true),
            ("shard", true, false),
            ("!shard", false, true),
            ("shard=a", true, false),
            ("shard == a", true, false),
            ("shard=b", false, false),
            ("shard!=a", false, true),
            ("shard != b", true, true),
            ("foresail.dev/team=", true, false),
            ("shard in (a, b),tier=gold", true, false),
            ("shard in (b,c)", false, false),
            ("shard notin (b,c)", true, true),
            ("shard notin (a)", false, true),
            ("shard,!tier", false, false),
        ];
        for (selector, with, without) in cases {
            let selection = selection(selector);
            assert_eq!(selection.has(&labelled(&labels)), with, "{selector}");
            assert_eq!(selection.has(&object(|_| {})), without, "{selector}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused_with_the_part_that_is_wrong() {
        let long = "k".repeat(LONGEST + 1);
        for (selector, part) in [
            ("a=b=c", "a=b=c"),
            ("shard=a,,tier", ""),
            ("shard=a,", ""),
            ("tier=gold,shard of (a)", "shard of (a)"),
            ("shard in a", "shard in a"),
            ("shard in (a", "shard in (a"),
            ("shard in (a,b!)", "shard in (a,b!)"),
            ("=a", "=a"),
            ("!", "!"),
            ("-shard", "-shard"),
            ("shard>5", "shard>5"),
            ("Foresail.dev/shard", "Foresail.dev/shard"),
            ("a/b/c", "a/b/c"),
            (&long, &long),
        ] {
            let error = Selection::new(None, Some(selector)).unwrap_err();
            let said = error.to_string();
            assert!(said.contains(&format!("at `{part}`")), "{selector}: {said}");
            assert_eq!(said.lines().count(), 1);
        }
    }

    #[test]
    fn each_share_has_a_lease_and_one_share_has_one() {
        let lease = |namespace: Option<&str>, selector| {
            let selection = Selection::new(namespace.map(str::to_owned), Some(selector));
            selection.unwrap().lease()
        };
        // An operator of the release before this one may hold it.
        assert_eq!(lease(None, ""), "foresail-operator");
        assert_eq!(lease(Some(""), ""), "foresail-operator");
        let shares = [
            lease(None, "a=b"),
            lease(None, "!a"),
            lease(Some("n"), ""),
            lease(Some("n"), "a=b"),
            lease(Some("m"), "a=b"),
        ];
        for (i, share) in shares.iter().enumerate() {
            assert!(share.starts_with("foresail-operator-"), "{share}");
            assert!(!shares[..i].contains(share), "{share}");
        }
        assert_eq!(lease(None, "a==b , !c"), lease(None, "!c,a=b"));
    }
}
