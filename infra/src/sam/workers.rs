//! Workers: the permissions of a process that polls queues, and a service of Amazon ECS that runs it, behind a
//! parameter.

use super::{
    encryption, functions,
    names::{named, queue_id},
    policy, resource, resource_if, roles,
};
use crate::{
    deployment::{DeployedFunction, Deployment, WORKERS, variables},
    node::{Map, Node, arn, call, either, only_if, reference, sub},
};

/// The parameter with the image. Without it the template contains no service, and workers run elsewhere.
const IMAGE: &str = "WorkerImage";
/// The condition that the image is set.
const HAS_IMAGE: &str = "HasWorkerImage";
/// The condition that workers run on arm64, as functions do.
const ON_ARM: &str = "WorkersOnArm";
/// The permissions of a worker, for the role of the process or task that runs it.
const POLICY: &str = "WorkersAccess";
const ROLE: &str = "WorkersRole";
const STARTER: &str = "WorkersStarter";
const LOGS: &str = "WorkersLogs";
const CLUSTER: &str = "WorkersCluster";
const TASK: &str = "WorkersTask";
const SERVICE: &str = "WorkersService";

/// Fargate's maximum time between SIGTERM and SIGKILL (Amazon ECS Developer Guide, "Task definition parameters",
/// `stopTimeout`).
const STOP_SECS: u16 = 120;

/// Returns the role of the service's tasks, if there is one.
pub(super) fn role() -> Node {
    only_if(HAS_IMAGE, reference(ROLE))
}

pub(super) fn parameters(deployment: &Deployment) -> Map {
    let Some(workers) = &deployment.workers else { return Map::new() };
    let parameter = |kind: &str, about: &str| Map::new().set("Type", kind).set("Description", about);
    let list = |about: &str| parameter("CommaDelimitedList", about).set("Default", "");
    Map::new()
        .set(
            "WorkerAssignPublicIp",
            parameter(
                "String",
                "Whether workers get a public address, which they need in a subnet without another way out",
            )
            .set("Default", "DISABLED")
            .set("AllowedValues", ["DISABLED", "ENABLED"]),
        )
        .set("WorkerCount", parameter("Number", "How many workers run").set("Default", 1u16).set("MinValue", 0u16))
        .set(
            "WorkerCpu",
            parameter("String", "The share of a processor that a worker gets, in 1/1024")
                .set("Default", "256")
                .set("AllowedValues", ["256", "512", "1024", "2048", "4096", "8192", "16384"]),
        )
        .set(
            IMAGE,
            parameter(
                "String",
                "The container image of `lamp` that runs the workers on Amazon ECS; empty to run them elsewhere",
            )
            .set("Default", ""),
        )
        .set(
            "WorkerMemory",
            parameter(
                "String",
                "A worker's memory in MiB; AWS Fargate allows certain sizes for each share of a processor",
            )
            .set("Default", workers.memory_mb.max(512).next_multiple_of(512).to_string()),
        )
        .set("WorkerSecurityGroups", list("The security groups of workers, separated by commas"))
        .set("WorkerSubnets", list("The subnets of workers, separated by commas"))
}

pub(super) fn conditions(deployment: &Deployment) -> Map {
    if deployment.workers.is_none() {
        return Map::new();
    }
    let empty = call("Equals", vec![reference(IMAGE), Node::from("")]);
    let on_arm = call("Equals", vec![reference("Architecture"), Node::from("arm64")]);
    Map::new().set(HAS_IMAGE, call("Not", vec![empty])).set(ON_ARM, on_arm)
}

pub(super) fn outputs(deployment: &Deployment) -> Map {
    if deployment.workers.is_none() {
        return Map::new();
    }
    let about = "The policy for the role of whatever runs the workers";
    Map::new().set("WorkersPolicyArn", Map::new().set("Description", about).set("Value", reference(POLICY)))
}

pub(super) fn resources(deployment: &Deployment) -> Map {
    let Some(workers) = &deployment.workers else { return Map::new() };
    Map::new()
        .set(POLICY, permissions(deployment, workers))
        .set(ROLE, task_role())
        .set(STARTER, starter())
        .set(LOGS, logs())
        .set(CLUSTER, resource_if(HAS_IMAGE, "AWS::ECS::Cluster", Map::new().set("ClusterName", named(WORKERS, ""))))
        .set(TASK, task(deployment, workers))
        .set(SERVICE, service())
}

