//! A host: its sources, the lifecycle that ends it, and the drain.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, mpsc},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use lamplighter::host::{DrainBudget, Host, Lifecycle, Phase, Source, SourceHealth, Status, Stop, StopRequest};
use tokio::sync::Notify;

/// How a source of a test behaves.
#[derive(Clone, Copy)]
enum Behaviour {
    /// Ends when it is asked to drain.
    Drains,
    /// Ends only when it is told to abort.
    Aborts,
    /// Ends by itself.
    Ends,
    Panics,
}

struct Fake(Behaviour);

#[async_trait]
impl Source for Fake {
    fn name(&self) -> String {
        "fake".into()
    }

    async fn run(&self, stop: &Stop) {
        match self.0 {
            Behaviour::Drains => stop.draining().await,
            Behaviour::Aborts => stop.aborting().await,
            Behaviour::Ends => {}
            Behaviour::Panics => panic!("a source of a test"),
        }
    }

    fn health(&self) -> SourceHealth {
        let mut health = SourceHealth::new(self.name());
        health.in_flight = 2;
        health
    }
}

/// A lifecycle with requests that are given one after the other, and what it was told.
#[derive(Default)]
struct Script {
    requests: VecDeque<StopRequest>,
    phases: Arc<Mutex<Vec<Phase>>>,
    reported: Arc<Notify>,
}

impl Script {
    fn of(requests: impl IntoIterator<Item = StopRequest>) -> Self {
        Self { requests: requests.into_iter().collect(), ..Self::default() }
    }
}

#[async_trait]
impl Lifecycle for Script {
    async fn stop_requested(&mut self) -> StopRequest {
        match self.requests.pop_front() {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }

    async fn report(&mut self, status: &Status) {
        assert_eq!(status.in_flight(), 2 * status.sources.len());
        let mut phases = self.phases.lock().unwrap();
        if phases.last() != Some(&status.phase) {
            phases.push(status.phase);
        }
        self.reported.notify_one();
    }
}

fn host(behaviours: &[Behaviour]) -> (Host, Stop) {
    let stop = Stop::new();
    let host = behaviours.iter().fold(Host::new(stop.clone()), |host, behaviour| host.source(Fake(*behaviour)));
    (host, stop)
}

fn request() -> StopRequest {
    StopRequest::new("a test")
}

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn a_lifecycle_ends_a_host_and_hears_of_each_phase() {
    let (host, stop) = host(&[Behaviour::Drains, Behaviour::Drains]);
    let mut lifecycle = Script::of([request()]);
    let drained = host.start().run(&mut lifecycle, LONG).await;
    assert!(!drained.left_behind && !drained.failed, "{drained:?}");
    assert!(!stop.is_aborting(), "nothing had to be cut off");
    assert_eq!(*lifecycle.phases.lock().unwrap(), [Phase::Running, Phase::Draining, Phase::Stopped]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_in_its_budget_is_cut_off() {
    let (host, stop) = host(&[Behaviour::Drains, Behaviour::Aborts]);
    let began = tokio::time::Instant::now();
    let drained = host.start().run(&mut Script::of([request()]), Duration::from_secs(20)).await;
    assert!(stop.is_aborting() && !drained.left_behind, "{drained:?}");
    assert!(began.elapsed() >= Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_platforms_limit_goes_before_the_budget() {
    let (host, _) = host(&[Behaviour::Aborts]);
    let limited = request().killed_after(Duration::from_secs(5));
    let began = tokio::time::Instant::now();
    host.start().run(&mut Script::of([limited]), LONG).await;
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_second_request_means_at_once() {
    let (host, stop) = host(&[Behaviour::Aborts]);
    let began = tokio::time::Instant::now();
    host.start().run(&mut Script::of([request(), request()]), LONG).await;
    assert!(stop.is_aborting() && began.elapsed() < LONG, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_host_ends_with_its_last_source() {
    let (host, stop) = host(&[Behaviour::Ends, Behaviour::Ends]);
    let drained = host.start().run(&mut Script::default(), LONG).await;
    assert!(!drained.failed && stop.is_draining());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_ends_the_host_and_says_so() {
    let (host, _) = host(&[Behaviour::Drains, Behaviour::Panics]);
    let drained = host.start().run(&mut Script::default(), LONG).await;
    assert!(drained.failed && !drained.left_behind, "{drained:?}");
}

#[tokio::test(start_paused = true)]
async fn of_several_lifecycles_the_first_request_counts_and_all_are_told() {
    let (host, _) = host(&[Behaviour::Drains]);
    let (silent, asking) = (Script::default(), Script::of([request()]));
    let (first, second) = (silent.phases.clone(), asking.phases.clone());
    let mut both: Vec<Box<dyn Lifecycle>> = vec![Box::new(silent), Box::new(asking)];
    host.start().run(&mut both, LONG).await;
    for phases in [first, second] {
        assert_eq!(*phases.lock().unwrap(), [Phase::Running, Phase::Draining, Phase::Stopped]);
    }
}

/// A source whose work blocks its thread, as a handler should not.
struct Blocks {
    entered: mpsc::Sender<()>,
    open: Arc<(Mutex<bool>, Condvar)>,
}

#[async_trait]
impl Source for Blocks {
    fn name(&self) -> String {
        "blocks".into()
    }

    async fn run(&self, _: &Stop) {
        self.entered.send(()).unwrap();
        let (open, opened) = &*self.open;
        drop(opened.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
    }
}

#[test]
fn what_blocks_every_thread_is_left_behind_within_the_budget() {
    let open = Arc::<(Mutex<bool>, Condvar)>::default();
    let (entered, entering) = mpsc::channel();
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let host = (0..2)
        .fold(Host::new(Stop::new()), |host, _| host.source(Blocks { entered: entered.clone(), open: open.clone() }));
    let running = threads.block_on(async { host.start() });
    for _ in 0..2 {
        entering.recv().unwrap();
    }
    let control = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let budget = DrainBudget { handlers: Duration::from_millis(20), hand_back: LONG };
    let began = Instant::now();
    let drained = control.block_on(running.drain(budget));
    assert!(drained.left_behind, "{drained:?}");
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "not the hour that handing back may take: {:?}",
        began.elapsed()
    );
    *open.0.lock().unwrap() = true;
    open.1.notify_all();
    threads.shutdown_background();
}
