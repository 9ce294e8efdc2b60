//! A Functions host: it receives messages, posts them to the handler, and acts on the answers.
//!
//! It behaves like the real one in these points: the handler is started with its port and must answer `GET /` within 30
//! s; one that ends with a code other than 0 is started again, one that ends with 0 never is; an invocation is a POST
//! in chunks, and succeeds by a 2xx with a JSON body; a 2xx with an empty body never ends; at `functionTimeout` the
//! process is killed, with all other invocations; a message of a successful invocation is deleted, one of a failed
//! invocation is hidden for `visibilityTimeout`, and goes unchanged to the poison queue after `maxDequeueCount`
//! receives; the hiding of a message is renewed for as long as its invocation takes; there is no stop notice.
//!
//! It differs in these points: a message whose hiding is not renewed returns after seconds instead of ten minutes, so
//! that tests can wait for it; and timers fire when a test says so.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::{
    sync::{Mutex, Semaphore},
    task::{JoinHandle, JoinSet},
    time::{interval, sleep, timeout},
};

use super::{
    azurite::Account,
    error::{Error, Result},
    payload,
    process::{Process, Program, post},
    queue::{Message, StorageQueue, decode},
    rules::{self, Host, Trigger},
};

/// The time for which a received message is hidden, without a renewal.
const LEASE: Duration = Duration::from_secs(15);
/// The time between two renewals.
const RENEWAL: Duration = Duration::from_secs(4);
/// The polling interval of an empty queue.
const POLL: Duration = Duration::from_millis(500);

/// The settings of a host.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The deployed folder: `host.json`, and a folder with a `function.json` for each function.
    pub folder: PathBuf,
    /// The handler's program.
    pub program: PathBuf,
    /// The app's settings.
    pub settings: Vec<(String, String)>,
    /// The time for which the message of a failed invocation is hidden, in place of that of `host.json`.
    pub visibility_timeout: Option<Duration>,
    /// The longest invocation, in place of that of `host.json`.
    pub function_timeout: Option<Duration>,
}

/// A running host. Dropping it is a scale-in: it ends at once, and its handler is killed.
pub struct FunctionsHost {
    shared: Arc<Shared>,
    listeners: Vec<JoinHandle<()>>,
}

struct Shared {
    rules: Host,
    triggers: BTreeMap<String, Trigger>,
    program: Program,
    process: Mutex<Option<Process>>,
    starts: AtomicU32,
    timed_out: AtomicU32,
    invocations: AtomicU32,
}

/// A queue that triggers a function.
#[derive(Clone)]
struct Listener {
    function: String,
    binding: String,
    queue: StorageQueue,
    poison: StorageQueue,
}

impl FunctionsHost {
    /// Starts the handler, and polls the queues of the account.
    ///
    /// # Errors
    /// When the folder is not valid for a host, when a queue cannot be created, and when the handler does not become
    /// ready.
    pub async fn start(account: &Account, setup: Setup) -> Result<Self> {
        let (mut rules, triggers) = rules::read(&setup.folder)?;
        if let Some(timeout) = setup.visibility_timeout {
            rules.extensions.queues.visibility_timeout = timeout;
        }
        if let Some(timeout) = setup.function_timeout {
            rules.function_timeout = timeout;
        }
        let program = Program { path: setup.program, folder: setup.folder, environment: setup.settings };
        let shared = Arc::new(Shared {
            rules,
            triggers,
            program,
            process: Mutex::new(None),
            starts: AtomicU32::new(0),
            timed_out: AtomicU32::new(0),
            invocations: AtomicU32::new(0),
        });
        shared.port().await?;
        let mut listeners = Vec::new();
        for (function, trigger) in &shared.triggers {
            let Trigger::Queue { name, queue_name } = trigger else { continue };
            let listener = Listener {
                function: function.clone(),
                binding: name.clone(),
                queue: account.queue(queue_name).await?,
                poison: account.queue(&format!("{queue_name}-poison")).await?,
            };
            listeners.push(tokio::spawn(listen(shared.clone(), listener)));
        }
        Ok(Self { shared, listeners })
    }

    /// Fires the timer of a function once.
    ///
    /// # Errors
    /// When the invocation fails.
    pub async fn fire(&self, function: &str, past_due: bool) -> Result<()> {
        let Some(Trigger::Timer { name }) = self.shared.triggers.get(function) else {
            return Err(Error::Host(format!("{function} is no timer")));
        };
        self.shared.invoke(function, &payload::timer(function, name, past_due)).await.map_err(Error::Host)
    }

    /// Kills the handler's process (kill -9); the host stays.
    pub async fn kill_handler(&self) {
        if let Some(process) = &mut *self.shared.process.lock().await {
            process.kill();
        }
    }

