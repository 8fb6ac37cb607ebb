//! The name server, the Gateways and external-dns of the test bed: they do what the operator's tests rely on. One
//! test bed serves all these tests.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::LocalBoxFuture;
use libtest_mimic::{Arguments, Trial};
use testbed::{EDGE, Options, Query, TestBed};
use tokio::runtime::Runtime;
use tokio::time::Instant;

type Test = for<'a> fn(&'a TestBed) -> LocalBoxFuture<'a, Result<()>>;

/// Names tests after their functions.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        const TESTS: &[(&str, Test)] = &[$((stringify!($name), |bed| Box::pin($name(bed)))),*];
    };
}

tests![
    names_of_its_zones_lead_to_the_ingress_controller_and_all_others_where_a_test_says,
    what_has_no_record_has_an_empty_answer,
    an_update_is_taken_with_the_key_of_the_zone_and_refused_without,
    each_question_is_in_the_query_log,
    a_route_of_another_namespace_is_served_by_the_public_gateway_and_refused_by_the_private_one,
    external_dns_publishes_what_a_dns_endpoint_says_and_takes_it_away_with_it,
];

fn main() -> Result<()> {
    let mut arguments = Arguments::from_args();
    if arguments.list {
        let listed = TESTS.iter().map(|(name, _)| Trial::test(*name, || Ok(()))).collect();
        libtest_mimic::run(&arguments, listed).exit();
    }
    testbed::Programs::find_or_build()?;
    testbed::enter()?;
    arguments.test_threads = Some(TESTS.len());
    let runtime = Arc::new(Runtime::new()?);
    let bed = Arc::new(runtime.block_on(TestBed::start(&Options::default()))?);
    let trials = TESTS
        .iter()
        .map(|(name, test)| {
            let (runtime, bed) = (runtime.clone(), bed.clone());
            Trial::test(*name, move || {
                runtime.block_on(test(&bed)).map_err(|error| format!("{error:#}").into())
            })
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(bed);
    conclusion.exit();
}

async fn names_of_its_zones_lead_to_the_ingress_controller_and_all_others_where_a_test_says(
    bed: &TestBed,
) -> Result<()> {
    for name in [
        "dyn.test",
        "www.dyn.test",
        "www.ext.dyn.test",
        "a.edge.test",
        "child.edge.test",
        "a.child.edge.test",
    ] {
        ensure!(bed.dig(&["+short", name, "A"]).await? == "10.77.0.1", "{name}");
    }
    ensure!(bed.dig(&["+short", "child.edge.test", "NS"]).await? == "ns1.dyn.test.");
    ensure!(bed.dig(&["+short", "www.parts.example.com", "A"]).await? == "10.77.0.1");
    testbed::set_address("www.parts.example.com", EDGE).await?;
    ensure!(bed.dig(&["+short", "www.parts.example.com", "A"]).await? == "10.77.0.3");
    testbed::clear_addresses("www.parts.example.com").await?;
    ensure!(bed.dig(&["+short", "www.parts.example.com", "A"]).await? == "10.77.0.1");
    testbed::set_ipv6_addresses("www.parts.example.com", &["fd77::9"]).await?;
    ensure!(bed.dig(&["+short", "www.parts.example.com", "AAAA"]).await? == "fd77::9");
    testbed::clear_ipv6_addresses("www.parts.example.com").await?;
    testbed::set_caa("parts.example.com", &[("issue", "other.example.org"), ("issuewild", ";")]).await?;
    let caa = bed.dig(&["+short", "parts.example.com", "CAA"]).await?;
    ensure!(caa.contains("0 issue \"other.example.org\"") && caa.contains("0 issuewild \";\""), "{caa}");
    testbed::clear_caa("parts.example.com").await?;
    testbed::set_alias("alias.parts.example.com", "www.dyn.test").await?;
    ensure!(bed.dig(&["+short", "alias.parts.example.com", "A"]).await? == "www.dyn.test.\n10.77.0.1");
    testbed::clear_alias("alias.parts.example.com").await?;
    ensure!(bed.dig(&["+short", "alias.parts.example.com", "A"]).await? == "10.77.0.1");
    Ok(())
}

async fn what_has_no_record_has_an_empty_answer(bed: &TestBed) -> Result<()> {
    for (name, record_type) in [
        ("www.dyn.test", "TXT"),
        ("none.example.com", "AAAA"),
        ("none.example.com", "CAA"),
        ("none.example.com", "SOA"),
    ] {
        let answer = bed.dig(&["+noall", "+comments", "+answer", name, record_type]).await?;
        ensure!(
            answer.contains("status: NOERROR") && answer.contains("ANSWER: 0"),
            "{name} {record_type}: {answer}"
        );
    }
    Ok(())
}

async fn an_update_is_taken_with_the_key_of_the_zone_and_refused_without(bed: &TestBed) -> Result<()> {
    for zone in ["dyn.test", "edge.test", "child.edge.test"] {
        let name = format!("_acme-challenge.update.{zone}");
        let add = |value: &str| format!("add {name} 1 TXT \"{value}\"");
        let refused = bed.unsigned_dns_update(&[&add("one")]).await.err().context("taken without a key")?;
        ensure!(refused.to_string().contains("REFUSED"), "{refused}");
        ensure!(bed.txt_values(&name).await?.is_empty());
        bed.dns_update(&[&add("two"), &add("one")]).await?;
        ensure!(bed.txt_values(&name).await? == ["one", "two"]);
        bed.dns_update(&[&format!("delete {name} TXT")]).await?;
        ensure!(bed.txt_values(&name).await?.is_empty());
    }
    Ok(())
}

async fn each_question_is_in_the_query_log(bed: &TestBed) -> Result<()> {
    bed.txt_values("_acme-challenge.Asked.dyn.test").await?;
    let asked = Query {
        name: "_acme-challenge.asked.dyn.test".into(),
        record_type: "TXT".into(),
        client: "10.77.0.1".into(),
        server: "10.77.0.1".into(),
    };
    ensure!(bed.dns_queries()?.contains(&asked));
    Ok(())
}

async fn a_route_of_another_namespace_is_served_by_the_public_gateway_and_refused_by_the_private_one(
    bed: &TestBed,
) -> Result<()> {
    let route = |gateway: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {gateway}, namespace: parts}}
spec:
  parentRefs: [{{name: {gateway}, namespace: infra, sectionName: http}}]
  hostnames: [{gateway}.parts.example.com]
  rules:
    - matches: [{{path: {{type: PathPrefix, value: /old}}}}]
      filters: [{{type: RequestRedirect, requestRedirect: {{scheme: http, hostname: new.example.com, statusCode: 302}}}}]
"
        )
    };
    bed.kubectl(&["create", "namespace", "parts"]).await?;
    bed.apply(&[route("public"), route("private")].join("---\n")).await?;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    until("the public Gateway redirects", async || {
        let answer = client.get("http://public.parts.example.com/old/path?and=query").send().await?;
        let location = answer.headers().get("location").and_then(|location| location.to_str().ok());
        Ok(answer.status() == 302 && location == Some("http://new.example.com/old/path?and=query"))
    })
    .await?;
    until("the private Gateway says why not", async || {
        let reason = "jsonpath={.status.parents[0].conditions[?(@.type==\"Accepted\")].reason}";
        let reason = bed.kubectl(&["-n", "parts", "get", "httproute", "private", "-o", reason]).await?;
        Ok(reason == "NotAllowedByListeners")
    })
    .await?;
    ensure!(client.get("http://private.parts.example.com/old/path").send().await?.status() == 404);
    Ok(())
}

