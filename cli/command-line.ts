/** What `uvmachine` does: finds the command, which is loaded only then, and runs it. */
import { Command, CommanderError, Help, type Option } from "commander";
import { UserError, VERSION } from "../index.ts";
import { COMMANDS } from "./commands.ts";
import { writeFailure } from "./usage-error.ts";

const EXIT_USAGE = 2;

/** => the exit code. */
export async function run(argv: string[]): Promise<number> {
	reportFailures();
	let code = 0;
	const program = new Command("uvmachine")
		.description("A RISC-V computer with NetBSD's virtual memory system inside")
		.version(VERSION)
		.exitOverride()
		// What follows the name of a command is for that command.
		.enablePositionalOptions()
		.configureHelp({
			optionDescription: describeOption,
			subcommandTerm: (command) => `${command.name()} ${command.usage()}`,
		})
		.configureOutput({
			outputError: (text, write) => write(explain(text).replace(/^error: /, "uvmachine: ")),
		});
	// What the others are made of is not loaded.
	const wanted = argv[2] === "help" ? argv[3] : argv[2];
	for (const { name, description, usage, load } of COMMANDS) {
		const command = new Command(name).description(description);
		if (name === wanted) (await load())(command, (exit) => (code = exit));
		else command.usage(usage);
		program.addCommand(command);
	}
	for (const command of program.commands) {
		for (const each of [command, ...command.commands]) {
			each.exitOverride().copyInheritedSettings(program);
		}
	}
	try {
		await program.parseAsync(argv);
	} catch (error) {
		if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
		if (!(error instanceof UserError)) throw error;
		// The error handler of the stream reports why it failed.
		if (process.stdout.errored !== null) return EXIT_USAGE;
		process.stderr.write(`uvmachine: ${error.message}\n`);
		return EXIT_USAGE;
	}
	return code;
}

/** That a switch is off unless it is given goes without saying. */
const describeOption = (option: Option): string =>
	new Help().optionDescription(option).replace(" (default: false)", "");

/** An error in one line. Who gives an option to the program that `boot` runs has to say so. */
function explain(text: string): string {
	const line = text.replace(/\n\(Did you mean (.*)\?\)/, "; did you mean $1?");
	if (process.argv[2] !== "boot" || !line.startsWith("error: unknown option")) return line;
	return line.replace(/^(error: .*)/, "$1; options of the program come after --");
}

function reportFailures(): void {
	// If stderr is gone, only the exit code can report the failure.
	process.stderr.on("error", () => process.exit(EXIT_USAGE));
	process.stdout.on("error", (error) => {
		process.stderr.write(`uvmachine: ${writeFailure(error).message}\n`);
		process.exit(EXIT_USAGE);
	});
}
