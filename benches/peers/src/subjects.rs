//! What is measured: peers, their settings, and the durability that they are paired by.

/// What a driver needs to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runtime {
    /// A binary of a workspace of its own, in the folder of that name.
    Rust(&'static str),
    /// A script on Node.js.
    Node(&'static str),
    /// A script on Python.
    Python(&'static str),
}

/// A server that a peer needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    /// None: the place is a file.
    File,
    /// PostgreSQL with its defaults.
    Postgres,
    /// Redis with its defaults: snapshots only.
    Redis,
    /// Redis with an append-only file that each write waits for.
    DurableRedis,
}

/// Settings of a peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variant {
    /// The name: `default`, `tuned` or `durable`.
    pub(crate) name: &'static str,
    /// What is set, for the page.
    pub(crate) settings: &'static str,
    pub(crate) server: Server,
    /// A commit waits for the disk, so ours does in the runs beside it.
    pub(crate) waits_for_disk: bool,
}

/// A job queue that is measured beside ours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Language and store, for the page.
    pub(crate) kind: &'static str,
    pub(crate) runtime: Runtime,
    pub(crate) variants: &'static [Variant],
    /// What a reader must know to judge the figures.
    pub(crate) note: &'static str,
}

const fn variant(name: &'static str, settings: &'static str, server: Server, waits_for_disk: bool) -> Variant {
    Variant { name, settings, server, waits_for_disk }
}

/// All peers, in the order of the page.
pub(crate) const PEERS: &[Peer] = &[
    Peer {
        name: "apalis-sqlite",
        kind: "Rust, SQLite",
        runtime: Runtime::Rust("apalis"),
        variants: &[
            variant("default", "`SqlitePool::connect`, `SqliteStorage::setup`, as its README", Server::File, false),
            variant("tuned", "one connection, `lock_tasks(false)`", Server::File, false),
        ],
        note: "`setup` sets `synchronous=OFF`, but of one connection of the pool; the others wait for the disk at each \
               commit, unless the pool has one connection only. A loss of power can damage the file. In the runs beside \
               it, ours has its default durability. Higher concurrency (`parallelize`) and larger batches were slower.",
    },
    Peer {
        name: "effectum",
        kind: "Rust, SQLite",
        runtime: Runtime::Rust("effectum"),
        variants: &[
            variant("default", "one job at a time", Server::File, true),
            variant("tuned", "`max_concurrency(256)`, `min_concurrency(128)`", Server::File, true),
        ],
        note: "It sets a pragma `journal`, which SQLite does not have and ignores, so the file has a rollback journal \
               instead of WAL, and each commit waits for the disk.",
    },
    Peer {
        name: "plainjob",
        kind: "Node.js, SQLite",
        runtime: Runtime::Node("plainjob"),
        variants: &[
            variant("default", "one worker in one process", Server::File, false),
            variant("tuned", "a worker process for each processor, as its README", Server::File, false),
        ],
        note: "Its calls are synchronous, so 64 callers of one process take turns. Its logger, which writes several \
               lines for each job to the console, is silenced.",
    },
    Peer {
        name: "huey",
        kind: "Python, SQLite",
        runtime: Runtime::Python("huey_peer"),
        variants: &[
            variant("default", "`SqliteHuey(filename=…)`, one worker thread", Server::File, true),
            variant("tuned", "`fsync=False`", Server::File, false),
        ],
        note: "It has no bulk call: bulk is single calls of one caller. A task leaves the queue before it runs, so a \
               job that runs at a crash is lost, and its end writes nothing.",
    },
    Peer {
        name: "graphile-worker",
        kind: "Node.js, PostgreSQL",
        runtime: Runtime::Node("graphile-worker"),
        variants: &[
            variant("default", "one job at a time", Server::Postgres, true),
            variant(
                "tuned",
                "`concurrentJobs: 24`, `maxPoolSize: 25`, `localQueue: { size: 500 }`, `completeJobBatchDelay: 0`, as \
                 its page on performance",
                Server::Postgres,
                true,
            ),
        ],
        note: "Its logger, which writes a line for each job to the console, is silenced. A completed job's row is \
               deleted.",
    },
    Peer {
        name: "pg-boss",
        kind: "Node.js, PostgreSQL",
        runtime: Runtime::Node("pg-boss"),
        variants: &[
            variant("default", "`work()`: one job every two seconds", Server::Postgres, true),
            variant(
                "tuned",
                "`batchSize: 1000`, `burstWhenBatchFull`, `localConcurrency: 2`, `max: 25` connections",
                Server::Postgres,
                true,
            ),
        ],
        note: "Its defaults poll for one job every two seconds, whatever waits.",
    },
    Peer {
        name: "bullmq",
        kind: "Node.js, Redis",
        runtime: Runtime::Node("bullmq"),
        variants: &[
            variant("default", "one job at a time; Redis with its defaults", Server::Redis, false),
            variant("tuned", "`concurrency: 200`; Redis with its defaults", Server::Redis, false),
            variant(
                "durable",
                "`concurrency: 200`; Redis with `appendonly yes`, `appendfsync always`",
                Server::DurableRedis,
                true,
            ),
        ],
        note: "Redis with its defaults keeps jobs in memory and writes a snapshot now and then: the death of its \
               process loses what came since. In the runs beside it, ours has its default durability, which loses \
               nothing then.",
    },
];

impl Peer {
    /// Whether ours is measured beside it with each commit waiting for the disk, without that, or both.
    pub(crate) fn durabilities(&self) -> impl Iterator<Item = bool> {
        let variants = self.variants;
        [false, true].into_iter().filter(move |full| variants.iter().any(|one| one.waits_for_disk == *full))
    }
}
