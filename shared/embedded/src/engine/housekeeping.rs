//! Lets go of records and dead letters whose time is over.

use std::time::Duration;

use lamplighter::{Stop, StoreError};

use crate::{embedded::Embedded, time, work::retention};

/// Records deleted in one transaction: work for a few milliseconds.
const PORTION: usize = 500;
/// The pauses between two looks: a record may go this much later than it should.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Purges, until the engine stops.
pub(crate) async fn run(embedded: Embedded, stop: Stop) {
    loop {
        let pause = match round(&embedded, &stop).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::error!(%error, "old records could not be purged");
                PAUSES.1
            }
        };
        tokio::select! {
            () = stop.draining() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn round(embedded: &Embedded, stop: &Stop) -> Result<Duration, StoreError> {
    while !stop.is_draining() {
        // Five rows a record: it, its body, its notes, its attempts, and an index or two.
        let gone = embedded.0.writer.run(PORTION * 5, |unit| retention::purge(unit, PORTION)).await?;
        if gone < PORTION {
            break;
        }
    }
    let next = embedded.0.readers.read(retention::next).await?;
    let until = next.map_or(PAUSES.1, |next| embedded.env().until(time::moment(next)));
    Ok(until.clamp(PAUSES.0, PAUSES.1))
}
