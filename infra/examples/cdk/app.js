// Lamplighter's stack as a part of a CDK app.
//
// The generated template is taken in as it is, so `cargo lamp infra` stays the one place where it comes from. What CDK adds
// here is the code of the functions, which `sam deploy` would upload itself, and a role for a web server that may enqueue
// webhooks and nothing else.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { App, CfnOutput, Stack, Validations } from 'aws-cdk-lib';
import { CfnInclude } from 'aws-cdk-lib/cloudformation-include';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import { CfnFunction } from 'aws-cdk-lib/aws-sam';
import { Queue } from 'aws-cdk-lib/aws-sqs';

const here = import.meta.dirname;
const app = new App();
// The name begins the names of all that the template makes; it has at most 23 characters.
const stack = new Stack(app, 'lamplighter');

const jobs = new CfnInclude(stack, 'Jobs', { templateFile: join(here, '../../template.yaml') });

// CDK looks at the defaults of parameters, and at both sides of each condition.
Validations.of(stack).acknowledge(
  { id: 'CloudFormation-Validate::W1030', reason: 'A parameter that is empty by default is used only where it is not.' },
  { id: 'CloudFormation-Validate::W1001', reason: 'What is made by a condition is referred to under the same condition.' },
  { id: 'CloudFormation-Validate::W2509', reason: 'Of a secret, these parameters name the ARN and the key, which are none.' },
);

// `cargo lambda build --profile bootstrap --arm64` puts them there; `--context bootstraps=FOLDER` names another place.
const bootstraps = app.node.tryGetContext('bootstraps') ?? join(here, '../../../target/lambda');
for (const resource of jobs.node.findAll().filter((one) => one instanceof CfnFunction)) {
  const [name] = resource.codeUri.split('/').slice(-2);
  const path = join(bootstraps, name);
  if (!existsSync(join(path, 'bootstrap'))) {
    throw new Error(`there is no ${path}/bootstrap; run \`cargo lambda build --profile bootstrap --arm64\` first`);
  }
  const code = new Asset(resource, 'Code', { path });
  resource.codeUri = { bucket: code.s3BucketName, key: code.s3ObjectKey };
}

const webhooks = Queue.fromQueueArn(stack, 'Webhooks', jobs.getResource('WebhooksQueue').attrArn);
const server = new Role(stack, 'WebServer', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') });
webhooks.grantSendMessages(server);
new CfnOutput(stack, 'WebServerRole', { value: server.roleName });
