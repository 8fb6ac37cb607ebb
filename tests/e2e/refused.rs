//! What the API server refuses at `kubectl apply`, each with a sentence that says what to do. `stalled` has what is
//! found only afterwards.

use anyhow::Result;
use serde_json::json;
use testbed::TestBed;

use crate::scene::{Scene, says};

crate::together![
    a_wildcard_cannot_be_validated_by_http01,
    there_is_one_way_at_a_time,
    a_group_of_names_lists_names_of_the_certificate_only,
    a_certificate_has_at_most_a_hundred_names_with_the_common_name,
    a_name_that_is_no_host_name_is_refused,
    a_common_name_that_is_no_host_name_is_refused,
    a_name_in_upper_case_is_refused,
    the_common_name_cannot_be_changed,
    the_account_cannot_be_changed,
    an_ingress_class_has_to_be_named,
    settings_of_dns_names_need_sni_only,
    credentials_are_either_keys_or_an_edgerc,
    a_cluster_account_has_to_say_what_it_is_for,
    kubectl_explain_is_a_manual,
];

async fn a_wildcard_cannot_be_validated_by_http01(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "wildcard").await?;
    let refusal = scene.refusal("www", json!({"dnsNames": ["*.wildcard.example.com"]})).await?;
    refused(&refusal, "a wildcard name cannot be validated by HTTP-01: list the names one by one")?;
    let refusal = scene.refusal("www", json!({"commonName": "*.wildcard.example.com"})).await?;
    refused(&refusal, "a wildcard name cannot be validated by HTTP-01: list the names one by one")?;
    let group = json!({"names": ["*.wildcard.example.com"], "http01": {"external": {}}});
    let by_dns = json!({"http01": null, "dns01": {"manual": {}}, "domains": [group]});
    let changes = json!({"dnsNames": ["*.wildcard.example.com"], "validation": by_dns});
    refused(
        &scene.refusal("www", changes).await?,
        "a wildcard name cannot be validated by HTTP-01: its entry in validation.domains has to have dns01",
    )?;
    let by_dns = json!({"http01": null, "dns01": {"manual": {}}});
    let changes = json!({"suspend": true, "dnsNames": ["*.wildcard.example.com"], "validation": by_dns});
    scene.apply("www", changes).await
}

async fn there_is_one_way_at_a_time(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "one-way").await?;
    let gateway = json!({"parentRefs": [{"name": "public"}]});
    for (validation, field, sentence) in [
        (
            json!({"dns01": {"manual": {}}}),
            "spec.validation",
            "validation has one way: set one of edge, http01 and dns01, and list names that go another way in \
             validation.domains",
        ),
        (
            json!({"http01": {"gateway": gateway}}),
            "spec.validation.http01",
            "http01 has one way: set one of ingress, gateway, redirect and external",
        ),
        (
            json!({"http01": null, "dns01": {"manual": {}, "edgeDns": {}}}),
            "spec.validation.dns01",
            "dns01 has one way: set one of edgeDns, dnsEndpoint, rfc2136 and manual",
        ),
        (
            json!({"http01": {"ingress": null, "redirect": {"gateway": gateway, "ingress": {"className": "traefik"}}}}),
            "spec.validation.http01.redirect",
            "redirect has one way: set either ingress or gateway",
        ),
        (
            json!({"domains": [{"names": [scene.host("www")]}]}),
            "spec.validation",
            "each of validation.domains has one way: set one of edge, http01 and dns01",
        ),
    ] {
        let refusal = scene.refusal("www", json!({"validation": validation})).await?;
        says(&refusal, &format!("{field}: Invalid value: {sentence}"))?;
    }
    Ok(())
}

async fn a_group_of_names_lists_names_of_the_certificate_only(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "foreign-name").await?;
    let group = json!({"names": [scene.host("api")], "dns01": {"manual": {}}});
    let refusal = scene.refusal("www", json!({"validation": {"domains": [group]}})).await?;
    refused(&refusal, "validation.domains may list names of this certificate only: commonName and dnsNames")
}

async fn a_certificate_has_at_most_a_hundred_names_with_the_common_name(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "names").await?;
    let names = |count: usize| -> Vec<String> {
        (0..count).map(|number| scene.host(&format!("n{number}"))).collect()
    };
    let refusal = scene.refusal("www", json!({"dnsNames": names(100)})).await?;
    refused(
        &refusal,
        "CPS takes at most 100 names a certificate, the common name included: split the names over several certificates",
    )?;
    scene.apply("www", json!({"suspend": true, "dnsNames": names(99)})).await?;
    let with_common_name = [names(99), vec![scene.host("n100")]].concat();
    scene
        .apply(
            "n100",
            json!({"suspend": true, "commonName": scene.host("n100"), "dnsNames": with_common_name}),
        )
        .await
}

