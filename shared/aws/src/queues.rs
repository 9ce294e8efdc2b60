//! Queue names, and their queues on AWS.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;

use crate::partition::Partition;

/// Queue names as definitions use them, and their queues on AWS.
///
/// The template sets the environment variable [`QueueMap::VARIABLE`] on every function, a JSON object:
///
/// ```
/// let map: lamplighter_aws::QueueMap = r#"{
///     "webhooks": {"url": "https://sqs.eu-west-1.amazonaws.com/123456789012/shop-webhooks",
///                  "dlq": "https://sqs.eu-west-1.amazonaws.com/123456789012/shop-webhooks-dlq"}
/// }"#.parse()?;
/// assert!(map.get("webhooks").is_some_and(|queue| !queue.is_fifo()));
/// # Ok::<(), lamplighter_aws::QueueMapError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct QueueMap(BTreeMap<Arc<str>, QueueUrls>);

/// The URLs of a queue and its dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct QueueUrls {
    /// The queue's URL.
    pub url: String,
    /// Its dead-letter queue's URL. If not set, it is read from the queue when it is needed.
    #[serde(default)]
    pub dlq: Option<String>,
}

/// Why a [`QueueMap`] cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "the environment variable {variable} does not say where the queues are: {0}; it holds JSON like \
     {{\"webhooks\":{{\"url\":\"https://sqs.eu-west-1.amazonaws.com/123456789012/webhooks\"}}}}",
    variable = QueueMap::VARIABLE
)]
pub struct QueueMapError(String);

impl QueueMap {
    /// The environment variable that holds the map.
    pub const VARIABLE: &'static str = "LAMPLIGHTER_QUEUES";

    /// The map in the environment; empty if the variable is not set.
    ///
    /// # Errors
    /// When the variable is not such a map.
    pub fn from_env() -> Result<Self, QueueMapError> {
        match std::env::var(Self::VARIABLE) {
            Ok(text) if !text.trim().is_empty() => text.parse(),
            Ok(_) | Err(std::env::VarError::NotPresent) => Ok(Self::default()),
            Err(std::env::VarError::NotUnicode(_)) => Err(QueueMapError("it is not Unicode".into())),
        }
    }

    /// A map of one queue.
    #[must_use]
    pub fn single(name: impl Into<Arc<str>>, url: impl Into<String>) -> Self {
        Self(BTreeMap::from([(name.into(), QueueUrls { url: url.into(), dlq: None })]))
    }

    /// Reads a map, or returns what is wrong with it as half a sentence.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let map: BTreeMap<Arc<str>, QueueUrls> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        for (name, queue) in &map {
            for url in std::iter::once(&queue.url).chain(&queue.dlq) {
                if !is_queue_url(url) {
                    return Err(format!("queue {name:?} has {url:?}, which is not a queue's URL"));
                }
            }
        }
        Ok(Self(map))
    }

    /// The queue with that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&QueueUrls> {
        self.0.get(name)
    }

    /// All queues, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &QueueUrls)> {
        self.0.iter().map(|(name, queue)| (&**name, queue))
    }

    /// The queue with that ARN, and the name that definitions use for it.
    #[must_use]
    pub fn find(&self, arn: &QueueArn<'_>) -> Option<(&Arc<str>, &QueueUrls)> {
        self.0.iter().find(|(_, queue)| arn.is_at(&queue.url))
    }

    /// Returns the name that definitions use for a queue on AWS: its name in the map; for a queue not in the map, the
    /// longest of `known` that is the queue's own name without `.fifo` or its end after a `-` (`shop-webhooks` is
    /// `webhooks`); and otherwise the queue's own name without `.fifo`.
    #[must_use]
    pub fn name_of<'k>(&self, arn: &QueueArn<'_>, known: impl Iterator<Item = &'k str>) -> Arc<str> {
        if let Some((name, _)) = self.find(arn) {
            return name.clone();
        }
        let own = arn.name.strip_suffix(".fifo").unwrap_or(arn.name);
        let fits = |name: &&str| own.strip_suffix(name).is_some_and(|stem| stem.is_empty() || stem.ends_with('-'));
        known.filter(fits).max_by_key(|name| name.len()).unwrap_or(own).into()
    }
}

impl std::str::FromStr for QueueMap {
    type Err = QueueMapError;

    fn from_str(text: &str) -> Result<Self, QueueMapError> {
        Self::read(text).map_err(QueueMapError)
    }
}

impl QueueUrls {
    /// Returns whether it is a FIFO queue.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        is_fifo(&self.url)
    }
}

/// Returns whether a name, URL or ARN is that of a FIFO queue: it ends with `.fifo` (Amazon SQS Developer Guide, "FIFO
/// queue quotas").
pub(crate) fn is_fifo(queue: &str) -> bool {
    queue.ends_with(".fifo")
}

