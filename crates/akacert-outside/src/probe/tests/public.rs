//! What the public URL has to answer.

use std::time::Duration;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::*;

#[tokio::test]
async fn the_token_at_its_path_for_its_host_is_reachable() {
    let port = serve("127.0.0.1", 0, |(host, path)| {
        if (host.split(':').next(), path) == (Some("www.example.com"), PATH) { ok(BODY) } else { status(404) }
    })
    .await;
    assert_eq!(check(settings(port), names()).await, Ok(()));
}

#[tokio::test]
async fn white_space_at_the_end_of_the_body_is_ignored() {
    assert_eq!(check_reply(|_| ok(&format!("{BODY}\r\n \n"))).await, Ok(()));
}

#[tokio::test]
async fn anything_else_than_the_body_with_status_200_is_a_failure() {
    assert_eq!(check_reply(|_| ok("something else")).await, public(Cause::WrongBody));
    assert_eq!(check_reply(|_| ok(&format!(" {BODY}"))).await, public(Cause::WrongBody));
    assert_eq!(check_reply(|_| ok("")).await, public(Cause::WrongBody));
    assert_eq!(check_reply(|_| status(404)).await, public(Cause::Status(404)));
    assert_eq!(check_reply(|_| status(204)).await, public(Cause::Status(204)));
    assert_eq!(check_reply(|_| Reply::Send("gibberish".into())).await, public(Cause::Unreachable));
}

#[tokio::test]
async fn a_huge_body_is_cut_off() {
    let endless = || Reply::Send(format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(1_000_000)));
    assert_eq!(check_reply(move |_| endless()).await, public(Cause::TooLong));
}

#[tokio::test]
async fn a_server_that_is_too_slow_is_not_waited_for() {
    for sent in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\naaa"] {
        let port = serve("127.0.0.1", 0, move |_| Reply::Hang(sent)).await;
        let settings = ProbeSettings { timeout: Duration::from_millis(200), ..settings(port) };
        assert_eq!(check(settings, names()).await, public(Cause::Timeout), "{sent}");
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_unreachable() {
    let port = serve("127.0.0.1", 0, |_| ok(BODY)).await;
    // Another address of this host, at whose port no test listens.
    let address = "127.0.0.9";
    let names = Names(HashMap::from([("www.example.com", at(&[address]))]));
    let unreachable = ProbeFailure::Public { address: address.parse().unwrap(), cause: Cause::Unreachable };
    assert_eq!(check(settings(port), names).await, Err(unreachable));
}

#[tokio::test]
async fn every_address_of_the_host_has_to_answer() {
    let port = serve("127.0.0.1", 0, |_| ok(BODY)).await;
    serve("127.0.0.2", port, |_| status(404)).await;
    let both = || Names(HashMap::from([("www.example.com", at(&["127.0.0.2", "127.0.0.1"]))]));
    let address = "127.0.0.2".parse().unwrap();
    let failure = Box::new(ProbeFailure::Public { address, cause: Cause::Status(404) });
    let differs = ProbeFailure::Differs { address, failure };
    assert_eq!(check(settings(port), both()).await, Err(differs.clone()));
    assert_eq!(
        differs.to_string(),
        "127.0.0.2 answers otherwise than the host's other addresses: it answered with status 404 instead of 200; correct \
         or remove its record, or see that it leads to where the others do"
    );
    let bounded = ProbeSettings { max_addresses: 1, ..settings(port) };
    assert_eq!(check(bounded, both()).await, Ok(()));
}

#[tokio::test]
async fn an_address_is_not_told_apart_from_others_that_fail_as_well() {
    let port = serve("127.0.0.1", 0, |_| ok("another client's")).await;
    serve("127.0.0.2", port, |_| status(404)).await;
    let both = Names(HashMap::from([("www.example.com", at(&["127.0.0.2", "127.0.0.1"]))]));
    assert_eq!(check(settings(port), both).await, public(Cause::WrongBody));
}

#[tokio::test]
async fn redirects_are_followed_to_other_hosts_and_paths() {
    let replies = |(host, path): Requested<'_>| match (host.split(':').next().unwrap(), path) {
        ("www.example.com", PATH) => redirect("/elsewhere?x=1"),
        ("www.example.com", "/elsewhere?x=1") => redirect("//other.example.com/final"),
        ("other.example.com", "/final") => ok(BODY),
        _ => status(404),
    };
    // A redirect without a port uses the authority's default.
    assert_eq!(check_reply(replies).await, Ok(()));
}

#[tokio::test]
async fn every_kind_of_redirect_counts() {
    for code in [301, 302, 303, 307, 308] {
        let replies = move |(_, path): Requested<'_>| match path {
            "/final" => ok(BODY),
            _ => Reply::Send(format!("HTTP/1.1 {code} X\r\nLocation: /final\r\nContent-Length: 0\r\n\r\n")),
        };
        assert_eq!(check_reply(replies).await, Ok(()), "{code}");
    }
}

