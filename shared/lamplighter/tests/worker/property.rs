//! Every delivery gets exactly one answer in time, whatever happens.

use std::collections::HashSet;

use lamplighter::secs;
use proptest::prelude::*;
use tokio::time::Instant;

use crate::{
    bench::{Bench, env},
    support::{self, Memory, delivery},
};

fn behaviours() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("ok"),
        Just("error"),
        Just("fail"),
        Just("later"),
        Just("snooze"),
        Just("panic now"),
        Just("forever"),
        Just("sleep 1"),
        Just("sleep 8"),
        Just("listen"),
        Just("child"),
        Just("{broken")
    ]
    .prop_map(String::from)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn every_delivery_gets_exactly_one_answer_in_time_whatever_happens(
        jobs in proptest::collection::vec((behaviours(), 0u8..12, 0u8..4, 1u32..6), 0..30),
        limit in 1usize..8,
        budget in 0u64..40,
        stop_at in proptest::option::of(0u64..20),
        faults in (0u32..3, 0u32..6, 0u32..3),
        tracked in any::<bool>(),
    ) {
        // The panics are part of the test: their traces would drown what matters.
        std::panic::set_hook(Box::new(|_| {}));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let backend = if tracked { Memory::backend } else { Memory::stateless };
            let bench = Bench::with(&env(), |function| function.concurrency(limit), backend);
            *bench.memory.faults.lock().unwrap() =
                support::Faults { claims: faults.0, settles: faults.1, sends: faults.2, ..Default::default() };
            let batch: Vec<_> = jobs
                .iter()
                .enumerate()
                .map(|(index, (what, id, group, receives))| {
                    let body = format!(r#"{{"job":"test.act","id":"j{id}","args":{{"what":"{what}"}}}}"#);
                    let body = if what == "{broken" { what.clone() } else { body };
                    let delivery = delivery(&index.to_string(), &body).received(*receives);
                    if *group > 0 { delivery.group(format!("g{group}")) } else { delivery }
                })
                .collect();
            let ids: HashSet<_> = batch.iter().map(|delivery| delivery.message_id.clone()).collect();
            let stop = async {
                if let Some(at) = stop_at {
                    tokio::time::sleep(secs(at)).await;
                    bench.stop.drain();
                    tokio::time::sleep(secs(3)).await;
                    bench.stop.abort();
                }
            };
            let deadline = Instant::now() + secs(budget);
            let work = bench.worker.process(batch, deadline);
            tokio::pin!(stop);
            let settlements = tokio::select! {
                settlements = work => settlements,
                () = async { stop.await; std::future::pending::<()>().await } => unreachable!(),
            };
            assert!(Instant::now() <= deadline);
            let answered: HashSet<_> = settlements.iter().map(|settlement| settlement.message_id.clone()).collect();
            assert_eq!(settlements.len(), ids.len());
            assert_eq!(answered, ids);
        });
    }
}
