//! A CPS that lists contracts and nothing else. It identifies API clients by their client token, and can hang.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use tokio::sync::watch;

#[derive(Clone)]
pub struct Cps {
    /// `HOST:PORT`.
    pub host: String,
    shared: Arc<Shared>,
}

struct Shared {
    calls: Mutex<Calls>,
    hangs: watch::Sender<Vec<String>>,
}

#[derive(Default)]
struct Calls {
    made: Vec<String>,
    under_way: usize,
    statuses: HashMap<String, u16>,
    contracts: HashMap<String, Vec<String>>,
}

impl Cps {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared { calls: Mutex::default(), hangs: watch::channel(Vec::new()).0 });
        let router = Router::new().fallback(list_contracts).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { host, shared }
    }

    /// Answers this API client with this status from now on; 200 restores the normal answer.
    pub fn answer(&self, token: &str, status: u16) {
        self.shared.lock().statuses.insert(token.to_owned(), status);
    }

    pub fn contracts(&self, token: &str, contracts: &[&str]) {
        let contracts = contracts.iter().map(|id| (*id).to_owned()).collect();
        self.shared.lock().contracts.insert(token.to_owned(), contracts);
    }

    /// Stops answering these API clients, or all (`*`), until the next call of this function.
    pub fn hang(&self, tokens: &[&str]) {
        self.shared.hangs.send_replace(tokens.iter().map(|token| (*token).to_owned()).collect());
    }

    /// The client tokens of all calls so far.
    pub fn calls(&self) -> Vec<String> {
        self.shared.lock().made.clone()
    }

    pub fn under_way(&self) -> usize {
        self.shared.lock().under_way
    }

    pub fn forget_calls(&self) {
        self.shared.lock().made.clear();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap()
    }
}

async fn list_contracts(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let signature = headers["authorization"].to_str().unwrap();
    let token = signature.split("client_token=").nth(1).unwrap().split(';').next().unwrap().to_owned();
    {
        let mut calls = shared.lock();
        calls.made.push(token.clone());
        calls.under_way += 1;
    }
    let mut hangs = shared.hangs.subscribe();
    let answers = hangs.wait_for(|hangs| !hangs.iter().any(|hanging| hanging == "*" || *hanging == token));
    drop(answers.await.unwrap());
    let mut calls = shared.lock();
    calls.under_way -= 1;
    let status = calls.statuses.get(&token).copied().unwrap_or(200);
    let contracts = calls.contracts.get(&token).cloned().unwrap_or_else(|| vec!["1-A".into()]);
    (StatusCode::from_u16(status).unwrap(), Json(contracts)).into_response()
}
