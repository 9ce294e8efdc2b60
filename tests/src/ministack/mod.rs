//! AWS on this machine, for end-to-end tests: the emulator MiniStack as a child process.
//!
//! It takes CloudFormation and SAM templates and runs the real bootstraps as processes; no account and no Docker are
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
// They look into `/proc`.
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
pub use options::Options;
pub use queues::{Depth, Held, batch};
pub use stack::Stack;

use process::Server;
use workspace::Workspace;

/// The region that everything is in.
pub const REGION: &str = "us-east-1";
/// The access key, and the secret, of the emulated account's root.
pub const ROOT_KEY: &str = "test";

/// A running emulator, with a port and a state of its own; any number may run beside each other.
///
/// Dropping it kills it and the bootstraps it started. They die with the test process too, however that ends.
#[derive(Debug)]
pub struct MiniStack {
    server: Server,
    options: Options,
}

impl MiniStack {
    /// Starts an emulator with nothing in it and waits until it is ready.
    ///
    /// # Errors
    /// When Python is missing, when the first installation fails, and when the server does not get ready: then with
    /// the end of its log.
    pub async fn start() -> Result<Self> {
        Self::options().start().await
    }

    /// Another emulator than that of [`Self::start`].
    pub fn options() -> Options {
        Options::default()
    }

    async fn start_with(options: Options) -> Result<Self> {
        let server = Server::start(&Workspace::get()?.target_directory, &options, 0, None).await?;
        Ok(Self { server, options })
    }

    /// Stops in order and starts again on the same port. With [`Options::persist_state`] everything is found again,
    /// but for functions that were running; without it the emulator is empty.
    ///
    /// # Errors
    /// As [`Self::start`], and when the state cannot be saved.
    pub async fn restart(self) -> Result<Self> {
        let Self { server, options } = self;
        let port = server.port();
        let folder = server.stop().await?;
        let server = Server::start(&Workspace::get()?.target_directory, &options, port, Some(folder)).await?;
        Ok(Self { server, options })
    }

    /// Where clients find it: `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port())
    }

    /// The server's process id, which is its process group's too.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// The server's log file. It is removed at the end, unless the test fails.
    pub fn log(&self) -> PathBuf {
        self.server.log()
    }

    /// What a child process needs in its environment to find the emulator with an AWS SDK or tool.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", ROOT_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", ROOT_KEY.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// A configuration for any SDK client, as the account's root. Nothing of this machine's AWS settings is read.
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

    /// A client for the emulator's SQS.
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.sdk_config())
    }

    /// Sends any HTTP request, without credentials.
    ///
    /// # Errors
    /// When there is no answer; any HTTP status is one.
    pub async fn request(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>> {
        http::send(self.server.port(), request).await
    }

    /// Sends a request to the API of an AWS service (`s3`, `lambda`, `logs`, …) as the account's root: for what
    /// needs no SDK.
    ///
    /// # Errors
    /// When there is no answer, or one that is not a success.
    pub async fn request_as_root(&self, service: &str, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>> {
        http::send_as_root(self.server.port(), service, request).await
    }
}
