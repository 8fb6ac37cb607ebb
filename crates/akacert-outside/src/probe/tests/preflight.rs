//! What the preflight finds out about a name.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::fake::{NX, Question, a, caa, cname, ns, soa};
use super::*;
use crate::dns::DnsFailure;

const WANTED: &str = "http://dcv.akamai.com/.well-known/acme-challenge/akacert-preflight";

fn target(need: Need) -> Target {
    Target { name: "www.example.com".into(), need }
}

fn to_dcv() -> Need {
    Need::Redirect { host: "dcv.akamai.com".into() }
}

/// What is wrong with a name. The result has the name even if nothing is wrong.
async fn look(prober: &Prober, dns: &Dns, target: Target) -> Option<PreflightFailure> {
    let mut found = prober.preflight(dns, std::slice::from_ref(&target)).await;
    found.remove(&target.name).unwrap()
}

/// What is wrong with `www.example.com`, at these addresses and on this port.
async fn look_at(addresses: &[&str], port: u16, need: Need) -> Option<PreflightFailure> {
    let names =
        Names(HashMap::from([("www.example.com", at(addresses)), ("hop.example.com", at(&["127.0.0.1"]))]));
    look(&prober(settings(port), names), &no_dns().await, target(need)).await
}

fn astray(address: &str, others_answer: bool) -> PreflightFailure {
    let address: IpAddr = address.parse().unwrap();
    PreflightFailure::Astray {
        family: Family::of(address),
        address,
        cause: Cause::Unreachable,
        others_answer,
    }
}

#[tokio::test]
async fn a_name_whose_addresses_all_answer_passes_whatever_they_say() {
    let port = serve("127.0.0.1", 0, |_| status(404)).await;
    serve("127.0.0.2", port, |_| redirect("https://www.example.com/")).await;
    assert_eq!(look_at(&["127.0.0.1", "127.0.0.2"], port, Need::Http).await, None);
}

#[tokio::test]
async fn the_address_that_leads_astray_is_named_with_its_record() {
    let port = serve("127.0.0.1", 0, |_| status(404)).await;
    assert_eq!(look_at(&["127.0.0.9"], port, Need::Http).await, Some(astray("127.0.0.9", false)));
    let among_others = look_at(&["127.0.0.1", "127.0.0.9"], port, Need::Http).await;
    assert_eq!(among_others, Some(astray("127.0.0.9", true)));
    assert_eq!(
        among_others.unwrap().to_string(),
        "the A record leads to 127.0.0.9, which cannot be reached on port 80, otherwise than the host's other addresses: \
         correct or remove that record"
    );
    // Nothing listens there either.
    let settings = ProbeSettings {
        allowed: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
        ..settings(port)
    };
    let names = Names(HashMap::from([("www.example.com", at(&["127.0.0.1", "::1"]))]));
    let failure = look(&prober(settings, names), &no_dns().await, target(Need::Http)).await.unwrap();
    assert_eq!(failure, astray("::1", true));
    assert!(failure.to_string().starts_with("the AAAA record leads to ::1, which cannot be reached"));
}

#[tokio::test]
async fn a_server_that_never_answers_is_not_waited_for() {
    let port = serve("127.0.0.1", 0, |_| Reply::Hang("")).await;
    let settings = ProbeSettings { preflight_timeout: Duration::from_millis(200), ..settings(port) };
    for need in [Need::Http, to_dcv()] {
        let failure = look(&prober(settings.clone(), names()), &no_dns().await, target(need)).await;
        assert!(
            matches!(failure, Some(PreflightFailure::Astray { cause: Cause::Timeout, .. })),
            "{failure:?}"
        );
    }
}

#[tokio::test]
async fn a_name_without_addresses_or_with_a_refused_one_does_not_pass() {
    assert_eq!(look_at(&[], 1, Need::Http).await, Some(ProbeFailure::NoAddress.into()));
    let address = "10.0.0.1".parse().unwrap();
    let refused = ProbeFailure::AddressRefused { address, why: Refusal::Private };
    assert_eq!(look_at(&["10.0.0.1"], 1, Need::Http).await, Some(refused.into()));
}

#[tokio::test]
async fn a_name_of_which_one_kind_of_address_cannot_be_looked_up_does_not_pass() {
    let port = serve("127.0.0.1", 0, |_| status(404)).await;
    let answers = |(name, kind): Question<'_>| match (name, kind) {
        ("www.example.com", RecordType::A) => fake::Reply::Has(vec![a("127.0.0.1")]),
        ("www.example.com", RecordType::AAAA) => fake::Reply::Code(ResponseCode::ServFail),
        _ => NX,
    };
    let resolver = DnsResolver::new(&[fake::serve("127.0.0.1", 0, answers).await]).unwrap();
    let prober = Prober::with_resolver(settings(port), Arc::new(resolver)).unwrap();
    let failure = look(&prober, &no_dns().await, target(Need::Http)).await.unwrap();
    assert_eq!(failure, PreflightFailure::HalfResolved { family: Family::Aaaa });
    assert_eq!(
        failure.to_string(),
        "the AAAA records of the name cannot be looked up, though A records can: see that its name servers answer for \
         AAAA, even if there are none"
    );
}

