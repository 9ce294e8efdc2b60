//! AWS's partitions: what the ARNs and the addresses of a region begin and end with.

/// A partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Partition {
    /// As ARNs name it.
    pub(crate) name: &'static str,
    /// What its regions' names begin with.
    regions: &'static str,
    /// What the names of its hosts end with.
    pub(crate) suffix: &'static str,
}

/// AWS's own, in which every region lies that no other claims.
const AWS: Partition = Partition { name: "aws", regions: "", suffix: "amazonaws.com" };

/// The others (AWS SDKs, `partitions.json`; a test asks the SDK).
const OTHERS: [Partition; 7] = [
    Partition { name: "aws-cn", regions: "cn-", suffix: "amazonaws.com.cn" },
    Partition { name: "aws-eusc", regions: "eusc-", suffix: "amazonaws.eu" },
    Partition { name: "aws-iso", regions: "us-iso-", suffix: "c2s.ic.gov" },
    Partition { name: "aws-iso-b", regions: "us-isob-", suffix: "sc2s.sgov.gov" },
    Partition { name: "aws-iso-e", regions: "eu-isoe-", suffix: "cloud.adc-e.uk" },
    Partition { name: "aws-iso-f", regions: "us-isof-", suffix: "csp.hci.ic.gov" },
    Partition { name: "aws-us-gov", regions: "us-gov-", suffix: "amazonaws.com" },
];

impl Partition {
    /// The one that a region lies in.
    #[cfg(feature = "schedules")]
    pub(crate) fn of_region(region: &str) -> Self {
        OTHERS.into_iter().find(|partition| region.starts_with(partition.regions)).unwrap_or(AWS)
    }

    /// The one of that name; an unknown one is taken for AWS's own.
    pub(crate) fn named(name: &str) -> Self {
        OTHERS.into_iter().find(|partition| partition.name == name).unwrap_or(AWS)
    }

    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        std::iter::once(AWS).chain(OTHERS)
    }
}

/// What the names of a partition's hosts end with, by the partition's name as ARNs say it.
///
/// ```
/// assert_eq!(lamplighter_aws::dns_suffix("aws-eusc"), "amazonaws.eu");
/// ```
#[cfg(feature = "doctor")]
#[must_use]
pub fn dns_suffix(partition: &str) -> &'static str {
    Partition::named(partition).suffix
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};

    use super::*;

    #[tokio::test]
    async fn addresses_are_those_that_the_sdk_knows() {
        let regions = [
            ("us-east-1", "aws"),
            ("eu-central-1", "aws"),
            ("mx-central-1", "aws"),
            ("cn-northwest-1", "aws-cn"),
            ("eusc-de-east-1", "aws-eusc"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("us-isof-south-1", "aws-iso-f"),
            ("us-gov-west-1", "aws-us-gov"),
        ];
        for (region, name) in regions {
            let partition = Partition::of_region(region);
            assert_eq!((partition.name, Partition::named(name)), (name, partition), "{region}");
            let params = Params::builder().region(region).build().unwrap();
            let endpoint = DefaultResolver::new().resolve_endpoint(&params).await.unwrap();
            assert_eq!(endpoint.url(), format!("https://sqs.{region}.{}", partition.suffix));
        }
        assert!(Partition::all().all(|partition| regions.iter().any(|(_, name)| *name == partition.name)));
    }
}
