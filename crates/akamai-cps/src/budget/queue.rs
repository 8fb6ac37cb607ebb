//! PURE: which call is next: by priority, and within a priority one flow after the other.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::Priority;

/// Identifies a waiting call.
pub(super) type Ticket = u64;

/// The waiting calls of a budget.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lanes: [Lane; 3],
}

/// The waiting calls of one priority. `order` has a flow once, while it has waiting calls.
#[derive(Debug, Default)]
struct Lane {
    order: VecDeque<Arc<str>>,
    waiting: HashMap<Arc<str>, VecDeque<Ticket>>,
}

impl Queue {
    /// Adds a call at the end of its flow. A flow without waiting calls goes to the end of its priority.
    pub(super) fn push(&mut self, priority: Priority, flow: &Arc<str>, ticket: Ticket) {
        let lane = self.lane(priority);
        let tickets = lane.waiting.entry(flow.clone()).or_default();
        if tickets.is_empty() {
            lane.order.push_back(flow.clone());
        }
        tickets.push_back(ticket);
    }

    /// The call that is next.
    pub(super) fn head(&self) -> Option<Ticket> {
        let lane = self.lanes.iter().find(|lane| !lane.order.is_empty())?;
        lane.waiting.get(lane.order.front()?)?.front().copied()
    }

    /// Removes a call. If it was its flow's turn, the flow goes to the end, wherever the call stood.
    pub(super) fn remove(&mut self, priority: Priority, flow: &Arc<str>, ticket: Ticket, served: bool) {
        let lane = self.lane(priority);
        let Some(tickets) = lane.waiting.get_mut(flow) else { return };
        tickets.retain(|waiting| *waiting != ticket);
        let empty = tickets.is_empty();
        if empty {
            lane.waiting.remove(flow);
        }
        if empty || served {
            lane.order.retain(|waiting| waiting != flow);
        }
        if served && !empty {
            lane.order.push_back(flow.clone());
        }
    }

    /// How many calls wait.
    pub(super) fn len(&self) -> usize {
        self.lanes.iter().flat_map(|lane| lane.waiting.values()).map(VecDeque::len).sum()
    }

    fn lane(&mut self, priority: Priority) -> &mut Lane {
        &mut self.lanes[priority as usize]
    }
}
