//! Settings: signing secrets, and the private addresses that are allowed.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use lamplighter::{Setting, Variables};
use lamplighter_aws::{AwsClients, InvalidSecretArn, SecretArn, SecretReader};

use crate::{
    destination::{Destinations, InvalidDestination},
    error::DeliveryError,
    kept_secret::{KeptSecret, SecretError, Vault},
    signature::{InvalidSecret, Signer},
};

/// The variable with the default secret.
pub(crate) const SECRET: &str = "LAMPLIGHTER_WEBHOOK_SECRET";
/// The variable with named secrets.
pub(crate) const SECRETS: &str = "LAMPLIGHTER_WEBHOOK_SECRETS";
/// The variable with ARNs of secrets.
pub(crate) const SECRET_ARNS: &str = "LAMPLIGHTER_WEBHOOK_SECRET_ARNS";
/// The variable with private destinations.
pub(crate) const ALLOW_PRIVATE: &str = "LAMPLIGHTER_WEBHOOK_ALLOW_PRIVATE";

/// The name of the secret, among those given by ARN, for jobs that name none.
const DEFAULT: &str = "default";

/// The deployment's setting for [`SECRET`].
pub(crate) const DEPLOYED_SECRET: Setting =
    Setting::secret(SECRET, "The secret that webhooks are signed with: whsec_ and base64; several, while rotating");
/// The same for [`SECRETS`].
pub(crate) const DEPLOYED_SECRETS: Setting =
    Setting::secret(SECRETS, "Secrets that jobs may name, as a JSON object; empty if there are none");
/// The same for [`SECRET_ARNS`].
pub(crate) const DEPLOYED_SECRET_ARNS: Setting =
    Setting::secret_arns(SECRET_ARNS, "Secrets that jobs may name by the last part of their names, or default");
/// The same for [`ALLOW_PRIVATE`].
pub(crate) const DEPLOYED_ALLOW_PRIVATE: Setting =
    Setting::text(ALLOW_PRIVATE, "Private hosts and networks that webhooks may go to; empty for none");

/// The secrets and the allowed destinations of webhooks.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The secrets to sign with.
    pub secrets: Secrets,
    /// The allowed destinations. Default: public addresses only.
    pub destinations: Destinations,
}

/// Signing secrets, by the names that jobs use. Each is given as text (`whsec_` and base64; several, separated by
/// spaces, while rotating), or by the ARN under which Secrets Manager or Parameter Store keeps it.
#[derive(Clone)]
pub struct Secrets {
    default: Option<Secret>,
    named: BTreeMap<String, Secret>,
    vault: Arc<dyn Vault>,
}

#[derive(Debug, Clone)]
pub(crate) enum Secret {
    Given(Signer),
    Kept(Arc<KeptSecret>),
}

/// A setting that cannot be used. Secrets are never shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The default secret.
    #[error("{SECRET}: {0}")]
    Secret(UnusableSecret),
    /// One of the named secrets.
    #[error("{SECRETS}, {name:?}: {reason}")]
    Named {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: UnusableSecret,
    },
    /// Not an object of texts.
    #[error("{SECRETS} must be a JSON object of names and secrets, such as {{\"billing\":\"whsec_…\"}}")]
    Secrets,
    /// Not a list of ARNs.
    #[error("{SECRET_ARNS}: {0}")]
    Arns(InvalidSecretArn),
    /// Two secrets of one name.
    #[error("there are two secrets called {0:?} in {SECRET_ARNS}, {SECRETS} and {SECRET}; keep one, or rename one")]
    Twice(String),
    /// The private destinations.
    #[error("{ALLOW_PRIVATE}: {0}")]
    AllowPrivate(#[from] InvalidDestination),
}