    /// Returns the id of the handler's process.
    pub async fn handler(&self) -> Option<u32> {
        self.shared.process.lock().await.as_ref().map(Process::id)
    }

    /// Returns how many times the handler was started.
    #[must_use]
    pub fn starts(&self) -> u32 {
        self.shared.starts.load(Ordering::Relaxed)
    }

    /// Returns how many times the host has killed the handler because an invocation took too long.
    #[must_use]
    pub fn timed_out(&self) -> u32 {
        self.shared.timed_out.load(Ordering::Relaxed)
    }
}

impl Drop for FunctionsHost {
    fn drop(&mut self) {
        self.listeners.iter().for_each(JoinHandle::abort);
        // Otherwise the process would live until its last invocation ends.
        if let Ok(mut process) = self.shared.process.try_lock() {
            drop(process.take());
        }
    }
}

async fn listen(shared: Arc<Shared>, listener: Listener) {
    let queues = &shared.rules.extensions.queues;
    let permits = Arc::new(Semaphore::new(queues.batch_size + queues.new_batch_threshold));
    // Aborted together with this task.
    let mut invocations = JoinSet::new();
    loop {
        while invocations.try_join_next().is_some() {}
        let most = permits.available_permits().min(queues.batch_size);
        let messages = match most {
            0 => Vec::new(),
            most => listener.queue.receive(most, LEASE).await.unwrap_or_default(),
        };
        if messages.is_empty() {
            sleep(POLL).await;
        }
        for message in messages {
            let (shared, listener, permits) = (shared.clone(), listener.clone(), permits.clone());
            invocations.spawn(async move {
                let _permit = permits.acquire_owned().await;
                // After an error, the message returns when it is visible again.
                let _ = shared.deliver(&listener, message).await;
            });
        }
    }
}

impl Shared {
    /// Returns the handler's port. A handler that was killed, or ended with an error, is started again.
    async fn port(&self) -> Result<u16> {
        let mut process = self.process.lock().await;
        if let Some(running) = &mut *process {
            match running.exit() {
                None => return Ok(running.port),
                Some(exit) if exit.success() => {
                    return Err(Error::Host("the handler ended with 0, and is not started again".into()));
                }
                Some(_) => {}
            }
        }
        self.starts.fetch_add(1, Ordering::Relaxed);
        let fresh = self.program.start().await?;
        let port = fresh.port;
        *process = Some(fresh);
        Ok(port)
    }

    /// Runs one invocation for a message, and acts on its result.
    async fn deliver(&self, listener: &Listener, mut message: Message) -> Result<()> {
        let body = decode(&message.text)?;
        let request = payload::queue(&listener.function, &listener.binding, &message, &body);
        let result = {
            let invocation = self.invoke(&listener.function, &request);
            tokio::pin!(invocation);
            let mut renewals = interval(RENEWAL);
            loop {
                tokio::select! {
                    result = &mut invocation => break result,
                    // The next renewal may succeed; the invocation continues.
                    _ = renewals.tick() => drop(listener.queue.hide(&mut message, LEASE).await),
                }
            }
        };
        let queues = &self.rules.extensions.queues;
        match result {
            Ok(()) => listener.queue.delete(&message).await,
            Err(_) if message.receives >= queues.max_dequeue_count => {
                listener.poison.send_text(&message.text).await?;
                listener.queue.delete(&message).await
            }
            Err(_) => listener.queue.hide(&mut message, queues.visibility_timeout).await,
        }
    }

    async fn invoke(&self, function: &str, request: &Value) -> Result<(), String> {
        let port = self.port().await.map_err(|error| error.to_string())?;
        let invocation = format!("invocation-{}", self.invocations.fetch_add(1, Ordering::Relaxed));
        let answered = async {
            let (status, body) = post(port, function, &invocation, request).await?;
            if !status.is_success() {
                return Err(format!("{function} answered {status}"));
            }
            if body.is_empty() {
                // The real host then waits for a result that never arrives.
                std::future::pending::<()>().await;
            }
            match serde_json::from_slice::<Value>(&body) {
                Ok(Value::Object(answer)) if answer.contains_key("Outputs") => Ok(()),
                _ => Err(format!("{function} answered something else than an invocation's result")),
            }
        };
        match timeout(self.rules.function_timeout, answered).await {
            Ok(result) => result,
            Err(_) => {
                self.timed_out.fetch_add(1, Ordering::Relaxed);
                if let Some(process) = self.process.lock().await.as_mut().filter(|process| process.port == port) {
                    process.kill();
                }
                Err(format!("{function} took longer than {:?}", self.rules.function_timeout))
            }
        }
    }
}
