//! Publishing an Event. Events are for people: one that cannot be published changes nothing.

use foresail_crds::role_error::presentable;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::Event;

use crate::context::Context;

/// Longest note in bytes: the API server refuses more than a kilobyte.
const LONGEST_NOTE: usize = 1_000;

/// Publishes an Event about an object; its note is cut to what the API server takes.
pub(super) async fn publish(mut event: Event, about: &ObjectReference, context: &Context) {
    let shown = |note: String| cut(&presentable(&note, LONGEST_NOTE)).to_owned();
    event.note = event.note.map(shown);
    let publish = context.recorder.publish(&event, about);
    let published = context
        .effects
        .perform("kubernetes", "event", publish)
        .await;
    if let Err(error) = published {
        tracing::warn!(%error, "event not published");
    }
}

/// The longest start that fits and ends with a whole character.
fn cut(note: &str) -> &str {
    &note[..note.floor_char_boundary(LONGEST_NOTE)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_cut_at_a_whole_character() {
        assert_eq!(cut("short"), "short");
        let long = format!("a{}", "é".repeat(LONGEST_NOTE));
        assert_eq!(cut(&long).len(), LONGEST_NOTE - 1);
    }
}
