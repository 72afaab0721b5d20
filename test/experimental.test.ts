import { describe, expect, it, onTestFinished } from 'vitest'
import {
  AdamW,
  AutoModelForCausalLM,
  BitsAndBytesConfig,
  clip_grad_norm_,
  experimental,
  get_peft_model,
  LoraConfig,
  Tensor,
  train_step,
  type CausalLM,
} from '../src/index'
import { golden } from './support/shared'

// Layers of a user's own, written with public names only.

const { ops, Parameter } = experimental
type Layer = experimental.LinearLayer

abstract class Wrapper implements Layer {
  constructor(readonly base: Layer) {}
  get name(): string {
    return this.base.name
  }
  get device(): Layer['device'] {
    return this.base.device
  }
  get inFeatures(): number {
    return this.base.inFeatures
  }
  get outFeatures(): number {
    return this.base.outFeatures
  }
  abstract forward(x: Tensor, ctx: experimental.Context): Tensor
  abstract backward(
    dy: Tensor,
    x: Tensor,
    ctx: experimental.Context,
    dx?: experimental.InputGradient,
  ): Tensor | undefined
  abstract readonly own: experimental.Parameter[]
  parameters(): experimental.Parameter[] {
    return [...this.own, ...this.base.parameters()]
  }
  dispose(): void {
    for (const parameter of this.own) parameter.dispose()
    this.base.dispose()
  }
}

function fresh(
  base: Layer,
  name: string,
  shape: number[],
  value: (i: number) => number,
): experimental.Parameter {
  const values = Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => value(i))
  return new Parameter(`${base.name}.${name}`, Tensor.from(values, { shape, device: base.device }))
}

/** y = base(x) * scale + shift, both by output. */
class Scaled extends Wrapper {
  readonly scale = fresh(this.base, 'scale', [this.outFeatures], () => 1)
  readonly shift = fresh(this.base, 'shift', [this.outFeatures], () => 0)
  readonly own = [this.scale, this.shift]

  forward(x: Tensor, ctx: experimental.Context): Tensor {
    const y = this.base.forward(x, ctx)
    ops.scaleColumns(y, this.scale.data, y)
    ops.addBias(y, this.shift.data, y)
    return y
  }

  backward(
    dy: Tensor,
    x: Tensor,
    ctx: experimental.Context,
    dx?: experimental.InputGradient,
  ): Tensor | undefined {
    const plain = this.base.forward(x, ctx)
    ops.dotColumns(dy, plain, this.scale.gradient(), 1)
    ops.sumRows(dy, this.shift.gradient(), 1)
    ctx.scope.free(plain)
    const scaled = ctx.scope.empty(dy.shape, dy.dtype)
    ops.scaleColumns(dy, this.scale.data, scaled)
    return this.base.backward(scaled, x, ctx, dx)
  }
}

/** y = base(x) + (x @ A^T) @ B^T */
class LowRank extends Wrapper {
  readonly a = fresh(this.base, 'a', [2, this.inFeatures], (i) => Math.sin(i + 1) / 8)
  readonly b = fresh(this.base, 'b', [this.outFeatures, 2], (i) => Math.cos(3 * i) / 8)
  readonly own = [this.a, this.b]

  forward(x: Tensor, ctx: experimental.Context): Tensor {
    const y = this.base.forward(x, ctx)
    const low = this.low(x, ctx)
    ops.matmul(low, this.b.data, y, { transposeB: true, beta: 1 })
    ctx.scope.free(low)
    return y
  }

  backward(
    dy: Tensor,
    x: Tensor,
    ctx: experimental.Context,
    dx?: experimental.InputGradient,
  ): Tensor | undefined {
    const low = this.low(x, ctx)
    ops.matmul(dy, low, this.b.gradient(), { transposeA: true, beta: 1 })
    ops.matmul(dy, this.b.data, low)
    ops.matmul(low, x, this.a.gradient(), { transposeA: true, beta: 1 })
    const below = this.base.backward(dy, x, ctx, dx)
    if (below) ops.matmul(low, this.a.data, below, { beta: 1 })
    ctx.scope.free(low)
    return below
  }

  private low(x: Tensor, ctx: experimental.Context): Tensor {
    const low = ctx.scope.empty([x.rows, 2])
    ops.matmul(x, this.a.data, low, { transposeB: true })
    return low
  }
}

const nf4 = new BitsAndBytesConfig({
  load_in_4bit: true,
  bnb_4bit_quant_type: 'nf4',
  bnb_4bit_compute_dtype: 'float32',
})
const row = Array.from({ length: 40 }, (_, i) => 3 + ((i * i * 7) % 250))
const batch = { input_ids: [row, row.slice(20)], labels: [row, row.slice(20)] }

