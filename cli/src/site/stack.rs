//! A deployed stack, examined by the doctor.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use lamplighter::backend::{StoreError, StoreErrorKind};
use lamplighter_aws::{AwsClients, StackReader};
use lamplighter_dashboard::{
    Examination, HealthSource,
    view::{Fact, FindingView, Severity},
};
use lamplighter_infra::doctor::{Expected, Finding, Severity as Found};
use tokio::{
    sync::{Mutex, watch},
    time::timeout,
};

/// How long an examination is good for: it takes dozens of calls to AWS.
const KEPT: Duration = Duration::from_secs(300);
/// How long a page waits for one that is under way.
const PATIENCE: Duration = Duration::from_secs(2);

type Answer = Option<Result<Examination, (StoreErrorKind, String)>>;

/// Examines a stack as `lamp doctor` does.
pub(super) struct StackHealth {
    expected: Arc<Expected>,
    stack: String,
    /// The latest examination, and when it began.
    latest: Mutex<Option<(Instant, watch::Receiver<Answer>)>>,
}

impl StackHealth {
    pub(super) fn new(expected: Expected, stack: &str) -> Self {
        Self { expected: Arc::new(expected), stack: stack.to_owned(), latest: Mutex::new(None) }
    }

    /// Begins an examination, which goes on when nobody waits for it any more.
    fn begin(&self) -> watch::Receiver<Answer> {
        let (tell, answer) = watch::channel(None);
        let (expected, stack) = (self.expected.clone(), self.stack.clone());
        tokio::spawn(async move {
            let reader = StackReader::new(AwsClients::chain(None, None));
            let examined = expected.examine(&reader, &stack).await;
            let examined = examined.map_err(|error| (error.kind(), error.to_string()));
            // Nobody may be waiting.
            let _ = tell.send(Some(examined.map(|examined| {
                let checked =
                    Fact::new("doctor", format!("{} checks on {} resources", examined.checks, examined.resources));
                Examination {
                    findings: examined.findings.into_iter().map(finding).collect(),
                    facts: vec![Fact::new("stack", &stack), checked],
                    ..Examination::default()
                }
            })));
        });
        answer
    }
}

#[async_trait]
impl HealthSource for StackHealth {
    async fn examine(&self) -> Result<Examination, StoreError> {
        let mut answer = {
            let mut latest = self.latest.lock().await;
            match &*latest {
                Some((began, answer)) if began.elapsed() < KEPT => answer.clone(),
                _ => {
                    let answer = self.begin();
                    *latest = Some((Instant::now(), answer.clone()));
                    answer
                }
            }
        };
        match timeout(PATIENCE, answer.wait_for(Option::is_some)).await {
            Ok(Ok(answer)) => match &*answer {
                Some(Ok(examination)) => Ok(examination.clone()),
                Some(Err((kind, text))) => Err(StoreError::new(*kind, text.clone())),
                None => Ok(under_way()),
            },
            Ok(Err(_)) => {
                Err(StoreError::new(StoreErrorKind::Unavailable, "the examination has ended without an answer"))
            }
            Err(_) => Ok(under_way()),
        }
    }
}

fn under_way() -> Examination {
    Examination {
        facts: vec![Fact::new("doctor", "examines the stack; look again in a moment")],
        ..Examination::default()
    }
}

fn finding(found: Finding) -> FindingView {
    let Finding { severity, resource, name, found, expected, breaks, repair, .. } = found;
    let severity = match severity {
        Found::Error => Severity::Error,
        _ => Severity::Warning,
    };
    let name = if name.is_empty() { String::new() } else { format!(" ({name})") };
    FindingView {
        severity,
        title: format!("{resource}{name}: {breaks}"),
        detail: format!("found {found}, expected {expected}; {repair}"),
        action: None,
    }
}
