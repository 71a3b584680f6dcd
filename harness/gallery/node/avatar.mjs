// A picture of its own for each item, drawn from the digest of its name: five by five squares, mirrored, as PNG.
// As a Lambda function it polls the Runtime API (version 2018-06-01); as a Batch job it does what ITEMS lists, and ends.
import { createHash } from 'node:crypto';
import { crc32, deflateSync } from 'node:zlib';

const SIDE = 5, SQUARE_PX = 160, WIDTH_PX = SIDE * SQUARE_PX;
const { AWS_LAMBDA_RUNTIME_API, ITEMS } = process.env;

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4), check = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}

function avatar(key) {
  const digest = createHash('sha256').update(key).digest();
  const rows = Buffer.alloc(WIDTH_PX * (1 + 3 * WIDTH_PX));
  for (let y = 0, at = 0; y < WIDTH_PX; y += 1) {
    at += 1; // each row begins with its filter: none
    for (let x = 0; x < WIDTH_PX; x += 1, at += 3) {
      const column = Math.floor(x / SQUARE_PX), row = Math.floor(y / SQUARE_PX);
      const filled = digest[row * 3 + Math.min(column, SIDE - 1 - column)] % 2;
      digest.copy(rows, at, filled ? 29 : 26, filled ? 32 : 29);
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(WIDTH_PX, 0);
  header.writeUInt32BE(WIDTH_PX, 4);
  header.set([8, 2, 0, 0, 0], 8); // eight bits, RGB
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  const parts = [chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([signature, ...parts]);
}

function describe(key) {
  const png = avatar(key);
  return { item: key, bytes: png.length, sha256: createHash('sha256').update(png).digest('hex') };
}

async function serveLambda() {
  const runtime = `http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`;
  for (;;) {
    const next = await fetch(`${runtime}/next`);
    const id = next.headers.get('lambda-runtime-aws-request-id');
    const event = await next.json();
    const keys = event.Records.map((record) => decodeURIComponent(record.s3.object.key.replaceAll('+', ' ')));
    const body = JSON.stringify(keys.map(describe));
    await fetch(`${runtime}/${id}/response`, { method: 'POST', body });
  }
}

if (AWS_LAMBDA_RUNTIME_API) await serveLambda();
else for (const key of JSON.parse(ITEMS)) console.log(JSON.stringify(describe(key)));
