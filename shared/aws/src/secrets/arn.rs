//! ARNs of secrets.

use std::{fmt, str::FromStr};

/// The ARN of a secret of Secrets Manager, or of a parameter of Systems Manager's Parameter Store.
///
/// ```
/// let arn: lamplighter_aws::SecretArn =
///     "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/webhooks/billing-AbCdEf".parse()?;
/// assert_eq!((arn.region(), arn.name()), ("eu-west-1", "billing"));
/// # Ok::<(), lamplighter_aws::InvalidSecretArn>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretArn {
    text: String,
    region: String,
    name: String,
    service: Service,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Service {
    SecretsManager,
    ParameterStore,
}

/// A text that is not the ARN of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not the ARN of a secret; one looks like \
     arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/billing-AbCdEf \
     or arn:aws:ssm:eu-west-1:123456789012:parameter/shop/billing"
)]
pub struct InvalidSecretArn(String);

/// The suffix that Secrets Manager adds to a secret's name: a hyphen and six characters.
const SUFFIX: usize = 6;

impl SecretArn {
    /// Returns whether a text is an ARN rather than a secret.
    #[must_use]
    pub fn is_arn(text: &str) -> bool {
        text.starts_with("arn:")
    }

    /// The ARN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The region of the secret, which may differ from the caller's.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The last part of its name, without the suffix of Secrets Manager: `billing` of `shop/webhooks/billing-AbCdEf`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn service(&self) -> Service {
        self.service
    }
}

impl FromStr for SecretArn {
    type Err = InvalidSecretArn;

    fn from_str(text: &str) -> Result<Self, InvalidSecretArn> {
        read(text).ok_or_else(|| InvalidSecretArn(text.chars().take(200).collect()))
    }
}

fn read(text: &str) -> Option<SecretArn> {
    // Names contain no colon, and nothing that could widen a policy.
    let parts: Vec<_> = text.split(':').collect();
    let ["arn", partition, service, region, account, resource @ ..] = &*parts else { return None };
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !plain(partition) || !plain(region) || account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (service, path) = match (*service, resource) {
        ("secretsmanager", ["secret", name]) => {
            let (stem, suffix) = name.rsplit_once('-')?;
            let made = suffix.len() == SUFFIX && suffix.bytes().all(|b| b.is_ascii_alphanumeric());
            (Service::SecretsManager, Some(stem).filter(|_| made)?)
        }
        ("ssm", [parameter]) => (Service::ParameterStore, parameter.strip_prefix("parameter/")?),
        _ => return None,
    };
    let named = |b: u8| b.is_ascii_alphanumeric() || b"/_+=.@-".contains(&b);
    let name = path.rsplit('/').next().filter(|name| !name.is_empty() && path.bytes().all(named))?;
    Some(SecretArn { text: text.to_owned(), region: (*region).to_owned(), name: name.to_owned(), service })
}

impl fmt::Display for SecretArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_of_both_services_are_parsed() {
        for (text, region, name) in [
            ("arn:aws:secretsmanager:eu-west-1:123456789012:secret:billing-AbCdEf", "eu-west-1", "billing"),
            ("arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:a/b-c-d-a1b2C3", "cn-north-1", "b-c-d"),
            ("arn:aws:ssm:us-east-1:123456789012:parameter/billing", "us-east-1", "billing"),
            ("arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/shop/webhooks/x.y", "us-gov-west-1", "x.y"),
        ] {
            let arn: SecretArn = text.parse().unwrap();
            assert_eq!((arn.region(), arn.name(), arn.as_str()), (region, name, text));
            assert!(SecretArn::is_arn(text));
        }
    }

    #[test]
    fn other_arns_are_refused() {
        for text in [
            "",
            "arn:",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "arn:aws:s3:::bucket/key",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:*",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/*-AbCdEf",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:billing",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:-AbCdEf",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf:key::",
            "arn:aws:secretsmanager:*:123456789012:secret:a-AbCdEf",
            "arn:aws:ssm:eu-west-1:123456789012:parameter/",
            "arn:aws:ssm:eu-west-1:123456789012:parameter/a?",
            "arn:aws:ssm:eu-west-1:1234:parameter/a",
            "arn:aws:ssm::123456789012:parameter/a",
        ] {
            assert!(text.parse::<SecretArn>().is_err(), "{text}");
        }
    }
}
