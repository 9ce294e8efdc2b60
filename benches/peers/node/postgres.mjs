// A fresh database for each run, on the server that the harness started.
import pg from "pg";

const NAME = "peer";
/** Settings that are read back. */
const NAMES = ["server_version", "fsync", "synchronous_commit", "shared_buffers"];

/** Makes an empty database; `place` is the folder of the server's socket, a colon, and its user. */
export async function fresh(place) {
  const [host, user] = place.split(":");
  const admin = new pg.Client({ host, user, database: "postgres" });
  await admin.connect();
  await admin.query(`DROP DATABASE IF EXISTS ${NAME} WITH (FORCE)`);
  await admin.query(`CREATE DATABASE ${NAME}`);
  await admin.query("CHECKPOINT");
  await admin.end();
  return { host, user, database: NAME };
}

/** Reads what decides whether a commit waits for the disk, from a connection of its own. */
export async function inForce(connection) {
  const client = new pg.Client(connection);
  await client.connect();
  const read = async (name) => (await client.query(`SHOW ${name}`)).rows[0][name];
  const values = {};
  for (const name of NAMES) values[name] = await read(name);
  await client.end();
  return values;
}

/** What a commit survives, by these settings. */
export function survives(values) {
  return values.fsync === "on" && values.synchronous_commit !== "off" ? "power" : "process";
}

export function url({ host, user, database }) {
  return `postgres://${user}@/${database}?host=${encodeURIComponent(host)}`;
}