async function load(fourBit = false): Promise<CausalLM> {
  const model = await AutoModelForCausalLM.from_pretrained(golden('tiny-llama'), {
    dtype: 'float32',
    ...(fourBit && { quantization_config: nf4 }),
  })
  onTestFinished(() => model.dispose())
  return model
}

/** Own layers in every slot, the head's too, or in those that match. */
function put(model: CausalLM, kind: typeof Scaled | typeof LowRank, where = /./): void {
  for (const slot of model.linearSlots()) if (where.test(slot.name)) slot.set(new kind(slot.get()))
}

describe.each([
  ['scale and shift', Scaled, false],
  ['scale and shift over 4 bits', Scaled, true],
  ['low rank', LowRank, false],
  ['low rank over 4 bits', LowRank, true],
] as const)('a layer of my own: %s', (_, kind, fourBit) => {
  it('has the gradient of finite differences', async () => {
    const model = await load(fourBit)
    put(model, kind)
    const lossNow = async (): Promise<number> => {
      const { loss } = await model.forward_backward(batch)
      return loss
    }
    await lossNow()
    const parameters = model.parameters()
    expect(parameters.length).toBe(2 * [...model.linearSlots()].length)
    const gradients = await Promise.all(parameters.map((p) => p.grad!.data()))
    for (const index of [0, 1, 6, 9, 12, 13, parameters.length - 2, parameters.length - 1]) {
      const [{ data, name }, gradient] = [parameters[index]!, gradients[index]!]
      const values = await data.data()
      const size = Math.sqrt(gradient.reduce((s, g) => s + g * g, 0))
      const moved = async (by: number): Promise<number> => {
        const next = values.map((v, i) => v + (by * gradient[i]!) / size)
        data.write(new Uint8Array(next.buffer))
        return lossNow()
      }
      const h = Math.min(0.05, 0.01 / size)
      const slope = ((await moved(h)) - (await moved(-h))) / (2 * h)
      await moved(0)
      expect(Math.abs(slope / size - 1), name).toBeLessThanOrEqual(1e-2)
    }
  })

  it.each([false, true])('trains with train_step, bf16 %s', async (bf16) => {
    const model = await load(fourBit)
    put(model, kind, /[qv]_proj|down_proj/)
    const optimizer = new AdamW(model.parameters())
    const losses: number[] = []
    for (let step = 0; step < 5; step++) {
      const { loss, skipped } = await train_step(model, optimizer, [batch], { learning_rate: 1e-2, bf16 })
      expect(skipped).toBe(false)
      losses.push(loss)
    }
    for (let i = 1; i < losses.length; i++) expect(losses[i]).toBeLessThan(losses[i - 1]!)
    expect(losses[0]! - losses[4]!).toBeGreaterThan(0.05)
    optimizer.dispose()
  })
})

it('stands beside an adapter, whose parameters the base model lists too', async () => {
  const model = await load()
  const peft = get_peft_model(model, new LoraConfig({ r: 2, target_modules: ['q_proj'] }))
  put(model, Scaled, /o_proj/)
  const names = model.parameters().map(({ name }) => name)
  expect(names.filter((name) => /lora_[AB]/.test(name)).length).toBe(6)
  expect(names.filter((name) => /o_proj\.(scale|shift)/.test(name)).length).toBe(6)
  await peft.forward_backward(batch)
  expect(await clip_grad_norm_(model.parameters(), 0)).toBeGreaterThan(
    await clip_grad_norm_(peft.parameters(), 0),
  )
})

it('what does not fit a slot, and an adapter on a layer of my own, are told', async () => {
  const model = await load()
  const [first] = model.linearSlots()
  const head = [...model.linearSlots()].at(-1)!
  expect(() => first!.set(head.get())).toThrow(
    '[linearSlots] model.layers.0.self_attn.q_proj: the layer is of',
  )
  expect(() => first!.set({} as Layer)).toThrow('the layer has no method forward')
  put(model, Scaled, /q_proj/)
  expect(() => get_peft_model(model, new LoraConfig({ target_modules: ['q_proj'] }))).toThrow(
    "'model.layers.0.self_attn.q_proj' holds a layer of your own",
  )
  get_peft_model(model, new LoraConfig({ target_modules: ['v_proj'], bias: 'all' }))
})

it('a scope frees what is made through it, but what was kept', () => {
  using one = Tensor.from([1])
  const scope = new experimental.Scope(one.device)
  const [kept, freed] = [scope.keep(scope.empty([2])), scope.empty([2])]
  scope.dispose()
  expect([kept.isDisposed, freed.isDisposed]).toEqual([false, true])
  kept.dispose()
})
