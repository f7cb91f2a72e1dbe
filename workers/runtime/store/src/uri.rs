//! `s3://bucket/key`.

use std::fmt;

use foresail_runtime_base::RoleError;

/// Bucket and key (or key prefix, possibly empty).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct S3Uri {
    /// Bucket.
    pub bucket: String,
    /// Key without a leading slash.
    pub key: String,
}

impl S3Uri {
    /// Reads `s3://bucket[/key]`.
    ///
    /// # Errors
    /// User error `BadS3Uri`.
    pub fn parse(text: &str) -> Result<Self, RoleError> {
        let bad = || {
            let message = format!("`{text}` must have the form s3://bucket/key");
            RoleError::user("BadS3Uri", message)
        };
        let rest = text.strip_prefix("s3://").ok_or_else(bad)?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.len() < 3 {
            return Err(bad());
        }
        Ok(Self {
            bucket: bucket.into(),
            key: key.trim_matches('/').into(),
        })
    }

    /// The URI of `name` below this one.
    pub fn join(&self, name: &str) -> Self {
        let name = name.trim_start_matches('/');
        let key = if self.key.is_empty() {
            name.into()
        } else {
            format!("{}/{name}", self.key)
        };
        Self {
            bucket: self.bucket.clone(),
            key,
        }
    }
}

impl fmt::Display for S3Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_joins_and_refuses() {
        let uri = S3Uri::parse("s3://bucket/a/b/").unwrap();
        assert_eq!(uri.join("c.json").to_string(), "s3://bucket/a/b/c.json");
        assert_eq!(S3Uri::parse("s3://bucket").unwrap().join("c").key, "c");
        for bad in ["", "bucket/key", "s3://", "s3://b/k", "http://x/y"] {
            assert!(S3Uri::parse(bad).is_err(), "{bad}");
        }
    }
}
