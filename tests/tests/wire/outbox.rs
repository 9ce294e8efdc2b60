//! The outbox when calls fail in the middle: each committed entry is one job.

use lamplighter::{Enqueued, JobId, JobState, mins, outbox::OutboxEntry, secs};
use lamplighter_fakes::Fault;
use lamplighter_tests::wire::Call;
use tokio::time::Instant;

use crate::{
    jobs::{Full, Lean, Then, Told},
    stage::{Parts, Stage},
};

fn entry<J: Told>() -> (JobId, OutboxEntry) {
    let entry = OutboxEntry::new(J::new(Then::Succeed)).unwrap();
    (entry.id().unwrap().clone(), entry)
}

impl Stage {
    async fn sweep(&self) -> u64 {
        self.maintenance.run(Instant::now() + secs(60)).await.unwrap().moved
    }

    async fn state(&self, id: &JobId) -> Option<JobState> {
        self.client.get(id).await.unwrap().map(|record| record.state)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_enqueued_at_once_by_its_writer() {
    let stage = Stage::new(Parts::Table).await;
    let (id, entry) = entry::<Full>();
    stage.commit(&entry).await;
    assert_eq!(stage.state(&id).await, None);
    assert_eq!(stage.outbox().send(&entry).await.unwrap(), Enqueued::New(id.clone()));
    assert_eq!((stage.sweep().await, stage.waiting().await), (0, 1), "it is out of the outbox");
    assert_eq!((stage.run(1).await, stage.state(&id).await), (0, Some(JobState::Succeeded)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_whose_deletion_fails_is_one_job() {
    let stage = Stage::new(Parts::Table).await;
    let (id, entry) = entry::<Lean>();
    stage.commit(&entry).await;
    stage.probe.proxy.fail_when(|call: &Call| (call.action == "DeleteItem").then_some(Fault::AWAY));
    assert_eq!(stage.outbox().send(&entry).await.unwrap(), Enqueued::New(id.clone()));
    stage.probe.proxy.stop_failing();
    assert_eq!(stage.run(1).await, 0);
    assert_eq!((stage.sweep().await, stage.sweep().await), (1, 0));
    assert_eq!(stage.waiting().await, 0, "its job has ended, and no message is sent again");
    assert_eq!(stage.probe.runs(&id), [1]);
}

/// As after a crash between the record and the message: the entry is what is left to say that it is to be sent.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_whose_message_was_not_sent_is_sent() {
    let stage = Stage::new(Parts::Table).await;
    let (id, entry) = entry::<Full>();
    stage.commit(&entry).await;
    let away = |call: &Call| (call.action == "SendMessageBatch" || call.action == "DeleteItem").then_some(Fault::AWAY);
    stage.probe.proxy.fail_when(away);
    stage.outbox().send(&entry).await.unwrap_err();
    assert_eq!(stage.state(&id).await, Some(JobState::Queued), "its record is written");
    stage.probe.proxy.stop_failing();
    assert_eq!((stage.sweep().await, stage.waiting().await), (1, 1));
    assert_eq!((stage.run(1).await, stage.state(&id).await), (0, Some(JobState::Succeeded)));
    assert_eq!(stage.probe.runs(&id), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_wait_while_a_queue_is_away() {
    let stage = Stage::new(Parts::Table).await;
    let (id, entry) = entry::<Full>();
    stage.commit(&entry).await;
    stage.probe.proxy.fail_when(|call: &Call| (call.action == "SendMessageBatch").then_some(Fault::AWAY));
    assert_eq!(stage.sweep().await, 0);
    stage.probe.proxy.stop_failing();
    assert_eq!(stage.outbox().failed(None).await.unwrap().entries.len(), 0, "it is not the entry's fault");
    let later = stage.later(mins(1));
    assert_eq!((later.sweep().await, later.run(1).await), (1, 0));
    assert_eq!(stage.state(&id).await, Some(JobState::Succeeded));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_entry_is_tried_again_by_hand_or_forgotten() {
    let stage = Stage::new(Parts::Table).await;
    for id in ["one", "two"] {
        let text = format!(r#"{{"queue":"elsewhere","message":{{"job":"wire.full","id":"{id}"}}}}"#);
        stage.commit(&text.parse().unwrap()).await;
    }
    assert_eq!((stage.sweep().await, stage.sweep().await), (0, 0));
    let outbox = stage.outbox();
    let mut failed = outbox.failed(None).await.unwrap().entries;
    failed.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!((failed.len(), failed[0].id.as_str(), failed[0].job.as_deref()), (2, "one", Some("wire.full")));
    assert!(failed[0].error.contains("there is no queue \"elsewhere\"") && failed[0].failed_at.is_some(), "{failed:?}");
    outbox.forget(&failed[1]).await.unwrap();
    assert!(outbox.retry(&failed[0]).await.unwrap());
    assert_eq!(outbox.failed(None).await.unwrap().entries.len(), 0);
    stage.sweep().await;
    assert_eq!(outbox.failed(None).await.unwrap().entries.len(), 1, "it fails again");
    assert!(!outbox.retry(&failed[1]).await.unwrap(), "it is gone");
}
