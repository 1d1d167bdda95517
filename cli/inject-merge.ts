/** `uvmachine inject merge`: the results of shards as those of one run. */
import { Command } from "commander";
import { mergeResults } from "../index.ts";
import { Recovery } from "./inject-recovery.ts";
import { campaignTable } from "./inject-table.ts";

export function mergeCommand(done: (exitCode: number) => void): Command {
	return new Command("merge")
		.description("put the results of shards together")
		.argument("<folders...>", "those that inject --shard has written")
		.requiredOption("--out <folder>", "the results of the whole campaign")
		.action((folders: string[], { out }: { readonly out: string }) => {
			const { campaign, golden, rows, tally, planned } = mergeResults(folders, out);
			const summary = tally.summary(golden.population ?? Number.POSITIVE_INFINITY);
			process.stdout.write(campaignTable(campaign, summary, golden.evidence, golden.pruned));
			const runs = tally.rows === planned ? `${planned}` : `${tally.rows} of ${planned}`;
			process.stdout.write(`${runs} runs from ${folders.length} folders\n`);
			const recovery = new Recovery(campaign, golden.evidence);
			for (const row of rows) recovery.add(row);
			process.stdout.write(`${recovery}`);
			done(summary.outcomes["simulator-error"].runs > 0 ? 3 : 0);
		});
}
