//! Who may approve: the sample policy, in force on a real API server.

use anyhow::{Result, ensure};
use serde_json::json;
use testbed::TestBed;

use crate::scene::{Scene, eventually, says};

crate::together![only_those_who_may_approve_set_the_annotations_that_approve,];

const POLICY: &str = include_str!("../../deploy/samples/approvals.yaml");

/// `kubectl` as somebody who may edit certificates.
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
