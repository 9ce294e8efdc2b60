//! Lamplighter's maintenance function as Lambda runs it. Every deployment that keeps records has it.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lamplighter_aws::lambda::Error> {
    lamplighter_aws::lambda::run(lamplighter_aws::maintenance::function()).await
}
