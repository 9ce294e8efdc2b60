//! An account's use of its quotas.

use lamplighter::backend::StoreError;

use super::{StackReader, Unreadable, ask};

/// An account's quotas and their use, in one region. Values that could not be read are `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Concurrent invocations of Lambda that are allowed.
    pub concurrency: Option<u64>,
    /// Bytes of code stored in Lambda, and the quota.
    pub code: Option<(u64, u64)>,
    /// Rules of the default bus.
    pub rules: Option<u64>,
}

impl StackReader {
    /// The account's use of its quotas.
    ///
    /// # Errors
    /// When there is no configuration to call AWS with.
    pub async fn account(&self) -> Result<(Account, Vec<Unreadable>), StoreError> {
        let (mut account, mut unreadable) = (Account::default(), Vec::new());
        let asked = self.lambda().await?.get_account_settings().send();
        match ask("lambda:GetAccountSettings", "read the account's quotas of Lambda", asked).await {
            Ok(answer) => {
                let (limit, usage) =
                    answer.map(|answer| (answer.account_limit, answer.account_usage)).unwrap_or_default();
                let number = |number: i64| u64::try_from(number).ok().filter(|number| *number > 0);
                account.concurrency = limit.as_ref().and_then(|limit| number(limit.concurrent_executions.into()));
                let used = usage.and_then(|usage| u64::try_from(usage.total_code_size).ok());
                account.code = used.zip(limit.and_then(|limit| number(limit.total_code_size)));
            }
            Err(one) => unreadable.push(one),
        }
        let mut rules = 0;
        let mut next = None;
        loop {
            let asked = self.eventbridge().await?.list_rules().set_next_token(next).send();
            match ask("events:ListRules", "count the rules of the default bus", asked).await {
                Ok(page) => {
                    let (found, token) = page.map(|page| (page.rules, page.next_token)).unwrap_or_default();
                    rules += found.map_or(0, |rules| rules.len() as u64);
                    next = token;
                }
                Err(one) => {
                    unreadable.push(one);
                    return Ok((account, unreadable));
                }
            }
            if next.is_none() {
                account.rules = Some(rules);
                return Ok((account, unreadable));
            }
        }
    }
}
