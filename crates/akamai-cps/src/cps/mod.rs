//! The typed operations, one method for each row of the `operation` table. `client` sends them.

mod acknowledgement;
mod changes;
mod enrollments;
mod inputs;

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::budget::Priority;
use crate::client::{Call, Client, parse};
use crate::error::Error;
use crate::operation::{self, Operation};
use crate::transport::Answer;
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

/// The arguments of an operation.
#[derive(Default)]
struct Arguments<'a> {
    ids: &'a [u64],
    query: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Client {
    /// The operations of CPS, which wait in the budget under this priority and flow. Fairness is between flows: use
    /// the UID of the certificate that the calls are for.
    pub fn with(&self, priority: Priority, flow: impl Into<Arc<str>>) -> Cps {
        Cps { client: self.clone(), priority, flow: flow.into() }
    }
}

impl Cps {
    /// Lists the contracts that the credentials can see (`GET /contract-api/v1/contracts/identifiers`). It is cheap,
    /// and so suits a check of the credentials.
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

    /// Calls an operation, and ignores the body of the answer.
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