pub(crate) fn is_queue_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let path = rest.and_then(|rest| rest.split_once('/'));
    path.is_some_and(|(host, path)| !host.is_empty() && !path.is_empty() && !url.contains(char::is_whitespace))
}

/// The parts of a queue's ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueArn<'a> {
    /// `aws`, `aws-cn`, …
    pub partition: &'a str,
    /// The region.
    pub region: &'a str,
    /// The account's number.
    pub account: &'a str,
    /// The queue's own name, `.fifo` included.
    pub name: &'a str,
}

impl<'a> QueueArn<'a> {
    /// Parses an ARN; `None` if it is not that of an SQS queue.
    #[must_use]
    pub fn parse(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let (Some("arn"), Some(partition), Some("sqs")) = (next(), next(), next()) else { return None };
        let arn = Self { partition, region: next()?, account: next()?, name: next()? };
        (!arn.name.contains([':', '/'])).then_some(arn)
    }

    /// The queue with that URL, which holds its account and its name; `None` if it does not.
    #[cfg(feature = "schedules")]
    pub(crate) fn of_url(url: &'a str, region: &'a str) -> Option<Self> {
        let (_, rest) = url.split_once("://")?;
        let (_, path) = rest.split_once('/')?;
        let (account, name) = path.rsplit_once('/')?;
        let account = account.rsplit('/').next().unwrap_or(account);
        let partition = Partition::of_region(region).name;
        let is_account = !account.is_empty() && account.bytes().all(|b| b.is_ascii_digit());
        (is_account && !name.is_empty() && !region.is_empty()).then_some(Self { partition, region, account, name })
    }

    /// Returns whether this is a FIFO queue.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        is_fifo(self.name)
    }

    /// Returns whether that URL is this queue's: by account and name, and by region where the URL has it.
    fn is_at(&self, url: &str) -> bool {
        let mut segments = url.rsplit('/');
        let (name, account) = (segments.next(), segments.next());
        name == Some(self.name)
            && account == Some(self.account)
            && region_of(url).is_none_or(|region| region == self.region)
    }

    /// The URL of this queue, built from the URL of another queue in the same region.
    pub(crate) fn url_beside(&self, other: &str) -> Option<String> {
        let (rest, _) = other.rsplit_once('/')?;
        let (base, _) = rest.rsplit_once('/')?;
        Some(format!("{base}/{}/{}", self.account, self.name))
    }

    /// The URL of this queue at an endpoint, or at AWS's own.
    pub(crate) fn url(&self, endpoint: Option<&str>) -> String {
        let Self { partition, region, account, name } = self;
        match endpoint {
            Some(endpoint) => format!("{}/{account}/{name}", endpoint.trim_end_matches('/')),
            None => {
                let suffix = Partition::named(partition).suffix;
                format!("https://sqs.{region}.{suffix}/{account}/{name}")
            }
        }
    }
}

impl std::fmt::Display for QueueArn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { partition, region, account, name } = self;
        write!(f, "arn:{partition}:sqs:{region}:{account}:{name}")
    }
}

/// The region in the URL of a queue at AWS's own endpoints.
pub(crate) fn region_of(url: &str) -> Option<&str> {
    let host = host_of(url)?.split(':').next()?;
    let rest = host.strip_prefix("sqs.").or_else(|| host.strip_prefix("sqs-fips."))?;
    let (region, suffix) = rest.split_once('.')?;
    (!region.is_empty() && Partition::all().any(|partition| partition.suffix == suffix)).then_some(region)
}

/// The endpoint of a queue's URL where it is not one of AWS's own: an emulator, or a private one.
#[cfg(feature = "credential-chain")]
pub(crate) fn endpoint_of(url: &str) -> Option<String> {
    if region_of(url).is_some() {
        return None;
    }
    let (scheme, _) = url.split_once("://")?;
    Some(format!("{scheme}://{}", host_of(url)?))
}

fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split('/').next().filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:sqs:eu-west-1:123456789012:shop-webhooks";

    fn arn(text: &str) -> QueueArn<'_> {
        QueueArn::parse(text).unwrap()
    }

    #[test]
    fn arns_are_parsed_or_refused() {
        assert_eq!((arn(ARN).region, arn(ARN).account, arn(ARN).name), ("eu-west-1", "123456789012", "shop-webhooks"));
        for bad in
            ["", "arn", "arn:aws:sns:eu-west-1:1:x", "arn:aws:sqs:::x", "arn:aws:sqs:r:1:", "arn:aws:sqs:r:1:a:b"]
        {
            assert_eq!(QueueArn::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_map_names_queues_by_account_name_and_region() {
        let map: QueueMap = r#"{
            "webhooks": {"url": "https://sqs.eu-west-1.amazonaws.com/123456789012/shop-webhooks"},
            "local": {"url": "http://127.0.0.1:4566/000000000000/abc", "dlq": null}
        }"#
        .parse()
        .unwrap();
        let name = |text: &str| map.name_of(&arn(text), ["hooks", "webhooks"].into_iter()).to_string();
        assert_eq!(name(ARN), "webhooks");
        assert_eq!(name("arn:aws:sqs:us-east-1:000000000000:abc"), "local");
        // Not in the map: the longest known name that fits after the stack's prefix, otherwise the queue's own.
        assert_eq!(name("arn:aws:sqs:us-east-1:123456789012:shop-webhooks.fifo"), "webhooks");
        assert_eq!(name("arn:aws:sqs:us-east-1:123456789012:other-hooks"), "hooks");
        assert_eq!(name("arn:aws:sqs:us-east-1:123456789012:orders.fifo"), "orders");
    }

    #[test]
    fn invalid_maps_are_refused_with_an_example() {
        for bad in ["[]", "nonsense", r#"{"a":{}}"#, r#"{"a":{"url":"queue"}}"#, r#"{"a":{"url":"https://host"}}"#] {
            let error = bad.parse::<QueueMap>().unwrap_err().to_string();
            assert!(error.contains(QueueMap::VARIABLE) && error.contains("https://sqs."), "{error}");
        }
        assert!("{}".parse::<QueueMap>().unwrap().get("a").is_none());
    }

    #[test]
    fn urls_are_built_from_other_urls_and_endpoints() {
        let dead = arn("arn:aws:sqs:eu-west-1:123456789012:shop-webhooks-dlq");
        let at_aws = "https://sqs.eu-west-1.amazonaws.com/123456789012/shop-webhooks-dlq";
        assert_eq!(
            dead.url_beside("https://sqs.eu-west-1.amazonaws.com/1/x").as_deref(),
            Some("https://sqs.eu-west-1.amazonaws.com/123456789012/shop-webhooks-dlq")
        );
        assert_eq!(dead.url(None), at_aws);
        assert_eq!(dead.url(Some("http://127.0.0.1:1/")), "http://127.0.0.1:1/123456789012/shop-webhooks-dlq");
        assert_eq!(region_of(at_aws), Some("eu-west-1"));
    }

    #[cfg(feature = "schedules")]
    #[test]
    fn urls_parse_to_arns_in_every_partition() {
        let of = |url: &str| QueueArn::of_url(url, region_of(url).unwrap_or("us-east-1")).map(|arn| arn.to_string());
        assert_eq!(of("https://sqs.eu-west-1.amazonaws.com/123456789012/shop-webhooks").as_deref(), Some(ARN));
        assert_eq!(
            of("http://127.0.0.1:4566/000000000000/steps.fifo").as_deref(),
            Some("arn:aws:sqs:us-east-1:000000000000:steps.fifo")
        );
        assert_eq!(of("https://sqs.cn-north-1.amazonaws.com.cn/1/a").as_deref(), Some("arn:aws-cn:sqs:cn-north-1:1:a"));
        for (host, arn) in [
            ("sqs.eusc-de-east-1.amazonaws.eu", "arn:aws-eusc:sqs:eusc-de-east-1:1:a"),
            ("sqs.us-gov-west-1.amazonaws.com", "arn:aws-us-gov:sqs:us-gov-west-1:1:a"),
            ("sqs-fips.us-iso-east-1.c2s.ic.gov", "arn:aws-iso:sqs:us-iso-east-1:1:a"),
            ("sqs.us-isob-east-1.sc2s.sgov.gov", "arn:aws-iso-b:sqs:us-isob-east-1:1:a"),
            ("sqs.eu-isoe-west-1.cloud.adc-e.uk", "arn:aws-iso-e:sqs:eu-isoe-west-1:1:a"),
            ("sqs.us-isof-south-1.csp.hci.ic.gov", "arn:aws-iso-f:sqs:us-isof-south-1:1:a"),
        ] {
            assert_eq!(of(&format!("https://{host}/1/a")).as_deref(), Some(arn), "{host}");
            let url = QueueArn::parse(arn).unwrap().url(None);
            assert_eq!(url, format!("https://{}/1/a", host.replace("sqs-fips", "sqs")), "{arn}");
        }
        for bad in ["", "https://host", "https://host/name", "https://host/shop/name", "https://host/1/"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[cfg(feature = "credential-chain")]
    #[test]
    fn only_foreign_endpoints_are_returned() {
        assert_eq!(endpoint_of("https://sqs.eu-west-1.amazonaws.com/123456789012/shop-webhooks"), None);
        assert_eq!(endpoint_of("https://sqs.eusc-de-east-1.amazonaws.eu/123456789012/shop-webhooks"), None);
        assert_eq!(endpoint_of("http://127.0.0.1:4566/0/q").as_deref(), Some("http://127.0.0.1:4566"));
    }
}
