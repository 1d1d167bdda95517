/**
 * The library: systems, bare machines, their snapshots and traces.
 *
 * What is exported here is kept stable. A computer's `machine`, `board` and `kernel` lead to
 * everything inside it; these parts are internal and may change with each version.
 *
 * @packageDocumentation
 */

export {
	findRun,
	type Minimised,
	minimiseRun,
	prepareAgain,
	type Replayed,
	replayRun,
	stoppedRun,
} from "./campaign/again.ts";
export {
	type Axis,
	CAMPAIGN,
	type Campaign,
	CampaignError,
	checkCampaign,
	type Template,
} from "./campaign/campaign.ts";
export {
	type Conducted,
	conductCampaign,
	describeGolden,
	type PreparedCampaign,
	prepareCampaign,
} from "./campaign/conduct.ts";
export { type Executor, localExecutor, poolExecutor } from "./campaign/executor.ts";
export { type Merged, mergeResults } from "./campaign/merge.ts";
export type { Pruned } from "./campaign/prune/fates.ts";
export { type QueueExecutorOptions, queueExecutor } from "./campaign/queue.ts";
export { classify, OUTCOME_TEXTS, OUTCOMES, type Outcome } from "./campaign/report/classify.ts";
export { htmlOf } from "./campaign/report/html-report.ts";
export { FAILURES, junitOf } from "./campaign/report/junit.ts";
export { hasRecovered } from "./campaign/report/recovery.ts";
export {
	CAMPAIGN_REPORT,
	type CampaignReport,
	explain,
	type Hit,
	type RunReport,
	reclassify,
	reportResults,
} from "./campaign/report/report.ts";
export { ruleOfThree, sampleSize, wilson } from "./campaign/report/statistics.ts";
export { type Share, type Summary, Tally } from "./campaign/report/tally.ts";
export { type ResultRow, ResultsFolder, readResults } from "./campaign/results.ts";
export type { Evidence, Indication } from "./campaign/run/evidence.ts";
export type { GoldenFacts } from "./campaign/run/golden.ts";
export { planOf, Runner, type RunPlan, type RunResult } from "./campaign/run/runner.ts";
export {
	createComputer,
	type Workload,
	type WorkloadDisk,
	withEngine,
} from "./campaign/run/workload.ts";
export { type Shard, shardLength } from "./campaign/shard.ts";
export type { BootFile, RunFile } from "./campaign/workload-file.ts";
export { BARE_DEFAULT_RAM, Bare } from "./computer/bare.ts";
export type { BareExit, BareOptions, BareReport } from "./computer/bare-options.ts";
export type { BaseComputer } from "./computer/base-computer.ts";
export type {
	Computer,
	ComputerCheckpoint,
	ComputerExit,
	ComputerReport,
	ComputerState,
	RunState,
} from "./computer/computer.ts";
export type { FaultModel } from "./computer/fault/model.ts";
export { FAULT_MODELS } from "./computer/fault/models.ts";
export { checkFaultPlan, FaultPlanError, type PlanPath } from "./computer/fault/plan.ts";
export type { PagingPolicy } from "./computer/paging-policy.ts";
export type { OutsideEvent, Place, RecordedEvent, Recording } from "./computer/recording.ts";
export {
	type RestoreBareOptions,
	restoreBare,
	saveBare,
} from "./computer/snapshot/bare-snapshot.ts";
export { SnapshotError } from "./computer/snapshot/container.ts";
export { fileOf } from "./computer/snapshot/saved-disk.ts";
export {
	type RestoreOptions,
	rebase,
	restoreSystem,
	saveSystem,
} from "./computer/snapshot/system-snapshot.ts";
export { createSystem, DEFAULT_RAM, System } from "./computer/system.ts";
export {
	DEFAULT_DISK_RETRIES,
	DEFAULT_DISK_TIMEOUT,
	DEFAULT_SWAP,
} from "./computer/system-config.ts";
export type {
	DiskOptions,
	Exit,
	Report,
	SystemOptions,
	TimingName,
} from "./computer/system-options.ts";
export { VERSION } from "./computer/version.ts";
export { warmUpHost } from "./computer/warm-up.ts";
export { type BoardDisk, DEFAULT_EPOCH_SECONDS } from "./devices/board.ts";
export type { DiskMedia, DiskResult } from "./devices/disk/disk-media.ts";
export { FileDisk } from "./devices/disk/file-disk.ts";
export { MemoryDisk } from "./devices/disk/memory-disk.ts";
export { type DiskTiming, HddTiming, InstantTiming, SsdTiming } from "./devices/disk/timing.ts";
export type { DiskRule } from "./devices/fault/disk-rule.ts";
export { FaultyDisk } from "./devices/fault/faulty-disk.ts";
export type { LedgerEntry } from "./devices/fault/ledger.ts";
export type { FaultLife, FaultPlan, FaultRule, FaultWhen } from "./devices/fault/rule.ts";
export type { FramebufferOptions } from "./devices/framebuffer.ts";
export { type Comparison, compareReports, isSame } from "./experiment/compare.ts";
export {
	conduct as conductExperiment,
	type ExperimentWorkload,
	type PointExecutor,
	type Row as ExperimentRow,
} from "./experiment/conduct.ts";
export {
	checkExperiment,
	EXPERIMENT,
	type Experiment,
	ExperimentError,
} from "./experiment/experiment.ts";
export { pageOf as experimentPage } from "./experiment/page.ts";
export type { Scalar } from "./experiment/points.ts";
export { type PointQueueOptions, pointQueue, queueWorker } from "./experiment/queue.ts";
export { type ExperimentReport, exactReport, readReport, reportOf } from "./experiment/report.ts";
export { ExperimentFolder } from "./experiment/results.ts";
export { csvOf, tableOf as experimentTable } from "./experiment/table.ts";
export type { TraceFile, TraceWorkload } from "./experiment/trace-file.ts";
export { judge, type Verdict, valuesOf } from "./experiment/verdict.ts";
export { disassembly } from "./firmware/disassembly.ts";
export { ImageError } from "./firmware/image.ts";
export { signo } from "./kernel/kern/core/signal.ts";
export { canCompile, type Engine } from "./machine/engine.ts";
export { RAM_BASE } from "./machine/memory.ts";
export { UserError } from "./machine/user-error.ts";
export type { QueueWorker, QueueWorkerOptions } from "./queue/queue-worker.ts";
export { readTrace } from "./replay/read.ts";
export {
	ADVICE,
	REPLAY_SWAP,
	Replay,
	type ReplayOptions,
	type ReplayResult,
} from "./replay/replay.ts";
export { Panic } from "./sys/panic.ts";
export { type Tracing, traceEvents, traceInstructions } from "./trace/trace.ts";
