//! The dashboard as a Lambda function behind a function URL, for any app: see [`run`].

mod caller;
mod host;
mod router;
mod settings;

use lambda_runtime::service_fn;
use lamplighter::{App, Variables};
use lamplighter_aws::{AwsBackend, QueueMapError, lambda::log_layer};
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

pub use self::{host::Host, settings::SettingsError};

/// Why the dashboard does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Lambda did not start this process.
    #[error(
        "the dashboard's function runs in Lambda, which sets {missing}; `lamp dashboard` shows the same on this machine"
    )]
    NotInLambda {
        /// The variable that is not set.
        missing: &'static str,
    },
    /// A setting.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The map of queues.
    #[error(transparent)]
    Queues(#[from] QueueMapError),
    /// The runtime API.
    #[error("the runtime API: {0}")]
    Runtime(lambda_runtime::Error),
}

/// The variables that the runtime requires, and Lambda sets.
const SET_BY_LAMBDA: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

/// Serves an app's dashboard until Lambda ends the process.
///
/// The deployment is described by environment variables, as for [all functions](lamplighter_aws::lambda::run). Nothing is
/// called before the first request. An answer is sent as a whole: pages ask again by themselves instead of being told, since
/// Lambda bills for as long as an answer is open.
///
/// Who calls is said by AWS, where the function URL's `AuthType` is `AWS_IAM`: the caller's ARN. With
/// `LAMPLIGHTER_DASHBOARD_ISSUER`, people sign in with that OpenID provider instead. What they may do is said by
/// `LAMPLIGHTER_DASHBOARD_RIGHTS`, as [`Rules`](lamplighter_sign_in::Rules). The settings are those of
/// [`DashboardFunction`](lamplighter::DashboardFunction); secrets may be given as text too, where nobody reads a function's
/// variables.
///
/// # Errors
/// When the process was not started by Lambda, when a setting cannot be used, or when the runtime API is unreachable.
pub async fn run(app: App) -> Result<(), Error> {
    // Fails if the program has set up a subscriber, which then stays.
    let _ = tracing_subscriber::registry().with(log_layer()).try_init();
    let variables = Variables::system();
    if let Some(missing) = SET_BY_LAMBDA.into_iter().find(|name| variables.get(name).is_none()) {
        return Err(Error::NotInLambda { missing });
    }
    let name = variables.get("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default();
    let host = Host::new(&app, &AwsBackend::from_env()?, &variables, &name)?;
    let serve = service_fn(move |event| {
        let host = host.clone();
        async move { host.answer(event).await }
    });
    lambda_runtime::run_concurrent(serve).await.map_err(Error::Runtime)
}
