//! The provider: its metadata and keys, where it signs people in, and what its tokens say.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use openidconnect::{
    AccessTokenHash, AdditionalClaims, AuthType, AuthorizationCode, ClaimsVerificationError, Client, ClientId,
    ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenClaims,
    IdTokenFields, IdTokenVerifier, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RequestTokenError, Scope, SignatureVerificationError, StandardErrorResponse, StandardTokenResponse,
    TokenResponse,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClientAuthMethod, CoreErrorResponseType,
        CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
        CoreProviderMetadata, CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse,
        CoreTokenType,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::{
    http::Http,
    settings::{OpenIdSettings, is_safe},
};
use crate::known::Known;

/// How long metadata and keys are kept; and how often they are read before that, for a key that is not among them.
const KEPT: Duration = Duration::from_secs(3600);
const AGAIN: Duration = Duration::from_secs(60);

/// Signatures that a key can check which may be known to everybody. Those with a shared secret, and none, are never accepted.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// All other claims, among them the groups.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Others {
    #[serde(flatten)]
    all: Map<String, Value>,
}

impl AdditionalClaims for Others {}

type Fields = IdTokenFields<
    Others,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type OpenIdClient = Client<
    Others,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;
type Claims = IdTokenClaims<Others, CoreGenderClaim>;

/// Why nobody was signed in. Contains nothing that a stranger has sent.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ProviderError {
    /// The provider cannot be used now.
    #[error("the OpenID provider cannot be used: {0}")]
    Unavailable(String),
    /// The provider, or a check of what it said, refused.
    #[error("the sign-in was refused: {0}")]
    Refused(String),
}

/// The provider.
pub(crate) struct Provider {
    issuer: String,
    client_id: String,
    client_secret: Option<String>,
    scopes: Vec<String>,
    groups_claim: String,
    redirect: String,
    http: OnceLock<Http>,
    /// What is known of it. One reads it while others wait.
    known: Mutex<Option<Read>>,
}

/// What was read of the provider.
struct Read {
    metadata: Arc<CoreProviderMetadata>,
    since: Instant,
    /// When it was last read for a key that was not there.
    for_a_key: Option<Instant>,
}

/// What a sign-in is recognised by when it comes back.
pub(crate) struct Marks {
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
}

impl Provider {
    pub(crate) fn new(settings: &OpenIdSettings, redirect: String) -> Self {
        Self {
            issuer: settings.issuer.clone(),
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.clone(),
            scopes: settings.scopes.clone(),
            groups_claim: settings.groups_claim.clone(),
            redirect,
            http: OnceLock::new(),
            known: Mutex::new(None),
        }
    }

