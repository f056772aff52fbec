// A worker as BullMQ's documentation has it, with a job that reports to the ledger when it begins and ends.
import { Worker } from "bullmq";

const [host, port] = process.env.REDIS.split(":");

async function report(event, job) {
  const body = JSON.stringify({ event, job, pid: process.pid, process: process.env.UNSTUCK_PROCESS });
  await fetch(process.env.UNSTUCK_LEDGER_URL, { method: "POST", body });
}

const worker = new Worker(
  "work",
  async (job) => {
    await report("begin", job.id);
    if (job.data.poison) process.kill(process.pid, "SIGKILL");
    await new Promise((done) => setTimeout(done, job.data.seconds * 1000));
    await report("end", job.id);
  },
  {
    connection: { host, port: Number(port), maxRetriesPerRequest: null },
    concurrency: 2,
    lockDuration: Number(process.env.LOCK_S) * 1000,
    stalledInterval: Number(process.env.LOCK_S) * 1000,
    maxStalledCount: Number(process.env.STALLED_MAX),
  },
);

worker.on("error", (error) => console.error(error.message));
worker.waitUntilReady().then(() => console.log("worker ready"));

// https://docs.bullmq.io/guide/workers/graceful-shutdown
if (process.env.GRACEFUL === "1") {
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.on(signal, () => worker.close().then(() => process.exit(0)));
  }
}