async fn external_dns_publishes_what_a_dns_endpoint_says_and_takes_it_away_with_it(
    bed: &TestBed,
) -> Result<()> {
    let name = "_acme-challenge.www.ext.dyn.test";
    let external_dns = bed.external_dns().await?;
    bed.dns_update(&["add _acme-challenge.elsewhere.dyn.test 1 TXT \"foreign\""]).await?;
    let endpoint = |targets: &str| {
        format!(
            "apiVersion: externaldns.k8s.io/v1alpha1
kind: DNSEndpoint
metadata: {{name: www, namespace: default}}
spec:
  endpoints: [{{dnsName: {name}, recordType: TXT, recordTTL: 1, targets: {targets}}}]
"
        )
    };
    let published = async |values: &[&str]| {
        until(&format!("{name} has {values:?}"), async || Ok(bed.txt_values(name).await? == values)).await
    };
    bed.apply(&endpoint("[second, -first]")).await?;
    published(&["-first", "second"]).await?;
    bed.apply(&endpoint("[second, third]")).await?;
    published(&["second", "third"]).await?;
    bed.kubectl(&["delete", "dnsendpoint", "www"]).await?;
    published(&[]).await?;
    ensure!(bed.txt_values("_acme-challenge.elsewhere.dyn.test").await? == ["foreign"]);
    external_dns.stop().await
}

async fn until(what: &str, condition: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition().await? {
        ensure!(Instant::now() < deadline, "{what}: not within half a minute");
        tokio::task::yield_now().await;
    }
    Ok(())
}
