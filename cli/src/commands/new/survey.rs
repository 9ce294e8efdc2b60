//! The jobs, queues and functions in the sources. This program may be older than the newest function, so its own list
//! of functions is not used.

use std::collections::BTreeSet;

use syn::{Attribute, Expr, ExprLit, FnArg, Item, ItemImpl, ItemStruct, Lit, Type, visit::Visit};

use super::{
    cargo, manifest,
    repository::{JOBS, JOBS_MANIFEST, LOCK, MANIFEST, QUEUES, Repository},
    rust,
};
use crate::{catalog::Catalog, error::Error};

/// Queues, jobs and functions in the sources.
#[derive(Debug, Default)]
pub(in crate::commands) struct Survey {
    /// The constants of `shared/jobs/src/queues.rs`.
    pub(super) queues: Vec<QueueThere>,
    /// All jobs, wherever they are defined.
    pub(super) jobs: Vec<JobThere>,
    /// The functions, by name.
    pub(super) functions: Vec<FunctionThere>,
    /// The names of crates and binaries.
    pub(in crate::commands) crates: BTreeSet<String>,
    /// Words in the files that name a new type.
    pub(super) words: BTreeSet<String>,
    /// The queues of this program's app.
    pub(super) built_in_queues: BTreeSet<&'static str>,
    /// The package of the definitions.
    pub(super) jobs_package: String,
    /// Whether the definitions' crate has a `fn retention`.
    pub(super) own_retention: bool,
    /// The keys of `[workspace.package]` that a new package inherits.
    pub(super) inherited: Vec<String>,
}

/// A queue's constant.
#[derive(Debug)]
pub(super) struct QueueThere {
    pub(super) constant: String,
    pub(super) name: String,
}

/// A definition.
#[derive(Debug)]
pub(super) struct JobThere {
    pub(super) name: String,
    /// The Rust type.
    pub(super) type_name: String,
    /// The file.
    pub(super) path: String,
    /// The queue's name.
    pub(super) queue: Option<String>,
    /// Whether the type's default equals an empty object of arguments.
    pub(super) plain_default: bool,
}

/// A function's crate.
#[derive(Debug)]
pub(super) struct FunctionThere {
    pub(super) name: String,
    /// The types of the first arguments of its functions, among them its jobs.
    takes: BTreeSet<String>,
    pub(super) stateless: bool,
    /// Whether it is only a bootstrap of one of the library's functions.
    pub(super) closed: bool,
    /// In seconds, from its manifest.
    pub(super) timeout: Option<u64>,
}

/// The definitions' folder.
const JOBS_FOLDER: &str = "shared/jobs/src";

impl Survey {
    /// Reads the sources.
    pub(super) fn of(repository: &Repository, catalog: &Catalog) -> Result<Self, Error> {
        let mut survey = Self { built_in_queues: catalog.queues().into_iter().collect(), ..Self::default() };
        for item in parsed(repository, QUEUES)?.items {
            if let Item::Const(constant) = item
                && let Some(name) = queue_name(&constant.expr)
            {
                survey.queues.push(QueueThere { constant: constant.ident.to_string(), name });
            }
        }
        for path in repository.rust_files(JOBS_FOLDER)? {
            let file = parsed(repository, &path)?;
            survey.add_jobs(&path, &file);
        }
        for name in repository.folders("functions")? {
            survey.add_function(repository, name)?;
        }
        survey.add_crates(repository)?;
        survey.jobs_package = read(repository, JOBS_MANIFEST, manifest::package_name)?;
        survey.inherited = read(repository, MANIFEST, manifest::inherited)?;
        let is_retention = |item: &Item| matches!(item, Item::Fn(function) if function.sig.ident == "retention");
        survey.own_retention = parsed(repository, JOBS)?.items.iter().any(is_retention);
        survey.reserve_words(&repository.needed(JOBS)?);
        Ok(survey)
    }

    /// Reserves the words in these sources, and in the files of a new job: no new type can have them as its name.
    pub(in crate::commands) fn reserve_words(&mut self, sources: &str) {
        let templates = [
            include_str!("templates/definition.rs"),
            include_str!("templates/handler.rs"),
            include_str!("templates/handler_test.rs"),
        ];
        for text in [sources].into_iter().chain(templates) {
            let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            self.words.extend(words.map(str::to_owned));
        }
    }

    fn add_function(&mut self, repository: &Repository, name: String) -> Result<(), Error> {
        let manifest_path = format!("functions/{name}/Cargo.toml");
        let Some(manifest) = repository.text(&manifest_path)? else { return Ok(()) };
        let timeout = manifest::timeout(&manifest).map_err(|reason| unreadable(&manifest_path, &reason))?;
        let closed = repository.text(&format!("functions/{name}/src/lib.rs"))?.is_none();
        let mut function = FunctionThere { name, takes: BTreeSet::new(), stateless: false, closed, timeout };
        for path in repository.rust_files(&format!("functions/{}/src", function.name))? {
            let file = parsed(repository, &path)?;
            self.add_jobs(&path, &file);
            function.visit_file(&file);
        }
        self.functions.push(function);
        Ok(())
    }

    fn add_jobs(&mut self, path: &str, file: &syn::File) {
        for item in &file.items {
            let Item::Impl(block) = item else { continue };
            let Some((type_name, name, queue)) = job(block) else { continue };
            let queue = queue.and_then(|expression| self.queue_of(expression));
            let structure = file.items.iter().find_map(|item| match item {
                Item::Struct(structure) if structure.ident == type_name => Some(structure),
                _ => None,
            });
            let plain_default = structure.is_some_and(is_plain_default);
            self.jobs.push(JobThere { name, type_name, path: path.into(), queue, plain_default });
        }
    }

