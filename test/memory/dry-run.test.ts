import { describe, expect, it } from 'vitest'
import { DryRun, type StepShape } from '../../src/memory/dry-run'
import { cpuMachine } from '../../src/memory/machine'
import {
  keepInput,
  keepProducts,
  uniformPlan,
  type LayerPlan,
  type MemoryPlan,
} from '../../src/models/memory-plan'
import type { HostObjective, Objective } from '../../src/models/objective'
import { runPass } from '../../src/models/pass'
import { gradNorm } from '../../src/optim/clip'
import { createOptimizer, type OptimizerSettings } from '../../src/optim/create'
import { LoraConfig } from '../../src/peft/config'
import { get_peft_model } from '../../src/peft/model'
import { BitsAndBytesConfig } from '../../src/quantization/config'
import type { FloatDType } from '../../src/tensor/dtype'
import { Device } from '../../src/tensor/device'
import { fill, matmul } from '../../src/tensor/ops'
import type { Tensor } from '../../src/tensor/tensor'
import { familyModels } from '../parity/family-models'
import { liveBytes, randomBatch, tinyModel } from '../models/tiny'

const lengths = [61, 124, 57, 96]
const batch = randomBatch(lengths)

interface Case {
  /** Default: tiny-llama. */
  model?: `tiny-${string}`
  dtype?: FloatDType
  nested?: boolean
  lora?: ConstructorParameters<typeof LoraConfig>[0]
  autocast?: FloatDType
  optim?: OptimizerSettings['optim']
  accumulation?: number
  objective?: Objective
}

const [factor, product] = [0, 1].map(() => Device.get('cpu').empty([384, 384])) as [Tensor, Tensor]
for (const t of [factor, product]) fill(t, 0)

/** Work that keeps the queue from running empty before everything after it is enqueued: then the peak is always the same. */
function busy(): void {
  for (let i = 0; i < 40; i++) matmul(factor, factor, product)
}

/** Peak of one step, measured: everything is there from the step before. */
async function measured(c: Case, plan: MemoryPlan): Promise<{ predicted: number; peak: number }> {
  const start = await liveBytes()
  const quantization = new BitsAndBytesConfig({
    load_in_4bit: true,
    bnb_4bit_quant_type: 'nf4',
    bnb_4bit_compute_dtype: c.dtype ?? 'float32',
    bnb_4bit_use_double_quant: c.nested ?? false,
  })
  const model = await tinyModel(c.model ?? 'tiny-llama', {
    dtype: c.dtype ?? 'float32',
    quantization_config: quantization,
  })
  const lora = new LoraConfig({ r: 8, target_modules: 'all-linear', ...c.lora })
  const peft = get_peft_model(model, lora, { dtype: 'float32' })
  const optimizer: OptimizerSettings = {
    optim: c.optim ?? 'adamw_torch',
    optim_args: null,
    adam_beta1: 0.9,
    adam_beta2: 0.999,
    adam_epsilon: 1e-8,
    weight_decay: 0,
  }
  const update = createOptimizer(peft.parameters(), optimizer)
  model.parts.embed_tokens.place(plan.embedding ?? 'device')
  const { accumulation = 1, autocast, objective } = c
  const known = (id: number): number => (id < 0 ? id : id % model.config.vocab_size)
  const [input_ids, labels] = [batch.input_ids.map(known), batch.labels.map(known)]
  for (let step = 0; step < 2; step++) {
    busy()
    model.device.resetPeakMemory()
    for (let micro = 0; micro < accumulation; micro++) {
      const dropout = lora.lora_dropout > 0 ? { seed: 1, microstep: micro } : undefined
      await runPass(model, { ...batch, input_ids, labels }, { plan, autocast, dropout, objective })
    }
    using norm = gradNorm(peft.parameters())
    update.step(1e-3, { norm: norm!, max_norm: 1 })
    update.zeroGrad()
    await model.device.synchronize()
  }
  await model.device.synchronize()
  const peak = model.device.memoryStats().peak - start
  const shape: StepShape = {
    config: model.config,
    dtype: model.dtype,
    quantization,
    lora,
    adapterDtype: 'float32',
    optimizer,
    autocast,
    tokens: batch.input_ids.length,
    sequences: lengths.length,
    gradientAccumulation: accumulation,
    objective,
  }
  const run = new DryRun(shape, cpuMachine(1e12))
  const { device, host } = run.peaks(plan)
  update.dispose()
  return { predicted: device + host, peak }
}

