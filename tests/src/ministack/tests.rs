//! The emulator's start and end. The end-to-end tests show that functions run in it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use hyper::{Method, Request};
use serde_json::json;

use super::{MiniStack, PATIENCE, Result, eventually, package};

#[tokio::test]
async fn several_emulators_run_concurrently() -> Result<()> {
    let (one, two, three) = tokio::try_join!(MiniStack::start(), MiniStack::start(), MiniStack::start())?;
    let mut queues = Vec::new();
    for (aws, body) in [(one, "1"), (two, "2"), (three, "3")] {
        let queue = queue(&aws).await?;
        aws.send(&queue, body).await?;
        queues.push((aws, queue, body));
    }
    for (aws, queue, body) in queues {
        let messages = aws.drain(&queue).await?.into_iter();
        let bodies: Vec<_> = messages.filter_map(|message| message.body).collect();
        assert_eq!(bodies, [body]);
    }
    Ok(())
}

#[tokio::test]
async fn a_restart_keeps_the_state() -> Result<()> {
    let aws = MiniStack::options().persist_state(true).start().await?;
    let queue = queue(&aws).await?;
    aws.send(&queue, "kept").await?;
    let (endpoint, server) = (aws.endpoint(), aws.pid());

    let aws = aws.restart().await?;
    assert_eq!(aws.endpoint(), endpoint);
    assert_ne!(aws.pid(), server);
    let held = aws.peek(&queue).await?;
    assert_eq!((held[0].body.as_str(), held[0].receive_count), ("kept", 0));
    Ok(())
}

#[tokio::test]
async fn a_refused_template_says_why() -> Result<()> {
    let aws = MiniStack::start().await?;
    let deep = json!({ "Resources": { "Queue": {
        "Type": "AWS::SQS::Queue",
        "Properties": { "RedrivePolicy": { "deadLetterTargetArn": "nonsense", "maxReceiveCount": 1 } },
    }}});
    let error = aws.deploy("deep", deep, &[], &BTreeMap::new()).await.unwrap_err().to_string();
    assert!(error.contains("ROLLBACK_COMPLETE") && error.contains("Queue (AWS::SQS::Queue): "), "{error}");

    let at_once = json!({ "Resources": { "Thing": { "Type": "AWS::Nonsense" } } });
    let error = aws.deploy("once", at_once, &[], &BTreeMap::new()).await.unwrap_err().to_string();
    assert!(error.contains("Unrecognized resource types: [AWS::Nonsense]"), "{error}");
    Ok(())
}

#[tokio::test]
async fn nothing_outlives_a_dropped_emulator() -> Result<()> {
    let aws = MiniStack::start().await?;
    let (server, log) = (aws.pid(), aws.log());
    with_bootstrap(&aws).await?;
    drop(aws);
    assert_eq!(alive(server), Vec::<String>::new());
    assert!(!log.exists(), "the folder of the run is gone");
    Ok(())
}

#[tokio::test]
async fn nothing_outlives_a_hanging_emulator() -> Result<()> {
    let aws = MiniStack::start().await?;
    let server = aws.pid();
    with_bootstrap(&aws).await?;
    let stopped = Command::new("sh").args(["-c", &format!("kill -STOP {server}")]).status();
    assert!(stopped.is_ok_and(|status| status.success()));
    drop(aws);
    assert_eq!(alive(server), Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn nothing_outlives_a_killed_test() -> Result<()> {
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ministack::tests::hold_an_emulator", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(test.stdout.take().unwrap()).lines().map_while(std::io::Result::ok);
    let server = lines.filter_map(|line| line.strip_prefix("holding ")?.parse::<u32>().ok()).next();
    let server = server.expect("the other test tells the server's process id");
    assert!(alive(server).len() >= 2, "the server and the bootstrap run: {:?}", alive(server));
    // The same as `kill -9`.
    test.kill().unwrap();
    test.wait().unwrap();
    eventually("all of the killed test's processes have ended", PATIENCE, async || match alive(server) {
        none if none.is_empty() => Ok(()),
        some => Err(some.join(", ")),
    })
    .await?;
    Ok(())
}

#[tokio::test]
#[ignore = "the part of `nothing_outlives_a_killed_test` that is killed"]
async fn hold_an_emulator() -> Result<()> {
    let aws = MiniStack::start().await?;
    with_bootstrap(&aws).await?;
    println!("\nholding {}", aws.pid());
    std::future::pending().await
}

/// Deploys one queue and returns its URL.
async fn queue(aws: &MiniStack) -> Result<String> {
    let template = json!({
        "Resources": { "Queue": { "Type": "AWS::SQS::Queue" } },
        "Outputs": { "Url": { "Value": { "Ref": "Queue" } } },
    });
    let stack = aws.deploy("queue", template, &[], &BTreeMap::new()).await?;
    assert_eq!(stack.output("Url")?, stack.physical_id("Queue")?);
    Ok(stack.output("Url")?.to_owned())
}

/// Leaves a function running that never answers.
async fn with_bootstrap(aws: &MiniStack) -> Result<()> {
    let folder = aws.log().with_file_name("home");
    let (script, archive) = (folder.join("bootstrap"), folder.join("bootstrap.zip"));
    fs::write(&script, "#!/bin/sh\nexec sleep 600\n").unwrap();
    package::pack(&script, &archive)?;
    let template = json!({
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": { "Sleeper": { "Type": "AWS::Serverless::Function", "Properties": {
            "CodeUri": "sleeper", "Handler": "bootstrap", "Runtime": "provided.al2023", "Timeout": 600,
        }}},
    });
    let code = BTreeMap::from([("sleeper".to_owned(), archive)]);
    let stack = aws.deploy("sleeper", template, &[], &code).await?;
    let call = format!("/2015-03-31/functions/{}/invocations", stack.physical_id("Sleeper")?);
    let call = Request::builder().method(Method::POST).uri(call).header("x-amz-invocation-type", "Event");
    aws.request_as_root("lambda", call.body(b"{}".to_vec()).unwrap()).await?;
    let server = aws.pid();
    eventually("the bootstrap runs", PATIENCE, async || match alive(server) {
        some if some.iter().any(|name| name.contains("sleep")) => Ok(()),
        other => Err(other.join(", ")),
    })
    .await?;
    Ok(())
}

/// Returns the running processes of a group, without those that are dead and not yet reaped.
fn alive(group: u32) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let about = processes.filter_map(|process| fs::read_to_string(process.path().join("stat")).ok());
    about
        .filter(|about| {
            // "<pid> (<name>) <state> <parent> <group> …"; the name may contain any character.
            let fields: Vec<&str> = about.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            fields.first() != Some(&"Z") && fields.get(2) == Some(&group.to_string().as_str())
        })
        .map(|about| about.split(')').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn every_python_package_is_pinned_by_version_and_hash() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for file in ["tests/requirements.txt", "infra/lint/requirements-sam.txt", "infra/lint/requirements-checkov.txt"] {
        let text = fs::read_to_string(root.join(file)).unwrap().replace("\\\n", " ");
        let pins: Vec<_> = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).collect();
        assert!(pins.len() > 40, "{file}");
        for pin in pins {
            assert!(pin.contains("==") && pin.contains("--hash=sha256:"), "{file}: {pin}");
        }
    }
    for installer in ["infra/lint/run", "tests/src/ministack/install.rs"] {
        let text = fs::read_to_string(root.join(installer)).unwrap();
        assert!(text.contains("--no-deps") && text.contains("--require-hashes"), "{installer}");
    }
}
