//! The path of a request in parts.

use percent_encoding::percent_decode_str;

/// Whether two segments are one, whatever their case.
pub(crate) fn same(segment: &str, name: &str) -> bool {
    segment.eq_ignore_ascii_case(name)
}

/// Segments between slashes, as written; `None` where the path does not begin with one.
pub(crate) fn segments(path: &str) -> Option<Vec<&str>> {
    Some(path.strip_prefix('/')?.split('/').collect())
}

/// A segment as it is meant.
pub(crate) fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
