use super::*;

fn keys(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Keys, RoleError>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let keys = Keys::open(folder.path().to_path_buf());
    (folder, keys)
}

#[test]
fn a_key_is_asked_for_and_only_a_known_one_will_do() {
    let (_folder, keys) = keys(&[
        ("ann", "first-key\n"),
        ("bob", "second"),
        (".swp", "hidden"),
    ]);
    let access = Access::Keys(keys.unwrap());
    let allow = |header: &str| access.allow(Some(header.as_bytes()));
    assert_eq!(allow("Bearer first-key"), Ok(()));
    assert_eq!(allow("bearer   second "), Ok(()));
    for wrong in [
        "first",
        "first-key2",
        "FIRST-KEY",
        "hidden",
        "ann",
        "first-key second",
    ] {
        let denied = allow(&format!("Bearer {wrong}"));
        assert_eq!(denied, Err(Denied::WrongKey), "{wrong}");
    }
    for none in ["", "Bearer", "Bearer ", "Basic first-key", "first-key"] {
        assert_eq!(allow(none), Err(Denied::NoKey), "{none}");
    }
    assert_eq!(access.allow(None), Err(Denied::NoKey));
    assert_eq!(Access::Anonymous.allow(None), Ok(()));
    assert!(!format!("{access:?}").contains("first-key"));
}

#[test]
fn keys_come_and_go_with_their_files() {
    let (folder, keys) = keys(&[("ann", "one")]);
    let keys = keys.unwrap();
    let access = Access::Keys(keys.clone());
    let allowed = |key: &str| {
        access
            .allow(Some(format!("Bearer {key}").as_bytes()))
            .is_ok()
    };
    std::fs::write(folder.path().join("bob"), "two").unwrap();
    keys.look();
    assert!(allowed("one") && allowed("two"));
    std::fs::write(folder.path().join("ann"), "three").unwrap();
    keys.look();
    assert!(!allowed("one") && allowed("two") && allowed("three"));
    // One that is of no use takes nothing from the others, and is told of.
    std::fs::write(folder.path().join("ann"), " \n").unwrap();
    keys.look();
    assert!(!allowed("three") && allowed("two"));
    let fault = access.fault().unwrap();
    assert!(fault.message.contains("/ann cannot be used"), "{fault}");
    std::fs::remove_file(folder.path().join("ann")).unwrap();
    std::fs::remove_file(folder.path().join("bob")).unwrap();
    keys.look();
    assert!(!allowed("two") && access.fault().is_none());
    std::fs::write(folder.path().join("bob"), "two").unwrap();
    keys.look();
    let path = folder.path().to_path_buf();
    folder.close().unwrap();
    keys.look();
    assert!(allowed("two"), "a folder that is away keeps its keys");
    let fault = access.fault().unwrap();
    assert!(fault.message.contains(&path.display().to_string()));
}

#[test]
fn nobody_starts_without_a_key_or_with_one_that_cannot_be_sent() {
    for (files, expected) in [
        (&[][..], "no file with a key"),
        (&[("a", "one"), ("b", "")][..], "/b cannot be used"),
        (&[("a", "two words")], "one word"),
        (&[("a", "schlüssel")], "visible ASCII"),
    ] {
        let error = keys(files).1.unwrap_err();
        assert_eq!(error.reason, "KeysUnusable");
        assert!(error.message.contains(expected), "{error}");
    }
    let error = Keys::open("/nowhere/at/all".into()).unwrap_err();
    assert!(error.message.contains("/nowhere/at/all"), "{error}");
}
