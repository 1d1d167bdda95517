/** `uvmachine disasm`: machine code as text. */
import type { Command } from "commander";
import { disassembly, RAM_BASE } from "../index.ts";
import { readInputFile } from "./input-file.ts";
import { addressOption } from "./options.ts";

/** Characters that are written at a time. */
const CHUNK = 1 << 16;

export function defineDisasm(command: Command, done: (exitCode: number) => void): void {
	command
		.argument("<file>", "the executable segments of an ELF file, or all of a raw file")
		.option("--address <address>", "where a raw file begins", addressOption, RAM_BASE)
		.action((file: string, { address }: { address: number }) => {
			let text = "";
			for (const line of disassembly(readInputFile("file", file), address)) {
				text += `${line}\n`;
				if (text.length < CHUNK) continue;
				process.stdout.write(text);
				text = "";
			}
			process.stdout.write(text);
			done(0);
		});
}
