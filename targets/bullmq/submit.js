// Hands over one job and prints its id: node submit.js SECONDS POISON
import { Queue } from "bullmq";

const [host, port] = process.env.REDIS.split(":");
const queue = new Queue("work", { connection: { host, port: Number(port) } });
const job = await queue.add("work", { seconds: Number(process.argv[2]), poison: process.argv[3] === "true" });
console.log(job.id);
process.exit(0);
