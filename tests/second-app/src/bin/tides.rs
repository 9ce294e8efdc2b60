//! The function `tides` as Lambda runs it.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lamplighter_aws::lambda::Error> {
    lamplighter_aws::lambda::run(harbour::tides()).await
}