/// A text that is neither a secret nor the ARN of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub enum UnusableSecret {
    /// It is not a secret.
    Secret(#[from] InvalidSecret),
    /// It is not an ARN.
    Arn(#[from] InvalidSecretArn),
}

impl Secrets {
    /// None yet; those given by ARN are read from here.
    #[must_use]
    pub fn kept_in(vault: Arc<dyn Vault>) -> Self {
        Self { default: None, named: BTreeMap::new(), vault }
    }

    /// One secret for all jobs that name none.
    ///
    /// # Errors
    /// [`SettingsError::Secret`] when it is not a secret.
    pub fn new(default: &str) -> Result<Self, SettingsError> {
        Self::default().with_default(default)
    }

    /// Sets the secret for all jobs that name none.
    ///
    /// # Errors
    /// [`SettingsError::Secret`] when it is not a secret.
    pub fn with_default(mut self, secret: &str) -> Result<Self, SettingsError> {
        self.default = Some(self.secret(secret).map_err(SettingsError::Secret)?);
        Ok(self)
    }

    /// Adds a secret for jobs that name it.
    ///
    /// # Errors
    /// [`SettingsError::Named`] when it is not a secret.
    pub fn with(mut self, name: impl Into<String>, secret: &str) -> Result<Self, SettingsError> {
        let name = name.into();
        match self.secret(secret) {
            Ok(secret) => {
                self.named.insert(name, secret);
                Ok(self)
            }
            Err(reason) => Err(SettingsError::Named { name, reason }),
        }
    }

    /// Adds the secrets with these ARNs, separated by commas: for jobs that name the last part of their names, and, if
    /// that is `default`, for those that name none.
    ///
    /// # Errors
    /// [`SettingsError::Arns`] for a text that is not an ARN, [`SettingsError::Twice`] for a name that is taken.
    pub fn with_arns(mut self, arns: &str) -> Result<Self, SettingsError> {
        for arn in arns.split(',').map(str::trim).filter(|arn| !arn.is_empty()) {
            let arn: SecretArn = arn.parse().map_err(SettingsError::Arns)?;
            let name = arn.name().to_owned();
            let secret = self.kept(arn);
            let taken = if name == DEFAULT && self.default.is_none() {
                self.default.replace(secret).is_some()
            } else if name == DEFAULT {
                true
            } else {
                self.named.insert(name.clone(), secret).is_some()
            };
            if taken {
                return Err(SettingsError::Twice(name));
            }
        }
        Ok(self)
    }

    fn secret(&self, text: &str) -> Result<Secret, UnusableSecret> {
        let text = text.trim();
        if SecretArn::is_arn(text) { Ok(self.kept(text.parse()?)) } else { Ok(Secret::Given(Signer::new(text)?)) }
    }

    fn kept(&self, arn: SecretArn) -> Secret {
        Secret::Kept(Arc::new(KeptSecret::new(arn, self.vault.clone())))
    }

    pub(crate) fn get(&self, name: Option<&str>) -> Result<&Secret, DeliveryError> {
        match name {
            None => self.default.as_ref().ok_or(DeliveryError::NoSecret),
            Some(name) => self.named.get(name).ok_or_else(|| DeliveryError::UnknownSecret(name.into())),
        }
    }
}

impl Default for Secrets {
    /// None; those given by ARN are read from AWS, with region and credentials from environment variables.
    fn default() -> Self {
        Self::kept_in(Arc::new(SecretReader::new(AwsClients::environment())))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("default", &self.default).field("named", &self.named).finish_non_exhaustive()
    }
}

impl Secret {
    /// A signer with the secret: immediately if it was given, within `limit` if it has to be read.
    pub(crate) async fn signer(&self, limit: Duration) -> Result<Signer, SecretError> {
        match self {
            Self::Given(signer) => Ok(signer.clone()),
            Self::Kept(kept) => kept.signer(limit).await,
        }
    }
}

impl Settings {
    /// Reads these variables, and adds to the secrets:
    ///
    /// - `LAMPLIGHTER_WEBHOOK_SECRET_ARNS`: the ARNs of secrets in Secrets Manager and parameters in Parameter Store,
    ///   separated by commas. A job names one by the last part of its name; `default` is that of jobs that name none.
    ///   The values kept there have the same form as those given here: `whsec_` and base64; several, separated by
    ///   spaces, while rotating. A deployed function may read exactly these.
    /// - `LAMPLIGHTER_WEBHOOK_SECRET`: the secret of jobs that name none, or its ARN.
    /// - `LAMPLIGHTER_WEBHOOK_SECRETS`: a JSON object of names and secrets, or their ARNs, for jobs that name one.
    /// - `LAMPLIGHTER_WEBHOOK_ALLOW_PRIVATE`: private addresses, networks and hosts that are allowed, separated by
    ///   commas; `*` for all.
    ///
    /// # Errors
    /// [`SettingsError`], with the variable's name.
    pub fn from_variables(mut secrets: Secrets, variables: &Variables) -> Result<Self, SettingsError> {
        let variable = |name| variables.get(name).filter(|value| !value.trim().is_empty());
        if let Some(secret) = variable(SECRET) {
            secrets = secrets.with_default(&secret)?;
        }
        if let Some(json) = variable(SECRETS) {
            // Serde's error could quote a secret.
            let named: BTreeMap<String, String> = serde_json::from_str(&json).map_err(|_| SettingsError::Secrets)?;
            for (name, secret) in named {
                secrets = secrets.with(name, &secret)?;
            }
        }
        if let Some(arns) = variable(SECRET_ARNS) {
            secrets = secrets.with_arns(&arns)?;
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
        let variables = variables.iter().fold(Variables::none(), |all, (name, value)| all.with(*name, *value));
        Settings::from_variables(Secrets::default(), &variables)
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

    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/webhooks/";
    const PARAMETER: &str = "arn:aws:ssm:eu-west-1:123456789012:parameter/shop/webhooks/stock";

    /// The ARN of the secret that a job of that name is signed with.
    fn arn_of(settings: &Settings, name: Option<&str>) -> String {
        match settings.secrets.get(name).unwrap() {
            Secret::Kept(kept) => kept.arn().to_string(),
            Secret::Given(_) => panic!("given"),
        }
    }

    #[test]
    fn arns_are_accepted_in_place_of_secrets() {
        let (default, billing) = (format!("{ARN}default-AbCdEf"), format!("{ARN}billing-GhIjKl"));
        let list = format!("{default}, {billing},{PARAMETER},");
        let listed = read(&[(SECRET_ARNS, &list)]).unwrap();
        assert_eq!(arn_of(&listed, None), default);
        assert_eq!(arn_of(&listed, Some("billing")), billing);
        assert_eq!(arn_of(&listed, Some("stock")), PARAMETER);
        assert!(listed.secrets.get(Some("default")).is_err(), "it is the one of jobs that name none");

        let named = format!(r#"{{"a":"{PARAMETER}","b":"{GOOD}"}}"#);
        let mixed = read(&[(SECRET, &default), (SECRETS, &named), (SECRET_ARNS, &billing)]).unwrap();
        assert_eq!(arn_of(&mixed, None), default);
        assert_eq!(arn_of(&mixed, Some("a")), PARAMETER);
        assert!(matches!(mixed.secrets.get(Some("b")), Ok(Secret::Given(_))));
        assert_eq!(arn_of(&mixed, Some("billing")), billing);
    }

    #[test]
    fn two_secrets_of_one_name_are_refused() {
        let arns = format!("{ARN}stock-AbCdEf,{PARAMETER}");
        let error = read(&[(SECRET_ARNS, &arns)]).unwrap_err();
        assert_eq!(error, SettingsError::Twice("stock".into()));
        let error = read(&[(SECRET, GOOD), (SECRET_ARNS, &format!("{ARN}default-AbCdEf"))]).unwrap_err();
        assert_eq!(error, SettingsError::Twice("default".into()));
    }

    #[test]
    fn errors_do_not_show_the_secret() {
        for (variables, says) in [
            ([(SECRET, "hunter2")], "LAMPLIGHTER_WEBHOOK_SECRET: a secret begins with whsec_"),
            ([(SECRETS, r#"{"a":"hunter2"}"#)], "\"a\""),
            ([(SECRETS, r#"{"a":["hunter2"]}"#)], "JSON object"),
            ([(SECRETS, "hunter2")], "JSON object"),
            ([(SECRET, "arn:aws:s3:::bucket")], "not the ARN of a secret"),
            ([(SECRET_ARNS, "billing")], "LAMPLIGHTER_WEBHOOK_SECRET_ARNS"),
            ([(ALLOW_PRIVATE, "10.0.0.0/64")], "10.0.0.0/64"),
        ] {
            let error = read(&variables).unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("hunter2"), "{error}");
        }
    }
}
