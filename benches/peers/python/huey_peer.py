"""huey with SqliteHuey. A task leaves the queue before it runs: what runs at a crash is lost."""

import argparse
import json
import logging
import sqlite3
import threading
import time

import huey as package
from huey import SqliteHuey

parser = argparse.ArgumentParser()
parser.add_argument("--measure", choices=["cycle", "single"], required=True)
parser.add_argument("--variant", choices=["default", "tuned"], required=True)
parser.add_argument("--place", required=True)
parser.add_argument("--jobs", type=int, default=0)
parser.add_argument("--window", type=float, default=0)
parser.add_argument("--bulk-limit", type=float, default=0)
parser.add_argument("--callers", type=int, default=0)
parser.add_argument("--seconds", type=float, default=0)
options = parser.parse_args()

TUNED = options.variant == "tuned"
# By default huey sets no `synchronous`, so SQLite's own default is in force; `fsync=False` turns it off.
STORAGE = {"fsync": False} if TUNED else {}
# Without a bulk call, the rate of single calls is measured for this long; the rest is filled in without a clock.
BULK_SECONDS = 5.0

logging.getLogger("huey").setLevel(logging.ERROR)
huey = SqliteHuey("noop", filename=options.place, **STORAGE)
ran = 0


@huey.task(name="noop")
def noop(number):
    global ran
    ran += 1


def emit(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def about():
    connection = huey.storage.conn
    journal = connection.execute("pragma journal_mode").fetchone()[0]
    synchronous = connection.execute("pragma synchronous").fetchone()[0]
    in_force = {"journal_mode": journal, "synchronous": str(synchronous), "sqlite": sqlite3.sqlite_version}
    survives = {0: "fragile", 1: "process"}.get(synchronous, "power")
    emit("about", version=package.__version__, survives=survives, in_force=in_force)


def bulk():
    began = time.perf_counter()
    jobs = 0
    while jobs < options.jobs and time.perf_counter() - began < min(BULK_SECONDS, options.bulk_limit):
        noop(jobs)
        jobs += 1
    seconds = time.perf_counter() - began
    emit("bulk", jobs=jobs, seconds=seconds, whole=jobs == options.jobs)
    if jobs < options.jobs:
        fill(jobs)


def fill(jobs):
    """Enqueues the rest as rows like those that are there, in one transaction."""
    connection = sqlite3.connect(options.place)
    columns = "queue, data, priority"
    rows = connection.execute(f"select {columns} from task order by id desc limit 1").fetchall()
    connection.executemany(f"insert into task ({columns}) values (?, ?, ?)", rows * (options.jobs - jobs))
    connection.commit()
    connection.close()


def drain():
    consumer = huey.create_consumer()
    began = time.perf_counter()
    consumer.start()
    while True:
        time.sleep(0.005)
        asked = time.perf_counter()
        if ran >= options.jobs or asked - began >= options.window:
            jobs = min(ran, options.jobs - huey.storage.queue_size())
            emit("drain", jobs=jobs, seconds=asked - began, whole=jobs >= options.jobs)
            break
    consumer.stop(graceful=True)


def single():
    began = time.perf_counter()
    end = began + options.seconds
    counts = [0] * options.callers

    def caller(own):
        while time.perf_counter() < end:
            noop(own)
            counts[own] += 1

    callers = [threading.Thread(target=caller, args=(own,)) for own in range(options.callers)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    emit("single", jobs=sum(counts), seconds=time.perf_counter() - began)


about()
if options.measure == "single":
    single()
else:
    bulk()
    drain()
