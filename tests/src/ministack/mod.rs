//! AWS on this machine, for end-to-end tests: the emulator MiniStack as a child process.
//!
//! It deploys CloudFormation and SAM templates and runs the real bootstraps as processes; no account and no Docker are
//! needed, only Python 3. The first test that starts it installs it under the target folder ([`install`]).
//!
//! ```no_run
//! # async fn example(template: serde_json::Value) -> Result<(), Box<dyn std::error::Error>> {
//! use lamplighter_tests::ministack::{MiniStack, PATIENCE, eventually, package};
//!
//! let aws = MiniStack::start().await?;
//! let code = package::bootstraps(&["webhooks"])?;
//! let stack = aws.deploy("test", template, &[], &code).await?;
//! let queue = stack.physical_id("WebhooksQueue")?;
//! aws.send(queue, r#"{"job":"webhook.deliver"}"#).await?;
//! eventually("the queue is empty", PATIENCE, async || match aws.depth(queue).await {
//!     Ok(depth) if depth == Default::default() => Ok(()),
//!     Ok(depth) => Err(depth.to_string()),
//!     Err(error) => Err(error.to_string()),
//! })
//! .await?;
//! # Ok(())
//! # }
//! ```

pub(crate) mod error;
mod eventually;
mod functions;
mod http;
pub mod install;
mod options;
pub mod package;
mod process;
mod queues;
mod roles;
mod run_folder;
mod schedules;
mod stack;
mod tables;
pub mod template;
// These tests read `/proc`.
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
pub(crate) mod workspace;

use std::path::PathBuf;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use hyper::{Request, Response};

pub(crate) use error::tail;
pub use error::{Error, Result};
pub use eventually::{NeverHappened, PATIENCE, eventually};
pub use functions::Invocation;
pub use http::send;
pub use options::Options;
pub use queues::{Depth, Held, batch};
pub use stack::Stack;

use process::Server;
use workspace::Workspace;

/// The region of all resources.
pub const REGION: &str = "us-east-1";
/// The access key, and the secret, of the emulated account's root user.
pub const ROOT_KEY: &str = "test";

/// A running emulator, with its own port and state; any number may run concurrently.
///
/// Dropping it kills it and the bootstraps it started. They end with the test process too, however that ends.
#[derive(Debug)]
pub struct MiniStack {
    server: Server,
    options: Options,
}

impl MiniStack {
    /// Starts an empty emulator and waits until it is ready.
    ///
    /// # Errors
    /// When Python is missing, when the first installation fails, and when the server does not become ready: then with
    /// the end of its log.
    pub async fn start() -> Result<Self> {
        Self::options().start().await
    }

    /// Returns the options for an emulator that differs from [`Self::start`].
    pub fn options() -> Options {
        Options::default()
    }

    async fn start_with(options: Options) -> Result<Self> {
        let server = Server::start(&Workspace::get()?.target_directory, &options, 0, None).await?;
        Ok(Self { server, options })
    }

    /// Stops it cleanly and starts it again on the same port. With [`Options::persist_state`] the state is kept, except
    /// for running functions; without it the emulator is empty.
    ///
    /// # Errors
    /// Like [`Self::start`], and when the state cannot be saved.
    pub async fn restart(self) -> Result<Self> {
        let Self { server, options } = self;
        let port = server.port();
        let folder = server.stop().await?;
        let server = Server::start(&Workspace::get()?.target_directory, &options, port, Some(folder)).await?;
        Ok(Self { server, options })
    }

    /// Returns the address for clients: `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port())
    }

    /// Returns the server's process id, which is also the id of its process group.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Returns the server's log file. It is removed at the end, unless the test fails.
    pub fn log(&self) -> PathBuf {
        self.server.log()
    }

    /// Returns the environment with which the AWS SDK or tool of a child process finds the emulator.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", ROOT_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", ROOT_KEY.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// Returns a configuration for any SDK client, as the account's root user. It reads none of this machine's AWS
    /// settings.
    pub fn sdk_config(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                ROOT_KEY, ROOT_KEY, None, None, "tests",
            )))
            .endpoint_url(self.endpoint())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build()
    }

    /// Returns a client for the emulator's SQS.
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.sdk_config())
    }

    /// Sends any HTTP request, without credentials.
    ///
    /// # Errors
    /// When there is no answer; any HTTP status is an answer.
    pub async fn request(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>> {
        http::send(self.server.port(), request).await
    }

    /// Sends a request to the API of an AWS service (`s3`, `lambda`, `logs`, …) as the account's root user, for calls
    /// that need no SDK.
    ///
    /// # Errors
    /// When there is no answer, or one that is not a success.
    pub async fn request_as_root(&self, service: &str, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>> {
        http::send_as_root(self.server.port(), service, request).await
    }
}
