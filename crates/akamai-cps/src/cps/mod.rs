//! The operations, typed. One method a row of the `operation` table: what a call takes and what it gives back.
//! How it is sent is in `client`.

mod acknowledgement;
mod changes;
mod enrollments;
mod inputs;

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::budget::Priority;
use crate::client::{Answer, Call, Client, parse};
use crate::error::Error;
use crate::operation::{self, Operation};
use crate::types::ContractId;
pub use changes::Network;
pub use enrollments::{CreateParams, DeleteParams, Removal, UpdateParams};

/// The operations of CPS under one priority and flow; see [`Client::with`].
#[derive(Clone, Debug)]
pub struct Cps {
    client: Client,
    priority: Priority,
    flow: Arc<str>,
}

/// What an operation is called with.
#[derive(Default)]
struct Arguments<'a> {
    ids: &'a [u64],
    query: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Cps {
    pub(crate) fn new(client: Client, priority: Priority, flow: Arc<str>) -> Self {
        Self { client, priority, flow }
    }

    /// The contracts the credentials can see (`GET /contract-api/v1/contracts/identifiers`). Cheap, and so the way to
    /// try credentials.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_contracts(&self) -> Result<Vec<ContractId>, Error> {
        let query = vec![("depth", "TOP".to_owned())];
        self.call(&operation::LIST_CONTRACTS, Arguments { query, ..Arguments::default() }).await
    }

    /// Calls an operation whose answer is needed.
    async fn call<T: DeserializeOwned>(
        &self,
        operation: &'static Operation,
        arguments: Arguments<'_>,
    ) -> Result<T, Error> {
        let answer = self.send(operation, arguments).await?;
        parse(operation, &answer)
    }

    /// Calls an operation, whatever the body of its answer.
    async fn send(&self, operation: &'static Operation, arguments: Arguments<'_>) -> Result<Answer, Error> {
        let call = Call {
            operation,
            path: operation.fill(arguments.ids),
            query: arguments.query,
            body: arguments.body,
            budget: self.client.budget(),
            priority: self.priority,
            flow: &self.flow,
        };
        self.client.send(call).await
    }
}
