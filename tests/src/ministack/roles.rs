//! Assumes roles of the emulated account.

use std::time::SystemTime;

use aws_sdk_sqs::config::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use hyper::{Request, Response};
use serde_json::{Value, json};

use super::{
    MiniStack, REGION,
    error::{Error, Result},
    http,
};

impl MiniStack {
    /// Assumes a function's role: from then on it trusts the account's root user, too.
    ///
    /// # Errors
    /// When the role does not exist.
    pub async fn assume(&self, role: &str) -> Result<Credentials> {
        let trust = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "AWS": "arn:aws:iam::000000000000:root", "Service": "lambda.amazonaws.com" },
                "Action": "sts:AssumeRole",
            }],
        });
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", "UpdateAssumeRolePolicy")
            .append_pair("Version", "2010-05-08")
            .append_pair("RoleName", role)
            .append_pair("PolicyDocument", &trust.to_string())
            .finish();
        self.request_as_root("iam", post(&[("content-type", "application/x-www-form-urlencoded")], form)?).await?;
        let asked = json!({ "RoleArn": format!("arn:aws:iam::000000000000:role/{role}"), "RoleSessionName": "tests" });
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", "AWSSecurityTokenServiceV20110615.AssumeRole"),
        ];
        let answer = self.request_as_root("sts", post(&headers, asked.to_string())?).await?;
        let answer: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let text = |name: &str| answer["Credentials"][name].as_str().map(str::to_owned);
        match (text("AccessKeyId"), text("SecretAccessKey"), text("SessionToken")) {
            (Some(key), Some(secret), Some(token)) => Ok(Credentials::new(key, secret, Some(token), None, "tests")),
            _ => Err(Error::Request { what: format!("taking on {role}"), reason: answer.to_string() }),
        }
    }

    /// Sends a request with a role's credentials, and returns the answer with any status.
    ///
    /// # Errors
    /// When it cannot be signed, and when there is no answer.
    pub async fn request_as(
        &self,
        role: &Credentials,
        service: &str,
        mut request: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>> {
        let what = format!("{} {}", request.method(), request.uri());
        let failed = |error: &dyn std::fmt::Display| Error::Request { what: what.clone(), reason: error.to_string() };
        let identity = role.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name(service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(&error))?
            .into();
        let uri = format!("{}{}", self.endpoint(), request.uri());
        let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable =
            SignableRequest::new(request.method().as_str(), &uri, headers, SignableBody::Bytes(request.body()));
        let signed = sign(signable.map_err(|error| failed(&error))?, &parameters).map_err(|error| failed(&error))?;
        signed.into_parts().0.apply_to_request_http1x(&mut request);
        http::send(self.server.port(), request).await
    }
}

fn post(headers: &[(&str, &str)], body: String) -> Result<Request<Vec<u8>>> {
    let mut request = Request::post("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let failed = |error: hyper::http::Error| Error::Request { what: "POST /".into(), reason: error.to_string() };
    request.body(body.into_bytes()).map_err(failed)
}
