interface FamilyModel {
  /** In golden/: what the tests of families, of adapters and of the planner run. */
  model: string
  /** What the test of GGUF files writes and reads again; undefined: such files are refused. */
  gguf?: { model: string; architecture: string }
}

const same = (model: string, architecture: string): FamilyModel => ({ model, gguf: { model, architecture } })

/** A tiny model of each family by `model_type`. docs/families.md says of a family what the tests that read this list see. */
export const familyModels: Readonly<Record<string, FamilyModel>> = {
  llama: { model: 'tiny-llama-dynamic', gguf: { model: 'tiny-llama', architecture: 'llama' } },
  mistral: same('tiny-mistral-swa', 'llama'),
  qwen2: same('tiny-qwen2', 'qwen2'),
  qwen3: same('tiny-qwen3', 'qwen3'),
  smollm3: same('tiny-smollm3', 'smollm3'),
  granite: same('tiny-granite', 'granite'),
  olmo2: same('tiny-olmo2', 'olmo2'),
  olmo3: same('tiny-olmo3', 'olmo2'),
  phi3: same('tiny-phi3', 'phi3'),
  gemma: same('tiny-gemma', 'gemma'),
  gemma2: same('tiny-gemma2', 'gemma2'),
  gemma3_text: same('tiny-gemma3', 'gemma3'),
  ministral3: same('tiny-ministral3', 'mistral3'),
}

/** Those whose expected values lie in a file of their own. */
export const madeModels: readonly string[] = Object.values(familyModels)
  .map(({ model }) => model)
  .filter((model) => model !== 'tiny-mistral-swa' && model !== 'tiny-qwen2')