    fn queue_of(&self, expression: &Expr) -> Option<String> {
        match expression {
            Expr::Path(path) => {
                let constant = path.path.segments.last()?.ident.to_string();
                self.queues.iter().find(|queue| queue.constant == constant).map(|queue| queue.name.clone())
            }
            other => queue_name(other),
        }
    }

    fn add_crates(&mut self, repository: &Repository) -> Result<(), Error> {
        if let Some(lock) = repository.text(LOCK)? {
            let packages = cargo::packages(&lock).map_err(|reason| unreadable(LOCK, &reason))?;
            self.crates.extend(packages.into_iter().map(|package| package.name));
        }
        let mut folders = repository.folders("")?;
        for folder in ["benches", "tests", "shared"] {
            folders.extend(repository.folders(folder)?.into_iter().map(|name| format!("{folder}/{name}")));
        }
        for folder in folders {
            let path = format!("{folder}/Cargo.toml");
            if let Some(text) = repository.text(&path)? {
                self.crates.extend(manifest::binaries(&text).map_err(|reason| unreadable(&path, &reason))?);
            }
        }
        Ok(())
    }

    /// The job of that name.
    pub(super) fn job(&self, name: &str) -> Option<&JobThere> {
        self.jobs.iter().find(|job| job.name == name)
    }

    /// The function of that name.
    pub(super) fn function(&self, name: &str) -> Option<&FunctionThere> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// The function that consumes a queue: it performs a job on that queue.
    pub(super) fn consumer(&self, queue: &str) -> Option<&FunctionThere> {
        self.functions.iter().find(|function| self.feeds(queue, function))
    }

    /// The queues that a function consumes.
    pub(super) fn queues_of(&self, function: &FunctionThere) -> Vec<&QueueThere> {
        self.queues.iter().filter(|queue| self.feeds(&queue.name, function)).collect()
    }

    fn feeds(&self, queue: &str, function: &FunctionThere) -> bool {
        let mut jobs = self.jobs.iter().filter(|job| job.queue.as_deref() == Some(queue));
        jobs.any(|job| function.takes.contains(&job.type_name))
    }

    /// The names of the functions to which jobs can be added.
    pub(super) fn listed(&self) -> String {
        let all = self.functions.iter().filter(|function| !function.closed);
        all.map(|function| function.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl JobThere {
    /// Returns whether it is defined in `shared/jobs`, not in a function.
    pub(super) fn is_shared(&self) -> bool {
        self.path.starts_with(JOBS_FOLDER)
    }
}

impl<'a> Visit<'a> for FunctionThere {
    fn visit_signature(&mut self, signature: &'a syn::Signature) {
        if let Some(FnArg::Typed(first)) = signature.inputs.first()
            && let Type::Path(path) = &*first.ty
            && let Some(last) = path.path.segments.last()
        {
            self.takes.insert(last.ident.to_string());
        }
        syn::visit::visit_signature(self, signature);
    }

    fn visit_expr_method_call(&mut self, call: &'a syn::ExprMethodCall) {
        self.stateless |= call.method == "stateless" && call.args.is_empty();
        syn::visit::visit_expr_method_call(self, call);
    }
}

/// Reads a value from a manifest.
fn read<T>(repository: &Repository, path: &str, what: fn(&str) -> Result<T, String>) -> Result<T, Error> {
    what(&repository.needed(path)?).map_err(|reason| unreadable(path, &reason))
}

fn parsed(repository: &Repository, path: &str) -> Result<syn::File, Error> {
    rust::parse(&repository.needed(path)?).map_err(|reason| unreadable(path, &reason))
}

fn unreadable(path: &str, reason: &str) -> Error {
    Error::failed(format_args!("cannot read {path}: {reason}; repair it first"))
}

/// The name in `Queue::standard("…")` and `Queue::fifo("…")`.
fn queue_name(expression: &Expr) -> Option<String> {
    let (owner, word, name) = rust::root_of(expression)?;
    (owner == "Queue" && matches!(&*word, "standard" | "fifo")).then_some(name)
}

/// The type, the name and the queue in `impl Job for …`.
fn job(block: &ItemImpl) -> Option<(String, String, Option<&Expr>)> {
    let (of, _) = block.trait_.as_ref()?;
    let Type::Path(path) = &*block.self_ty else { return None };
    if of.segments.last()?.ident != "Job" {
        return None;
    }
    let constant = |name: &str| {
        block.items.iter().find_map(|item| match item {
            syn::ImplItem::Const(constant) if constant.ident == name => Some(&constant.expr),
            _ => None,
        })
    };
    let Expr::Lit(ExprLit { lit: Lit::Str(name), .. }) = constant("NAME")? else { return None };
    Some((path.path.segments.last()?.ident.to_string(), name.value(), constant("QUEUE")))
}

/// Returns whether `Default` is derived, and no field has another default in JSON.
fn is_plain_default(structure: &ItemStruct) -> bool {
    let derived = structure.attrs.iter().any(|attribute| is(attribute, "derive", "Default"));
    let mut all = structure.attrs.iter().chain(structure.fields.iter().flat_map(|field| &field.attrs));
    derived && !all.any(|attribute| is(attribute, "serde", "default ="))
}

/// Returns whether an attribute of that name contains a text.
fn is(attribute: &Attribute, name: &str, says: &str) -> bool {
    match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident(name) && list.tokens.to_string().contains(says),
        _ => false,
    }
}
