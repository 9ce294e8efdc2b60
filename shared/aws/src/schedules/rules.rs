//! Deployed schedules in UTC: rules of EventBridge, named `<stack>-<schedule>`.

use std::sync::Arc;

use aws_sdk_eventbridge::{
    Client, config,
    error::ProvideErrorMetadata,
    types::{self, RuleState, Target},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use lamplighter::{ScheduledJob, backend::StoreError};
use tokio::sync::OnceCell;

use super::{
    CALLS_AT_ONCE,
    target::is_name,
    template::{Kept, Template},
};
use crate::{
    queues::QueueMap,
    sdk::{AwsClients, explain},
};

/// The rules of a stack.
#[derive(Clone)]
pub(super) struct Rules(Arc<Inner>);

struct Inner {
    sdk: AwsClients,
    client: OnceCell<Client>,
    /// `<stack>-`.
    prefix: String,
}

/// A rule that is a schedule.
pub(super) struct Rule {
    name: String,
    pub(super) paused: bool,
    expression: String,
    description: Option<String>,
    targets: Vec<Target>,
}

impl Rule {
    /// The job that it starts; `None` if it does not send a message to a queue.
    pub(super) fn scheduled(&self, queues: &QueueMap) -> Option<ScheduledJob> {
        let (template, arn) = self.template()?;
        let (expression, description) = (Some(self.expression.as_str()), self.description.as_deref());
        template.scheduled(&Kept { expression, timezone: None, description, arn }, queues)
    }

    fn template(&self) -> Option<(Template, &str)> {
        self.targets.iter().find_map(|target| {
            let transformed = target.input_transformer().map(|transformer| transformer.input_template());
            Some((Template::of(transformed.or(target.input()))?, target.arn()))
        })
    }

    /// Returns whether the rule is the schedule with that name. A rule of another stack, whose name begins with this
    /// one's, is not.
    fn is(&self, schedule: &str) -> bool {
        self.template().is_none_or(|(template, _)| template.schedule == schedule)
    }
}

impl Rules {
    pub(super) fn new(sdk: AwsClients, stack: &str) -> Self {
        Self(Arc::new(Inner { sdk, client: OnceCell::new(), prefix: format!("{stack}-") }))
    }

    /// The rule of that schedule.
    pub(super) async fn find(&self, schedule: &str) -> Result<Option<Rule>, StoreError> {
        let name = format!("{}{schedule}", self.0.prefix);
        if !is_name(&name) {
            return Ok(None);
        }
        // A role may read only the rules of its own stack, and a missing rule counts as none of them: a listing covers
        // both.
        let found = self.named(&name).await?.into_iter().find(|rule| rule.name.as_ref() == Some(&name));
        let Some(rule) = found else { return Ok(None) };
        let Some(rule) = self.with_targets(rule).await? else { return Ok(None) };
        Ok(Some(rule).filter(|rule| rule.is(schedule)))
    }

    /// All rules that are schedules and send messages.
    pub(super) async fn list(&self) -> Result<Vec<Rule>, StoreError> {
        let reads = self.named(&self.0.prefix).await?.into_iter().map(|rule| self.with_targets(rule));
        let all: Vec<Option<Rule>> = stream::iter(reads).buffered(CALLS_AT_ONCE).try_collect().await?;
        let own = |rule: &Rule| rule.name.strip_prefix(&self.0.prefix).is_some_and(|schedule| rule.is(schedule));
        Ok(all.into_iter().flatten().filter(own).collect())
    }

    /// The rules with this name prefix.
    async fn named(&self, prefix: &str) -> Result<Vec<types::Rule>, StoreError> {
        let mut rules = Vec::new();
        let mut next = None;
        loop {
            let page = self.client().await?.list_rules().name_prefix(prefix).set_next_token(next).send().await;
            let page = page.map_err(|error| explain(&error, &format!("list the rules {prefix}*")))?;
            rules.extend(page.rules.unwrap_or_default());
            next = page.next_token;
            if next.is_none() {
                return Ok(rules);
            }
        }
    }

    /// Enables or disables a rule.
    pub(super) async fn pause(&self, rule: &Rule, paused: bool) -> Result<(), StoreError> {
        let client = self.client().await?;
        let doing = |verb: &str| format!("{verb} rule {}", rule.name);
        if paused {
            let done = client.disable_rule().name(&rule.name).send().await;
            done.map(|_| ()).map_err(|error| explain(&error, &doing("disable")))
        } else {
            let done = client.enable_rule().name(&rule.name).send().await;
            done.map(|_| ()).map_err(|error| explain(&error, &doing("enable")))
        }
    }

    /// Returns the rule with its message; `None` if it is not a schedule, or may not be read: then it belongs to
    /// another stack, whose name has the same prefix.
    async fn with_targets(&self, rule: types::Rule) -> Result<Option<Rule>, StoreError> {
        let (Some(name), Some(expression)) = (rule.name, rule.schedule_expression) else { return Ok(None) };
        let found = match self.client().await?.list_targets_by_rule().rule(&name).send().await {
            Ok(found) => found,
            Err(error) if matches!(error.code(), Some("AccessDenied" | "AccessDeniedException")) => {
                tracing::info!(rule = name, "the rule may not be read, and is taken for another stack's");
                return Ok(None);
            }
            Err(error) => return Err(explain(&error, &format!("read the targets of rule {name}"))),
        };
        let (targets, paused) = (found.targets.unwrap_or_default(), rule.state == Some(RuleState::Disabled));
        Ok(Some(Rule { name, paused, expression, description: rule.description, targets }))
    }

    async fn client(&self) -> Result<&Client, StoreError> {
        let make = || async {
            let mut own = config::Builder::from(self.0.sdk.config().await?);
            if let Some(endpoint) = self.0.sdk.endpoint_of("AWS_ENDPOINT_URL_EVENTBRIDGE") {
                own.set_endpoint_url(Some(endpoint));
            }
            Ok(Client::from_conf(own.build()))
        };
        self.0.client.get_or_try_init(make).await
    }
}