async fn a_name_that_is_no_host_name_is_refused(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "bad-name").await?;
    for name in [
        "www_1.example.com",
        "https://www.example.com",
        "www.example.com:443",
        "www.example.com.",
        "-www.example.com",
        "localhost",
        "www..example.com",
        "münchen.example.com",
    ] {
        let refusal = scene.refusal("www", json!({"dnsNames": [name]})).await?;
        refused(
            &refusal,
            "each of dnsNames must be a complete host name, such as www.example.com: letters, digits and hyphens in labels \
             of at most 63 characters, at least two labels, no trailing dot, no scheme, no port",
        )?;
    }
    Ok(())
}

async fn a_common_name_that_is_no_host_name_is_refused(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "bad-common-name").await?;
    let refusal = scene.refusal("www", json!({"commonName": "www.example.com/index.html"})).await?;
    refused(
        &refusal,
        "commonName must be a complete host name, such as www.example.com: letters, digits and hyphens in labels of at \
         most 63 characters, at least two labels, no trailing dot, no scheme, no port",
    )
}

async fn a_name_in_upper_case_is_refused(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "upper-case").await?;
    for changes in [
        json!({"dnsNames": ["API.upper-case.example.com"]}),
        json!({"commonName": "WWW.upper-case.example.com"}),
    ] {
        let refusal = scene.refusal("www", changes).await?;
        refused(
            &refusal,
            "names must be in lower case, as CPS returns them: write www.example.com, not WWW.Example.com",
        )?;
    }
    Ok(())
}

async fn the_common_name_cannot_be_changed(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "common-name").await?;
    scene.apply("www", json!({"suspend": true})).await?;
    let refusal = scene.refusal("www", json!({"suspend": true, "commonName": scene.host("other")})).await?;
    refused(
        &refusal,
        "commonName cannot be changed, because CPS cannot change it: make a new AkamaiCertificate and delete this one \
         when the new one is deployed",
    )
}

async fn the_account_cannot_be_changed(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "account-ref").await?;
    scene.apply("www", json!({"suspend": true})).await?;
    for reference in [json!({"name": "other"}), json!({"kind": "AkamaiAccount"})] {
        let refusal = scene.refusal("www", json!({"suspend": true, "accountRef": reference})).await?;
        refused(
            &refusal,
            "accountRef cannot be changed: make a new AkamaiCertificate with the other account and delete this one when \
             the new one is deployed",
        )?;
    }
    Ok(())
}

async fn an_ingress_class_has_to_be_named(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "no-class").await?;
    let refusal = scene
        .refusal(
            "www",
            json!({"validation": {"http01": {"ingress": {"className": null, "pathType": "Exact"}}}}),
        )
        .await?;
    says(&refusal, "* spec.validation.http01.ingress.className: Required value")
}

async fn settings_of_dns_names_need_sni_only(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "sni").await?;
    let network = json!({"network": {"sniOnly": false, "dnsNameSettings": {"cloneDnsNames": true}}});
    says(
        &scene.refusal("www", network).await?,
        "The AkamaiCertificate \"www\" is invalid: spec.network: Invalid value: dnsNameSettings needs sniOnly: true, \
         since CPS refuses it on certificates with an address of their own",
    )
}

async fn credentials_are_either_keys_or_an_edgerc(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "both").await?;
    let refusal = scene.account(json!({"credentials": {"keys": {"host": "host"}}})).await;
    says(
        &refusal.err().map(|error| error.to_string()).unwrap_or_default(),
        "The ClusterAkamaiAccount \"both\" is invalid: spec.credentials: Invalid value: set either keys (one Secret key a \
         field) or edgerc (one Secret key with a whole .edgerc), not both",
    )
}

async fn a_cluster_account_has_to_say_what_it_is_for(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "for-whom").await?;
    let refusal = scene.account(json!({"allowedNamespaces": null, "allowedDomains": null})).await;
    let refusal = refusal.err().map(|error| error.to_string()).unwrap_or_default();
    says(&refusal, "* spec.allowedNamespaces: Required value")?;
    says(&refusal, "* spec.allowedDomains: Required value")
}

async fn kubectl_explain_is_a_manual(bed: &TestBed) -> Result<()> {
    let shown = bed.kubectl(&["explain", "akamaicertificate.spec.validation.http01.ingress"]).await?;
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for sentence in [
        "The tokens' paths are routed to the solver by an Ingress in the certificate's namespace.",
        "className <string> -required- The Ingress class whose controller serves the names on port 80.",
        "pathType <string> enum: Exact, Prefix, ImplementationSpecific Path type of each token's path. Absent: `Exact`.",
        "annotations <map[string]string> Annotations for the Ingress. Their keys must be on the operator's allow-list.",
        "labels <map[string]string> Labels for the Ingress.",
    ] {
        says(&shown, sentence)?;
    }
    Ok(())
}

/// Checks that a rule on the whole `spec` refused the certificate, in these words.
fn refused(refusal: &str, sentence: &str) -> Result<()> {
    says(refusal, &format!("is invalid: spec: Invalid value: {sentence}"))
}
