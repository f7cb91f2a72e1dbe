//! Secrets as mounted: one folder per outside system, one file per key; never environment.

use std::path::PathBuf;

use crate::RoleError;

/// Largest secret file that is read.
const LARGEST_SECRET: u64 = 64 * 1024;

/// The folder the Secrets are mounted below. Files are read when they are asked for, so that a
/// changed Secret is seen with the next connection.
#[derive(Clone, Debug)]
pub struct Secrets(PathBuf);

impl Secrets {
    /// Secrets below `folder`.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// One key of one system, without surrounding white space; `None` when the file is absent.
    ///
    /// # Errors
    /// User error `SecretUnreadable` when the file is there but cannot be read as text.
    pub fn get(&self, system: &str, key: &str) -> Result<Option<String>, RoleError> {
        let path = self.place(system, key);
        let unreadable = |cause: String| {
            let message = format!("secret file {} cannot be used: {cause}", path.display());
            RoleError::user("SecretUnreadable", message)
        };
        match std::fs::metadata(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(unreadable(e.to_string())),
            Ok(meta) if meta.len() > LARGEST_SECRET => {
                return Err(unreadable(format!("{} bytes are too many", meta.len())));
            }
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(&path).map_err(|e| unreadable(e.to_string()))?;
        Ok(Some(text.trim().to_string()))
    }

    /// Like [`Self::get`], but the key must be there.
    ///
    /// # Errors
    /// User error `SecretKeyMissing`, and those of [`Self::get`].
    pub fn required(&self, system: &str, key: &str) -> Result<String, RoleError> {
        self.get(system, key)?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| {
                let message =
                    format!("the Secret mounted for `{system}` must have the key `{key}`");
                RoleError::user("SecretKeyMissing", message)
            })
    }

    /// Where a secret file is, or will be.
    pub fn place(&self, system: &str, key: &str) -> PathBuf {
        self.0.join(system).join(key)
    }

    /// Path of a secret file, for libraries that read it themselves (CA certificates).
    pub fn path(&self, system: &str, key: &str) -> Option<PathBuf> {
        let path = self.place(system, key);
        path.is_file().then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_trimmed_and_missed_by_name() {
        let folder = std::env::temp_dir().join(format!("foresail-secrets-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("kafka")).unwrap();
        std::fs::write(folder.join("kafka/username"), " me \n").unwrap();
        std::fs::write(folder.join("kafka/password"), "\n").unwrap();
        std::fs::write(folder.join("kafka/ca.crt"), [0xff_u8, 0xfe]).unwrap();
        let secrets = Secrets::at(&folder);
        assert_eq!(secrets.required("kafka", "username").unwrap(), "me");
        assert_eq!(secrets.get("redis", "password"), Ok(None));
        let reason = |result: Result<String, RoleError>| result.unwrap_err().reason;
        assert_eq!(
            reason(secrets.required("kafka", "password")),
            "SecretKeyMissing"
        );
        assert_eq!(
            reason(secrets.required("kafka", "ca.crt")),
            "SecretUnreadable"
        );
        assert!(secrets.path("kafka", "ca.crt").is_some());
        assert!(secrets.path("kafka", "none").is_none());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
