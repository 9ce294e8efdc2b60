//! The queues of this deployment. Each is consumed by one function.

use lamplighter::Queue;

/// Webhooks: light jobs that mostly wait for receivers, so whole batches run concurrently. The limit keeps a burst of
/// events from becoming a flood at the receivers: at most 20 batches of ten.
pub const WEBHOOKS: Queue = Queue::standard("webhooks").max_concurrency(20);

/// Pictures: heavy on CPU and memory, so one at a time in each environment.
pub const IMAGES: Queue = Queue::standard("images").batch_size(1).max_concurrency(20);

/// Imports: each job reads and writes megabytes, so one at a time in each environment.
pub const IMPORTS: Queue = Queue::standard("imports").batch_size(1).max_concurrency(20);

/// Reports: few.
pub const REPORTS: Queue = Queue::standard("reports").batch_size(1).max_concurrency(2);