#[tokio::test]
async fn a_name_passes_that_redirects_to_the_same_path_at_the_host() {
    let port = serve("127.0.0.1", 0, |_| redirect(WANTED)).await;
    assert_eq!(look_at(&["127.0.0.1"], port, to_dcv()).await, None);
    for code in [301, 307, 308] {
        let text = format!("HTTP/1.1 {code} X\r\nLocation: {WANTED}\r\nContent-Length: 0\r\n\r\n");
        let port = serve("127.0.0.1", 0, move |_| Reply::Send(text.clone())).await;
        assert_eq!(look_at(&["127.0.0.1"], port, to_dcv()).await, None, "{code}");
    }
}

#[tokio::test]
async fn a_name_passes_that_redirects_there_by_way_of_others() {
    let port = serve("127.0.0.1", 0, |(host, path)| match (host.split(':').next().unwrap(), path) {
        ("www.example.com", _) => redirect("//hop.example.com/hop"),
        ("hop.example.com", "/hop") => redirect(WANTED),
        _ => status(404),
    })
    .await;
    assert_eq!(look_at(&["127.0.0.1"], port, to_dcv()).await, None);
}

#[tokio::test]
async fn a_name_that_redirects_elsewhere_or_not_at_all_does_not_pass() {
    let failure = PreflightFailure::NotRedirected {
        family: Family::A,
        address: "127.0.0.1".parse().unwrap(),
        host: "dcv.akamai.com".into(),
    };
    for reply in [|| status(404), || ok("Hello!"), || redirect("//hop.example.com/")] {
        let port = serve(
            "127.0.0.1",
            0,
            move |(host, _)| if host.starts_with("hop.") { status(404) } else { reply() },
        );
        assert_eq!(look_at(&["127.0.0.1"], port.await, to_dcv()).await, Some(failure.clone()));
    }
    assert_eq!(
        failure.to_string(),
        "the A record leads to 127.0.0.1, which does not redirect /.well-known/acme-challenge/* to the same path at \
         http://dcv.akamai.com: set up that redirect there, ahead of any other"
    );
}

#[tokio::test]
async fn redirects_that_lead_nowhere_do_not_pass() {
    let ends_in = async |reply: fn(Requested<'_>) -> Reply| {
        look_at(&["127.0.0.1"], serve("127.0.0.1", 0, reply).await, to_dcv()).await
    };
    let redirects = |problem| Some(PreflightFailure::Redirects { problem, host: "dcv.akamai.com".into() });
    let circle = ends_in(|(_, path)| redirect(if path == "/a" { "/b" } else { "/a" })).await;
    assert_eq!(circle, redirects(RedirectProblem::Circle));
    let port = ends_in(|_| redirect("http://dcv.akamai.com:8080/")).await;
    assert_eq!(port, redirects(RedirectProblem::Target));
    let path = ends_in(|_| redirect("http://dcv.akamai.com/another/path")).await;
    assert_eq!(path, redirects(RedirectProblem::Address));
}

/// A resolver and a name server for the zone `example.com`, with this answer for the challenge's name.
async fn zone(challenge: fn() -> fake::Reply) -> Dns {
    let server = fake::serve("127.0.0.1", 0, move |_| challenge()).await;
    let dns = dns_of(|question| match question {
        ("example.com", RecordType::SOA) => fake::Reply::Has(vec![soa()]),
        ("example.com", RecordType::NS) => fake::Reply::Has(vec![ns("ns1.example.com")]),
        ("ns1.example.com", RecordType::A) => fake::Reply::Has(vec![a("127.0.0.1")]),
        _ => NX,
    });
    dns.await.with_port(server.port())
}

async fn look_at_zone(challenge: fn() -> fake::Reply, name: &str) -> Option<PreflightFailure> {
    let target = Target { name: name.into(), need: Need::Dns };
    look(&prober(settings(1), names()), &zone(challenge).await, target).await
}

#[tokio::test]
async fn a_name_whose_zone_answers_passes_and_so_does_its_wildcard() {
    assert_eq!(look_at_zone(|| NX, "example.com").await, None);
    assert_eq!(look_at_zone(|| NX, "*.example.com").await, None);
}

