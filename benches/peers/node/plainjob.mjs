// plainjob, on better-sqlite3. Its calls are synchronous: callers in one process take turns.
import { fork } from "node:child_process";
import os from "node:os";
import Database from "better-sqlite3";
import { JobStatus, better, defineQueue, defineWorker } from "plainjob";
import { bulk, emit, end, now, options, pause, quiet, single, tuned, version } from "./driver.mjs";

const TYPE = "noop";
const serializer = JSON.stringify;

const database = new Database(options.place);
const queue = defineQueue({ connection: better(database), logger: quiet, serializer });

/** The README's way to use several cores: a process for each, with a worker each. */
async function drainByProcesses() {
  const settings = { env: { ...process.env, PLAINJOB_WORKER: "1" }, stdio: ["ignore", "ignore", "inherit", "ipc"] };
  const begin = () => fork(import.meta.filename, process.argv.slice(2), settings);
  const workers = Array.from({ length: os.availableParallelism() }, begin);
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once("message", resolve))));
  const began = now();
  for (const worker of workers) worker.send("go");
  let asked;
  let jobs;
  do {
    await pause(0.02);
    asked = now();
    jobs = queue.countJobs({ status: JobStatus.Done });
  } while (jobs < options.jobs && asked - began < options.window);
  emit("drain", { jobs, seconds: asked - began, whole: jobs >= options.jobs });
  for (const worker of workers) worker.kill("SIGKILL");
}

/** One worker in this process. It returns to the event loop only without jobs, so it is stopped from within. */
async function drainHere() {
  let jobs = 0;
  const began = now();
  let ended = began;
  await new Promise((resolve, reject) => {
    const worker = defineWorker(TYPE, async () => {}, {
      queue,
      logger: quiet,
      // Called after the job is marked as done, in a transaction of its own.
      onCompleted: () => {
        jobs += 1;
        ended = now();
        if (jobs >= options.jobs || ended - began >= options.window) worker.stop().then(resolve, reject);
      },
    });
    worker.start().catch(reject);
  });
  const counted = queue.countJobs({ status: JobStatus.Done });
  if (counted !== jobs) throw new Error(`${counted} jobs are done, and ${jobs} were seen`);
  emit("drain", { jobs, seconds: ended - began, whole: jobs >= options.jobs });
}

if (process.env.PLAINJOB_WORKER) {
  const worker = defineWorker(TYPE, async () => {}, { queue, logger: quiet });
  process.once("message", () => worker.start());
  process.send("ready");
} else {
  const pragma = (name) => String(database.pragma(name, { simple: true }));
  const inForce = { journal_mode: pragma("journal_mode"), synchronous: pragma("synchronous") };
  const survives = inForce.synchronous === "2" ? "power" : "process";
  emit("about", { version: version("plainjob"), survives, in_force: inForce });
  if (options.measure === "single") {
    await single(async (job) => queue.add(TYPE, job));
  } else if (await bulk(async (jobs) => queue.addMany(TYPE, jobs))) {
    await (tuned ? drainByProcesses() : drainHere());
  }
  queue.close();
  end();
}
