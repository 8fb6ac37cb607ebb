//! Who may approve: the sample policy, in force on a real API server. Also approvals with the plugin, except those of
//! a plan (`plugin`).

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testbed::TestBed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::plugin;
use crate::scene::{Scene, eventually, says};

crate::together![
    only_those_who_may_approve_set_the_annotations_that_approve,
    warnings_are_approved_by_the_plugin,
    what_is_on_staging_is_approved_by_an_answer_on_a_terminal,
];

const POLICY: &str = include_str!("../../deploy/samples/approvals.yaml");

/// Runs `kubectl` as a user who may edit certificates.
async fn annotate(bed: &TestBed, user: &str, annotation: &str) -> Result<String> {
    let user = format!("--as={user}");
    bed.kubectl(&[user.as_str(), "-n", "approvers", "annotate", "--overwrite", "akcert", "www", annotation])
        .await
}

async fn only_those_who_may_approve_set_the_annotations_that_approve(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "approvers").await?;
    scene.apply("www", json!({"suspend": true})).await?;
    let editor = [
        "create",
        "clusterrole",
        "editor",
        "--verb=get,list,patch,update",
        "--resource=akamaicertificates.akacert.io",
    ];
    bed.kubectl(&editor).await?;
    for user in ["alice", "bob"] {
        let user_flag = format!("--user={user}");
        let binding =
            ["-n", "approvers", "create", "rolebinding", user, "--clusterrole=editor", user_flag.as_str()];
        bed.kubectl(&binding).await?;
    }
    bed.apply(POLICY).await?;
    let bob = [
        "-n",
        "approvers",
        "create",
        "rolebinding",
        "approver",
        "--clusterrole=akacert-approver",
        "--user=bob",
    ];
    bed.kubectl(&bob).await?;
    // A policy takes effect some moments after it was applied.
    let refusal = eventually("a refusal", async || {
        let answer = annotate(bed, "alice", "akacert.io/approve-plan=0123456789ab").await;
        if answer.is_ok() {
            annotate(bed, "bob", "akacert.io/approve-plan-").await.ok();
        }
        Ok(answer.err())
    })
    .await?;
    says(&refusal.to_string(), "only those who have the verb approve on akamaicertificates may approve")?;
    annotate(bed, "alice", "example.com/note=something-else").await?;
    annotate(bed, "bob", "akacert.io/approve-plan=0123456789ab").await?;
    let removed = annotate(bed, "alice", "akacert.io/approve-plan-").await;
    let deleted = ["delete", "validatingadmissionpolicybinding", "akacert-approvals"];
    bed.kubectl(&deleted).await?;
    ensure!(removed.is_err(), "an approval was taken back by somebody who may not give it");
    Ok(())
}

async fn warnings_are_approved_by_the_plugin(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "warned").await?;
    let warning =
        json!({"name": "warned", "stage": "pre-verification", "text": "Something new.", "quirk": null});
    bed.control("POST", "/warnings", Some(warning)).await?;
    scene.apply("www", json!({})).await?;
    scene.until("www", "Stalled", "True", "WarningsNeedApproval").await?;
    let (code, said) = plugin::run(&scene, &["approve", "www", "warnings", "--yes"]).await?;
    ensure!(code == 0, "{code}: {said}");
    says(&said, "in spite of:\n  - Something new.\nSet akacert.io/approve-warnings=")?;
    scene.until_ready("www").await.map(drop)
}

async fn what_is_on_staging_is_approved_by_an_answer_on_a_terminal(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "staged").await?;
    scene.apply("www", json!({"changeManagement": true})).await?;
    scene.until("www", "Stalled", "True", "DeploymentNeedsApproval").await?;
    let (code, said) = answered(&scene, "n").await?;
    ensure!(code == 1, "{code}: {said}");
    says(&said, "nothing was changed")?;
    let (code, said) = answered(&scene, "y").await?;
    ensure!(code == 0, "{code}: {said}");
    says(&said, "goes from staging to production: certificate ")?;
    says(&said, "Set akacert.io/approve-deployment=")?;
    scene.until_ready("www").await.map(drop)
}

/// The exit code and output of approving the deployment, with this answer to the question.
async fn answered(scene: &Scene<'_>, answer: &str) -> Result<(i32, String)> {
    let mut asked = plugin::on_a_terminal(scene, "approve www deployment")?.spawn()?;
    let mut input = asked.stdin.take().context("no input")?;
    input.write_all(format!("{answer}\n").as_bytes()).await?;
    let mut said = String::new();
    asked.stdout.take().context("no output")?.read_to_string(&mut said).await?;
    let code = asked.wait().await?.code().context("it was killed")?;
    drop(input);
    Ok((code, said))
}
