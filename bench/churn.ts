/**
 * `npm run churn -- [MINUTES]`: a shell that makes processes of different programs without end, and
 * a program that writes code and executes it, again and again, one after the other, each for so
 * many minutes (default: 60). Prints the memory of the process and its speed from time to time. Its
 * exit code is 1 if the memory has grown, or the speed has fallen, by more than it may.
 */
import { runChurn } from "./churn-run.ts";

const minutes = Number(process.argv[2] ?? 60);
if (!(minutes > 0)) {
	process.stderr.write("churn: the argument is a number of minutes\n");
	process.exit(2);
}
const print = (line: string): void => {
	process.stdout.write(`${line}\n`);
};
process.exitCode = (await runChurn(minutes, print)) ? 0 : 1;