#[tokio::test]
async fn a_name_without_a_zone_or_with_an_alias_in_the_way_does_not_pass() {
    assert_eq!(look_at_zone(|| NX, "www.example.net").await, Some(DnsFailure::NoZone.into()));
    let alias = look_at_zone(|| fake::Reply::Has(vec![cname("x.example.net")]), "*.example.com").await;
    assert_eq!(alias, Some(DnsFailure::AliasInTheWay { name: "_acme-challenge.example.com".into() }.into()));
    let lame = look_at_zone(|| fake::Reply::Code(ResponseCode::Refused), "example.com").await;
    assert!(matches!(lame, Some(PreflightFailure::Dns(DnsFailure::Lame(_)))), "{lame:?}");
}

#[tokio::test]
async fn a_name_that_does_not_lead_to_akamai_does_not_pass_as_one() {
    let prober = prober(settings(1), names());
    let dns = no_dns().await;
    let at_akamai = Target { name: "cdn.example.com".into(), need: Need::Edge };
    assert_eq!(look(&prober, &dns, at_akamai).await, None);
    let failure = look(&prober, &dns, target(Need::Edge)).await.unwrap();
    assert_eq!(
        failure.to_string(),
        "the name is no CNAME that leads to an edge hostname (.edgekey.net, .edgesuite.net, .akamaized.net): create it, or \
         choose another way of validation"
    );
}

/// What is wrong with a name that answers, and has this CAA record above it.
async fn look_at_caa(
    name: &str,
    need: Need,
    flags: u8,
    tag: &'static str,
    value: &'static str,
) -> Option<String> {
    let port = serve("127.0.0.1", 0, |_| status(404)).await;
    let dns = dns_of(move |question| match question {
        ("example.com", RecordType::CAA) => fake::Reply::Has(vec![caa(flags, tag, value)]),
        _ => NX,
    });
    let target = Target { name: name.into(), need };
    Some(look(&prober(settings(port), names()), &dns.await, target).await?.to_string())
}

#[tokio::test]
async fn caa_records_have_to_allow_the_authority() {
    let name = "www.example.com";
    assert_eq!(look_at_caa(name, Need::Http, 0, "issue", "letsencrypt.org").await, None);
    assert_eq!(
        look_at_caa(name, Need::Http, 0, "issue", "digicert.com").await.unwrap(),
        "CAA records at example.com allow none of letsencrypt.org: add `0 issue \"letsencrypt.org\"` there"
    );
    assert_eq!(
        look_at_caa("*.example.com", Need::Dns, 0, "issuewild", ";").await.unwrap(),
        "CAA records at example.com allow none of letsencrypt.org: add `0 issuewild \"letsencrypt.org\"` there"
    );
    assert_eq!(
        look_at_caa(name, Need::Http, 128, "future", "x").await.unwrap(),
        "CAA records at example.com have a critical property that no authority knows: remove it"
    );
    assert_eq!(
        look_at_caa(name, Need::Http, 0, "issue", "letsencrypt.org; validationmethods=dns-01").await.unwrap(),
        "CAA records at example.com do not allow validation by http-01: add it to their parameter validationmethods, or \
         choose another way of validation"
    );
}

#[tokio::test]
async fn issuers_are_those_of_the_operators_flag() {
    let port = serve("127.0.0.1", 0, |_| status(404)).await;
    let dns = dns_of(|_| fake::Reply::Has(vec![caa(0, "issue", "digicert.com")])).await;
    let settings = ProbeSettings {
        caa_issuers: vec!["letsencrypt.org".into(), "digicert.com".into()],
        ..settings(port)
    };
    assert_eq!(look(&prober(settings, names()), &dns, target(Need::Http)).await, None);
}

#[tokio::test]
async fn caa_records_that_cannot_be_looked_up_are_told_unless_something_plainer_is_wrong() {
    let port = serve("127.0.0.1", 0, |_| status(404)).await;
    let dns = dns_of(|_| fake::Reply::Code(ResponseCode::ServFail)).await;
    let failure = look(&prober(settings(port), names()), &dns, target(Need::Http)).await;
    assert_eq!(failure, Some(DnsFailure::CaaUnknown { at: "www.example.com".into() }.into()));
    let gone = Target { name: "gone.example.com".into(), need: Need::Http };
    let failure = look(&prober(settings(port), names()), &dns, gone).await;
    assert_eq!(failure, Some(ProbeFailure::NoAddress.into()));
}

#[tokio::test]
async fn of_several_names_each_has_its_own_answer() {
    let port = serve("127.0.0.1", 0, |_| status(404)).await;
    let targets = [
        target(Need::Http),
        Target { name: "gone.example.com".into(), need: Need::Http },
        Target { name: "cdn.example.com".into(), need: Need::Edge },
    ];
    let found = prober(settings(port), names()).preflight(&no_dns().await, &targets).await;
    let expected = [
        ("cdn.example.com".to_owned(), None),
        ("gone.example.com".to_owned(), Some(ProbeFailure::NoAddress.into())),
        ("www.example.com".to_owned(), None),
    ];
    assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
}
