// graphile-worker, on PostgreSQL. A completed job's row is deleted.
import pg from "pg";
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { bulk, drain, emit, end, options, single, tuned, version } from "./driver.mjs";
import { fresh, inForce, survives, url } from "./postgres.mjs";

const TASK = "noop";
// Its own logger writes a line for each job to the console.
const logger = new Logger(() => (level, message) => level === "error" && console.error(message));

const connection = await fresh(options.place);
const worker = {
  connectionString: url(connection),
  // https://worker.graphile.org/docs/performance, the configuration of its quick stats.
  ...(tuned && {
    concurrentJobs: 24,
    maxPoolSize: 25,
    localQueue: { size: 500 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
  }),
};
const utils = await makeWorkerUtils({
  connectionString: worker.connectionString,
  ...(tuned && { maxPoolSize: worker.maxPoolSize }),
  logger,
});
await utils.migrate();

const values = await inForce(connection);
emit("about", { version: version("graphile-worker"), survives: survives(values), in_force: values });
if (options.measure === "single") {
  await single((job) => utils.addJob(TASK, job));
} else if (await bulk((jobs) => utils.addJobs(jobs.map((payload) => ({ identifier: TASK, payload }))))) {
  const reader = new pg.Client(connection);
  await reader.connect();
  let runner;
  await drain({
    start: async (ran) => {
      const taskList = { [TASK]: async () => ran() };
      runner = await run({ preset: { worker }, logger, taskList, noHandleSignals: true });
    },
    done: async () => {
      const left = await reader.query("SELECT count(*)::int AS jobs FROM graphile_worker._private_jobs");
      return options.jobs - left.rows[0].jobs;
    },
  });
}
end();
