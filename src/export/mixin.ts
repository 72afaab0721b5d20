/**
 * Adds methods that write models, adapters and tokenizers to their classes: `save_pretrained` of a model,
 * merged and GGUF files, uploads. They are added here, since this folder imports the classes and not the
 * reverse. Loaded by `index.ts`.
 */
import { PreTrainedTokenizer } from '../data/tokenizer'
import { CausalLM } from '../models/causal-lm'
import { PeftModel } from '../peft/model'
import { mergeDifferences, type MergeDifferences, type MergeDifferencesOptions } from './merge-differences'
import type { GgufOptions, MergedOptions, PushOptions, SaveOptions } from './options'
import { publish } from './publish'
import { saveGgufFiles, saveMerged, saveWhole } from './save-methods'
import { saveMlxAdapter } from './save-mlx'

interface Exports {
  /**
   * Writes a whole model that transformers can load, with Unsloth's names: in a float dtype or in bitsandbytes'
   * 4 bits, with an adapter merged into its weights. The folder gets either all files or none.
   * @throws Error, before anything is written, when the disk does not have enough space.
   */
  save_pretrained_merged(
    folder: string,
    tokenizer?: PreTrainedTokenizer | null,
    options?: MergedOptions,
  ): Promise<void>
  /**
   * Writes GGUF files for llama.cpp and Ollama, with vocabulary, chat template and end tokens, and Ollama's
   * Modelfile. An adapter on the model is merged into the weights, or written as a file of its own. Returns the
   * paths.
   */
  save_pretrained_gguf(
    folder: string,
    tokenizer: PreTrainedTokenizer,
    options?: GgufOptions,
  ): Promise<string[]>
  /** Uploads the files that `save_pretrained` writes; a new repository is private. Returns its address. */
  push_to_hub(repo_id: string, options?: PushOptions): Promise<string>
}

declare module '../models/causal-lm' {
  interface CausalLM extends Exports {
    /**
     * Writes the model unchanged, like transformers: weights (in shards with an index if they are larger than
     * `max_shard_size`), config.json, generation_config.json. 4-bit layers keep their bits.
     */
    save_pretrained(folder: string, options?: SaveOptions): Promise<void>
  }
}
declare module '../peft/model' {
  interface PeftModel extends Exports {
    /** Writes adapters.safetensors and adapter_config.json in mlx-lm's layout. */
    save_pretrained_mlx(folder: string): Promise<void>
    /**
     * How much each way of merging changes the answers: the differences between its logits on these texts and
     * those with the adapter.
     */
    merge_differences(
      texts: readonly string[],
      tokenizer: PreTrainedTokenizer,
      options?: MergeDifferencesOptions,
    ): Promise<MergeDifferences>
  }
}
declare module '../data/tokenizer' {
  interface PreTrainedTokenizer extends Pick<Exports, 'push_to_hub'> {}
}

CausalLM.prototype.save_pretrained = function (folder, options = {}) {
  return saveWhole(this, folder, options)
}
CausalLM.prototype.save_pretrained_merged = function (folder, tokenizer, options = {}) {
  return saveMerged(this, undefined, folder, tokenizer, options)
}
PeftModel.prototype.save_pretrained_merged = function (folder, tokenizer, options = {}) {
  return saveMerged(this.base_model, this, folder, tokenizer, options)
}
CausalLM.prototype.save_pretrained_gguf = function (folder, tokenizer, options = {}) {
  return saveGgufFiles(this, undefined, folder, tokenizer, options)
}
PeftModel.prototype.save_pretrained_gguf = function (folder, tokenizer, options = {}) {
  return saveGgufFiles(this.base_model, this, folder, tokenizer, options)
}
PeftModel.prototype.save_pretrained_mlx = function (folder) {
  return saveMlxAdapter(folder, this.update, this.config.num_hidden_layers)
}
PeftModel.prototype.merge_differences = function (texts, tokenizer, options = {}) {
  return mergeDifferences(this, texts, tokenizer, options)
}
CausalLM.prototype.push_to_hub = function (repo_id, options = {}) {
  return publish(repo_id, options, (folder, { max_shard_size, tokenizer }) =>
    this.save_pretrained(folder, { max_shard_size, ...(tokenizer && { tokenizer }) }),
  )
}
PeftModel.prototype.push_to_hub = function (repo_id, options = {}) {
  return publish(repo_id, options, async (folder, { tokenizer }) => {
    await this.save_pretrained(folder)
    await tokenizer?.save_pretrained(folder)
  })
}
PreTrainedTokenizer.prototype.push_to_hub = function (repo_id, options = {}) {
  return publish(repo_id, options, (folder) => this.save_pretrained(folder))
}
