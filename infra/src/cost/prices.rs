//! The price list: dollars, without free tiers. The only place with prices.

/// The month in which the prices were read from the services' pricing pages.
pub const DATE: &str = "2026-11";
/// The region that they apply to.
pub const REGION: &str = "us-east-1";

/// A million requests to a standard queue, each of up to 64 KiB (Amazon SQS pricing).
pub const SQS_MILLION_REQUESTS: f64 = 0.40;
/// A million invocations (AWS Lambda pricing).
pub const LAMBDA_MILLION_REQUESTS: f64 = 0.20;
/// A gigabyte for a second on arm64 (the same).
pub const LAMBDA_GB_SECOND: f64 = 0.000_013_333_4;
/// An event poller of an SQS queue in provisioned mode, for an hour (the same).
pub const SQS_POLLER_HOUR: f64 = 0.00925;
/// A million write units on demand (Amazon DynamoDB pricing).
pub const DYNAMODB_MILLION_WRITES: f64 = 0.625;
/// A million read units on demand (the same).
pub const DYNAMODB_MILLION_READS: f64 = 0.125;
/// A million invocations of schedules (Amazon EventBridge pricing).
pub const SCHEDULER_MILLION: f64 = 1.00;
/// A million custom events on a bus, each of up to 64 KB (the same).
pub const EVENTS_MILLION: f64 = 1.00;
/// A gigabyte of logs ingested (Amazon CloudWatch pricing).
pub const LOGS_GB: f64 = 0.50;
/// An alarm for a month (the same).
pub const ALARM: f64 = 0.10;
/// A dashboard for a month (the same).
pub const DASHBOARD: f64 = 3.00;
/// A million traces recorded (AWS X-Ray pricing).
pub const XRAY_MILLION_TRACES: f64 = 5.00;
