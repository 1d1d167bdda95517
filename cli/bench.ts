/** `uvmachine bench`: benchmarks and experiments. */
import { Command } from "commander";
export function benchCommand(done: (exitCode: number) => void): Command {
	return new Command("bench").action(() => done(0));
}
