//! Values that are set at deployment.

/// A value that is set at deployment: a parameter of the template, which the function reads from an environment
/// variable.
///
/// ```
/// # use lamplighter::{Function, Setting};
/// # let function: Function = Function::new("mail");
/// let function = function
///     .setting(Setting::secret("LAMPLIGHTER_MAIL_TOKEN", "The mail service's token"))
///     .setting(Setting::text("LAMPLIGHTER_MAIL_SENDER", "Who mails are from").default("noreply@example.com"));
/// # assert_eq!(function.spec().settings.len(), 2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The environment variable.
    pub variable: &'static str,
    /// Its purpose, in a sentence.
    pub description: &'static str,
    /// The default value; empty if there is none.
    pub default: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Secret,
    SecretArns,
}

impl Setting {
    /// A setting in the environment variable `variable`: letters, digits and `_`. `description` says in a
    /// sentence what it is for. Empty unless the deployment sets a value, or there is a [default](Self::default).
    #[must_use]
    pub const fn text(variable: &'static str, description: &'static str) -> Self {
        Self { variable, description, default: "", kind: Kind::Text }
    }

    /// A setting that must not be shown.
    #[must_use]
    pub const fn secret(variable: &'static str, description: &'static str) -> Self {
        Self { variable, description, default: "", kind: Kind::Secret }
    }

    /// The ARNs of secrets that are kept in Secrets Manager, and of parameters in Systems Manager's Parameter Store,
    /// separated by commas: the deployed function may read exactly these.
    #[must_use]
    pub const fn secret_arns(variable: &'static str, description: &'static str) -> Self {
        Self { variable, description, default: "", kind: Kind::SecretArns }
    }

    /// Sets the default value.
    #[must_use]
    pub const fn default(mut self, value: &'static str) -> Self {
        self.default = value;
        self
    }

    /// Returns whether it must not be shown.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret)
    }

    /// Returns whether it names secrets that the deployed function may read.
    #[must_use]
    pub const fn names_secrets(&self) -> bool {
        matches!(self.kind, Kind::SecretArns)
    }
}