fn permissions(deployment: &Deployment, workers: &DeployedFunction) -> Map {
    let queues: Vec<Node> = deployment.queues_of(workers).map(|queue| arn(&queue_id(&queue.name))).collect();
    let mut statements = roles::jobs(deployment, workers);
    statements.push(policy::allow("TellPresence", ["sqs:ListQueueTags", "sqs:TagQueue"], queues));
    // `lamp work --stack` reads the addresses of all resources.
    let stack = vec![reference("AWS::StackId")];
    statements.push(policy::allow("FindStack", ["cloudformation:DescribeStacks"], stack));
    let properties = Map::new()
        .set("Description", "What workers of this stack may do")
        .set("PolicyDocument", policy::document(statements));
    resource("AWS::IAM::ManagedPolicy", properties)
}

fn trust() -> Map {
    policy::document(vec![policy::allow_service("ecs-tasks.amazonaws.com", "sts:AssumeRole")])
}

fn task_role() -> Map {
    let properties = Map::new().set("AssumeRolePolicyDocument", trust()).set("ManagedPolicyArns", [reference(POLICY)]);
    resource_if(HAS_IMAGE, "AWS::IAM::Role", properties)
}

/// Returns the role with which ECS itself fetches the image and writes logs.
fn starter() -> Map {
    let managed = sub("arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy");
    let properties = Map::new().set("AssumeRolePolicyDocument", trust()).set("ManagedPolicyArns", [managed]);
    resource_if(HAS_IMAGE, "AWS::IAM::Role", properties)
}

fn logs() -> Map {
    let properties = Map::new()
        .set("LogGroupName", sub(format!("/ecs/${{AWS::StackName}}-{WORKERS}")))
        .set("RetentionInDays", reference("LogRetentionDays"))
        .set("KmsKeyId", encryption::key());
    resource_if(HAS_IMAGE, "AWS::Logs::LogGroup", properties)
}

fn task(deployment: &Deployment, workers: &DeployedFunction) -> Map {
    let own = functions::variables(deployment, workers);
    let all = Map::new().set(variables::QUEUES, functions::queue_map(deployment)).and(own);
    let environment: Vec<Node> = all
        .entries()
        .iter()
        .map(|entry| Map::new().set("Name", entry.key.clone()).set("Value", entry.value.clone()).into())
        .collect();
    let logging = Map::new().set("LogDriver", "awslogs").set(
        "Options",
        Map::new()
            .set("awslogs-group", reference(LOGS))
            .set("awslogs-region", reference("AWS::Region"))
            .set("awslogs-stream-prefix", WORKERS),
    );
    let container = Map::new()
        .set("Name", WORKERS)
        .set("Image", reference(IMAGE))
        .set("Essential", true)
        .set("Command", ["work", "--killed-after", "110s", "--drain", "100s"])
        .set("Environment", environment)
        .set("LogConfiguration", logging)
        .set("ReadonlyRootFilesystem", true)
        .set("StopTimeout", STOP_SECS)
        .set("User", "65532");
    let platform =
        Map::new().set("CpuArchitecture", either(ON_ARM, "ARM64", "X86_64")).set("OperatingSystemFamily", "LINUX");
    let properties = Map::new()
        .set("Family", named(WORKERS, ""))
        .set("RequiresCompatibilities", ["FARGATE"])
        .set("NetworkMode", "awsvpc")
        .set("Cpu", reference("WorkerCpu"))
        .set("Memory", reference("WorkerMemory"))
        .set("RuntimePlatform", platform)
        .set("TaskRoleArn", arn(ROLE))
        .set("ExecutionRoleArn", arn(STARTER))
        .set("ContainerDefinitions", [container]);
    resource_if(HAS_IMAGE, "AWS::ECS::TaskDefinition", properties)
}

fn service() -> Map {
    let network = Map::new()
        .set("AssignPublicIp", reference("WorkerAssignPublicIp"))
        .set("SecurityGroups", reference("WorkerSecurityGroups"))
        .set("Subnets", reference("WorkerSubnets"));
    // A deployment that does not become stable is rolled back to the last stable one.
    let breaker = Map::new().set("Enable", true).set("Rollback", true);
    let deployment = Map::new()
        .set("MinimumHealthyPercent", 50u16)
        .set("MaximumPercent", 200u16)
        .set("DeploymentCircuitBreaker", breaker);
    let properties = Map::new()
        .set("ServiceName", named(WORKERS, ""))
        .set("Cluster", reference(CLUSTER))
        .set("LaunchType", "FARGATE")
        .set("TaskDefinition", reference(TASK))
        .set("DesiredCount", reference("WorkerCount"))
        .set("DeploymentConfiguration", deployment)
        .set("NetworkConfiguration", Map::new().set("AwsvpcConfiguration", network));
    // The lists are empty only without a service.
    let ignored = Map::new().set("config", Map::new().set("ignore_checks", ["W1030"]));
    resource_if(HAS_IMAGE, "AWS::ECS::Service", properties).set("Metadata", Map::new().set("cfn-lint", ignored))
}
