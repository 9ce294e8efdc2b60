// BullMQ, on Redis. Completed jobs are kept, as they are by default.
import IORedis from "ioredis";
import { Queue, Worker } from "bullmq";
import { bulk, drain, emit, end, options, single, tuned, version } from "./driver.mjs";

const NAME = "noop";
const connection = { path: options.place };

const redis = new IORedis({ path: options.place });
await redis.flushall();
const read = async (name) => (await redis.config("GET", name))[1];
const inForce = { redis_version: /redis_version:(\S+)/.exec(await redis.info("server"))[1] };
for (const name of ["appendonly", "appendfsync", "save"]) inForce[name] = await read(name);
// Without the append-only file, Redis keeps what its last snapshot has.
const survives = inForce.appendonly !== "yes" ? "snapshot" : inForce.appendfsync === "always" ? "power" : "process";
emit("about", { version: version("bullmq"), survives, in_force: inForce });

const queue = new Queue(NAME, { connection });
await queue.waitUntilReady();
if (options.measure === "single") {
  await single((data) => queue.add(NAME, data));
} else if (await bulk((jobs) => queue.addBulk(jobs.map((data) => ({ name: NAME, data }))))) {
  await drain({
    start: async (ran) => {
      const worker = new Worker(NAME, async () => ran(), { connection, ...(tuned && { concurrency: 200 }) });
      worker.on("error", console.error);
    },
    done: () => queue.getCompletedCount(),
  });
}
end();
