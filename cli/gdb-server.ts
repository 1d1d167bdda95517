/**
 * `--gdb`: a server for one debugger at a time, on the loopback interface only. The machine runs
 * in slices, and between them the debugger's packets and the console's input have their turn.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { MachineTarget } from "../gdb/session.ts";
import { GdbStub } from "../gdb/session.ts";
import { InputReader, type OutputBuffer } from "./console.ts";
import type { GdbFlags } from "./gdb-flags.ts";
import { type GivenUp, Interrupts, turn } from "./interrupts.ts";
import { UsageError } from "./usage-error.ts";

const HOST = "127.0.0.1";
/** A debugger that does not read its answers is not listened to beyond this many bytes. */
const BACKLOG_MAX = 1 << 20;
/** How long a debugger that comes waits for another one to go, and how many may wait. */
const GRACE_MS = 200;
const CONNECTIONS_MAX = 8;

/** Let a debugger have `target`, until one of them has ended. => who gave it up before. */
export async function serveGdb(
	target: MachineTarget,
	port: number,
	{ gdbWait, maxCycles }: GdbFlags,
	output: OutputBuffer,
): Promise<GivenUp> {
	const server = new GdbServer(target, new InputReader(process.stdin), output, gdbWait);
	const where = await server.listen(port);
	process.stderr.write(`uvmachine: gdb: target remote ${HOST}:${where}\n`);
	return await server.drive(maxCycles ?? Number.POSITIVE_INFINITY);
}

export class GdbServer {
	readonly #target: MachineTarget;
	readonly #input: InputReader;
	readonly #output: OutputBuffer;
	#server: Server | null = null;
	#socket: Socket | null = null;
	#stub: GdbStub | null = null;
	/** A debugger is there, but the machine has not come to stand still yet. */
	#stopping = false;
	/** Without a debugger: does the machine run? */
	#free: boolean;
	#killed = false;
	/** Whoever waits for something to happen. */
	#wake: () => void = () => {};
	#inputEnded = false;
	#failure: string | null = null;
	#reading = false;

	constructor(target: MachineTarget, input: InputReader, output: OutputBuffer, wait: boolean) {
		this.#target = target;
		this.#input = input;
		this.#output = output;
		this.#free = !wait;
		if (!wait) target.detach();
	}

	/** Listen. => the port; UsageError if that is not possible. */
	async listen(port: number): Promise<number> {
		const server = createServer({ pauseOnConnect: true }, (socket) => {
			socket.on("error", () => socket.destroy());
			this.#accept(socket);
		});
		server.maxConnections = CONNECTIONS_MAX;
		this.#server = server;
		return await new Promise((resolve, reject) => {
			server.once("error", (error: NodeJS.ErrnoException) => {
				const why = error.code === "EADDRINUSE" ? "is in use" : `cannot be used (${error.code})`;
				reject(new UsageError(`gdb: port ${port} ${why}`));
			});
			server.listen(port, HOST, () => {
				const address = server.address();
				resolve(typeof address === "object" && address !== null ? address.port : port);
			});
		});
	}

	/** Run until the guest has ended, or somebody has given it up. => who. */
	async drive(limit: number): Promise<GivenUp> {
		const interrupts = new Interrupts();
		void interrupts.raised.then(() => this.#wake());
		const goes = (): boolean =>
			!this.#killed && this.#failure === null && interrupts.signal === null;
		try {
			while (goes() && !this.#guarded(() => this.#turn(limit))) {
				this.#output.flush();
				if (!this.#runs) await this.#sleep();
				else if (this.#target.asleep) await this.#feed();
				else await turn();
			}
		} finally {
			interrupts.close();
			this.#output.flush();
			this.#close();
		}
		if (this.#failure !== null) throw new UsageError(`gdb: ${this.#failure}`);
		return this.#killed ? "debugger" : interrupts.signal;
	}

	/** Do something for the debugger. => what it has come to; true if it failed: that is the end. */
	#guarded<T>(act: () => T): T | true {
		try {
			return act();
		} catch (error) {
			// A mistake of ours. The debugger's user wants one line of it.
			this.#failure = `internal error: ${(error as Error).message}`;
			return true;
		}
	}

	get #runs(): boolean {
		return this.#stub === null ? this.#free || this.#stopping : this.#stub.running;
	}

	/** Let whoever runs have a slice. => whether this is the end. */
	#turn(limit: number): boolean {
		if (!this.#runs) return false;
		const target = this.#target;
		if (target.cycles >= limit) {
			this.#stub?.stopped({ kind: "killed", signal: 9 });
			return true;
		}
		if (this.#stub !== null) {
			this.#stub.poll();
			return target.over;
		}
		const stop = target.run();
		if (target.over) return true;
		if (stop !== null && this.#stopping) {
			this.#stopping = false;
			this.#attach();
		}
		return false;
	}

	#accept(socket: Socket): void {
		if (this.#socket !== null) {
			// One at a time; but the one before may be about to go.
			setTimeout(() => {
				if (this.#socket === null) this.#accept(socket);
				else socket.destroy();
			}, GRACE_MS);
			return;
		}
		this.#socket = socket;
		this.#target.attach();
		socket.setNoDelay(true);
		socket.on("close", () => this.#gone(socket));
		if (this.#free) {
			this.#stopping = true;
			this.#target.interrupt();
		} else {
			this.#attach();
		}
		this.#wake();
	}

	#attach(): void {
		const socket = this.#socket;
		if (socket === null) return;
		this.#free = false;
		const stub = new GdbStub(this.#target, (bytes) => {
			if (!socket.destroyed) socket.write(bytes, "latin1");
		});
		this.#stub = stub;
		socket.on("data", (bytes) => {
			if (this.#stub !== stub) return;
			this.#guarded(() => stub.receive(bytes));
			if (stub.end !== null) this.#leave(stub.end === "killed");
			else if (socket.writableLength > BACKLOG_MAX) socket.pause();
			this.#wake();
		});
		socket.on("drain", () => socket.resume());
		socket.resume();
	}

	/** The debugger has said goodbye. */
	#leave(killed: boolean): void {
		this.#killed = killed;
		this.#free = true;
		this.#stub = null;
		this.#socket?.end();
	}

	/** The connection is gone. What ran goes on running; what stood waits for the next debugger. */
	#gone(socket: Socket): void {
		if (this.#socket !== socket) return;
		this.#socket = null;
		const stub = this.#stub;
		if (stub !== null) {
			this.#free = stub.running;
			this.#target.detach();
		}
		this.#stopping = false;
		this.#stub = null;
		this.#wake();
	}

	#sleep(): Promise<void> {
		return new Promise((resolve) => {
			this.#wake = resolve;
		});
	}

	/** The guest waits for input, and a debugger's user perhaps for the guest. */
	async #feed(): Promise<void> {
		const woken = this.#sleep();
		if (this.#inputEnded) {
			if (this.#target.takesInput) this.#target.input(null);
			await turn();
			return;
		}
		if (!this.#reading) {
			this.#reading = true;
			const take = (bytes: Uint8Array): number => (this.#runs ? this.#target.input(bytes) : 0);
			void this.#input.feed(take).then((more) => {
				this.#reading = false;
				if (!more) this.#inputEnded = true;
				this.#wake();
			});
		}
		await woken;
	}

	#close(): void {
		this.#input.close();
		this.#server?.close();
		this.#socket?.end();
	}
}
