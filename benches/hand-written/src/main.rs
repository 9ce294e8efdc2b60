//! A function for SQS as one writes it by hand: each record is parsed and handled, and the failed ones are reported.

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Message {
    job: String,
    args: Nothing,
}

#[derive(Debug, Deserialize)]
struct Nothing {}

async fn nothing(_: Nothing) -> Result<(), Error> {
    Ok(())
}

async fn handle(event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
    let mut response = SqsBatchResponse::default();
    for record in event.payload.records {
        let done = match serde_json::from_str::<Message>(record.body.as_deref().unwrap_or_default()) {
            Ok(message) if message.job == "nothing.do" => nothing(message.args).await,
            Ok(message) => Err(format!("unknown job {:?}", message.job).into()),
            Err(error) => Err(error.into()),
        };
        if done.is_err() {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = record.message_id.unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
    }
    Ok(response)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handle)).await
}
