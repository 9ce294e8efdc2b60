//! The provider, and what it is asked by a dashboard at `jobs.example.com`.

use std::{collections::HashMap, ops::Deref};

use lamplighter_fakes::{FakeProvider, OpenId, Signing};
use url::Url;

/// A provider.
pub(crate) struct Provider(FakeProvider);

impl Deref for Provider {
    type Target = FakeProvider;

    fn deref(&self) -> &FakeProvider {
        &self.0
    }
}

impl Provider {
    pub(crate) async fn start() -> Self {
        Self::signing(Signing::Ecdsa).await
    }

    pub(crate) async fn signing(signing: Signing) -> Self {
        Self(FakeProvider::with(OpenId::signing(signing)).await.unwrap())
    }

    pub(crate) fn issuer(&self) -> String {
        self.endpoint()
    }

    /// How often it was asked for this.
    pub(crate) fn asked(&self, action: &str) -> usize {
        self.actions().iter().filter(|asked| *asked == action).count()
    }

    /// Somebody signs in where the browser was sent to: the code and the state that it is sent back with.
    pub(crate) fn consent(&self, address: &str) -> (String, String) {
        let url = Url::parse(address).unwrap();
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(format!("{}/authorize", self.issuer()), address.split('?').next().unwrap());
        assert_eq!((&*query["client_id"], &*query["response_type"]), (OpenId::CLIENT, "code"));
        assert_eq!(query["redirect_uri"], "https://jobs.example.com/sign-in/callback");
        assert_eq!(query["code_challenge_method"], "S256");
        let scopes: Vec<_> = query["scope"].split(' ').collect();
        assert!(scopes.contains(&"openid") && scopes.contains(&"email"), "{scopes:?}");
        self.0.consent(address).unwrap()
    }
}
