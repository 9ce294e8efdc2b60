//! Measures one start.

use lamplighter_fakes::RuntimeApi;

use super::{
    StartupError,
    build::Bootstrap,
    environment,
    process::{Process, milliseconds},
};

/// The cost of one start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) wall_ms: f64,
    pub(super) cpu_ms: f64,
    pub(super) peak_kib: u64,
}

/// Starts a bootstrap, and ends it when it requests an invocation.
pub(super) async fn once(bootstrap: &Bootstrap) -> Result<Run, StartupError> {
    let api = RuntimeApi::start().await.map_err(StartupError::Port)?;
    let process = Process::start(bootstrap, environment::of(&api, &bootstrap.name))?;
    let wall = process.ready(bootstrap, &api).await?;
    let (cpu, peak_kib) = (process.cpu()?, process.peak_kib()?);
    Ok(Run { wall_ms: milliseconds(wall), cpu_ms: milliseconds(cpu), peak_kib })
}