#[tokio::test]
async fn what_is_redirected_to_has_to_serve_the_token() {
    let replies = |(_, path): Requested<'_>| if path == PATH { redirect("/login") } else { ok("Log in!") };
    assert_eq!(check_reply(replies).await, Err(ProbeFailure::AfterRedirect(Cause::WrongBody)));
}

#[tokio::test]
async fn a_circle_of_redirects_is_left() {
    let replies = |(_, path): Requested<'_>| redirect(if path == "/a" { PATH } else { "/a" });
    assert_eq!(check_reply(replies).await, Err(ProbeFailure::Redirect(RedirectProblem::Circle)));
}

#[tokio::test]
async fn ten_redirects_are_followed_and_eleven_are_not() {
    let chain = |last: usize| {
        move |(_, path): Requested<'_>| match path.strip_prefix("/hop") {
            None => redirect("/hop1"),
            Some(hop) if hop.parse::<usize>().unwrap() == last => ok(BODY),
            Some(hop) => redirect(&format!("/hop{}", hop.parse::<usize>().unwrap() + 1)),
        }
    };
    assert_eq!(check_reply(chain(10)).await, Ok(()));
    assert_eq!(check_reply(chain(11)).await, Err(ProbeFailure::Redirect(RedirectProblem::TooMany)));
}

#[tokio::test]
async fn redirects_that_the_authority_does_not_follow_are_refused() {
    for to in [
        "http://other.example.com:8080/",
        "https://other.example.com:8443/",
        "https://other.example.com:80/",
        "ftp://other.example.com/",
        "file:///etc/passwd",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://2130706433/",
        "http://localhost/",
        "http://kubernetes./",
        "http://",
        "",
    ] {
        let reply = move |_: Requested<'_>| {
            if to.is_empty() { Reply::Send("HTTP/1.1 302 Found\r\n\r\n".into()) } else { redirect(to) }
        };
        let refused = Err(ProbeFailure::Redirect(RedirectProblem::Target));
        assert_eq!(check_reply(reply).await, refused, "{to}");
    }
}

#[tokio::test]
async fn whether_a_name_exists_does_not_show_when_it_is_redirected_to() {
    let names = || {
        let mut names = names();
        names.0.insert("api.default.svc.cluster.local", at(&["10.96.0.1"]));
        names.0.insert("broken.example.com", Err(LookupFailure::Failed));
        names
    };
    let mut seen = Vec::new();
    for to in ["api.default.svc.cluster.local", "none.default.svc.cluster.local", "broken.example.com"] {
        let port = serve("127.0.0.1", 0, move |_| redirect(&format!("http://{to}/"))).await;
        seen.push(check(settings(port), names()).await);
    }
    assert_eq!(seen, vec![Err(ProbeFailure::Redirect(RedirectProblem::Address)); 3]);
}

#[tokio::test]
async fn an_https_redirect_is_followed_without_verifying_its_certificate() {
    let made = rcgen::generate_simple_self_signed(["unrelated.example".to_owned()]).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![made.cert.der().clone()],
            PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let https_port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let named = stream.get_ref().1.server_name() == Some("other.example.com");
            answer(stream, Arc::new(move |_: Requested<'_>| if named { ok(BODY) } else { status(421) }))
                .await;
        }
    });
    let port = serve("127.0.0.1", 0, |_| redirect("https://other.example.com/final")).await;
    assert_eq!(check(ProbeSettings { https_port, ..settings(port) }, names()).await, Ok(()));
}

#[tokio::test]
async fn of_several_tokens_each_failing_host_is_named_once() {
    let port = serve("127.0.0.1", 0, |(host, path)| match path {
        "/bad" => status(if host.starts_with("www.") { 404 } else { 503 }),
        _ => ok(BODY),
    })
    .await;
    let token = |host: &str, path: &str| Token { host: host.into(), path: path.into(), body: BODY.into() };
    let tokens = [
        token("www.example.com", "/good"),
        token("www.example.com", "/bad"),
        token("www.example.com", "/bad"),
        token("other.example.com", "/bad"),
        token("none.example.com", "/good"),
    ];
    let failures = prober(settings(port), names()).check_all(&tokens, &[]).await;
    let failed = |code| public(Cause::Status(code)).unwrap_err();
    assert_eq!(
        failures,
        [
            ("none.example.com".to_owned(), ProbeFailure::NoAddress),
            ("other.example.com".to_owned(), failed(503)),
            ("www.example.com".to_owned(), failed(404)),
        ]
    );
}

#[tokio::test]
async fn a_message_says_where_to_look_and_nothing_that_the_server_sent() {
    let message = check_reply(|_| status(404)).await.unwrap_err().to_string();
    assert_eq!(
        message,
        "127.0.0.1 answered with status 404 instead of 200: see that the name leads to the Ingress controller, that it \
         serves the Ingress class on port 80, and that no firewall is in between"
    );
}
