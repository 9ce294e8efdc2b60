//! Sends many requests in portions: a portion is under way while the next is made.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

use super::no_answer;
use crate::ports::{EnqueueError, EnqueueRequest, Enqueued, Queues};

type Answer = Result<Enqueued, EnqueueError>;

/// Requests to be sent in [portions](Queues::portion). They reach the queues in the order in which they are added.
pub(super) struct Portions<'a> {
    queues: &'a dyn Queues,
    size: usize,
    /// The answers, in order; `None` stands for the next one of what is sent.
    answers: Vec<Option<Answer>>,
    next: Vec<EnqueueRequest>,
    sent: Vec<Portion<'a>>,
}

struct Portion<'a> {
    requests: usize,
    state: State<'a>,
}

enum State<'a> {
    UnderWay(Pin<Box<dyn Future<Output = Vec<Answer>> + Send + 'a>>),
    Answered(Vec<Answer>),
}

impl<'a> Portions<'a> {
    pub(super) fn new(queues: &'a dyn Queues) -> Self {
        Self { queues, size: queues.portion().max(1), answers: Vec::new(), next: Vec::new(), sent: Vec::new() }
    }

    /// Adds the answer to a request that is not to be sent.
    pub(super) fn answer(&mut self, answer: Answer) {
        self.answers.push(Some(answer));
    }

    /// Adds a request. Begins to send what was added, without waiting for the answer, once it is a portion.
    pub(super) async fn add(&mut self, request: EnqueueRequest) {
        self.answers.push(None);
        self.next.push(request);
        if self.next.len() >= self.size {
            self.begin().await;
        }
    }

    async fn begin(&mut self) {
        let next = std::mem::take(&mut self.next);
        let requests = next.len();
        let mut sending = self.queues.send(next);
        // Nothing is sent before the first poll.
        let state = poll_fn(|context| {
            Poll::Ready(match sending.as_mut().poll(context) {
                Poll::Ready(answers) => Some(answers),
                Poll::Pending => None,
            })
        });
        let state = match state.await {
            Some(answers) => State::Answered(answers),
            None => State::UnderWay(sending),
        };
        self.sent.push(Portion { requests, state });
    }

    /// Sends the rest. Returns all answers, in the order in which they and the requests were added.
    pub(super) async fn end(mut self) -> Vec<Answer> {
        if !self.next.is_empty() {
            self.begin().await;
        }
        let mut places = self.answers.iter_mut().filter(|place| place.is_none());
        for Portion { requests, state } in self.sent {
            let answers = match state {
                State::UnderWay(sending) => sending.await,
                State::Answered(answers) => answers,
            };
            let mut answers = answers.into_iter();
            for place in places.by_ref().take(requests) {
                *place = answers.next();
            }
        }
        self.answers.into_iter().map(|answer| answer.unwrap_or_else(no_answer)).collect()
    }
}
