//! The dashboard's router, made for the first request: only that says which domain name the function URL has.

use std::{sync::Arc, time::Duration};

use axum::Router;
use lamplighter::{App, DashboardFunction, host::Stop, operation::Runner};
use lamplighter_aws::{AwsBackend, AwsClients, SecretReader};
use lamplighter_dashboard::{Access, Dashboard, Site, http::SigningKey};
use tokio::{
    sync::OnceCell,
    time::{Instant, timeout},
};

use crate::{
    caller::{ByIam, Caller},
    settings::Settings,
};

/// How long an operation is carried out within the request that begins it, and within one that looks at it.
const BEGINNING: Duration = Duration::from_secs(8);
const LOOKING: Duration = Duration::from_secs(4);

/// Makes the router, once.
pub(crate) struct Routers {
    site: Site,
    runner: Runner,
    settings: Settings,
    secrets: SecretReader,
    made: OnceCell<Made>,
}

struct Made {
    public_url: String,
    router: Router,
}

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    /// For the log: anyone who calls need not know.
    #[error("{0}")]
    Settings(String),
    #[error("the request came under {0}, and this dashboard is at {1}")]
    OtherDomain(String, String),
}

impl Routers {
    pub(crate) fn new(app: &App, aws: &AwsBackend, settings: Settings, function: &str) -> Self {
        let suffix = format!("-{}", DashboardFunction::NAME);
        let site = Site::new(app, aws.backend(), aws.env().clone(), aws.operator());
        let site = match function.strip_suffix(&suffix) {
            Some(stack) => site.environment(stack).command("lamp", ["--stack", stack]),
            None => site.environment(function),
        };
        let secrets = SecretReader::new(AwsClients::environment());
        let runner = Runner::new(aws.client(), app.definitions.clone()).with_operator(aws.operator());
        Self { site, runner, settings, secrets, made: OnceCell::new() }
    }

    /// Goes on with operations that have not ended, for some seconds, and not longer than `at_most` even if nothing answers. The
    /// maintenance function does so too, with those that need no queue; with the others, anyone who looks at them.
    pub(crate) async fn go_on(&self, at_most: Duration) {
        if !self.settings.allow_writes() {
            return;
        }
        let until = Instant::now() + LOOKING.min(at_most);
        match timeout(at_most, self.runner.run_open(&Stop::new(), Some(until))).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "open operations could not be read"),
            Err(_) => tracing::warn!("an open operation had no answer in time; it goes on once its lease has ended"),
        }
    }

    /// Returns the router for a request. What could not be made is made for the next one: a secret may be there then.
    pub(crate) async fn router(&self, caller: &Caller) -> Result<Router, Unusable> {
        let made = self.made.get_or_try_init(|| self.make(caller)).await?;
        match (&self.settings.public_url, &caller.domain) {
            (None, Some(domain)) if url(domain) != made.public_url => {
                Err(Unusable::OtherDomain(domain.clone(), made.public_url.clone()))
            }
            _ => Ok(made.router.clone()),
        }
    }

    async fn make(&self, caller: &Caller) -> Result<Made, Unusable> {
        let unusable = |error: &dyn std::fmt::Display| Unusable::Settings(error.to_string());
        let own = caller.domain.as_deref().map(url);
        let public_url = self.settings.public_url.clone().or(own).ok_or_else(|| {
            unusable(&"the request does not come from a function URL, and LAMPLIGHTER_DASHBOARD_PUBLIC_URL is not set")
        })?;
        let rules = self.settings.rules.clone();
        let (access, secret) = match &self.settings.provider {
            None => (Access::authenticated(Arc::new(ByIam(rules))), self.settings.forms.clone()),
            Some(provider) => {
                let made = provider.open_id(&public_url, rules, &self.secrets).await;
                let (open_id, secret) = made.map_err(Unusable::Settings)?;
                (Access::authenticated(Arc::new(open_id)), Some(secret))
            }
        };
        let dashboard = Dashboard::new(self.site.clone(), access.tokens(self.settings.tokens.iter().cloned()));
        let mut dashboard = dashboard
            .map_err(|error| unusable(&error))?
            .run_within(BEGINNING)
            .public_url(&public_url)
            .map_err(|error| unusable(&error))?;
        if !self.settings.allow_writes() {
            dashboard = dashboard.read_only();
        }
        // Behind another name, requests come under the function's own all the same.
        if let Some(domain) = &caller.domain {
            dashboard = dashboard.host(domain);
        }
        match secret.and_then(|secret| SigningKey::from_secret(secret.as_bytes())) {
            Some(key) => dashboard = dashboard.signing_key(key),
            None => tracing::warn!(
                variable = DashboardFunction::FORMS,
                "not set, so a form is known only to the process that it came from"
            ),
        }
        Ok(Made { router: dashboard.router(), public_url })
    }
}

fn url(domain: &str) -> String {
    format!("https://{}", domain.to_ascii_lowercase())
}
