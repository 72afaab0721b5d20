/**
 * Adds `generate` and `stream` to the model classes, like transformers' GenerationMixin. They are added here,
 * since generation imports models and not the reverse. Loaded by `index.ts`.
 */
import { CausalLM } from '../models/causal-lm'
import { PeftModel } from '../peft/model'
import { generate, type GenerateInputs } from './generate'
import { stream, type StreamInputs, type StreamOptions } from './stream'
import type { GenerateOptions } from './options'
import type { GenerateOutput } from './output'

interface Generates {
  /**
   * Continues prompts; see `GenerateOptions`. Returns the ids of prompt and answer, one array per row, without
   * padding; with `return_dict_in_generate` an object with them as `sequences`.
   */
  generate(
    inputs: GenerateInputs,
    options: GenerateOptions & { return_dict_in_generate: true },
  ): Promise<GenerateOutput>
  generate(inputs: GenerateInputs, options?: GenerateOptions): Promise<number[][]>
  /**
   * Yields the text of an answer while it is generated: `for await (const text of model.stream(messages, {
   * tokenizer })) ...`. An interrupt ends the loop after the text so far.
   */
  stream(inputs: StreamInputs, options: StreamOptions): AsyncGenerator<string, void, undefined>
}

declare module '../models/causal-lm' {
  interface CausalLM extends Generates {}
}
declare module '../peft/model' {
  interface PeftModel extends Generates {}
}

CausalLM.prototype.generate = function (this: CausalLM, inputs: GenerateInputs, options?: GenerateOptions) {
  return generate(this, inputs, options)
} as Generates['generate']
PeftModel.prototype.generate = function (this: PeftModel, inputs: GenerateInputs, options?: GenerateOptions) {
  return generate(this.base_model, inputs, options)
} as Generates['generate']

CausalLM.prototype.stream = function (this: CausalLM, inputs, options) {
  return stream(this, inputs, options)
}
PeftModel.prototype.stream = function (this: PeftModel, inputs, options) {
  return stream(this.base_model, inputs, options)
}
