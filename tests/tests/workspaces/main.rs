//! Workspaces that are built: a copy of this repository to which `lamp new` adds, one outside that `lamp init` creates,
//! and crates that depend on the library as the README says. Their functions are deployed to the emulator.
//!
//! They are separate from the end-to-end tests, whose functions would wait for the compiler.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests may")]

#[allow(dead_code, reason = "the end-to-end tests use the rest")]
#[path = "../e2e/cloud.rs"]
mod cloud;
mod init;
mod new;
mod outside;
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
#[path = "../e2e/doctor/patient.rs"]
mod patient;
