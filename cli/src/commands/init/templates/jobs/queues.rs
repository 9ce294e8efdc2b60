//! The queues. Each is consumed by one function.

use lamplighter::Queue;

/// Jobs of the function `{{function}}`.
pub const {{queue}}: Queue = Queue::standard("{{function}}");
