use super::*;

#[test]
fn marks_cover_what_is_not_newer() {
    let mut marks = Marks::default();
    assert!(!marks.cover(Some(("X", 1))));
    marks.add("X", 7);
    marks.add("X", 5);
    assert!(marks.cover(Some(("X", 7))) && marks.cover(Some(("X", 1))));
    assert!(!marks.cover(Some(("X", 8))) && !marks.cover(Some(("Y", 1))));
    assert!(
        !marks.cover(None),
        "a row that names no session is no old one"
    );
}
