//! schemathesis reads the OpenAPI document of a running dashboard and sends what fits it and what does not: no answer may be a
//! failure of the server, and each must be as the document says.

use std::process::Command;

use lamplighter::{Client, JobState, ListQuery, operation::OperationQuery};
use lamplighter_dashboard::{Access, Dashboard, Rights, Site, Viewer, http::MachineToken};
use tokio::net::TcpListener;

use crate::{shop, tools};

/// For each path and method.
const EXAMPLES: &str = "20";
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,unsupported_method,allow_header_conformance";

#[test]
fn answers_are_as_the_document_says() {
    crate::expect_a_panic();
    let program = tools::schemathesis();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let output = runtime.block_on(async {
        let (_, backend) = crate::run::dashboard().await.unwrap();
        let (token, known) = MachineToken::generate(Viewer::new("tester", Rights::operator())).unwrap();
        let site = Site::new(&shop::app().unwrap(), backend.backend(), backend.env().clone(), backend.operator());
        let router = Dashboard::new(site, Access::machines().tokens([known])).unwrap().router();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(async { axum::serve(listener, router).await });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("schemathesis.toml"), names(&backend.client()).await).unwrap();
        let mut command = Command::new(program);
        command.current_dir(folder.path()).env_remove("PYTHONPATH").env_remove("PYTHONHOME").env("NO_COLOR", "1");
        command.args(["run", &format!("http://{address}/api/v1/openapi.json")]);
        command.args(["--header", &format!("Authorization: Bearer {token}"), "--checks", CHECKS]);
        command.args([
            "--max-examples",
            EXAMPLES,
            "--seed",
            "7",
            "--no-shrink",
            "--phases",
            "examples,coverage,fuzzing",
        ]);
        command.args(["--generation-database", "none", "--request-timeout", "20", "--continue-on-failure"]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        served.abort();
        output
    });
    let said = tools::said(&output);
    assert!(output.status.success(), "{said}");
    println!("{said}");
}

/// What stands in paths: names of what is there. Those of what is not are no part of the document.
async fn names(client: &Client) -> String {
    let failed = ListQuery { states: vec![JobState::Failed], limit: 1, ..ListQuery::default() };
    let failed = client.list(&failed).await.unwrap().records.remove(0);
    let operation = client.operations(&OperationQuery::new(1)).await.unwrap().operations.remove(0);
    let group = failed.last_fingerprint().unwrap().to_string();
    let paths = [
        ("/jobs/{id}", "id", failed.id.as_str()),
        ("/jobs/{id}/log", "id", failed.id.as_str()),
        ("/errors/{fingerprint}", "fingerprint", &group),
        ("/queues/{queue}", "queue", "webhooks"),
        ("/schedules/{schedule}", "schedule", "ledger-heartbeat"),
        ("/types/{job}", "job", "webhook.deliver"),
        ("/batches/{id}", "id", "prices-5"),
        ("/dead-letters/{queue}", "queue", "webhooks"),
        ("/dead-letters/{queue}/counts", "queue", "webhooks"),
        ("/operations/{id}", "id", operation.id.as_str()),
        ("/operations/{id}/stop", "id", operation.id.as_str()),
    ];
    let operation = |(path, name, value): (&str, &str, &str)| {
        format!("[[operations]]\ninclude-path = \"{path}\"\nparameters = {{ \"path.{name}\" = \"{value}\" }}\n\n")
    };
    paths.map(operation).concat()
}
