//! The command lamp.
