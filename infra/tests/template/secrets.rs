//! Secrets in Secrets Manager and Parameter Store.

use lamplighter::{Function, Setting};
use lamplighter_infra::Template;
use serde_json::{Value, json};

use crate::support::{FileLetter, SendMail, clerk, derive, handle, mail, problems, properties};

const KEYS: Setting = Setting::secret_arns("LAMPLIGHTER_COURIER_KEYS", "Keys of couriers");

fn courier() -> Function {
    Function::new("courier").setting(KEYS).job(handle::<SendMail>).with_state(())
}

fn template() -> Template {
    Template::new(&derive(&[courier(), clerk()], &[]).unwrap())
}

#[test]
fn functions_may_read_exactly_the_named_secrets() {
    let json = template().to_json();
    let access = &json["Resources"]["CourierKeysAccess"];
    assert_eq!(access["Condition"], "HasCourierKeys", "no permission if no secret is named");
    assert_eq!(
        json["Conditions"]["HasCourierKeys"],
        json!({"Fn::Not": [{"Fn::Equals": [{"Ref": "CourierKeys"}, ""]}]})
    );
    let properties = properties(&template(), "CourierKeysAccess");
    assert_eq!(properties["Roles"], json!([{ "Ref": "CourierRole" }]), "and nobody else");
    let statements = properties["PolicyDocument"]["Statement"].as_array().unwrap();
    assert_eq!(
        statements[0],
        json!({
            "Sid": "ReadSecrets",
            "Effect": "Allow",
            "Action": ["secretsmanager:GetSecretValue", "ssm:GetParameter"],
            "Resource": { "Fn::Split": [",", { "Ref": "CourierKeys" }] },
        })
    );
    assert_eq!(statements.len(), 2);
}

/// Policies of one name at a role replace each other.
#[test]
fn a_function_reads_the_secrets_of_each_of_its_settings() {
    const MORE: Setting = Setting::secret_arns("LAMPLIGHTER_COURIER_SEALS", "Seals of couriers");
    let function = Function::new("courier").setting(KEYS).setting(MORE).job(handle::<SendMail>).with_state(());
    let template = Template::new(&derive(&[function], &[]).unwrap());
    let name = |id| properties(&template, id)["PolicyName"].clone();
    assert_eq!(name("CourierKeysAccess"), "CourierKeysAccess");
    assert_ne!(name("CourierKeysAccess"), name("CourierSealsAccess"));
}

#[test]
fn a_given_key_is_used_only_through_the_services() {
    let properties = properties(&template(), "CourierKeysAccess");
    let decrypt = &properties["PolicyDocument"]["Statement"][1]["Fn::If"];
    assert_eq!((&decrypt[0], &decrypt[2]), (&json!("HasSecretsKey"), &json!({ "Ref": "AWS::NoValue" })));
    assert_eq!(decrypt[1]["Action"], json!(["kms:Decrypt"]));
    assert_eq!(decrypt[1]["Resource"], json!([{ "Ref": "SecretsKeyArn" }]));
    let through = ["secretsmanager", "ssm"]
        .map(|service| json!({ "Fn::Sub": format!("{service}.${{AWS::Region}}.${{AWS::URLSuffix}}") }));
    assert_eq!(decrypt[1]["Condition"], json!({ "StringEquals": { "kms:ViaService": through } }));
}

#[test]
fn parameters_accept_only_arns_of_single_secrets() {
    let json = template().to_json();
    let parameter = &json["Parameters"]["CourierKeys"];
    assert_eq!(parameter["Default"], "");
    assert!(parameter.get("NoEcho").is_none(), "an ARN is not a secret, and is shown");
    assert!(parameter["Description"].as_str().unwrap().starts_with("Keys of couriers: ARNs of secrets"));
    let schema = json!({ "type": "string", "pattern": parameter["AllowedPattern"] });
    let takes = |text: &str| jsonschema::is_valid(&schema, &Value::from(text));
    let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/webhooks/billing-AbCdEf";
    let stored = "arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/shop/webhooks/stock";
    for good in ["", secret, stored, &format!("{secret},{stored}")] {
        assert!(takes(good), "{good}");
    }
    for bad in [
        "*",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:*",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/?-AbCdEf",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop",
        "arn:aws:ssm:*:123456789012:parameter/a",
        "arn:aws:s3:::bucket",
        &format!("{secret},"),
        &format!("{secret},*"),
    ] {
        assert!(!takes(bad), "{bad}");
    }
}

#[test]
fn functions_without_secrets_get_no_rights_for_them() {
    let json = Template::new(&derive(&[mail()], &[]).unwrap()).to_json();
    assert!(!json.to_string().contains("GetSecretValue") && json["Parameters"].get("SecretsKeyArn").is_none());
}

#[test]
fn jobs_wait_for_secrets_until_their_retention_ends() {
    // A job is released, uncounted, while its secret cannot be read; SQS must not dead-letter it meanwhile.
    let receives = |id| properties(&template(), id)["RedrivePolicy"]["maxReceiveCount"].clone();
    assert_eq!(receives("MailsQueue"), 1000);
    let stateless = Function::new("courier").stateless().setting(KEYS).job(handle::<FileLetter>).with_state(());
    let template = Template::new(&derive(&[stateless], &[]).unwrap());
    let receives = properties(&template, "LettersQueue")["RedrivePolicy"]["maxReceiveCount"].clone();
    assert_eq!(receives, 15, "without records, only receives can be counted");
}

#[test]
fn settings_cannot_use_the_key_parameters_name() {
    let function = Function::new("courier")
        .setting(Setting::text("LAMPLIGHTER_SECRETS_KEY_ARN", "A key"))
        .job(handle::<SendMail>)
        .with_state(());
    let problems = problems(&[function], &[]);
    assert!(problems.iter().any(|text| text.contains("SecretsKeyArn")), "{problems:?}");
}
