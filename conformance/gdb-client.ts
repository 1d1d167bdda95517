/**
 * A client of the gdb remote serial protocol (GDB manual, appendix E): sends packets over a socket
 * and matches answers to them in order.
 */
import { connect, type Socket } from "node:net";

const checksum = (text: string): string => {
	let sum = 0;
	for (let i = 0; i < text.length; i++) sum += text.charCodeAt(i);
	return (sum & 0xff).toString(16).padStart(2, "0");
};

export class GdbClient {
	readonly #socket: Socket;
	readonly #waiting: { done: (answer: string) => void; failed: (error: Error) => void }[] = [];
	#received = "";
	#closed: Error | null = null;

	private constructor(socket: Socket) {
		this.#socket = socket;
		socket.setNoDelay(true);
		socket.on("data", (bytes: Buffer) => this.#take(bytes.toString("latin1")));
		socket.on("error", (error: Error) => this.#fail(error));
		socket.on("close", () => this.#fail(new Error("the gdb connection was closed")));
	}

	/** => rejects if nothing listens on the port. */
	static async open(port: number): Promise<GdbClient> {
		const socket = connect(port, "127.0.0.1");
		await new Promise<void>((resolve, reject) => {
			socket.once("connect", resolve);
			socket.once("error", reject);
		});
		const client = new GdbClient(socket);
		await client.ask("QStartNoAckMode");
		socket.write("+");
		return client;
	}

	/** Send one packet. => its answer */
	ask(packet: string): Promise<string> {
		return this.askAll([packet]).then((answers) => answers[0]!);
	}

	/** Send several packets at once; not while the machine runs. => their answers */
	askAll(packets: readonly string[]): Promise<string[]> {
		if (packets.length === 0) return Promise.resolve([]);
		const closed = this.#closed;
		if (closed !== null) return Promise.reject(closed);
		this.#socket.write(packets.map((text) => `$${text}#${checksum(text)}`).join(""), "latin1");
		return Promise.all(
			packets.map(
				() =>
					new Promise<string>((done, failed) => {
						this.#waiting.push({ done, failed });
					}),
			),
		);
	}

	close(): void {
		this.#socket.destroy();
	}

	#take(text: string): void {
		this.#received += text;
		for (;;) {
			const start = this.#received.indexOf("$");
			const end = this.#received.indexOf("#", start);
			if (start < 0 || end < 0 || this.#received.length < end + 3) return;
			const answer = this.#received.slice(start + 1, end);
			this.#received = this.#received.slice(end + 3);
			this.#waiting.shift()?.done(answer);
		}
	}

	#fail(error: Error): void {
		this.#closed ??= error;
		for (const { failed } of this.#waiting.splice(0)) failed(error);
	}
}
