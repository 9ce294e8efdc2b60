//! The dashboard as a function of a deployment.

use std::time::Duration;

use crate::{function::Function, setting::Setting};

/// The dashboard as a function of a deployment, behind a function URL: see [`App::dashboard`](crate::App::dashboard).
///
/// Its settings are chosen at deployment. Without an OpenID provider, AWS itself checks who calls, by IAM. Without
/// rights, nobody sees anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DashboardFunction {
    /// Memory in MB.
    pub memory_mb: u16,
}

impl DashboardFunction {
    /// Its name, and its binary's.
    pub const NAME: &'static str = "dashboard";
    /// How long a request may take.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// Who may do what.
    pub const RIGHTS: Setting = Setting::text(
        "LAMPLIGHTER_DASHBOARD_RIGHTS",
        "Who may do what on the dashboard: rules such as *:assumed-role/Operators/* operator; *:assumed-role/Support/* reader,retry. Empty for nobody",
    );
    /// Where browsers find it.
    pub const PUBLIC_URL: Setting = Setting::text(
        "LAMPLIGHTER_DASHBOARD_PUBLIC_URL",
        "The https URL under which browsers reach the dashboard; empty if that is the function URL itself",
    );
    /// The OpenID provider.
    pub const ISSUER: Setting = Setting::text(
        "LAMPLIGHTER_DASHBOARD_ISSUER",
        "The issuer URL of the OpenID provider that people sign in with; empty to identify callers by IAM",
    );
    /// The client id at the OpenID provider.
    pub const CLIENT_ID: Setting =
        Setting::text("LAMPLIGHTER_DASHBOARD_CLIENT_ID", "The dashboard's client id at the OpenID provider");
    /// The client secret at the OpenID provider, by ARN.
    pub const CLIENT_SECRET: Setting = Setting::secret_arns(
        "LAMPLIGHTER_DASHBOARD_CLIENT_SECRET",
        "The dashboard's client secret at the OpenID provider; empty for a public client",
    );
    /// The secret that sessions are signed with, by ARN.
    pub const SESSION_SECRET: Setting = Setting::secret_arns(
        "LAMPLIGHTER_DASHBOARD_SESSION_SECRET",
        "The secret of 32 characters or more that sessions of the dashboard are signed with",
    );
    /// Tokens of programs.
    pub const TOKENS: Setting = Setting::text(
        "LAMPLIGHTER_DASHBOARD_TOKENS",
        "Programs that use the API without signing in: name:rights:sha256 of the token of each, separated by spaces",
    );
    /// What forms are recognised by where nobody signs in; the template sets it. It has to be the same for all processes, and
    /// unknown to other sites.
    pub const FORMS: &'static str = "LAMPLIGHTER_DASHBOARD_FORMS";
    /// The claim with a person's groups.
    pub const GROUPS_CLAIM: Setting =
        Setting::text("LAMPLIGHTER_DASHBOARD_GROUPS_CLAIM", "The claim of the ID token that lists a person's groups")
            .default("groups");

    /// The scopes to ask the OpenID provider for.
    pub const SCOPES: Setting = Setting::text(
        "LAMPLIGHTER_DASHBOARD_SCOPES",
        "What the dashboard asks the OpenID provider for besides openid; some give groups for a scope of that name only",
    )
    .default("email profile");

    /// A dashboard with 512 MB: Lambda's share of CPU grows with the memory, and pages are made while somebody waits.
    #[must_use]
    pub const fn new() -> Self {
        Self { memory_mb: 512 }
    }

    /// Memory in MB, 128–10,240.
    #[must_use]
    pub const fn memory_mb(mut self, mb: u16) -> Self {
        self.memory_mb = mb;
        self
    }

    /// The function that is deployed. It performs no job.
    #[must_use]
    pub fn function(self) -> Function {
        let settings = [
            Self::RIGHTS,
            Self::PUBLIC_URL,
            Self::ISSUER,
            Self::CLIENT_ID,
            Self::CLIENT_SECRET,
            Self::SESSION_SECRET,
            Self::TOKENS,
            Self::GROUPS_CLAIM,
            Self::SCOPES,
        ];
        let function = Function::new(Self::NAME)
            .description("The dashboard and its API")
            .memory_mb(self.memory_mb)
            .serves_dashboard()
            .manages_jobs()
            .schedules();
        settings.into_iter().fold(function, Function::setting)
    }
}

impl Default for DashboardFunction {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dashboard_is_a_function_without_jobs() {
        let function = DashboardFunction::new().memory_mb(256).function();
        assert_eq!(function.problems(), Vec::<String>::new());
        assert_eq!((function.name(), function.spec().memory_mb, function.routes().count()), ("dashboard", 256, 0));
        assert_eq!(function.timeout(), DashboardFunction::TIMEOUT);
        assert!(function.spec().dashboard && function.spec().manages_jobs && function.spec().schedules);
        assert!(function.spec().settings.iter().filter(|setting| setting.names_secrets()).count() == 2);
    }

    #[test]
    fn a_dashboard_performs_no_job_and_has_records() {
        let problems = DashboardFunction::new().function().stateless().problems().join("; ");
        assert!(problems.contains("needs records"), "{problems}");
    }
}
