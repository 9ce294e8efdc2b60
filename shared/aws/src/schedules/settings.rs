//! The group of the schedules made at run time, and the role that they use.

/// The group of the schedules made at run time, and the role that they use.
///
/// The template sets these environment variables on every function that may create schedules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleSettings {
    group: String,
    role: String,
    undelivered: Option<String>,
}

/// Why there are no [`ScheduleSettings`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleSettingsError {
    /// There is a group, but no role.
    #[error(
        "{group} is set and {role} is not: set it to the ARN of the role that schedules use to send to queues",
        group = ScheduleSettings::GROUP,
        role = ScheduleSettings::ROLE
    )]
    NoRole,
    /// A variable has an invalid value.
    #[error("{variable} is {value:?}, which is not {expected}")]
    Value {
        /// The environment variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// The expected value.
        expected: &'static str,
    },
}

impl ScheduleSettings {
    /// The environment variable that names the group. In a stack, the group has the stack's name.
    pub const GROUP: &'static str = "LAMPLIGHTER_SCHEDULE_GROUP";
    /// The environment variable that holds the ARN of the role that schedules use to send to queues.
    pub const ROLE: &'static str = "LAMPLIGHTER_SCHEDULER_ROLE";
    /// The environment variable that holds the ARN of the queue for messages that could not be delivered.
    pub const UNDELIVERED: &'static str = "LAMPLIGHTER_UNDELIVERED";

    /// Schedules of this group, sending as this role. A message that cannot be delivered within a day is dropped,
    /// unless there is a queue for it.
    ///
    /// # Errors
    /// When these are not a group's name and a role's ARN.
    pub fn new(group: impl Into<String>, role: impl Into<String>) -> Result<Self, ScheduleSettingsError> {
        let (group, role) = (group.into(), role.into());
        if !super::target::is_name(&group) {
            let expected = "the name of a schedule group: 1 to 64 characters of A-Z a-z 0-9 . - _";
            return Err(ScheduleSettingsError::Value { variable: Self::GROUP, value: group, expected });
        }
        check_arn(Self::ROLE, &role, "iam", "the ARN of a role")?;
        Ok(Self { group, role, undelivered: None })
    }

    /// Sends messages that cannot be delivered within a day to the queue with this ARN.
    ///
    /// # Errors
    /// When it is not a queue's ARN.
    pub fn undelivered(mut self, queue: impl Into<String>) -> Result<Self, ScheduleSettingsError> {
        let queue = queue.into();
        check_arn(Self::UNDELIVERED, &queue, "sqs", "the ARN of a queue")?;
        self.undelivered = Some(queue);
        Ok(self)
    }

    /// The settings in the environment; `None` if no group is named.
    ///
    /// # Errors
    /// When a group is named and no role, or when a variable has an invalid value.
    pub fn from_env() -> Result<Option<Self>, ScheduleSettingsError> {
        let Some(group) = crate::sdk::variable(Self::GROUP) else { return Ok(None) };
        let role = crate::sdk::variable(Self::ROLE).ok_or(ScheduleSettingsError::NoRole)?;
        let settings = Self::new(group, role)?;
        match crate::sdk::variable(Self::UNDELIVERED) {
            Some(queue) => settings.undelivered(queue).map(Some),
            None => Ok(Some(settings)),
        }
    }

    /// The group's name.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The ARN of the role.
    #[must_use]
    pub fn role(&self) -> &str {
        &self.role
    }

    /// The ARN of the queue for messages that could not be delivered.
    #[must_use]
    pub fn undelivered_queue(&self) -> Option<&str> {
        self.undelivered.as_deref()
    }
}

fn check_arn(
    variable: &'static str,
    value: &str,
    service: &str,
    expected: &'static str,
) -> Result<(), ScheduleSettingsError> {
    let mut parts = value.split(':');
    let is_one = parts.next() == Some("arn") && parts.nth(1) == Some(service) && parts.count() >= 3;
    let error = || ScheduleSettingsError::Value { variable, value: value.into(), expected };
    if is_one { Ok(()) } else { Err(error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/shop-schedules";

    #[test]
    fn invalid_settings_name_their_variable() {
        let settings = ScheduleSettings::new("shop", ROLE).unwrap();
        let settings = settings.undelivered("arn:aws:sqs:us-east-1:123456789012:shop-undelivered-events").unwrap();
        assert_eq!((settings.group(), settings.role()), ("shop", ROLE));
        for (group, role, says) in
            [("", ROLE, ScheduleSettings::GROUP), ("a b", ROLE, "schedule group"), ("shop", "admin", "ARN of a role")]
        {
            let error = ScheduleSettings::new(group, role).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        let error = settings.undelivered("https://sqs.us-east-1.amazonaws.com/1/q").unwrap_err().to_string();
        assert!(error.contains(ScheduleSettings::UNDELIVERED) && error.contains("ARN of a queue"), "{error}");
    }
}
