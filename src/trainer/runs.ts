import type { ProcessGroup } from '../distributed/group'
import type { CausalLM } from '../models/causal-lm'
import type { Optimizer } from '../optim/optimizer'
import { Agreement } from './agreement'
import type { TrainingArguments } from './arguments'
import { type Interrupt, listenForInterrupt, unlessAborted } from './interrupt'
import { trainLoop, type TrainRun } from './loop'
import type { ParsedTrainOptions } from './options.generated'
import { groupOf, toldToAll } from './ranks'
import { holdingFolder, holdingModel } from './run-lock'
import type { TrainOutput } from './state'

type ResumeFrom = ParsedTrainOptions['resume_from_checkpoint']

/** Makes a run; `begin` is called as `newRun` calls it. */
export type MakeRun = (
  signal: AbortSignal,
  from: ResumeFrom,
  begin: (optimizer: Optimizer | undefined) => void,
  group: ProcessGroup | undefined,
) => Promise<TrainRun>

/** A trainer's runs, one at a time: a new one, or the one that was stopped and goes on. */
export class Runs {
  private optimizer: Optimizer | undefined
  /** The newest run; `unfinished` when it was stopped and the next `train` goes on with it. */
  private newest: TrainRun | undefined
  private unfinished: TrainRun | undefined
  private training: Promise<TrainOutput> | undefined
  private stopping: AbortSignal | undefined

  constructor(
    private readonly owner: string,
    private readonly make: MakeRun,
    /** The optimizer that the user gave, whose state is kept for the next run. */
    private readonly givenOptimizer: Optimizer | null,
  ) {}

  get current(): TrainRun | undefined {
    return this.newest
  }

  get isTraining(): boolean {
    return this.training !== undefined
  }

  /** As `Trainer.train`. */
  async train(
    model: CausalLM,
    args: TrainingArguments,
    { signal, resume_from_checkpoint }: ParsedTrainOptions,
  ): Promise<TrainOutput> {
    if (this.training) await this.lastRun(signal)
    const interrupt = listenForInterrupt(signal, true)
    const run = async (): Promise<TrainOutput> => {
      const group = await groupOf(model.device, args)
      const work = (): Promise<TrainOutput> => this.run(interrupt, resume_from_checkpoint, group)
      // Only rank 0 writes there.
      const held = group && !group.isMain ? work() : holdingFolder(args.output_dir, work)
      return group ? toldToAll(group, held) : held
    }
    this.training = holdingModel(model, run)
    try {
      return await this.training
    } finally {
      this.training = undefined
      // The cached memory of a step is released for the next cell or another process.
      model.device.emptyCache()
      interrupt.release()
      // The run is saved; now the signal can have its usual effect.
      if (interrupt.endedBy) process.kill(process.pid, interrupt.endedBy)
    }
  }

  dispose(): void {
    this.optimizer?.dispose()
    this.newest = this.unfinished = undefined
  }

  /** Waits for a stopped run's last step: its cell was interrupted before the step ended. */
  private async lastRun(signal: AbortSignal | undefined): Promise<void> {
    const interrupt = listenForInterrupt(signal)
    const given = new Promise((resolve) => interrupt.signal.addEventListener('abort', resolve))
    try {
      if (this.stopping?.aborted) await Promise.race([this.training, given]).catch(() => undefined)
    } finally {
      interrupt.release()
    }
    if (this.training) {
      throw new Error(
        `[${this.owner}] train: an earlier train() of this trainer has not ended; interrupt it first, or make a new trainer for its model`,
      )
    }
  }

  private async run(
    interrupt: Interrupt,
    from: ResumeFrom,
    group: ProcessGroup | undefined,
  ): Promise<TrainOutput> {
    const agreement = group && new Agreement(group, interrupt)
    const { signal } = agreement ?? interrupt
    this.stopping = signal
    const goesOn = from === null ? this.unfinished : undefined
    const begin = (optimizer: Optimizer | undefined): void => {
      // All is checked: an earlier run is given up only now.
      this.unfinished = this.newest = undefined
      if (this.optimizer !== this.givenOptimizer) this.optimizer?.dispose()
      this.optimizer = optimizer
    }
    const run = goesOn ?? (await unlessAborted(signal, this.make(signal, from, begin, group)))
    // Stopped during tokenization: there is no run yet.
    if (!run) return { global_step: 0, training_loss: 0, metrics: {}, stopped: true }
    // A failure also leaves the run where it is.
    this.unfinished = this.newest = run
    const output = await trainLoop(run, signal, agreement)
    if (run.progress.ended) this.unfinished = undefined
    else if ((agreement ?? interrupt).endedBy && run.args.save_strategy !== 'no' && run.state.global_step > 0)
      await run.save(run)
    return output
  }
}
