//! Deploys a SAM template, as `sam deploy` does.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{Capability, Parameter, Stack as Described};
use hyper::Request;
use serde_json::Value;

use super::error::{Error, Result, said};
use super::{MiniStack, PATIENCE, eventually, template};

/// Holds code and templates, like the bucket that `sam deploy --resolve-s3` creates.
const BUCKET: &str = "lamplighter-test-artifacts";

/// A deployed stack, as it was when its deployment was complete.
#[derive(Debug, Clone)]
pub struct Stack {
    /// The stack's name.
    pub name: String,
    /// The template's outputs.
    pub outputs: BTreeMap<String, String>,
    /// Logical id → physical id of each resource: for a queue its URL, for a function or table its name.
    pub resources: BTreeMap<String, String>,
}

impl Stack {
    /// Returns an output of the template.
    ///
    /// # Errors
    /// When the template has no such output.
    pub fn output(&self, name: &str) -> Result<&str> {
        self.find("output", &self.outputs, name)
    }

    /// Returns the physical id of a resource.
    ///
    /// # Errors
    /// When the template has no such resource.
    pub fn physical_id(&self, logical_id: &str) -> Result<&str> {
        self.find("resource", &self.resources, logical_id)
    }

    fn find<'a>(&self, kind: &'static str, all: &'a BTreeMap<String, String>, name: &str) -> Result<&'a str> {
        all.get(name).map(String::as_str).ok_or_else(|| Error::NotInStack {
            stack: self.name.clone(),
            kind,
            name: name.to_owned(),
            known: all.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        })
    }
}

impl MiniStack {
    /// Deploys a template, in JSON form, as the stack `name`: creates the stack, or updates it if it exists, and waits
    /// until that is complete. [`template::from_yaml`] converts a template from YAML.
    ///
    /// `code` holds the archive of each `AWS::Serverless::Function` whose code is local, by the function's logical id,
    /// by the binary that its build metadata names, or by the last part of its `CodeUri`;
    /// [`super::package::bootstraps`] returns such a map.
    ///
    /// # Errors
    /// When an archive is missing or unused, when CloudFormation refuses the template, and when a resource fails: then
    /// with the reason of each.
    pub async fn deploy(
        &self,
        name: &str,
        mut template: Value,
        parameters: &[(&str, &str)],
        code: &BTreeMap<String, PathBuf>,
    ) -> Result<Stack> {
        if self.options.auth {
            template::allow_batches(&mut template);
        }
        self.put("artifact bucket", "", Vec::new()).await?;
        // Keys are new each time: an update reads only code with a new key.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let mut uploaded: BTreeMap<String, String> = BTreeMap::new();
        for (id, function) in template::local_code(&template, code)? {
            let key = match uploaded.get(&function) {
                Some(key) => key.clone(),
                None => {
                    let key = format!("{name}/{now}/{function}.zip");
                    let archive = &code[&function];
                    let bytes = tokio::fs::read(archive).await.map_err(super::error::io("reading", archive))?;
                    self.put(&function, &key, bytes).await?;
                    uploaded.entry(function).insert_entry(key).get().clone()
                }
            };
            template::place_code(&mut template, &id, BUCKET, &key);
        }
        // In S3 the template may have 1 MB, in the request itself 50 KB.
        let key = format!("{name}/{now}/template.json");
        self.put("template", &key, template.to_string().into_bytes()).await?;
        let url = format!("{}/{BUCKET}/{key}", self.endpoint());

        let client = Client::new(&self.sdk_config());
        let parameters: Vec<Parameter> = parameters
            .iter()
            .map(|(name, value)| Parameter::builder().parameter_key(*name).parameter_value(*value).build())
            .collect();
        let capabilities = vec![Capability::CapabilityIam, Capability::CapabilityAutoExpand];
        let sent = match self.describe(&client, name).await {
            Ok(_) => {
                let update = client.update_stack().stack_name(name).template_url(url);
                let update = update.set_parameters(Some(parameters)).set_capabilities(Some(capabilities));
                update.send().await.map(|_| ()).map_err(said)
            }
            Err(_) => {
                let create = client.create_stack().stack_name(name).template_url(url);
                let create = create.set_parameters(Some(parameters)).set_capabilities(Some(capabilities));
                create.send().await.map(|_| ()).map_err(said)
            }
        };
        sent.map_err(|reason| Error::Request { what: format!("deploying stack `{name}`"), reason })?;

        let described = eventually(format!("stack `{name}` is complete"), PATIENCE, async || {
            let described = self.describe(&client, name).await.map_err(|error| error.to_string())?;
            match described.stack_status() {
                Some(status) if status.as_str().ends_with("_IN_PROGRESS") => Err(status.to_string()),
                _ => Ok(described),
            }
        })
        .await?;
        let status = described.stack_status().map(ToString::to_string).unwrap_or_default();
        if status != "CREATE_COMPLETE" && status != "UPDATE_COMPLETE" {
            let events = self.failures(&client, name).await?;
            return Err(Error::Deploy { stack: name.to_owned(), status, events });
        }
        let outputs = described.outputs().iter();
        let outputs =
            outputs.filter_map(|output| Some((output.output_key()?.to_owned(), output.output_value()?.to_owned())));
        Ok(Stack { name: name.to_owned(), outputs: outputs.collect(), resources: self.resources(&client, name).await? })
    }

    /// Stores an object in the artifact bucket; with an empty key, creates the bucket. S3 is not under test here, so
    /// its large SDK is not compiled for this.
    async fn put(&self, what: &str, key: &str, body: Vec<u8>) -> Result<()> {
        let failed =
            |error: hyper::http::Error| Error::Request { what: format!("uploading {what}"), reason: error.to_string() };
        let request = Request::put(format!("/{BUCKET}/{key}").trim_end_matches('/')).body(body).map_err(failed)?;
        self.request_as_root("s3", request).await?;
        Ok(())
    }

    async fn describe(&self, client: &Client, name: &str) -> Result<Described> {
        let failed = |reason| Error::Request { what: format!("describing stack `{name}`"), reason };
        let answer = client.describe_stacks().stack_name(name).send().await;
        let answer = answer.map_err(|error| failed(said(error)))?;
        answer.stacks.unwrap_or_default().pop().ok_or_else(|| failed("it is not there".into()))
    }

    async fn resources(&self, client: &Client, name: &str) -> Result<BTreeMap<String, String>> {
        let answer = client.describe_stack_resources().stack_name(name).send().await;
        let answer = answer.map_err(|error| Error::Request {
            what: format!("listing the resources of stack `{name}`"),
            reason: said(error),
        })?;
        let resources = answer.stack_resources().iter();
        Ok(resources
            .filter_map(|one| Some((one.logical_resource_id()?.to_owned(), one.physical_resource_id()?.to_owned())))
            .collect())
    }

    /// Returns the failures of a stack, oldest first, one line per event.
    async fn failures(&self, client: &Client, name: &str) -> Result<String> {
        let answer = client.describe_stack_events().stack_name(name).send().await;
        let answer = answer.map_err(|error| Error::Request {
            what: format!("reading the events of stack `{name}`"),
            reason: said(error),
        })?;
        let failed = answer
            .stack_events()
            .iter()
            .rev()
            .filter(|event| event.resource_status().is_some_and(|status| status.as_str().contains("FAILED")));
        let lines = failed.map(|event| {
            format!(
                "{} ({}): {}",
                event.logical_resource_id().unwrap_or("?"),
                event.resource_type().unwrap_or("?"),
                event.resource_status_reason().unwrap_or("no reason given")
            )
        });
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }
}