    /// Returns where somebody signs in.
    pub(crate) async fn address(&self, marks: &Marks) -> Result<String, ProviderError> {
        let client = self.client(self.metadata().await?)?;
        let (state, nonce) = (marks.state.clone(), marks.nonce.clone());
        let request = client.authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            move || CsrfToken::new(state),
            move || Nonce::new(nonce),
        );
        let verifier = PkceCodeVerifier::new(marks.verifier.clone());
        let scopes = self.scopes.iter().cloned().map(Scope::new);
        let (url, _, _) = request
            .add_scopes(scopes)
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(url.into())
    }

    /// Exchanges a code for a token, checks it, and returns whom it is about.
    pub(crate) async fn identify(&self, code: &str, marks: &Marks) -> Result<Known, ProviderError> {
        let mut client = self.client(self.metadata().await?)?;
        let http = self.http()?;
        let request = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|error| unavailable(&error))?
            .set_pkce_verifier(PkceCodeVerifier::new(marks.verifier.clone()));
        let tokens = request.request_async(&http).await.map_err(|error| match error {
            // The provider's own code for it, such as invalid_grant.
            RequestTokenError::ServerResponse(answer) => {
                ProviderError::Refused(format!("the provider says {}", known_code(answer.error())))
            }
            RequestTokenError::Request(error) => unavailable(&error),
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                ProviderError::Unavailable("it answered with something that is no token".into())
            }
        })?;
        let Some(token) = tokens.id_token() else {
            return Err(ProviderError::Refused("the provider gave no ID token".into()));
        };
        let nonce = Nonce::new(marks.nonce.clone());
        let checked = token.claims(&self.verifier(&client), &nonce);
        let claims = match checked {
            // The provider may have changed its keys since they were read.
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)) => {
                client = self.client(self.metadata_with_a_new_key().await?)?;
                token.claims(&self.verifier(&client), &nonce).map_err(|error| refused(&error))?.clone()
            }
            checked => checked.map_err(|error| refused(&error))?.clone(),
        };
        if let Some(expected) = claims.access_token_hash() {
            let verifier = self.verifier(&client);
            let algorithm = token.signing_alg().map_err(|error| refused(&error))?;
            let key = token.signing_key(&verifier).map_err(|error| refused(&error))?;
            let found =
                AccessTokenHash::from_token(tokens.access_token(), algorithm, key).map_err(|error| refused(&error))?;
            if found != *expected {
                return Err(ProviderError::Refused("the access token is not that of the ID token".into()));
            }
        }
        Ok(self.known(&claims))
    }

    fn verifier<'a>(&self, client: &'a OpenIdClient) -> IdTokenVerifier<'a, CoreJsonWebKey> {
        client.id_token_verifier().set_allowed_algs(ALGORITHMS)
    }

    /// An address counts only where the provider has verified it: at some providers, people may write any. A name that people
    /// choose is shown, and means nothing.
    fn known(&self, claims: &Claims) -> Known {
        let subject = claims.subject().as_str();
        let verified = claims.email().filter(|_| claims.email_verified() == Some(true)).map(|email| email.as_str());
        let chosen = claims.preferred_username().map(|name| name.as_str());
        let subject_name = format!("sub:{subject}");
        let known = match (verified, chosen) {
            (Some(email), _) => Known::as_name(email).also(subject_name),
            (None, Some(name)) => Known { name: format!("{name} ({subject})"), ..Known::as_name(subject_name) },
            (None, None) => Known { name: subject.to_owned(), ..Known::as_name(subject_name) },
        };
        known.groups(groups(&claims.additional_claims().all, &self.groups_claim))
    }

    fn client(&self, metadata: Arc<CoreProviderMetadata>) -> Result<OpenIdClient, ProviderError> {
        let redirect = RedirectUrl::new(self.redirect.clone()).map_err(|error| unavailable(&error))?;
        let secret = self.client_secret.clone().map(ClientSecret::new);
        let methods = metadata.token_endpoint_auth_methods_supported();
        let only_in_body = methods.is_some_and(|methods| {
            !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
                && methods.contains(&CoreClientAuthMethod::ClientSecretPost)
        });
        let metadata = Arc::unwrap_or_clone(metadata);
        let client = OpenIdClient::from_provider_metadata(metadata, ClientId::new(self.client_id.clone()), secret);
        let how = if only_in_body { AuthType::RequestBody } else { AuthType::BasicAuth };
        Ok(client.set_redirect_uri(redirect).set_auth_type(how))
    }

    /// Returns what is known of the provider. It is asked when that is old; if it does not answer, what was known stays good.
    async fn metadata(&self) -> Result<Arc<CoreProviderMetadata>, ProviderError> {
        let mut known = self.known.lock().await;
        match &*known {
            Some(read) if read.since.elapsed() < KEPT => Ok(read.metadata.clone()),
            _ => self.read(&mut known).await,
        }
    }

    /// Asks the provider for a key that is not known: it may have replaced its own. Anybody can name a key that does not exist,
    /// so that happens once a minute at most.
    async fn metadata_with_a_new_key(&self) -> Result<Arc<CoreProviderMetadata>, ProviderError> {
        let mut known = self.known.lock().await;
        if let Some(read) = known.as_mut() {
            if read.for_a_key.is_some_and(|then| then.elapsed() < AGAIN) {
                return Ok(read.metadata.clone());
            }
            read.for_a_key = Some(Instant::now());
        }
        self.read(&mut known).await
    }

    async fn read(&self, known: &mut Option<Read>) -> Result<Arc<CoreProviderMetadata>, ProviderError> {
        match (self.discover().await, known.as_ref()) {
            (Ok(metadata), before) => {
                let for_a_key = before.and_then(|read| read.for_a_key);
                let metadata = Arc::new(metadata);
                *known = Some(Read { metadata: metadata.clone(), since: Instant::now(), for_a_key });
                Ok(metadata)
            }
            (Err(error), Some(read)) => {
                tracing::warn!(%error, "the OpenID provider's keys are those of before");
                Ok(read.metadata.clone())
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn discover(&self) -> Result<CoreProviderMetadata, ProviderError> {
        let http = self.http()?;
        let issuer = IssuerUrl::new(self.issuer.clone()).map_err(|error| unavailable(&error))?;
        let metadata =
            CoreProviderMetadata::discover_async(issuer, &http).await.map_err(|error| unavailable(&error))?;
        // The keys count only if nobody on the way could have changed them.
        let all = [
            Some(metadata.authorization_endpoint().as_str()),
            metadata.token_endpoint().map(|url| url.as_str()),
            Some(metadata.jwks_uri().as_str()),
        ];
        let readable = all.into_iter().flatten().find(|url| !is_safe(url)).map(ToOwned::to_owned);
        match readable {
            Some(url) => Err(ProviderError::Unavailable(format!("its endpoint {url} is not an https URL"))),
            None => Ok(metadata),
        }
    }

    /// Two sign-ins at once may make two clients, of which one is kept.
    fn http(&self) -> Result<Http, ProviderError> {
        match self.http.get() {
            Some(http) => Ok(http.clone()),
            None => Http::new().map(|http| self.http.get_or_init(|| http).clone()).map_err(|error| unavailable(&error)),
        }
    }
}

/// Returns the groups of a claim: a list, or one. A claim may be inside others, as `realm_access.roles`.
fn groups(claims: &Map<String, Value>, claim: &str) -> BTreeSet<String> {
    let found = claims.get(claim).or_else(|| {
        let mut parts = claim.split('.');
        let first = claims.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    });
    match found {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
        Some(Value::String(one)) => [one.clone()].into(),
        _ => BTreeSet::new(),
    }
}

/// Returns the provider's code, if it is one that the specification knows. Other text of the provider's is not shown.
fn known_code(code: &CoreErrorResponseType) -> &str {
    match code {
        CoreErrorResponseType::Extension(_) => "something else",
        known => known.as_ref(),
    }
}

fn unavailable(error: &(dyn std::error::Error + 'static)) -> ProviderError {
    ProviderError::Unavailable(chain(error))
}

fn refused(error: &(dyn std::error::Error + 'static)) -> ProviderError {
    ProviderError::Refused(chain(error))
}

/// Returns an error with its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn groups_are_found_wherever_the_provider_writes_them() {
        let claims = json!({
            "groups": ["ops", "all", 3], "cognito:groups": "ops", "realm_access": {"roles": ["ops"]}, "https://a.b/groups": ["x"],
        });
        let claims = claims.as_object().unwrap();
        let of = |claim: &str| groups(claims, claim).into_iter().collect::<Vec<_>>().join(",");
        assert_eq!(of("groups"), "all,ops");
        assert_eq!(
            (&*of("cognito:groups"), &*of("realm_access.roles"), &*of("https://a.b/groups")),
            ("ops", "ops", "x")
        );
        assert_eq!((&*of("nothing"), &*of("groups.x"), &*of("realm_access")), ("", "", ""));
    }
}
