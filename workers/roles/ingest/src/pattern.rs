//! `s3://bucket/daily/*.csv`: one name for several files.

use foresail_runtime_base::RoleError;
use foresail_runtime_store::S3Uri;

/// Keys of one bucket, of which `*` stands for any letters but `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// What is listed: all that begins so.
    pub prefix: S3Uri,
    key: String,
}

impl Pattern {
    /// The pattern of an address; `None` when it names one file.
    ///
    /// # Errors
    /// User error `BadS3Uri`.
    pub(crate) fn of(uri: &str) -> Result<Option<Self>, RoleError> {
        if !uri.starts_with("s3://") || !uri.contains('*') {
            return Ok(None);
        }
        let S3Uri { bucket, key } = S3Uri::parse(uri)?;
        let Some(fixed) = key.find('*').filter(|_| !bucket.contains('*')) else {
            let message = format!("`{uri}` may have * only behind the bucket");
            return Err(RoleError::user("BadS3Uri", message));
        };
        let prefix = S3Uri {
            bucket,
            key: key[..fixed].to_string(),
        };
        Ok(Some(Self { prefix, key }))
    }

    /// Whether a key is one of them.
    pub(crate) fn matches(&self, key: &str) -> bool {
        matches(self.key.as_bytes(), key.as_bytes())
    }
}

/// Goes back to the last `*` only: what an earlier one stands for need never be longer.
fn matches(pattern: &[u8], key: &[u8]) -> bool {
    let (mut p, mut k) = (0, 0);
    let mut star = None;
    while k < key.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, k));
            p += 1;
        } else if pattern.get(p) == Some(&key[k]) {
            p += 1;
            k += 1;
        } else if let Some((at, from)) = star.filter(|(_, from)| key[*from] != b'/') {
            star = Some((at, from + 1));
            p = at + 1;
            k = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(uri: &str) -> Pattern {
        Pattern::of(uri).unwrap().unwrap()
    }

    #[test]
    fn only_keys_on_s3_have_patterns() {
        for uri in ["s3://bucket/x.csv", "https://host/*.csv?list=*"] {
            assert_eq!(Pattern::of(uri), Ok(None), "{uri}");
        }
        assert!(Pattern::of("s3://buc*et/x.csv").is_err());
        let daily = pattern("s3://bucket/a/daily-*.csv");
        assert_eq!(daily.prefix.to_string(), "s3://bucket/a/daily-");
    }

    #[test]
    fn a_star_stands_for_any_letters_of_one_folder() {
        for (uri, key, expected) in [
            ("s3://bkt/d/*.csv", "d/2020-01-02.csv", true),
            ("s3://bkt/d/*.csv", "d/.csv", true),
            ("s3://bkt/d/*.csv", "d/x.csv.gz", false),
            ("s3://bkt/d/*.csv", "d/e/x.csv", false),
            ("s3://bkt/d/*/*.csv", "d/e/x.csv", true),
            ("s3://bkt/d/*/*.csv", "d/x.csv", false),
            ("s3://bkt/*", "x", true),
            ("s3://bkt/*", "x/y", false),
            ("s3://bkt/*a*b", "xxaxxaxb", true),
            ("s3://bkt/*a*b", "xxaxxax", false),
            ("s3://bkt/a*", "b", false),
        ] {
            assert_eq!(pattern(uri).matches(key), expected, "{uri} {key}");
        }
    }
}
