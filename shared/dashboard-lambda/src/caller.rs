//! Who calls, as the front end of function URLs says.

use async_trait::async_trait;
use axum::http::{Extensions, request::Parts};
use lambda_http::request::RequestContext;
use lamplighter_dashboard::http::{Authenticate, Identity};
use lamplighter_sign_in::{Known, Rules};

/// The caller's ARN, and the name under which the request came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// `arn:aws:sts::123456789012:assumed-role/Operators/ada`; none where anybody may call.
    pub(crate) arn: Option<String>,
    /// `abc….lambda-url.eu-west-1.on.aws`
    pub(crate) domain: Option<String>,
}

impl Caller {
    /// Reads the context of a request. It comes beside the request, so nothing that a caller sends through the URL gets into it.
    /// Anyone who may invoke the function otherwise can write what they like, and so be anybody.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        let Some(RequestContext::ApiGatewayV2(context)) = extensions.get::<RequestContext>() else {
            return Self::default();
        };
        let iam = context.authorizer.as_ref().and_then(|authorizer| authorizer.iam.as_ref());
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Self { arn: iam.and_then(|iam| text(&iam.user_arn)), domain: text(&context.domain_name) }
    }
}

/// Lets those in for whose ARN there is a rule.
pub(crate) struct ByIam(pub(crate) Rules);

#[async_trait]
impl Authenticate for ByIam {
    async fn authenticate(&self, parts: &Parts) -> Identity {
        let arn = parts.extensions.get::<Caller>().and_then(|caller| caller.arn.clone());
        let viewer = arn.and_then(|arn| self.0.viewer(&Known::as_name(arn)));
        viewer.map_or(Identity::Nobody, Identity::Viewer)
    }
}
