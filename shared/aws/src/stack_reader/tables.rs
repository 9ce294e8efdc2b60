//! Tables of DynamoDB.

use aws_sdk_dynamodb::{Client, types::KeySchemaElement};
use lamplighter::backend::StoreError;
use serde_json::{Value, json};

use super::{Looking, Observed, ask};

pub(super) async fn table(client: &Client, name: &str) -> Result<Observed, StoreError> {
    let asked = client.describe_table().table_name(name).send();
    let (mut looking, answer) =
        match Looking::begin(ask("dynamodb:DescribeTable", &format!("read the table {name}"), asked).await) {
            Ok(begun) => begun,
            Err(look) => return Ok(look),
        };
    let table = answer.table;
    let status = table.as_ref().and_then(|table| table.table_status.as_ref()).map(|status| status.as_str());
    looking.set("TableStatus", status);
    let own_keys = table.as_ref().and_then(|table| table.key_schema.clone()).unwrap_or_default();
    looking.set("KeySchema", keys(&own_keys));
    let indexes = table.and_then(|table| table.global_secondary_indexes).unwrap_or_default();
    let indexes = indexes.into_iter().map(|index| {
        let projection = index.projection.and_then(|one| one.projection_type).map(|one| one.as_str().to_owned());
        json!({
            "IndexName": index.index_name,
            "KeySchema": keys(&index.key_schema.unwrap_or_default()),
            "Projection": { "ProjectionType": projection },
        })
    });
    looking.set("GlobalSecondaryIndexes", indexes.collect::<Value>());
    let asked = client.describe_time_to_live().table_name(name).send();
    let answer = ask("dynamodb:DescribeTimeToLive", &format!("read the expiry of table {name}"), asked).await;
    looking.take("TimeToLiveSpecification", answer, |answer| {
        let description = answer.time_to_live_description;
        let status =
            description.as_ref().and_then(|one| one.time_to_live_status.as_ref()).map_or("", |one| one.as_str());
        let enabled = matches!(status, "ENABLED" | "ENABLING");
        json!({ "AttributeName": description.and_then(|one| one.attribute_name), "Enabled": enabled })
    });
    let asked = client.describe_continuous_backups().table_name(name).send();
    let answer = ask("dynamodb:DescribeContinuousBackups", &format!("read the backups of table {name}"), asked).await;
    looking.take("PointInTimeRecoverySpecification", answer, |answer| {
        let description = answer.continuous_backups_description.and_then(|one| one.point_in_time_recovery_description);
        let status = description.and_then(|one| one.point_in_time_recovery_status);
        json!({ "PointInTimeRecoveryEnabled": status.is_some_and(|one| one.as_str() == "ENABLED") })
    });
    Ok(looking.end())
}

fn keys(keys: &[KeySchemaElement]) -> Value {
    keys.iter().map(|key| json!({ "AttributeName": key.attribute_name, "KeyType": key.key_type.as_str() })).collect()
}
