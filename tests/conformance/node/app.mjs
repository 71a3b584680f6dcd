// Handlers for AWS's Node.js runtime client: one that answers, and one that streams.
import { setTimeout as pause } from 'node:timers/promises';

let count = 0;

process.on('SIGTERM', () => {
  console.log('node was told to end');
  process.exit(0);
});

export const handler = async (event, context) => {
  count += 1;
  if (event.fail) throw new TypeError(event.fail);
  console.log('node saw', JSON.stringify(event));
  return { event, count, requestId: context.awsRequestId, remaining: context.getRemainingTimeInMillis() };
};

export const streaming = awslambda.streamifyResponse(async (event, stream) => {
  for (let n = 0; n < event.pieces; n += 1) {
    stream.write(`piece ${n}\n`);
    await pause(event.pause_ms ?? 50);
  }
  if (event.fail) throw new Error(event.fail);
  stream.end();
});
