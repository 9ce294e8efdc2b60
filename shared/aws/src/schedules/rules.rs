//! Deployed schedules in UTC: rules of EventBridge, named `<stack>-<schedule>`.

use std::sync::Arc;

use aws_sdk_eventbridge::{
    Client, config,
    types::{RuleState, Target},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use lamplighter::{ScheduledJob, StoreError};
use tokio::sync::OnceCell;

use super::{
    CALLS_AT_ONCE,
    target::is_name,
    template::{Kept, Template},
};
use crate::{
    queues::QueueMap,
    sdk::{Sdk, explain},
};

/// The rules of a stack.
#[derive(Clone)]
pub(super) struct Rules(Arc<Inner>);

struct Inner {
    sdk: Sdk,
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
    /// The job that it starts; `None` when it does not send a message to a queue.
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

    /// Whether the rule is the schedule of that name. One of another stack, whose name begins with this one's, is not.
    fn is(&self, schedule: &str) -> bool {
        self.template().is_none_or(|(template, _)| template.schedule == schedule)
    }
}

impl Rules {
    pub(super) fn new(sdk: Sdk, stack: &str) -> Self {
        Self(Arc::new(Inner { sdk, client: OnceCell::new(), prefix: format!("{stack}-") }))
    }

    /// The rule of that schedule.
    pub(super) async fn find(&self, schedule: &str) -> Result<Option<Rule>, StoreError> {
        let name = format!("{}{schedule}", self.0.prefix);
        if !is_name(&name) {
            return Ok(None);
        }
        let found = match self.client().await?.describe_rule().name(&name).send().await {
            Ok(found) => found,
            Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => {
                return Ok(None);
            }
            Err(error) => return Err(explain(&error, &format!("read rule {name}"))),
        };
        let Some(expression) = found.schedule_expression else { return Ok(None) };
        let rule = self.with_targets(name, found.state, expression, found.description).await?;
        Ok(Some(rule).filter(|rule| rule.is(schedule)))
    }

    /// All rules that are schedules and send messages.
    pub(super) async fn list(&self) -> Result<Vec<Rule>, StoreError> {
        let mut rules = Vec::new();
        let mut next = None;
        loop {
            let request = self.client().await?.list_rules().name_prefix(&self.0.prefix).set_next_token(next);
            let page = request.send().await;
            let page = page.map_err(|error| explain(&error, &format!("list the rules {}*", self.0.prefix)))?;
            rules.extend(page.rules.unwrap_or_default());
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        let schedules = rules.into_iter().filter_map(|rule| {
            let (name, expression) = (rule.name?, rule.schedule_expression?);
            Some(self.with_targets(name, rule.state, expression, rule.description))
        });
        let all: Vec<Rule> = stream::iter(schedules).buffered(CALLS_AT_ONCE).try_collect().await?;
        let own = |rule: &Rule| rule.name.strip_prefix(&self.0.prefix).is_some_and(|schedule| rule.is(schedule));
        Ok(all.into_iter().filter(own).collect())
    }

    /// Disables a rule, or enables it.
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

    async fn with_targets(
        &self,
        name: String,
        state: Option<RuleState>,
        expression: String,
        description: Option<String>,
    ) -> Result<Rule, StoreError> {
        let found = self.client().await?.list_targets_by_rule().rule(&name).send().await;
        let found = found.map_err(|error| explain(&error, &format!("read the targets of rule {name}")))?;
        let targets = found.targets.unwrap_or_default();
        Ok(Rule { name, paused: state == Some(RuleState::Disabled), expression, description, targets })
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
