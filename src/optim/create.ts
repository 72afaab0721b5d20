import type { Parameter } from '../nn/parameter'
import type { OptionSet } from '../options/declaration'
import { parseOptions } from '../options/parse'
import { flag, real } from '../options/schemas'
import { AdamW } from './adamw'
import { Lion } from './lion'
import { optimizerKinds, type OptimizerName } from './names'
import type { Optimizer } from './optimizer'
import { SGD, type SGDOptions } from './sgd'

/** The settings of TrainingArguments that define an optimizer, by their names there. */
export interface OptimizerSettings {
  optim: OptimizerName
  /** 'momentum=0.9, nesterov=true'; null for none. */
  optim_args: string | null
  adam_beta1: number
  adam_beta2: number
  adam_epsilon: number
  weight_decay: number
}

/** The optimizer that transformers makes from these settings. Throws like `parseOptimizerArgs`. */
export function createOptimizer(parameters: Parameter[], settings: OptimizerSettings): Optimizer {
  const { rule, ...state } = optimizerKinds[settings.optim]
  const { adam_beta1: beta1, adam_beta2: beta2, adam_epsilon: eps, weight_decay } = settings
  const extras = parseOptimizerArgs(settings.optim, settings.optim_args)
  switch (rule) {
    case 'adamw':
      return new AdamW(parameters, { beta1, beta2, eps, weight_decay, ...state })
    case 'lion':
      return new Lion(parameters, { beta1, beta2, weight_decay, ...state })
    case 'sgd':
      return new SGD(parameters, { ...extras, weight_decay })
  }
}

type SgdExtras = Required<Omit<SGDOptions, 'weight_decay'>>

const sgdExtras: OptionSet<SgdExtras> = {
  owner: 'optim_args of sgd',
  options: {
    momentum: { schema: real({ min: 0 }), default: 0, doc: 'Momentum.' },
    dampening: { schema: real(), default: 0, doc: 'Share of the gradient that momentum leaves out.' },
    nesterov: { schema: flag, default: false, doc: 'Look ahead by one step of momentum.' },
  },
  refused: {
    weight_decay: {
      default: null,
      reason: "transformers' groups of parameters override it; set weight_decay of TrainingArguments.",
    },
  },
}

/**
 * Reads optim_args: `name=value` pairs with commas between. Only sgd has any: momentum, dampening, nesterov.
 * Throws `TypeError` on another form, an unknown name, a wrong value, and when the optimizer takes none.
 */
export function parseOptimizerArgs(optim: OptimizerName, text: string | null): SgdExtras {
  const isSgd = optimizerKinds[optim].rule === 'sgd'
  const pairs = (text ?? '').split(',').filter((pair) => pair.trim() !== '')
  if (!isSgd && pairs.length > 0) {
    throw new TypeError(
      `[optim_args] ${optim} takes none, got '${text}'; its settings are adam_beta1, adam_beta2, adam_epsilon and weight_decay`,
    )
  }
  const given = pairs.map((pair): [string, unknown] => {
    const [name, value, ...rest] = pair.split('=').map((part) => part.trim())
    if (!name || !value || rest.length > 0) {
      throw new TypeError(`[optim_args] got '${pair.trim()}', expected name=value pairs with commas between`)
    }
    return [name, scalar(value)]
  })
  const extras = parseOptions(sgdExtras, Object.fromEntries(given))
  if (extras.nesterov && !(extras.momentum > 0 && extras.dampening === 0))
    throw new TypeError('[optim_args of sgd] nesterov needs a momentum above 0 and dampening 0')
  return extras
}

/** Booleans as transformers parses them. */
function scalar(text: string): unknown {
  if (/^(true|yes)$/i.test(text)) return true
  if (/^(false|no)$/i.test(text)) return false
  return Number.isNaN(Number(text)) ? text : Number(text)
}
