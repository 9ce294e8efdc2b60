//! Who may see and do what on the dashboard.
//!
//! - [`Rules`] are a text form of rights: who, by the names and groups under which somebody is [`Known`], and what they may
//!   do.
//! - With the feature `oidc`, [`OpenId`] lets people sign in with an OpenID provider.

mod known;
#[cfg(feature = "oidc")]
mod oidc;
mod pattern;
mod rules;

#[cfg(feature = "oidc")]
pub use self::oidc::{InvalidOpenId, OpenId, OpenIdSettings};
pub use self::{
    known::Known,
    rules::{InvalidRule, Rules},
};

/// The code in the README is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
