//! The AWS backend and the Lambda host.
