// What all drivers on Node.js share: arguments, measurements, and the lines that they print for the harness.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import path from "node:path";

/** The number of jobs in one bulk call. */
const BULK = 10_000;

const given = new Map();
for (let at = 2; at + 1 < process.argv.length; at += 2) given.set(process.argv[at].slice(2), process.argv[at + 1]);

function text(name) {
  const value = given.get(name);
  if (value === undefined) throw new Error(`--${name} is missing`);
  return value;
}

export const options = {
  measure: text("measure"),
  variant: text("variant"),
  place: text("place"),
  jobs: Number(given.get("jobs") ?? 0),
  window: Number(given.get("window") ?? 0),
  bulkLimit: Number(given.get("bulk-limit") ?? 0),
  callers: Number(given.get("callers") ?? 0),
  seconds: Number(given.get("seconds") ?? 0),
};

export const tuned = options.variant !== "default";

/** Nothing: loggers that write lines for each job to the console would be what is measured. */
export const quiet = { error: console.error, warn: console.error, info() {}, debug() {}, log() {} };

export function emit(event, fields) {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
}

export function version(name) {
  const main = createRequire(import.meta.url).resolve.paths(name)[0];
  return JSON.parse(readFileSync(path.join(main, name, "package.json"), "utf8")).version;
}

export const now = () => performance.now() / 1000;
export const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** Enqueues jobs in calls of BULK; returns whether all were enqueued within the limit. */
export async function bulk(enqueue) {
  const began = now();
  let jobs = 0;
  while (jobs < options.jobs && now() - began < options.bulkLimit) {
    const size = Math.min(BULK, options.jobs - jobs);
    await enqueue(Array.from({ length: size }, (_, index) => ({ number: jobs + index })));
    jobs += size;
  }
  const whole = jobs === options.jobs;
  emit("bulk", { jobs, seconds: now() - began, whole });
  return whole;
}

/**
 * Starts the workers and waits until all jobs are done, or the window ends. `done` reads the number of completions that
 * are committed, and is asked only when the last job has run or the window has ended. `start` gets a function that is
 * to be called for each job that has run.
 */
export async function drain({ start, done, stop }) {
  let ran = 0;
  let all;
  const everything = new Promise((resolve) => {
    all = resolve;
  });
  const began = now();
  await start(() => {
    ran += 1;
    if (ran >= options.jobs) all();
  });
  let timer;
  const ended = new Promise((resolve) => {
    timer = setTimeout(resolve, options.window * 1000);
  });
  await Promise.race([everything, ended]);
  clearTimeout(timer);
  // Between the last run and its commit; never longer than the window.
  let asked = now();
  let jobs = await done();
  while (jobs < options.jobs && ran >= options.jobs && asked - began < options.window) {
    await pause(0.001);
    asked = now();
    jobs = await done();
  }
  emit("drain", { jobs, seconds: asked - began, whole: jobs >= options.jobs });
  await stop?.();
}

/** Enqueues one job after the other from each caller, for some seconds. */
export async function single(enqueue) {
  const began = now();
  const end = began + options.seconds;
  let jobs = 0;
  let number = 0;
  const caller = async () => {
    while (now() < end) {
      number += 1;
      await enqueue({ number });
      jobs += 1;
    }
  };
  await Promise.all(Array.from({ length: options.callers }, caller));
  emit("single", { jobs, seconds: now() - began });
}

/** Ends the process: peers keep connections and timers. */
export function end() {
  process.stdout.write("", () => process.exit(0));
}
