//! What every ready solver replica has to answer.

use super::*;

fn replica(ip: &str, port: u16) -> SolverEndpoint {
    SolverEndpoint { ip: ip.parse().unwrap(), port }
}

#[tokio::test]
async fn every_ready_replica_has_to_answer_for_the_tokens_host() {
    let port = serve("127.0.0.1", 0, |_| ok(BODY)).await;
    let good =
        serve(
            "127.0.0.3",
            0,
            |(host, _)| {
                if host.starts_with("www.example.com") { ok(BODY) } else { status(404) }
            },
        )
        .await;
    let behind = serve("127.0.0.4", 0, |_| status(404)).await;
    let prober = prober(settings(port), names());
    let [good, behind] = [replica("127.0.0.3", good), replica("127.0.0.4", behind)];
    assert_eq!(prober.check(&token(), &[good]).await, Ok(()));
    assert_eq!(prober.check(&token(), &[good, behind]).await, Err(ProbeFailure::Solver(Cause::Status(404))));
}

#[tokio::test]
async fn a_replica_has_to_serve_the_token_itself() {
    for (reply, cause) in
        [(ok as fn(&str) -> Reply, Cause::WrongBody), (redirect as fn(&str) -> Reply, Cause::WrongBody)]
    {
        let port = serve("127.0.0.1", 0, move |_| reply("http://www.example.com/")).await;
        let failure = prober(settings(port), names()).check(&token(), &[replica("127.0.0.1", port)]).await;
        assert_eq!(failure, Err(ProbeFailure::Solver(cause)));
    }
}

#[tokio::test]
async fn a_message_about_a_replica_stays_the_same_when_its_address_changes() {
    let message = ProbeFailure::Solver(Cause::Unreachable).to_string();
    assert_eq!(
        message,
        "a ready replica of the solver cannot be reached: look at the solver's log and at network policies in its namespace"
    );
}
