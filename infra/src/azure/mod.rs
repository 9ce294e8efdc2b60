//! Azure Functions: the files for its host, and a template of the resources, derived from an app.
//!
//! | file | is |
//! | --- | --- |
//! | `host.json` | how the host starts the handler, and how it receives messages |
//! | `queue-NAME/function.json` | the trigger of a queue |
//! | `timer-NAME/function.json` | the trigger of a schedule, with NCRONTAB in UTC |
//! | `azuredeploy.json` | the storage account, the queues, the function app: an ARM template |

mod check;
mod functions;
mod host;
mod resources;

use std::collections::BTreeMap;

use lamplighter::{App, Variables};

pub use self::check::FileState;
use crate::{json, node::Map, problems::Problems};

/// The folder of the files, from the repository's root.
pub const AZURE_FOLDER: &str = "infra/azure";
/// The default name of the handler's program.
pub const AZURE_HANDLER: &str = "azure-handler";

/// The files that deploy an app to Azure Functions, by path in their folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureFiles(BTreeMap<String, String>);

impl AzureFiles {
    /// Derives the files. `handler` is the name of the program that serves the functions, which is beside `host.json`
    /// in the deployed package.
    ///
    /// # Errors
    /// Every contradiction between definitions, and everything that Azure Functions does not support.
    pub fn derive(app: &App, handler: &str) -> Result<Self, Problems> {
        let functions = app.functions(&Variables::none());
        let mut problems = Problems::default();
        let deployed = crate::deployment::derive_functions(&functions, &app.definitions, &mut problems);
        let triggers = functions::triggers(&functions, &app.schedules, &mut problems);
        let memory = resources::memory(&deployed, &mut problems);
        let settings = resources::settings(&deployed, &mut problems);
        let queues: Vec<_> =
            functions.iter().flat_map(|function| function.queues()).map(|queue| queue.name()).collect();
        let template = resources::template(app.name, &queues, memory, &settings);
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        let mut add = |path: String, content: Map| files.insert(path, json::document(&content));
        add("host.json".into(), host::host(&functions, handler));
        add("azuredeploy.json".into(), template);
        for (name, trigger) in triggers {
            add(format!("{name}/function.json"), trigger);
        }
        problems.or(Self(files))
    }

    /// Returns each file's path in the folder, and its content, in the order of the paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, content)| (&**path, &**content))
    }

    /// Returns the content of a file.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
