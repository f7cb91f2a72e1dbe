//! One key in two accounts: found by a salted hash, without anybody who compares knowing a key.

use sha2::{Digest, Sha256};

/// Hash of a key, 16 hexadecimal digits. The salt is the same for every account of a cluster (its uid, say), so that equal
/// keys can be told, and differs between clusters.
pub fn hash(salt: &str, key: &str) -> String {
    let mut digest = Sha256::new();
    // The length keeps salt and key apart.
    digest.update(salt.len().to_le_bytes());
    digest.update(salt);
    digest.update(key.trim());
    let digest = hex::encode(digest.finalize());
    digest.chars().take(16).collect()
}

/// The other accounts that hold the key of `account`, in the order given. `accounts` are names and hashes.
pub fn others_with_key<'a>(
    account: &str,
    hash: &str,
    accounts: &[(&'a str, &str)],
) -> Vec<&'a str> {
    let same = accounts
        .iter()
        .filter(|(name, other)| *name != account && *other == hash);
    same.map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_are_found_and_named_and_the_key_is_not_told() {
        let one = hash("cluster", "SECRETKEY0000001");
        assert_eq!(
            one,
            hash("cluster", "SECRETKEY0000001\n"),
            "a line end is not part of a key"
        );
        assert_ne!(one, hash("other", "SECRETKEY0000001"));
        assert_ne!(hash("ab", "c"), hash("a", "bc"));
        assert_eq!(one.len(), 16);
        let other = hash("cluster", "SECRETKEY0000002");
        let accounts = [("a/one", one.as_str()), ("a/two", &other), ("b/one", &one)];
        assert_eq!(others_with_key("a/one", &one, &accounts), ["b/one"]);
        assert!(others_with_key("a/two", &other, &accounts).is_empty());
    }
}
