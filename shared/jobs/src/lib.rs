//! The jobs, queues and schedules of this deployment.
