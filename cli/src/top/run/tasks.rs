//! What runs beside the loop.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::{Happened, Source};
use crate::top::state::{Effect, State};

/// Carries effects out, and tells what came of them.
pub(super) struct Tasks {
    pub(super) source: Arc<dyn Source>,
    pub(super) tell: UnboundedSender<Happened>,
}

impl Tasks {
    pub(super) fn carry_out(&self, effect: Effect, state: &State) {
        let (source, tell) = (self.source.clone(), self.tell.clone());
        let (visit, rows) = state.wanted();
        let spot = state.spot().clone();
        let work = tokio::spawn(async move {
            Some(match effect {
                Effect::Load => Happened::Read(visit, source.read(&spot, rows).await),
                Effect::Names => Happened::Names(source.names().await),
                Effect::Arguments(id) => {
                    let args = source.arguments(&id).await;
                    Happened::Arguments(id, args)
                }
                Effect::Preview(intent) => {
                    let preview = source.preview(&intent).await;
                    Happened::Previewed(intent, preview)
                }
                Effect::Start(intent, preview) => Happened::Done(source.start(&intent, &preview).await),
                Effect::Edit { .. } | Effect::Copy(_) | Effect::Quit => return None,
            })
        });
        tokio::spawn(async move {
            if let Some(event) = work.await.unwrap_or(Some(Happened::Broken)) {
                // The loop may have ended.
                let _ = tell.send(event);
            }
        });
    }
}
