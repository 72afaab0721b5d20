/** The optimizer that a value of the option `optim` selects. */
export interface OptimizerKind {
  readonly rule: 'adamw' | 'lion' | 'sgd'
  /** Bits of a moment. */
  readonly optim_bits?: 8 | 32
  /** Whether its state is in page-locked host memory. */
  readonly is_paged?: boolean
}

/** Values of the option `optim`. */
export type OptimizerName =
  | 'adamw_torch'
  | 'adamw_torch_fused'
  | 'adamw_bnb_8bit'
  | 'adamw_8bit'
  | 'paged_adamw'
  | 'paged_adamw_32bit'
  | 'paged_adamw_8bit'
  | 'lion_32bit'
  | 'lion_8bit'
  | 'paged_lion_32bit'
  | 'paged_lion_8bit'
  | 'sgd'

export const optimizerKinds: Readonly<Record<OptimizerName, OptimizerKind>> = {
  adamw_torch: { rule: 'adamw' },
  adamw_torch_fused: { rule: 'adamw' },
  adamw_bnb_8bit: { rule: 'adamw', optim_bits: 8 },
  adamw_8bit: { rule: 'adamw', optim_bits: 8 },
  paged_adamw: { rule: 'adamw', is_paged: true },
  paged_adamw_32bit: { rule: 'adamw', is_paged: true },
  paged_adamw_8bit: { rule: 'adamw', optim_bits: 8, is_paged: true },
  lion_32bit: { rule: 'lion' },
  lion_8bit: { rule: 'lion', optim_bits: 8 },
  paged_lion_32bit: { rule: 'lion', is_paged: true },
  paged_lion_8bit: { rule: 'lion', optim_bits: 8, is_paged: true },
  sgd: { rule: 'sgd' },
}

interface RefusedOptimizer {
  /** Ends the sentence "... is not supported: ". */
  readonly reason: string
  readonly nearest: OptimizerName
}

const refused = (nearest: OptimizerName, reason: string, names: string[]): [string, RefusedOptimizer][] =>
  names.map((name) => [name, { reason, nearest }])

/** transformers' other optimizers, including those of version 4. */
export const refusedOptimizers: ReadonlyMap<string, RefusedOptimizer> = new Map([
  ...refused('adamw_torch', 'it is for other accelerators.', ['adamw_torch_xla', 'adamw_torch_npu_fused']),
  ...refused('adamw_torch', 'transformers has removed it.', ['adamw_hf', 'adamw_apex_fused']),
  ...refused('adamw_torch', 'it is not built.', ['adamw_anyprecision', 'stable_adamw', 'grokadamw']),
  ...refused('adamw_torch', 'it is not built.', ['schedule_free_radam', 'schedule_free_adamw']),
  ...refused('adamw_8bit', "torchao's state formats are not built.", [
    'adamw_torch_4bit',
    'adamw_torch_8bit',
  ]),
  ...refused('adamw_torch', 'it is not built.', ['adagrad', 'rmsprop', 'rmsprop_bnb', 'rmsprop_bnb_32bit']),
  ...refused('adamw_torch', 'it is not built.', ['ademamix']),
  ...refused('adamw_8bit', 'it is not built.', ['rmsprop_bnb_8bit', 'ademamix_8bit']),
  ...refused('paged_adamw_32bit', 'it is not built.', ['paged_ademamix_32bit']),
  ...refused('paged_adamw_8bit', 'it is not built.', ['paged_ademamix_8bit']),
  ...refused('sgd', 'it is not built.', ['schedule_free_sgd']),
  ...refused(
    'adamw_8bit',
    'it saves state of full weight matrices, and only adapters are trained here; their state is small.',
    [
      ...['adafactor', 'lomo', 'adalomo', 'apollo_adamw', 'apollo_adamw_layerwise'],
      ...['galore_adamw', 'galore_adamw_8bit', 'galore_adafactor'],
      ...['galore_adamw_layerwise', 'galore_adamw_8bit_layerwise', 'galore_adafactor_layerwise'],
    ],
  ),
])
