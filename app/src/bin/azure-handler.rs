//! All functions of this app as a custom handler of Azure Functions.

#[tokio::main]
async fn main() -> Result<(), lamplighter_azure::handler::Error> {
    lamplighter_azure::handler::run(&lamplighter_app::app()).await
}
