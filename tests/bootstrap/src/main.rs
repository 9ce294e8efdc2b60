//! The bootstrap.

#[tokio::main]
async fn main() -> Result<(), lamplighter_aws::lambda::Error> {
    lamplighter_aws::lambda::run(e2e_function::function()).await
}
