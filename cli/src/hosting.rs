//! Runs a host in this process until a lifecycle ends it.
//!
//! The lifecycle and the drain are polled outside of the threads that run handlers, so the host can be stopped even if
//! handlers block all of those threads.

use lamplighter::host::{DrainBudget, Drained, Host, Lifecycle};
use lamplighter_embedded::{EngineBuilder, SqliteBackend};
use tokio::runtime::Runtime;

use crate::{commands::control, error::Error, output};

/// A lifecycle, and the budget of its drain.
pub(crate) type Until<'a> = (&'a mut dyn Lifecycle, DrainBudget);

/// Runs an engine until the lifecycle ends it.
pub(crate) fn engine(
    threads: Runtime,
    engine: EngineBuilder,
    embedded: &SqliteBackend,
    (lifecycle, budget): Until<'_>,
    started: impl FnOnce(),
) -> Result<Drained, Error> {
    let control = control()?;
    let running = threads.block_on(engine.start()).map_err(Error::failed)?;
    started();
    let drained = control.block_on(running.run(lifecycle, budget));
    // Otherwise this waits for blocked threads, whose jobs have been asked to end and have not.
    threads.shutdown_background();
    let drained = drained?;
    control.block_on(embedded.close())?;
    Ok(drained)
}

/// Runs sources until the lifecycle ends them.
pub(crate) fn sources(threads: Runtime, host: Host, (lifecycle, budget): Until<'_>) -> Result<Drained, Error> {
    let control = control()?;
    let inside = threads.enter();
    let running = host.start();
    drop(inside);
    let drained = control.block_on(running.run(lifecycle, budget));
    threads.shutdown_background();
    Ok(drained)
}

/// Says on the terminal how the host has ended. Fails as [`outcome`] does.
pub(crate) fn tell(drained: Drained) -> Result<(), Error> {
    output::hint(&format!("stopped; {drained}"));
    outcome(drained)
}

/// Fails when a part of the host has.
pub(crate) fn outcome(drained: Drained) -> Result<(), Error> {
    match drained.failed {
        true => Err(Error::failed("a part of the host has failed; the log says which")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Condvar, Mutex, mpsc},
        time::Duration,
    };

    use lamplighter::{Context, Function, Job, JobError, Queue, State, env::Env};
    use lamplighter_embedded::Engine;
    use lamplighter_hosts::Signals;
    use tokio::sync::oneshot;

    use super::*;

    #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    struct Block {}

    impl Job for Block {
        const NAME: &'static str = "test.block";
        const QUEUE: Queue = Queue::standard("blocked").batch_size(1).max_concurrency(1000);
    }

    #[derive(Clone)]
    struct Gate {
        entered: mpsc::Sender<()>,
        open: Arc<(Mutex<bool>, Condvar)>,
    }

    /// Blocks its thread, as no handler should.
    async fn block(_: Block, _: Context, State(gate): State<Gate>) -> Result<(), JobError> {
        gate.entered.send(()).unwrap();
        let (open, opened) = &*gate.open;
        drop(opened.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
        Ok(())
    }

    #[test]
    fn it_can_be_stopped_while_handlers_block_every_thread() {
        let (entered, entering) = mpsc::channel();
        let gate = Gate { entered, open: Arc::default() };
        let embedded = SqliteBackend::memory(Env::system()).unwrap();
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        threads.block_on(async {
            for answer in embedded.client().enqueue_all((0..8).map(|_| Block {})).await {
                answer.unwrap();
            }
        });
        let function = Function::new("blocks").job(block).with_state(gate.clone());
        let engine = Engine::builder(&embedded).function(function);
        let (ask, asked) = oneshot::channel();
        let waits = move || {
            // Both threads are blocked now; later jobs do not begin.
            for _ in 0..2 {
                entering.recv().unwrap();
            }
            ask.send("SIGTERM").unwrap();
        };
        let budget = DrainBudget { handlers: Duration::from_millis(20), hand_back: Duration::from_millis(200) };
        super::engine(threads, engine, &embedded, (&mut Signals::of(asked), budget), waits).unwrap();
        *gate.open.0.lock().unwrap() = true;
        gate.open.1.notify_all();
    }
}
