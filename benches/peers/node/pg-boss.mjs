// pg-boss, on PostgreSQL.
import pg from "pg";
import { PgBoss } from "pg-boss";
import { bulk, drain, emit, end, options, single, tuned, version } from "./driver.mjs";
import { fresh, inForce, survives } from "./postgres.mjs";

const QUEUE = "noop";

const connection = await fresh(options.place);
const boss = new PgBoss({ ...connection, ...(tuned && { max: 25 }) });
boss.on("error", console.error);
await boss.start();
await boss.createQueue(QUEUE);

const values = await inForce(connection);
emit("about", { version: version("pg-boss"), survives: survives(values), in_force: values });
if (options.measure === "single") {
  await single((job) => boss.send(QUEUE, job));
} else if (await bulk((jobs) => boss.insert(QUEUE, jobs.map((data) => ({ data }))))) {
  const reader = new pg.Client(connection);
  await reader.connect();
  // By default one job every two seconds. `burstWhenBatchFull` fetches again at once while fetches come back full.
  const work = tuned
    ? { batchSize: 1000, localConcurrency: 2, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 }
    : {};
  await drain({
    start: (ran) => boss.work(QUEUE, work, async (jobs) => jobs.forEach(ran)),
    done: async () => {
      const done = await reader.query("SELECT count(*)::int AS jobs FROM pgboss.job WHERE state = 'completed'");
      return done.rows[0].jobs;
    },
  });
}
end();
