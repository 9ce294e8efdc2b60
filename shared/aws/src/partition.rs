//! AWS's partitions: the ARN prefixes and host names of a region.

/// A partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Partition {
    /// Its name in ARNs.
    pub(crate) name: &'static str,
    /// The prefix of its regions' names.
    regions: &'static str,
    /// The suffix of its host names.
    pub(crate) suffix: &'static str,
}

/// AWS's standard partition, for every region that no other contains.
const AWS: Partition = Partition { name: "aws", regions: "", suffix: "amazonaws.com" };

/// The others (AWS SDKs, `partitions.json`; a test compares them with the SDK).
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
    /// The partition of a region.
    #[cfg(feature = "schedules")]
    pub(crate) fn of_region(region: &str) -> Self {
        OTHERS.into_iter().find(|partition| region.starts_with(partition.regions)).unwrap_or(AWS)
    }

    /// The partition with that name; AWS's standard one for an unknown name.
    pub(crate) fn named(name: &str) -> Self {
        OTHERS.into_iter().find(|partition| partition.name == name).unwrap_or(AWS)
    }

    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        std::iter::once(AWS).chain(OTHERS)
    }
}

/// The suffix of a partition's host names, by the partition's name in ARNs.
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
    async fn addresses_match_the_sdk() {
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
