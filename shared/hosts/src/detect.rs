//! Selects the lifecycles for the environment.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use lamplighter::host::Lifecycle;

use crate::{EcsProtection, HealthServer, IdleEnd, PrometheusMeter, Signals, WebJob};

/// The settings that [`detect`] cannot find by itself.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Detect {
    /// The address on which health checks are answered.
    pub health: Option<SocketAddr>,
    /// What is answered on `/metrics` beside the health checks.
    pub metrics: Option<Arc<PrometheusMeter>>,
    /// Ends the host when no job has run for this long.
    pub idle_end: Option<Duration>,
    /// A WebJob's `stopping_wait_time`.
    pub webjob_killed_after: Option<Duration>,
}

/// Why a lifecycle cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// The system does not allow listening for signals.
    #[error("cannot listen for signals: {0}; run it where that is allowed")]
    Signals(io::Error),
    /// The address of health checks cannot be listened on.
    #[error("cannot answer health checks on {address}: {source}; name another address")]
    Health {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
}

/// Returns the lifecycles for the environment: signals always; systemd, ECS and WebJobs if they started the process;
/// the others if requested.
///
/// # Errors
/// When signals or health checks cannot be listened for.
pub fn detect(detect: Detect) -> Result<Vec<Box<dyn Lifecycle>>, DetectError> {
    let at_once = || tracing::warn!("ended at once; unfinished jobs run again when their leases end");
    detect_with(Signals::listen(at_once).map_err(DetectError::Signals)?, detect)
}

/// As [`detect`], for a process that `ending` ends in place of signals: a service manager of its own kind.
///
/// # Errors
/// When health checks cannot be listened for.
pub fn detect_with(ending: impl Lifecycle + 'static, detect: Detect) -> Result<Vec<Box<dyn Lifecycle>>, DetectError> {
    let mut all: Vec<Box<dyn Lifecycle>> = vec![Box::new(ending)];
    #[cfg(target_os = "linux")]
    if let Some(systemd) = crate::Systemd::from_env() {
        all.push(Box::new(systemd));
    }
    if let Some(ecs) = EcsProtection::from_env() {
        all.push(Box::new(ecs));
    }
    if let Some(webjob) = WebJob::from_env() {
        all.push(Box::new(match detect.webjob_killed_after {
            Some(limit) => webjob.killed_after(limit),
            None => webjob,
        }));
    }
    if let Some(address) = detect.health {
        let server = match detect.metrics {
            Some(meter) => HealthServer::with_metrics(address, meter),
            None => HealthServer::bind(address),
        };
        let server = server.map_err(|source| DetectError::Health { address, source })?;
        tracing::info!(address = %server.address(), "health checks are answered");
        all.push(Box::new(server));
    }
    if let Some(after) = detect.idle_end {
        all.push(Box::new(IdleEnd::after(after)));
    }
    Ok(all)
}
