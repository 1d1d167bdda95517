/** JSON5 from users: its value, and the line of each of its fields. */
import {
	type DocumentNode,
	type MemberNode,
	type ObjectNode,
	parse,
	type ValueNode,
} from "@humanwhocodes/momoa";
import type { PlanPath } from "../index.ts";
import { readInputFile } from "./input-file.ts";
import { UsageError } from "./usage-error.ts";

/** A plan needs six levels, a campaign seven. */
const DEPTH_MAX = 32;
const TOO_DEEP = "is nested too deeply";
/** What the parser calls the end of the text in the middle of a number. */
const END = "\uffff";
/** Characters of a wrong token that are shown. */
const TOKEN_MAX = 40;
/** JSON5 text with its positions. */
export class Json5Text {
	readonly #origin: string;
	readonly #isFile: boolean;
	readonly #text: string;
	readonly #document: DocumentNode;

	/** => UsageError for what is no JSON5. `origin` is the name of the file, or of the option. */
	constructor(origin: string, isFile: boolean, text: string) {
		this.#origin = origin;
		this.#isFile = isFile;
		this.#text = text;
		this.#document = this.#parse();
	}

	/** The file as `what`. => UsageError also for one that cannot be read, or is no text. */
	static read(what: string, path: string): Json5Text {
		const bytes = readInputFile(what, path);
		let text: string;
		try {
			text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
		} catch {
			throw new UsageError(`${what} ${path}: is not UTF-8 text`);
		}
		return new Json5Text(path, true, text);
	}

	value(): unknown {
		return this.#evaluate(this.#document.body, 0);
	}

	/** => an error about the field that the path leads to. */
	errorAt(path: PlanPath, message: string): UsageError {
		return this.#error(this.#line(path), message);
	}

	#parse(): DocumentNode {
		try {
			return parse(this.#text, { mode: "json5" });
		} catch (error) {
			// The parser calls itself.
			if (error instanceof RangeError) throw this.#error(1, TOO_DEEP);
			const { line, offset, message } = error as { line?: number; offset?: number } & Error;
			if (line === undefined || offset === undefined) throw error;
			const [, char] = /^Unexpected character '(.)'/su.exec(message) ?? [];
			if (char === END || this.#endsEarly()) throw this.#error(line, "the text ends too early");
			// A token is named by its kind; a character by itself, and its place may be one off.
			const token = /^(?:[\w$.+-]+|.)/su.exec(this.#text.slice(offset, offset + TOKEN_MAX))?.[0];
			throw this.#error(line, `is not JSON5: unexpected ${quoted(char ?? token ?? "")}`);
		}
	}

	/** Is it the end of the text that the parser minds? It calls that the last token, often. */
	#endsEarly(): boolean {
		try {
			parse(`${this.#text}\n\0`, { mode: "json5" });
			return false;
		} catch (error) {
			return (error as { offset?: number }).offset! >= this.#text.length;
		}
	}

	#evaluate(node: ValueNode, depth: number): unknown {
		if (depth > DEPTH_MAX) throw this.#error(node.loc.start.line, TOO_DEEP);
		switch (node.type) {
			case "Object":
				return this.#object(node, depth);
			case "Array":
				return node.elements.map(({ value }) => this.#evaluate(value, depth + 1));
			case "Null":
				return null;
			case "NaN":
				return Number.NaN;
			case "Infinity":
				return node.sign === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
			default:
				return node.value;
		}
	}

	#object({ members }: ObjectNode, depth: number): unknown {
		const object = new Map<string, unknown>();
		for (const { name, value, loc } of members) {
			const key = keyOf(name);
			if (object.has(key)) {
				throw this.#error(loc.start.line, `${quoted(key)} is there twice`);
			}
			object.set(key, this.#evaluate(value, depth + 1));
		}
		// Unlike assignment, this takes "__proto__" for a name like any other.
		return Object.fromEntries(object);
	}

	/** The line of what the path leads to, or of the last step that is there. */
	#line(path: PlanPath): number {
		let node = this.#document.body;
		let { line } = node.loc.start;
		for (const step of path) {
			const next =
				node.type === "Object"
					? node.members.find(({ name }) => keyOf(name) === step)
					: node.type === "Array"
						? node.elements[Number(step)]
						: undefined;
			if (next === undefined) break;
			node = next.value;
			line = next.loc.start.line;
		}
		return line;
	}

	#error(line: number, message: string): UsageError {
		const place = this.#isFile || this.#text.includes("\n") ? `:${line}` : "";
		return new UsageError(`${this.#origin}${place}: ${message}`);
	}
}

/** In ASCII that can be printed. */
const quoted = (text: string): string =>
	JSON.stringify(text.slice(0, TOKEN_MAX)).replace(
		/[^ -~]/gu,
		(c) => `\\u{${c.codePointAt(0)!.toString(16)}}`,
	);

const keyOf = (name: MemberNode["name"]): string =>
	name.type === "Identifier" ? name.name : name.value;
