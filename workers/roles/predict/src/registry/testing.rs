//! A follower for the tests of the server.

use std::sync::Arc;

use foresail_crds::worker_config::{DeclaredModel, ServedVersion};
use foresail_runtime_base::RoleError;

pub(crate) use super::follow::Follower;
use super::load::Source;
use crate::state::{Loaded, State};
use crate::testing::model;

/// Every version loads, and forecasts a change of its number in percent.
pub(crate) struct Numbers;

impl Source for Numbers {
    async fn load(
        &self,
        served: &ServedVersion,
        _: Option<&DeclaredModel>,
    ) -> Result<Loaded, RoleError> {
        // Others are asked meanwhile.
        tokio::task::yield_now().await;
        Ok(Arc::into_inner(model(served.version)).unwrap())
    }
}

impl<'a> Follower<'a, Numbers> {
    pub(crate) fn of_numbers(state: &'a State) -> Self {
        Self::new(state, Numbers)
    }
}
