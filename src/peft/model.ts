import type { PackedBatch } from '../models/batch'
import { parameterCount } from '../models/blueprint'
import { CausalLM } from '../models/causal-lm'
import type { ModelInputs } from '../models/padding'
import type { ModelOutput } from '../models/forward'
import type { ForwardBackwardOptions, StepResult } from '../models/pass'
import { baseLayer } from '../nn/lora'
import type { Parameter } from '../nn/parameter'
import type { PretrainedConfig } from '../models/config'
import { show } from '../options/parse'
import { nextSeed } from '../options/seed'
import { Generator } from '../tensor/random'
import { peftOptions, type AdapterOptions, type PeftOptions } from './adapter-options'
import { AdapterSet } from './adapter-set'
import { LoraConfig } from './config'
import { injectAdapter, type Injection } from './inject'
import { loadAdapter } from './load'
import { saveAdapter } from './save'
import { weightedSum, type WeightedOptions } from './weighted'

/** Puts a fresh adapter on a model; only its parameters train. */
export function get_peft_model(model: CausalLM, config: LoraConfig, options: PeftOptions = {}): PeftModel {
  if (!(model instanceof CausalLM)) {
    const got =
      (model as unknown) instanceof PeftModel
        ? 'a model that has an adapter already: call unload() on it first'
        : show(model)
    throw new TypeError(
      `[get_peft_model] model: got ${got}, needs a model from AutoModelForCausalLM.from_pretrained`,
    )
  }
  const o = peftOptions(options)
  const dtype = o.dtype ?? (o.autocast_adapter_dtype ? 'float32' : model.dtype)
  const own = new LoraConfig(config)
  const injection = injectAdapter(model, own, dtype, new Generator(o.seed ?? nextSeed() ?? 0))
  return new PeftModel(model, own, injection, o.adapter_name)
}

/**
 * A model with adapters. One of them is active: it answers and trains through the same methods as the model itself. The others wait
 * until `set_adapter`.
 */
export class PeftModel {
  private readonly adapters: AdapterSet

  constructor(
    readonly base_model: CausalLM,
    config: LoraConfig,
    injection: Injection,
    adapter_name: string = 'default',
  ) {
    config.base_model_name_or_path = base_model.name_or_path
    this.adapters = new AdapterSet(adapter_name, { config, injection })
    base_model.adapter = this
  }

  /** The active adapter's settings. */
  get peft_config(): LoraConfig {
    return this.adapters.active.config
  }

  private get injection(): Injection {
    return this.adapters.active.injection
  }

  /** Name of the active adapter. */
  get active_adapter(): string {
    return this.adapters.activeName
  }

  /** Names of all adapters. */
  get adapter_names(): string[] {
    return this.adapters.names
  }

  /** Puts another adapter in the place of the active one. @throws Error naming those that there are. */
  set_adapter(adapter_name: string): void {
    this.adapters.activate(adapter_name)
  }

  /**
   * Loads a further adapter beside those that there are; `set_adapter` makes it the active one.
   * @throws Error as `from_pretrained`, or when the name is taken.
   */
  async load_adapter(source: string, adapter_name: string, options: AdapterOptions = {}): Promise<void> {
    await this.adapters.add(adapter_name, () => loadAdapter(this.base_model, source, options))
    this.named(adapter_name)
  }

  /** Makes a fresh adapter beside those that there are; `set_adapter` makes it the active one. */
  async add_adapter(adapter_name: string, config: LoraConfig, options: PeftOptions = {}): Promise<void> {
    const { seed, dtype, autocast_adapter_dtype } = peftOptions(options)
    const type = dtype ?? (autocast_adapter_dtype ? 'float32' : this.base_model.dtype)
    const own = new LoraConfig(config)
    await this.adapters.add(adapter_name, () => ({
      config: own,
      injection: injectAdapter(this.base_model, own, type, new Generator(seed ?? nextSeed() ?? 0)),
    }))
    this.named(adapter_name)
  }

