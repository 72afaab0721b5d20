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
import { Generator } from '../tensor/random'
import { peftOptions, type AdapterOptions, type PeftOptions } from './adapter-options'
import { LoraConfig } from './config'
import { injectAdapter, type Injection } from './inject'
import { loadAdapter } from './load'
import { saveAdapter } from './save'

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
  return new PeftModel(model, own, injectAdapter(model, own, dtype, new Generator(o.seed)))
}

/** A model with an adapter on it. It answers and trains through the same methods as the model itself. */
export class PeftModel {
  constructor(
    readonly base_model: CausalLM,
    readonly peft_config: LoraConfig,
    private readonly injection: Injection,
  ) {
    peft_config.base_model_name_or_path = base_model.name_or_path
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
    const { config, injection } = await loadAdapter(model, source, options)
    return new PeftModel(model, config, injection)
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

  /** Writes adapter_model.safetensors, adapter_config.json and README.md as PEFT lays them out. */
  save_pretrained(folder: string): Promise<void> {
    return saveAdapter(folder, this.peft_config, this.injection.parameters)
  }

  /** Takes the adapter off and frees it; the base model stays. */
  unload(): CausalLM {
    this.injection.remove()
    return this.base_model
  }

  /**
   * Adds the adapter to the base weights and gives the base model back, as PEFT's merge_and_unload.
   * @throws Error when the base is quantized.
   */
  merge_and_unload(): CausalLM {
    this.injection.merge()
    return this.base_model
  }

  /** Frees adapter and base model. */
  dispose(): void {
    this.unload().dispose()
  }
}
