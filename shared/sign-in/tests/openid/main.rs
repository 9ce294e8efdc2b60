//! Signing in, against an OpenID provider in the test that signs real tokens, and tells lies.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

mod browser;
mod provider;
mod refused;
mod signed_in;
