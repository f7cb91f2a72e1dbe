//! Sends what came of symbols while others are still asked for.

use foresail_runtime_base::{RoleError, clock};
use tokio::sync::mpsc;

use super::Live;
use crate::provider::round::{Asked, Round};

impl Live<'_> {
    /// Puts symbols back to their places and sends what came of them, together what came meanwhile. All of them are put back,
    /// also after a failure: what is known of them is not read again.
    pub(super) async fn send_as_they_come(
        &mut self,
        round: &Round<'_>,
        mut came: mpsc::Receiver<Asked>,
    ) -> Result<(), RoleError> {
        let mut sent = Ok(());
        while let Some(first) = came.recv().await {
            let more = std::iter::from_fn(|| came.try_recv().ok());
            let (mut places, mut unknown, mut rooms) = (Vec::new(), Vec::new(), Vec::new());
            for asked in std::iter::once(first).chain(more) {
                unknown.extend(asked.unknown.into_iter().map(|text| (asked.place, text)));
                rooms.extend(asked.room);
                places.push(asked.place);
                self.put_back([(asked.place, asked.entry)]);
            }
            if sent.is_ok() && !(rooms.is_empty() && unknown.is_empty()) {
                let from = self.account.name.clone();
                let refused = self.confirm(&places, &from, clock::now_ms()).await;
                sent = self.send(unknown, refused).await;
            }
            if sent.is_err() {
                round.end();
            }
        }
        sent
    }
}
