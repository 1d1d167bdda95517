/** Random programs with loops, calls and stores to their data, compiled and interpreted. */
import { it } from "vitest";
import { Prng } from "../../../machine/prng.ts";
import { doAlike } from "./both-engines.ts";
import { program } from "./programs.ts";

const RUNS = Number(process.env.PROGRAM_RUNS ?? 25);
/** Of RAM: what programs load from and store to. */
const DATA = 0x8000;
const DATA_END = 0xc000;

it("compiled programs do what interpreted ones do", () => {
	doAlike(program, {
		...{ runs: RUNS, cycles: 6000, slice: 700, compiled: 0.3 },
		prepare: ({ machine: { memory } }) => {
			const random = new Prng(1);
			for (let i = DATA; i < DATA_END; i++) memory.ram8[i] = random.below(256);
		},
	});
});
