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
import { AdapterUpdate } from './adapter-update'
import { LoraConfig } from './config'
import { injectAdapter, type Injection } from './inject'
import { loadAdapter } from './load'
import { MergedLayers } from './merge'
import { mergeOptions, type MergeOptions } from './merge-options'
import { resizedTables, saveAdapter } from './save'
import { weightedSum, type WeightedOptions } from './weighted'

/** Puts a new adapter on a model; only its parameters are trained. */
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
 * A model with adapters. The active one is used and trained through the same methods as the model itself;
 * `set_adapter` activates another one.
 */
export class PeftModel {
  private readonly adapters: AdapterSet
  private merged: MergedLayers | undefined

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

  /** Activates another adapter; the active one is unmerged first. @throws Error listing the existing adapters. */
  set_adapter(adapter_name: string): void {
    this.unmerge_adapter()
    this.adapters.activate(adapter_name)
  }

  /**
   * Loads another adapter; `set_adapter` activates it.
   * @throws Error like `from_pretrained`, or when the name is taken.
   */
  async load_adapter(source: string, adapter_name: string, options: AdapterOptions = {}): Promise<void> {
    this.unmerge_adapter()
    await this.adapters.add(adapter_name, () => loadAdapter(this.base_model, source, options))
    this.named(adapter_name)
  }

  /** Makes another new adapter; `set_adapter` activates it. */
  async add_adapter(adapter_name: string, config: LoraConfig, options: PeftOptions = {}): Promise<void> {
    const { seed, dtype, autocast_adapter_dtype } = peftOptions(options)
    const type = dtype ?? (autocast_adapter_dtype ? 'float32' : this.base_model.dtype)
    const own = new LoraConfig(config)
    this.unmerge_adapter()
    await this.adapters.add(adapter_name, () => ({
      config: own,
      injection: injectAdapter(this.base_model, own, type, new Generator(seed ?? nextSeed() ?? 0)),
    }))
    this.named(adapter_name)
  }

  /**
   * Makes an adapter that is the weighted sum of others. `combination_type`: 'svd' (default), 'cat' or
   * 'linear', as in PEFT.
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
   * Loads an adapter that PEFT or this library saved onto a model. `source` is a folder or a hub repository.
   * The adapter can be trained further, whatever PEFT's `is_trainable` is.
   * @throws Error naming keys that are missing or do not fit the model; the model is then unchanged.
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
    this.checkTrainable()
    return this.base_model.forward_backward(batch, options)
  }

  /** @throws Error while the adapter is merged, since the pass then does not use its tensors. @internal */
  checkTrainable(): void {
    if (this.merged)
      throw new Error('the adapter is merged into the weights; call unmerge_adapter() before training')
  }

  /** Runs `body` with the base model only; trained biases (`bias`) stay in use. */
  async disable_adapter<T>(body: () => Promise<T>): Promise<T> {
    this.merged?.use(false)
    this.injection.enable(false)
    try {
      return await body()
    } finally {
      this.injection.enable(true)
      this.merged?.use(true)
    }
  }

  /** The numbers of trainable and of all parameters; 4-bit weights count as before quantization. */
  get_nb_trainable_parameters(): [number, number] {
    const trainable = this.parameters().reduce((n, p) => n + p.numel, 0)
    const linears = [...this.base_model.linearSlots()].map((s) => baseLayer(s.get()) ?? s.get())
    // A trained bias belongs to the base and is counted there.
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
   * Writes the active adapter as adapter_model.safetensors, adapter_config.json and README.md, in PEFT's
   * layout. To write another one, activate it first.
   */
  save_pretrained(folder: string): Promise<void> {
    const { base_model, peft_config, injection } = this
    return saveAdapter(folder, peft_config, injection.parameters, resizedTables(base_model))
  }

  /** Removes and frees all adapters; the base model stays. */
  unload(): CausalLM {
    const { base_model } = this
    if (base_model.adapter === this) {
      this.unmerge_adapter()
      this.adapters.deleteOthers()
      this.injection.remove()
      base_model.adapter = undefined
    }
    return base_model
  }

  /**
   * Adds the adapter's update to the weights, so that answers need no adapter. `unmerge_adapter` restores the
   * weights bit for bit, since they are kept beside the merged ones. A 4-bit layer is quantized again, unless
   * `dtype` requests full layers.
   * @throws Error when the adapter is already merged, or a merged weight is not finite (`safe_merge`); the
   * model is then unchanged.
   */
  async merge_adapter(options: MergeOptions = {}): Promise<void> {
    const o = mergeOptions('merge_adapter', options)
    if (this.merged) throw new Error('[merge_adapter] the adapter is merged already; unmerge_adapter() first')
    this.merged = await MergedLayers.make(this.base_model, this.injection.layers, o)
  }

  /** Removes a merged adapter from the weights; does nothing if none is merged. */
  unmerge_adapter(): void {
    this.merged?.undo()
    this.merged = undefined
  }

  /**
   * Adds the adapter to the base weights permanently and returns the base model, like PEFT's merge_and_unload.
   * An earlier `merge_adapter` is used as it is.
   */
  async merge_and_unload(options: MergeOptions = {}): Promise<CausalLM> {
    const o = mergeOptions('merge_and_unload', options)
    this.merged ??= await MergedLayers.make(this.base_model, this.injection.layers, o)
    this.adapters.deleteOthers()
    this.merged.adopt()
    this.merged = undefined
    this.injection.adopt()
    this.base_model.adapter = undefined
    return this.base_model
  }

  /**
   * The adapter as changes of the checkpoint's tensors. Its tensors belong to the adapter: do not free them.
   * @internal
   */
  get update(): AdapterUpdate {
    return new AdapterUpdate(this.peft_config, new Map(this.parameters().map((p) => [p.name, p.data])))
  }

  /** Frees adapter and base model. */
  dispose(): void {
    this.unload().dispose()
  }
}
