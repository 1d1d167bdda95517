/** Reads traces: text or bytes, compressed or not, as a stream. */
import { createReadStream } from "node:fs";
import type { Readable, Transform } from "node:stream";
import * as zlib from "node:zlib";
import { UserError } from "../machine/user-error.ts";
import { Batches, type ReferenceBatch } from "./batch.ts";
import { BinaryTrace, MAGIC } from "./binary.ts";
import { TextTrace } from "./text.ts";

const GZIP = Uint8Array.of(0x1f, 0x8b);
const ZSTD = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);

const begins = (bytes: Uint8Array, with_: Uint8Array): boolean =>
	with_.every((byte, i) => bytes[i] === byte);

/** What expands a file that begins so. => null: nothing; UserError: it cannot be done here */
function expander(name: string, first: Uint8Array): Transform | null {
	if (begins(first, GZIP)) return zlib.createGunzip();
	// Brotli has no mark.
	if (name.endsWith(".br")) return zlib.createBrotliDecompress();
	if (!begins(first, ZSTD)) return null;
	// Node 22.15 has it.
	const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };
	if (createZstdDecompress !== undefined) return createZstdDecompress();
	throw new UserError(`${name}: is compressed by zstd, which this version of Node cannot expand`);
}

/** The stream's parts; the first one is at least as long as a mark, unless the stream is shorter. */
async function* partsOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
	let first: Uint8Array | null = new Uint8Array(0);
	for await (const part of stream) {
		if (first === null) {
			yield part;
			continue;
		}
		const whole: Uint8Array = new Uint8Array(first.length + part.length);
		whole.set(first);
		whole.set(part, first.length);
		first = whole;
		if (whole.length < MAGIC.length) continue;
		yield whole;
		first = null;
	}
	if (first !== null && first.length > 0) yield first;
}

async function* expanded(name: string, stream: Readable): AsyncGenerator<Uint8Array> {
	const parts = partsOf(stream);
	const { value: first } = await parts.next();
	if (first === undefined) return;
	const through = expander(name, first);
	if (through === null) {
		yield first;
		yield* parts;
		return;
	}
	const feed = async (): Promise<void> => {
		try {
			let part: Uint8Array | undefined = first;
			while (part !== undefined) {
				if (!through.write(part)) await new Promise((ready) => through.once("drain", ready));
				part = (await parts.next()).value as Uint8Array | undefined;
			}
			through.end();
		} catch (error) {
			through.destroy(error as Error);
		}
	};
	void feed();
	yield* partsOf(through);
}

/**
 * Read the trace in a file, or in `stream` that is called `name`, batch by batch.
 * => UserError, one line that names the file and the line, for what is none
 */
export async function readTrace(
	name: string,
	take: (batch: ReferenceBatch) => void,
	stream: Readable = createReadStream(name, { highWaterMark: 1 << 20 }),
): Promise<void> {
	const batches = new Batches(take);
	let trace: TextTrace | BinaryTrace | null = null;
	try {
		for await (const part of expanded(name, stream)) {
			if (trace !== null) trace.read(part);
			else if (begins(part, MAGIC)) {
				trace = new BinaryTrace(name, batches);
				trace.read(part.subarray(MAGIC.length));
			} else {
				trace = new TextTrace(name, batches);
				trace.read(part);
			}
		}
	} catch (error) {
		if (error instanceof UserError) throw error;
		const { code, message } = error as NodeJS.ErrnoException;
		throw new UserError(`${name}: cannot be read: ${code ?? message}`);
	} finally {
		stream.destroy();
	}
	trace?.end();
	batches.flush();
}
