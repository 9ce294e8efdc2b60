//! A short part of what `--example fuzz` does for as long as one likes.

use std::time::Duration;

use crate::{run, throw::Thrower};

#[test]
fn garbage_is_answered_calmly() {
    crate::expect_a_panic();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let outcome = runtime.block_on(async {
        let (router, backend) = run::dashboard().await.unwrap();
        let plan = run::Plan { seed: 7, from: 0, requests: 4_000, time: Duration::from_secs(20) };
        let thrower = Thrower::new(plan.seed, run::seeds(&router, &backend).await.unwrap());
        run::throw(&router, &thrower, plan).await
    });
    assert!(outcome.wrong.is_empty(), "{}", outcome.wrong.join("\n"));
    // What is thrown comes past the gate, and some of it makes sense.
    let answered = |status| outcome.statuses.get(&status).copied().unwrap_or(0);
    assert!(outcome.sent >= 200 && answered(200) * 10 > outcome.sent && answered(404) > 0, "{outcome:?}");
}