/** The negative log-likelihood on the host, which keeps the queue from running empty after it. */
const onHost = (entropies: boolean): HostObjective => ({
  entropies,
  loss: (logps) => {
    busy()
    return { loss: -logps.reduce((a, b) => a + b, 0), dlogps: logps.map(() => -1) }
  },
})

const offloaded: LayerPlan = {
  x: 'offload',
  qkv: 'recompute',
  attention: 'offload',
  attnResidual: 'recompute',
  mlp: 'recompute',
}
const layers = (layer: LayerPlan): MemoryPlan => uniformPlan(layer, 3)
const tiled: MemoryPlan = { ...layers(keepInput), mlpRows: 100, embedding: 'host' }

describe('the dry run predicts the measured peak', () => {
  it.each([
    ['products kept', {}, layers(keepProducts)],
    ['everything kept', {}, layers({ ...keepProducts, attnResidual: 'keep' })],
    ['inputs kept', {}, layers(keepInput)],
    ['offloaded', {}, layers(offloaded)],
    ['tiled, embedding on the host', {}, tiled],
    ['double quantization', { nested: true }, layers(keepInput)],
    ['bfloat16', { dtype: 'bfloat16', autocast: 'bfloat16' }, layers(keepProducts)],
    ['float32 model, bfloat16 autocast', { autocast: 'bfloat16' }, layers(keepInput)],
    [
      'dropout on two targets',
      { lora: { target_modules: ['q_proj', 'v_proj'], lora_dropout: 0.1 } },
      layers(keepProducts),
    ],
    [
      '8-bit optimizer',
      { optim: 'adamw_8bit', lora: { r: 64, target_modules: 'all-linear' } },
      layers(keepInput),
    ],
    ['a loss on the host', { objective: onHost(false) }, layers(keepProducts)],
    ['a loss on the host with entropies', { objective: onHost(true) }, layers(keepInput)],
    [
      'weights of tokens',
      { objective: { token_weights: ({ labels }) => labels.map(() => 2) } },
      layers(keepInput),
    ],
    ...Object.values(familyModels).flatMap(({ model }, i): [string, Case, MemoryPlan][] => {
      // A tied head needs the embedding on the device. Every model has two of the four.
      const onDevice: MemoryPlan = model.includes('gemma') ? { ...tiled, embedding: 'device' } : tiled
      return [
        layers({ ...keepProducts, attnResidual: 'keep' }),
        layers(keepInput),
        layers(offloaded),
        onDevice,
      ]
        .filter((_, j) => j % 2 === i % 2)
        .map((plan, j) => [`${model}, plan ${j}`, { model: model as `tiny-${string}` }, plan])
    }),
    ['accumulation', { accumulation: 2, lora: { r: 32, target_modules: 'all-linear' } }, layers(keepInput)],
  ] as [string, Case, MemoryPlan][])('within 1%%: %s', async (_, c, plan) => {
    const { predicted, peak } = await measured(c, plan)
    expect(Math.abs(predicted / peak - 1), `${predicted} against ${peak}`).toBeLessThanOrEqual(0.01)
  })

  it('and, to a block of memory, what a loss on the host adds', async () => {
    const plain = await measured({}, layers(keepProducts))
    const own = await measured({ objective: onHost(false) }, layers(keepProducts))
    const added = own.predicted - plain.predicted
    // -dlogps of every target.
    expect(added).toBeGreaterThanOrEqual(4 * (batch.input_ids.length - lengths.length))
    expect(Math.abs(own.peak - plain.peak - added)).toBeLessThanOrEqual(128)
  })
})