  /**
   * Makes an adapter that is the weighted sum of others. `combination_type`: 'svd' (the default), 'cat' or 'linear', as PEFT has
   * them.
   * @throws Error on adapters that cannot be summed.
   */
  async add_weighted_adapter(
    adapters: readonly string[],
    weights: readonly number[],
    adapter_name: string,
    options: WeightedOptions = {},
  ): Promise<void> {
    const sum = weightedSum(
      adapters.map((name) => this.adapters.get(name)),
      weights,
      options,
    )
    const values = new Map<string, { a: Float32Array; b: Float32Array }>()
    for await (const { name, a, b } of sum.layers()) values.set(name, { a, b })
    await this.add_adapter(adapter_name, sum.config)
    const { injection } = this.adapters.get(adapter_name)
    for (const [name, { a, b }] of values) {
      const into = injection.weightsOf(name)!
      into.a.write(new Uint8Array(a.buffer))
      into.b.write(new Uint8Array(b.buffer))
    }
  }

  /** Frees an adapter. @throws Error when it is the active one. */
  delete_adapter(adapter_name: string): void {
    this.adapters.delete(adapter_name)
  }

  private named(adapter_name: string): void {
    this.adapters.get(adapter_name).config.base_model_name_or_path = this.base_model.name_or_path
  }

  /**
   * Puts an adapter that PEFT or this library saved onto a model. `source` is a folder or a hub repository. It can be
   * trained further, whatever PEFT's `is_trainable` says.
   * @throws Error naming keys that are missing or do not fit the model; the model is then as it was.
   */
  static async from_pretrained(
    model: CausalLM,
    source: string,
    options: AdapterOptions = {},
  ): Promise<PeftModel> {
    const { config, injection, adapter_name } = await loadAdapter(model, source, options)
    return new PeftModel(model, config, injection, adapter_name)
  }

  get config(): PretrainedConfig {
    return this.base_model.config
  }

  /** Trainable parameters; names are the keys of the adapter file. */
  named_parameters(): [string, Parameter][] {
    return this.injection.parameters.map((p) => [p.name, p])
  }

  parameters(): Parameter[] {
    return this.injection.parameters
  }

  forward(inputs: ModelInputs): Promise<ModelOutput> {
    return this.base_model.forward(inputs)
  }

  forward_backward(batch: ModelInputs | PackedBatch, options?: ForwardBackwardOptions): Promise<StepResult> {
    return this.base_model.forward_backward(batch, options)
  }

  /** Runs `body` with the base model alone answering; biases that were trained (`bias`) stay as they are. */
  async disable_adapter<T>(body: () => Promise<T>): Promise<T> {
    this.injection.enable(false)
    try {
      return await body()
    } finally {
      this.injection.enable(true)
    }
  }

  /** Numbers of trainable and of all parameters (4-bit weights count as the weights they stand for). */
  get_nb_trainable_parameters(): [number, number] {
    const trainable = this.parameters().reduce((n, p) => n + p.numel, 0)
    const linears = [...this.base_model.linearSlots()].map((s) => baseLayer(s.get()) ?? s.get())
    // A trained bias is the base's own and counted there.
    const biases = linears.reduce((n, l) => n + (l.trainedBias?.numel ?? 0), 0)
    return [trainable, parameterCount(this.base_model.blueprint) + trainable - biases]
  }

  /** "trainable params: 27,262,976 || all params: 8,057,524,224 || trainable%: 0.3384" */
  print_trainable_parameters(): void {
    const [trainable, all] = this.get_nb_trainable_parameters()
    const number = (n: number): string => n.toLocaleString('en-US')
    const percent = ((100 * trainable) / all).toFixed(4)
    console.log(
      `trainable params: ${number(trainable)} || all params: ${number(all)} || trainable%: ${percent}`,
    )
  }

  /**
   * Writes adapter_model.safetensors, adapter_config.json and README.md as PEFT lays them out: the active adapter's. Another one
   * is written when it is the active one.
   */
  save_pretrained(folder: string): Promise<void> {
    return saveAdapter(folder, this.peft_config, this.injection.parameters)
  }

  /** Takes all adapters off and frees them; the base model stays. Those that are off already stay off. */
  unload(): CausalLM {
    const { base_model } = this
    if (base_model.adapter === this) {
      this.adapters.deleteOthers()
      this.injection.remove()
      base_model.adapter = undefined
    }
    return base_model
  }

  /**
   * Adds the adapter to the base weights and gives the base model back, as PEFT's merge_and_unload.
   * @throws Error when the base is quantized.
   */
  merge_and_unload(): CausalLM {
    this.adapters.deleteOthers()
    this.injection.merge()
    this.base_model.adapter = undefined
    return this.base_model
  }

  /** Frees adapter and base model. */
  dispose(): void {
    this.unload().dispose()
  }
}
