//! Which certificates share a list, as a specification.

use std::sync::atomic::{AtomicUsize, Ordering};

use akamai_cps::{Client, Credentials};
use futures::future::join_all;
use tokio::sync::Semaphore;

use super::*;

/// A CPS with one account, which answers as often as a test permits.
struct Cps {
    lists: Lists,
    calls: AtomicUsize,
    answers: Semaphore,
}

impl Cps {
    fn answering(answers: usize) -> Self {
        Self { lists: Lists::default(), calls: AtomicUsize::new(0), answers: Semaphore::new(answers) }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    async fn ask(&self, secret: &str, group: &str, after: Timestamp) -> Result<List, Error> {
        let credentials = Credentials::new("akab-test.luna.akamaiapis.net", "t", secret, "a").unwrap();
        let client = Client::builder(credentials).build().unwrap().identity();
        let key = Key { client, contract: "1-A".into() };
        self.lists
            .get(key, group, after, async || {
                self.calls.fetch_add(1, Ordering::SeqCst);
                self.answers.acquire().await.unwrap().forget();
                Ok(Vec::new())
            })
            .await
    }
}

#[tokio::test]
async fn accounts_with_the_same_credentials_share_one_call() {
    let cps = Cps::answering(usize::MAX >> 4);
    let before = Timestamp::now();
    let groups: Vec<String> = (0..150).map(|number| format!("cluster/account/{number}")).collect();
    let lists = join_all(groups.iter().map(|group| cps.ask("s", group, before))).await;
    assert_eq!(cps.calls(), 1);
    assert!(lists.into_iter().all(|list| list.unwrap().begun >= before));
}

#[tokio::test]
async fn other_credentials_see_a_list_of_their_own() {
    let cps = Cps::answering(2);
    let before = Timestamp::now();
    cps.ask("s", "group", before).await.unwrap();
    cps.ask("other", "group", before).await.unwrap();
    assert_eq!(cps.calls(), 2);
}

#[tokio::test]
async fn a_list_from_before_the_time_is_read_again() {
    let cps = Cps::answering(2);
    let first = cps.ask("s", "group", Timestamp::now()).await.unwrap();
    let second = cps.ask("s", "group", Timestamp::now()).await.unwrap();
    assert!(second.begun > first.begun);
    assert_eq!(cps.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_group_with_a_used_up_budget_stops_no_other() {
    let cps = Cps::answering(0);
    let before = Timestamp::now();
    let (stuck, other) = (cps.ask("s", "full", before), async {
        // This one waits its time, and then makes its own call.
        let other = cps.ask("s", "free", before);
        tokio::pin!(other);
        while cps.calls() < 2 {
            tokio::select! {
                _ = &mut other => panic!("nothing has answered"),
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
        }
        cps.answers.add_permits(2);
        other.await
    });
    let (stuck, other) = tokio::join!(stuck, other);
    assert!(stuck.is_ok() && other.is_ok());
    assert_eq!(cps.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn within_a_group_everybody_waits_for_the_one_call() {
    let cps = Cps::answering(0);
    let before = Timestamp::now();
    let waiting = join_all((0..10).map(|_| cps.ask("s", "group", before)));
    let release = async {
        tokio::time::sleep(10 * PATIENCE).await;
        cps.answers.add_permits(1);
    };
    let (lists, ()) = tokio::join!(waiting, release);
    assert!(lists.into_iter().all(|list| list.is_ok()));
    assert_eq!(cps.calls(), 1);
}

#[tokio::test]
async fn an_old_list_is_forgotten_and_a_new_one_is_not() {
    let cps = Cps::answering(2);
    let before = Timestamp::now();
    cps.ask("s", "group", before).await.unwrap();
    cps.lists.forget(before);
    cps.ask("s", "group", before).await.unwrap();
    assert_eq!(cps.calls(), 1);
    cps.lists.forget(Timestamp::now());
    cps.ask("s", "group", before).await.unwrap();
    assert_eq!(cps.calls(), 2);
}
