//! The settings, from the environment variables that the template sets.

use lamplighter::{DashboardFunction, Setting, Variables};
use lamplighter_aws::{SecretArn, SecretReader};
use lamplighter_dashboard::http::{InvalidToken, MachineToken};
use lamplighter_sign_in::{InvalidRule, OpenId, OpenIdSettings, Rules};

/// The settings of a deployed dashboard.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) rules: Rules,
    /// Where browsers find it, if that is not the function URL.
    pub(crate) public_url: Option<String>,
    /// The OpenID provider, if people sign in.
    pub(crate) provider: Option<ProviderSettings>,
    /// The tokens of programs.
    pub(crate) tokens: Vec<MachineToken>,
    /// What forms are recognised by where nobody signs in.
    pub(crate) forms: Option<String>,
}

/// An OpenID provider, and this dashboard there.
#[derive(Clone)]
pub(crate) struct ProviderSettings {
    issuer: String,
    client_id: String,
    client_secret: Option<Secret>,
    session_secret: Option<Secret>,
    groups_claim: String,
    scopes: Vec<String>,
}

/// A secret, or where it is kept.
#[derive(Clone)]
enum Secret {
    Given(String),
    Kept(SecretArn),
}

/// A setting that cannot be used. Secrets are never shown.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The rules.
    #[error("{variable}: {0}", variable = DashboardFunction::RIGHTS.variable)]
    Rules(#[from] InvalidRule),
    /// A program's token.
    #[error("{variable}: {0}", variable = DashboardFunction::TOKENS.variable)]
    Token(#[from] InvalidToken),
    /// A secret that is the ARN of none.
    #[error("{variable}: {why}")]
    Secret {
        /// The variable.
        variable: &'static str,
        /// What is wrong.
        why: String,
    },
}

impl Settings {
    /// Whether anybody may change anything. Where nobody may, operations are not gone on with here either.
    pub(crate) fn allow_writes(&self) -> bool {
        self.rules.allow_writes() || self.tokens.iter().any(|token| token.viewer().rights.may_write())
    }

    pub(crate) fn read(variables: &Variables) -> Result<Self, SettingsError> {
        let get = |setting: Setting| variables.get(setting.variable).filter(|value| !value.trim().is_empty());
        let provider = match get(DashboardFunction::ISSUER) {
            Some(issuer) => Some(ProviderSettings {
                issuer: issuer.trim().to_owned(),
                client_id: get(DashboardFunction::CLIENT_ID).unwrap_or_default().trim().to_owned(),
                client_secret: secrets(DashboardFunction::CLIENT_SECRET, variables)?.into_iter().next(),
                session_secret: secrets(DashboardFunction::SESSION_SECRET, variables)?.into_iter().next(),
                groups_claim: or_default(DashboardFunction::GROUPS_CLAIM, variables),
                scopes: or_default(DashboardFunction::SCOPES, variables).split_whitespace().map(Into::into).collect(),
            }),
            None => None,
        };
        Ok(Self {
            rules: get(DashboardFunction::RIGHTS).unwrap_or_default().parse()?,
            public_url: get(DashboardFunction::PUBLIC_URL).map(|url| url.trim().to_owned()),
            provider,
            tokens: get(DashboardFunction::TOKENS)
                .unwrap_or_default()
                .split_whitespace()
                .map(MachineToken::parse)
                .collect::<Result<_, _>>()?,
            forms: variables.get(DashboardFunction::FORMS).filter(|value| !value.trim().is_empty()),
        })
    }
}

fn or_default(setting: Setting, variables: &Variables) -> String {
    let value = variables.get(setting.variable).filter(|value| !value.trim().is_empty());
    value.map_or_else(|| setting.default.to_owned(), |value| value.trim().to_owned())
}

/// The secrets of a variable, separated by commas: texts, or ARNs.
fn secrets(setting: Setting, variables: &Variables) -> Result<Vec<Secret>, SettingsError> {
    let value = variables.get(setting.variable).unwrap_or_default();
    let all = value.split(',').map(str::trim).filter(|one| !one.is_empty());
    all.map(|text| match SecretArn::is_arn(text) {
        true => {
            let arn = text.parse::<SecretArn>();
            arn.map(Secret::Kept)
                .map_err(|error| SettingsError::Secret { variable: setting.variable, why: error.to_string() })
        }
        false => Ok(Secret::Given(text.to_owned())),
    })
    .collect()
}

impl ProviderSettings {
    /// Reads the secrets, and returns what lets people sign in, and the secret that sessions are signed with.
    ///
    /// # Errors
    /// When a secret cannot be read, or a setting cannot be used, as a sentence for the log.
    pub(crate) async fn open_id(
        &self,
        public_url: &str,
        rules: Rules,
        reader: &SecretReader,
    ) -> Result<(OpenId, String), String> {
        let session = match &self.session_secret {
            Some(secret) => secret.read(reader).await?,
            None => String::new(),
        };
        let mut settings = OpenIdSettings::new(&self.issuer, &self.client_id, public_url, rules, &session)
            .groups_claim(&self.groups_claim)
            .scopes(&self.scopes);
        if let Some(secret) = &self.client_secret {
            settings = settings.client_secret(secret.read(reader).await?);
        }
        OpenId::new(&settings).map(|open_id| (open_id, session)).map_err(|error| error.to_string())
    }
}

impl Secret {
    async fn read(&self, reader: &SecretReader) -> Result<String, String> {
        match self {
            Self::Given(secret) => Ok(secret.clone()),
            Self::Kept(arn) => match reader.read(arn).await {
                Ok(secret) => Ok(secret.trim().to_owned()),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

impl std::fmt::Debug for ProviderSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderSettings").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "0123456789abcdef0123456789abcdef";

    fn variables() -> Variables {
        Variables::none()
            .with(DashboardFunction::RIGHTS.variable, "*@example.com reader")
            .with(DashboardFunction::ISSUER.variable, "https://id.example.com")
            .with(DashboardFunction::CLIENT_ID.variable, "dashboard")
            .with(DashboardFunction::SESSION_SECRET.variable, SESSION)
    }

    fn reader() -> SecretReader {
        SecretReader::new(lamplighter_aws::AwsClients::environment())
    }

    #[test]
    fn without_settings_nobody_sees_anything_and_aws_says_who_calls() {
        let settings = Settings::read(&Variables::none()).unwrap();
        assert!(settings.rules.is_empty() && settings.provider.is_none() && settings.public_url.is_none());
    }

    #[test]
    fn where_all_are_readers_nothing_is_changed() {
        let variables = variables().with(DashboardFunction::RIGHTS.variable, "mallory nobody; *@example.com reader");
        assert!(!Settings::read(&variables).unwrap().allow_writes());
        let token = format!("deploy:reader,retry:{}", "0".repeat(64));
        let tokens = variables.clone().with(DashboardFunction::TOKENS.variable, &*token);
        assert!(Settings::read(&tokens).unwrap().allow_writes());
        let rules = variables.with(DashboardFunction::RIGHTS.variable, "ada reader; group:ops operator");
        assert!(Settings::read(&rules).unwrap().allow_writes());
    }

    #[tokio::test]
    async fn an_issuer_lets_people_sign_in() {
        let settings = Settings::read(&variables()).unwrap();
        let provider = settings.provider.unwrap();
        assert_eq!((&*provider.groups_claim, provider.scopes.len()), ("groups", 2));
        assert!(provider.open_id("https://jobs.example.com", settings.rules.clone(), &reader()).await.is_ok());
        let plain = provider.open_id("http://jobs.example.com", settings.rules, &reader()).await.unwrap_err();
        assert!(plain.contains("not an https URL"), "{plain}");
    }

    #[tokio::test]
    async fn secrets_are_needed_and_never_shown() {
        let without = variables().with(DashboardFunction::SESSION_SECRET.variable, "");
        let settings = Settings::read(&without).unwrap();
        let provider = settings.provider.unwrap();
        let error = provider.open_id("https://jobs.example.com", settings.rules, &reader()).await.unwrap_err();
        assert!(error.contains("openssl rand -base64 32"), "{error}");
        assert!(!format!("{:?}", Settings::read(&variables()).unwrap()).contains(SESSION));
        let broken = variables().with(DashboardFunction::CLIENT_SECRET.variable, "arn:aws:s3:::nothing");
        let error = Settings::read(&broken).unwrap_err().to_string();
        assert!(error.starts_with("LAMPLIGHTER_DASHBOARD_CLIENT_SECRET: "), "{error}");
    }

    #[test]
    fn a_rule_that_cannot_be_read_is_named() {
        let broken = variables().with(DashboardFunction::RIGHTS.variable, "ada admin");
        let error = Settings::read(&broken).unwrap_err().to_string();
        assert!(error.contains("LAMPLIGHTER_DASHBOARD_RIGHTS: rule 1, \"ada admin\""), "{error}");
    }
}
