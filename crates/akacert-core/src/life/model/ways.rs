//! The ways of validation that the user of the model can choose, and what of them is published for the life of a
//! certificate.

use std::collections::BTreeSet;

use serde_json::json;

use super::world::World;
use akacert_api::validation::Validation;
use akacert_api::way::Way;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ways {
    /// Tokens, and a TXT record for the name in the second zone.
    Mixed,
    Ingress,
    EdgeDns,
    Redirect,
    /// A redirect, and a TXT record for the name in the second zone.
    RedirectAndDns,
    /// The user serves the names himself, and writes the record of the name in the second zone.
    ByHand,
}

impl Ways {
    pub const ALL: [Ways; 6] =
        [Ways::Mixed, Ways::Ingress, Ways::EdgeDns, Ways::Redirect, Ways::RedirectAndDns, Ways::ByHand];

    pub fn validation(self) -> Validation {
        let ingress = json!({"className": "traefik"});
        let second = |dns01| json!([{"names": ["api.example.com"], "dns01": dns01}]);
        let validation = match self {
            Ways::Mixed => json!({"http01": {"ingress": ingress}, "domains": second(json!({"edgeDns": {}}))}),
            Ways::Ingress => json!({"http01": {"ingress": ingress}}),
            Ways::EdgeDns => json!({"dns01": {"edgeDns": {}}}),
            Ways::Redirect => json!({"http01": {"redirect": {"ingress": ingress}}}),
            Ways::RedirectAndDns => {
                json!({"http01": {"redirect": {"ingress": ingress}}, "domains": second(json!({"edgeDns": {}}))})
            }
            Ways::ByHand => json!({"http01": {"external": {}}, "domains": second(json!({"manual": {}}))}),
        };
        serde_json::from_value(validation).unwrap()
    }
}

impl World {
    /// Nothing is published at rest but what stands for the life of the certificate, and all of that.
    pub(super) fn check_rest(&self) {
        let me = &self.me;
        let of = |wanted: fn(&Way<'_>) -> bool| -> BTreeSet<String> {
            let names = me.certificate.spec.ways().filter(|(_, way)| wanted(way));
            names.map(|(name, _)| name.to_owned()).collect()
        };
        let redirected = of(|way| matches!(way, Way::Redirect(_)));
        let content = me.content();
        assert!(content.tokens.is_empty(), "tokens are left: {self:?}");
        assert!(content.records.is_empty(), "records are left: {self:?}");
        let answered: BTreeSet<String> =
            content.redirects.into_iter().map(|redirect| redirect.host).collect();
        assert_eq!(answered, redirected, "{self:?}");
        let routed: BTreeSet<String> = me.routed().into_iter().map(|(host, _)| host).collect();
        assert_eq!(routed, redirected, "{self:?}");
        assert_eq!(me.published.service.is_some(), !redirected.is_empty(), "{self:?}");
        let external = of(|way| matches!(way, Way::External));
        assert_eq!(me.published.snippets.is_empty(), external.is_empty(), "{self:?}");
        let left: Vec<_> =
            self.zone.difference(&self.forgotten).filter(|it| !self.by_hand.contains(it)).collect();
        assert!(left.is_empty(), "TXT records are left: {left:?} {self:?}");
    }
}
