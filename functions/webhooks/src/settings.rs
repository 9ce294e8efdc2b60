//! Settings: signing secrets, and which private addresses are allowed.

use std::{collections::BTreeMap, sync::Arc};

use lamplighter::Setting;

use crate::{
    destination::{Destinations, InvalidDestination},
    error::DeliveryError,
    signature::{InvalidSecret, Signer},
};

/// The variable with the default secret.
pub(crate) const SECRET: &str = "LAMPLIGHTER_WEBHOOK_SECRET";
/// The variable with named secrets.
pub(crate) const SECRETS: &str = "LAMPLIGHTER_WEBHOOK_SECRETS";
/// The variable with private destinations.
pub(crate) const ALLOW_PRIVATE: &str = "LAMPLIGHTER_WEBHOOK_ALLOW_PRIVATE";

/// How whoever deploys the function is asked for [`SECRET`].
pub(crate) const DEPLOYED_SECRET: Setting =
    Setting::secret(SECRET, "The secret that webhooks are signed with: whsec_ and base64; several, while rotating");
/// The same of [`SECRETS`].
pub(crate) const DEPLOYED_SECRETS: Setting =
    Setting::secret(SECRETS, "Secrets that jobs may name, as a JSON object; empty if there are none");
/// The same of [`ALLOW_PRIVATE`].
pub(crate) const DEPLOYED_ALLOW_PRIVATE: Setting =
    Setting::text(ALLOW_PRIVATE, "Private hosts and networks that webhooks may go to; empty for none");

/// How webhooks are signed, and where they may go.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The secrets to sign with.
    pub secrets: Secrets,
    /// Where webhooks may go. Default: public addresses only.
    pub destinations: Destinations,
}

/// Signing secrets, by the names that jobs use.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    default: Option<Signer>,
    named: Arc<BTreeMap<String, Signer>>,
}

/// A setting that cannot be used. Secrets are never shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The default secret.
    #[error("{SECRET}: {0}")]
    Secret(InvalidSecret),
    /// One of the named secrets.
    #[error("{SECRETS}, {name:?}: {reason}")]
    Named {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: InvalidSecret,
    },
    /// Not an object of texts.
    #[error("{SECRETS} must be a JSON object of names and secrets, such as {{\"billing\":\"whsec_…\"}}")]
    Secrets,
    /// The private destinations.
    #[error("{ALLOW_PRIVATE}: {0}")]
    AllowPrivate(#[from] InvalidDestination),
}

impl Secrets {
    /// One secret for all jobs that name none; several, separated by spaces, while rotating.
    ///
    /// # Errors
    /// [`SettingsError::Secret`] for what is no secret.
    pub fn new(default: &str) -> Result<Self, SettingsError> {
        let default = Signer::new(default).map_err(SettingsError::Secret)?;
        Ok(Self { default: Some(default), named: Arc::default() })
    }

    /// Also a secret for jobs that ask for `name`.
    ///
    /// # Errors
    /// [`SettingsError::Named`] for what is no secret.
    pub fn with(mut self, name: impl Into<String>, secret: &str) -> Result<Self, SettingsError> {
        let name = name.into();
        match Signer::new(secret) {
            Ok(signer) => {
                Arc::make_mut(&mut self.named).insert(name, signer);
                Ok(self)
            }
            Err(reason) => Err(SettingsError::Named { name, reason }),
        }
    }

    pub(crate) fn get(&self, name: Option<&str>) -> Result<&Signer, DeliveryError> {
        match name {
            None => self.default.as_ref().ok_or(DeliveryError::NoSecret),
            Some(name) => self.named.get(name).ok_or_else(|| DeliveryError::UnknownSecret(name.into())),
        }
    }
}

impl Settings {
    /// Reads the environment:
    ///
    /// - `LAMPLIGHTER_WEBHOOK_SECRET`: the secret of jobs that name none, `whsec_` and base64; several, separated by
    ///   spaces, while rotating.
    /// - `LAMPLIGHTER_WEBHOOK_SECRETS`: a JSON object of names and secrets, for jobs that name one.
    /// - `LAMPLIGHTER_WEBHOOK_ALLOW_PRIVATE`: private addresses, networks and hosts that are allowed, separated by
    ///   commas; `*` for all.
    ///
    /// # Errors
    /// [`SettingsError`], with the variable's name.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// [`from_env`](Self::from_env), with the variables given.
    ///
    /// # Errors
    /// [`SettingsError`], with the variable's name.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let variable = |name| variable(name).filter(|value| !value.trim().is_empty());
        let mut secrets = match variable(SECRET) {
            Some(secret) => Secrets::new(&secret)?,
            None => Secrets::default(),
        };
        if let Some(json) = variable(SECRETS) {
            // What serde says of it could quote a secret.
            let named: BTreeMap<String, String> = serde_json::from_str(&json).map_err(|_| SettingsError::Secrets)?;
            for (name, secret) in named {
                secrets = secrets.with(name, &secret)?;
            }
        }
        let destinations = variable(ALLOW_PRIVATE).unwrap_or_default().parse()?;
        Ok(Self { secrets, destinations })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_variables(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn secrets_are_found_by_name() {
        let named = format!(r#"{{"billing":"{GOOD}"}}"#);
        let settings = read(&[(SECRETS, &named), (ALLOW_PRIVATE, " ")]).unwrap();
        assert!(settings.secrets.get(Some("billing")).is_ok());
        let text = |name| settings.secrets.get(name).unwrap_err().to_string();
        assert!(text(Some("shop")).contains("\"shop\""));
        assert!(text(None).contains(SECRET));
        assert!(read(&[(SECRET, GOOD)]).unwrap().secrets.get(None).is_ok());
    }

    #[test]
    fn what_is_wrong_is_told_without_the_secret() {
        for (variables, says) in [
            ([(SECRET, "hunter2")], "LAMPLIGHTER_WEBHOOK_SECRET: a secret begins with whsec_"),
            ([(SECRETS, r#"{"a":"hunter2"}"#)], "\"a\""),
            ([(SECRETS, r#"{"a":["hunter2"]}"#)], "JSON object"),
            ([(SECRETS, "hunter2")], "JSON object"),
            ([(ALLOW_PRIVATE, "10.0.0.0/64")], "10.0.0.0/64"),
        ] {
            let error = read(&variables).unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("hunter2"), "{error}");
        }
    }
}
