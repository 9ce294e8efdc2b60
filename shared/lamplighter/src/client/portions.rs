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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::{id::JobId, ports::StoreError};

    /// Takes three at a time, and answers when the test allows it.
    struct Slow {
        asked: Mutex<Vec<Vec<String>>>,
        allowed: Semaphore,
        /// The answers that it owes of each call.
        owes: usize,
    }

    #[async_trait]
    impl Queues for Slow {
        fn portion(&self) -> usize {
            3
        }

        async fn send(&self, submissions: Vec<EnqueueRequest>) -> Vec<Answer> {
            self.asked.lock().unwrap().push(submissions.iter().map(|request| request.id.to_string()).collect());
            self.allowed.acquire().await.unwrap().forget();
            let answered = submissions.len().saturating_sub(self.owes);
            submissions.into_iter().take(answered).map(|request| Ok(Enqueued::New(request.id))).collect()
        }
    }

    fn request(number: usize) -> EnqueueRequest {
        let message = r#"{"job":"act","args":{}}"#.parse().unwrap();
        EnqueueRequest::new(JobId::new(number.to_string()).unwrap(), "work", Arc::new(message))
    }

    fn told(answers: &[Answer]) -> Vec<String> {
        let text = |answer: &Answer| match answer {
            Ok(answer) => answer.id().to_string(),
            Err(error) => error.to_string(),
        };
        answers.iter().map(text).collect()
    }

    #[tokio::test]
    async fn portions_are_under_way_while_others_are_made_and_answers_keep_their_places() {
        let slow = Slow { asked: Mutex::default(), allowed: Semaphore::new(0), owes: 0 };
        let mut portions = Portions::new(&slow);
        for number in 0..8 {
            if number == 4 {
                portions.answer(Err(StoreError::unavailable("refused").into()));
            }
            portions.add(request(number)).await;
        }
        assert_eq!(*slow.asked.lock().unwrap(), [["0", "1", "2"], ["3", "4", "5"]], "before any answer");
        slow.allowed.add_permits(3);
        let answers = told(&portions.end().await);
        assert_eq!(slow.asked.lock().unwrap()[2], ["6", "7"]);
        assert_eq!(answers[..4], ["0", "1", "2", "3"]);
        assert!(answers[4].contains("refused"), "{}", answers[4]);
        assert_eq!(answers[5..], ["4", "5", "6", "7"]);
    }

    #[tokio::test]
    async fn a_portion_that_is_not_wholly_answered_leaves_the_others_their_answers() {
        let slow = Slow { asked: Mutex::default(), allowed: Semaphore::new(2), owes: 1 };
        let mut portions = Portions::new(&slow);
        for number in 0..6 {
            portions.add(request(number)).await;
        }
        let answers = told(&portions.end().await);
        assert_eq!([&answers[0], &answers[1], &answers[3], &answers[4]], ["0", "1", "3", "4"]);
        assert!(answers[2].contains("did not say") && answers[5].contains("did not say"), "{answers:?}");
    }

    #[tokio::test]
    async fn nothing_is_sent_for_nothing() {
        let slow = Slow { asked: Mutex::default(), allowed: Semaphore::new(0), owes: 0 };
        assert!(Portions::new(&slow).end().await.is_empty());
        assert!(slow.asked.lock().unwrap().is_empty());
    }
}
