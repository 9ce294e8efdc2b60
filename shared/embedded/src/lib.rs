//! The embedded backend: one SQLite file that plays queues, event source mappings and the scheduler.
