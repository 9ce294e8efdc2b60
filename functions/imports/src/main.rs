//! The function as Lambda runs it.

#[tokio::main]
async fn main() -> Result<(), lamplighter_aws::lambda::Error> {
    lamplighter_aws::lambda::run(imports::function()).await
}
