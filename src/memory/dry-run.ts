import { withAddon } from '../native/addon'
import type { CausalLM } from '../models/causal-lm'
import type { BatchSize, DeviceBatch } from '../models/batch'
import type { MemoryPlan } from '../models/memory-plan'
import { deriveTargets, freeObserved, observeTargets } from '../models/host-objective'
import { kindOf, type Objective } from '../models/objective'
import { backwardPass, contextOf, forwardAndBack, forwardPass } from '../models/pass'
import type { Context } from '../nn/context'
import { gradNorm } from '../optim/clip'
import { createOptimizer, type OptimizerSettings } from '../optim/create'
import type { Optimizer } from '../optim/optimizer'
import { LoraConfig } from '../peft/config'
import { get_peft_model, type PeftModel } from '../peft/model'
import { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import { fill } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import { CountingAddon } from './counting-addon'
import type { Machine } from './machine'
import { metaModel, type ModelShape } from './meta-model'

/** What the memory and time of a training step depend on. */
export interface StepShape extends ModelShape {
  lora: LoraConfig
  adapterDtype: FloatDType
  optimizer: OptimizerSettings
  /** TrainingArguments' bf16. */
  autocast?: FloatDType | undefined
  /** Tokens and sequences of the largest micro batch. */
  tokens: number
  sequences: number
  /** Tokens of its longest sequence. Default: all have the same length. */
  longest?: number | undefined
  /** Other micro batch sizes for which the peaks must also hold. */
  others?: readonly BatchSize[] | undefined
  /** TrainingArguments' full_determinism. */
  deterministic?: boolean | undefined
  gradientAccumulation: number
  /** SFTTrainer's objective. Default: the negative log-likelihood. Its functions are not called. */
  objective?: Objective | undefined
}

export interface Item {
  name: string
  bytes: number
  place: 'device' | 'host'
}

/** Peaks, in bytes of tensors. */
export interface Peaks {
  device: number
  host: number
}

/**
 * A training step without arithmetic: the library's own code allocates and frees tensors, on an addon that only
 * counts bytes.
 */
export class DryRun {
  private readonly addon: CountingAddon
  private readonly model: CausalLM
  private readonly peft: PeftModel
  private readonly optimizer: Optimizer
  /** The items that stay in memory for the whole run. */
  readonly resident: readonly Item[]
  /** Cards of one kind are asked for the same plans. */
  private readonly counted: Map<string, Peaks> = new Map()

  constructor(
    readonly step: StepShape,
    machine: Machine,
  ) {
    this.addon = new CountingAddon(machine)
    const counts = new ItemCounts(this.addon)
    const made = (what: string): void => counts.add(what)
    const built = withAddon(this.addon.functions, () => {
      const device = Device.get(machine.sharesHost ? 'planned:cpu' : 'planned')
      const model = metaModel(step, device, made)
      const peft = get_peft_model(model, new LoraConfig(step.lora), { dtype: step.adapterDtype })
      made('adapter weights')
      const optimizer = createOptimizer(peft.parameters(), step.optimizer)
      for (const p of peft.parameters()) fill(p.gradient(), 0)
      made('gradients')
      this.update(optimizer, peft)
      made('optimizer state')
      optimizer.zeroGrad()
      return { model, peft, optimizer }
    })
    this.model = built.model
    this.peft = built.peft
    this.optimizer = built.optimizer
    this.resident = counts.items
  }

  /** The peaks of one step with this plan and a micro batch of this size. */
  peaks(plan: MemoryPlan, size: Pick<StepShape, 'tokens' | 'sequences' | 'longest'> = this.step): Peaks {
    const key = JSON.stringify([plan, size.tokens, size.sequences, size.longest])
    let peaks = this.counted.get(key)
    if (peaks === undefined) this.counted.set(key, (peaks = this.count(plan, size)))
    return peaks
  }

  private count(plan: MemoryPlan, size: Pick<StepShape, 'tokens' | 'sequences' | 'longest'>): Peaks {
    return withAddon(this.addon.functions, () => {
      this.model.parts.embed_tokens.place(plan.embedding ?? 'device')
      if (this.step.gradientAccumulation > 1) for (const p of this.peft.parameters()) fill(p.gradient(), 0)
      this.addon.restart()
      this.pass(plan, size)
      this.update(this.optimizer, this.peft)
      this.optimizer.zeroGrad()
      const { device, host } = this.addon
      return { device: device.peak, host: host === device ? 0 : host.peak }
    })
  }

  private pass(plan: MemoryPlan, size: Pick<StepShape, 'tokens' | 'sequences' | 'longest'>): void {
    const { autocast, deterministic } = this.step
    const { tokens, sequences, longest = Math.ceil(tokens / sequences) } = size
    using scope = this.model.device.scope()
    const indices = (n: number): DeviceBatch['ids'] => {
      const t = scope.empty([n], 'int32')
      fill(t, 0)
      return t
    }
    const targets = tokens - sequences
    const batch: DeviceBatch = {
      ids: indices(tokens),
      positions: indices(tokens),
      cuSeqlens: indices(sequences + 1),
      reach: longest,
      maxLength: longest,
      targets: { rows: indices(targets), labels: indices(targets) },
      numTargets: targets,
    }
    const dropout = this.step.lora.lora_dropout > 0 ? { seed: 0, microstep: 0 } : undefined
    const ctx = contextOf(batch, scope, { autocast, dropout, deterministic, training: true })
    const weights = (): Tensor => {
      const t = scope.empty([targets])
      fill(t, 0)
      return t
    }
    const { host, token } = kindOf(this.step.objective)
    if (host) this.hostPass(batch, ctx, plan, host.entropies === true, weights)
    else {
      const weighed = token!.token_weights && weights()
      forwardAndBack(this.model, batch, ctx, plan, { gradScale: 1, weights: weighed })
    }
  }

  /** Like `runPass` with a loss on the host, whose result is `weights`. */
  private hostPass(
    batch: DeviceBatch,
    ctx: Context,
    plan: MemoryPlan,
    entropies: boolean,
    weights: () => Tensor,
  ): void {
    const { model } = this
    using forward = forwardPass(model, batch, ctx, plan)
    freeObserved(observeTargets(model, forward.hidden, batch, ctx, entropies), ctx)
    backwardPass(model, forward, deriveTargets(model, forward.hidden, batch, weights(), ctx), ctx)
  }

  private update(optimizer: Optimizer, peft: PeftModel): void {
    using norm = gradNorm(peft.parameters())
    optimizer.step(0, norm && { norm, max_norm: 1 })
  }
}

/** Bytes by name: `add` gives the memory taken since the last call a name. */
class ItemCounts {
  readonly items: Item[] = []
  private before = { device: 0, host: 0 }

  constructor(private readonly addon: CountingAddon) {}

  add(name: string): void {
    for (const place of ['device', 'host'] as const) {
      const { current } = this.addon[place]
      const bytes = current - this.before[place]
      this.before[place] = current
      if (bytes === 0 || (place === 'host' && this.addon.host === this.addon.device)) continue
      const item = this.items.find((i) => i.name === name && i.place === place)
      if (item) item.bytes += bytes
      else this.items.push({ name, bytes, place })
    }
  }
}
