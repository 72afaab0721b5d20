import { placeOf } from '../models/assemble'
import { modulesOf, parameterCount } from '../models/blueprint'
import type { CausalLM } from '../models/causal-lm'
import { DoraLinear } from '../nn/dora'
import type { Embedding } from '../nn/embedding'
import type { LinearLayer } from '../nn/linear'
import { baseLayer, LoraLinear } from '../nn/lora'
import type { RMSNorm } from '../nn/rms-norm'
import { PeftModel } from '../peft/model'
import { escapeHtml, formatBytes, formatNumber } from './format'
import type { MimeBundle } from './output'

type AnyModel = CausalLM | PeftModel

const baseOf = (model: AnyModel): CausalLM => (model instanceof PeftModel ? model.base_model : model)

/** The model's modules as transformers prints them, followed by its size. */
export function modelText(model: AnyModel): string {
  return `${tree(model)}\n${size(model)}`
}

/** The model's class name in transformers: `LlamaForCausalLM`. */
const className = (model: AnyModel): string =>
  model instanceof PeftModel ? 'PeftModel' : model.config.architecture

/** `LlamaForCausalLM(134,515,008 params, 98.2 MiB)` */
export function modelLine(model: AnyModel): string {
  const { all, bytes } = measure(model)
  return `${className(model)}(${number(all)} params, ${formatBytes(bytes)})`
}

export function modelBundle(model: AnyModel): MimeBundle {
  const pre = (text: string): string => `<pre>${escapeHtml(text)}</pre>`
  const summary = `<summary><b>${className(model)}</b> ${escapeHtml(size(model))}</summary>`
  return {
    'text/plain': modelText(model),
    'text/html': `<details open>${summary}${pre(tree(model))}</details>`,
  }
}

const number = (n: number): string => n.toLocaleString('en-US')

/** PEFT's line of counts, and the memory of the weights. */
function size(model: AnyModel): string {
  const { trainable, all, bytes } = measure(model)
  const percent = ((100 * trainable) / all).toFixed(4)
  const counts = `trainable params: ${number(trainable)} || all params: ${number(all)} || trainable%: ${percent}`
  return `${counts} || weights: ${formatBytes(bytes)}`
}

function measure(model: AnyModel): { trainable: number; all: number; bytes: number } {
  const { blueprint, parts } = baseOf(model)
  const total = { trainable: 0, all: parameterCount(blueprint), bytes: 0 }
  for (const { key, kind } of modulesOf(blueprint)) {
    const part = placeOf(parts, key).get()
    if (kind !== 'linear') {
      total.bytes += (part as RMSNorm | Embedding).weight.nbytes
      continue
    }
    const base = baseLayer(part as LinearLayer)
    total.bytes += (base?.weightBytes ?? 0) + (base?.bias?.nbytes ?? 0)
    for (const p of part instanceof LoraLinear ? part.ownParameters() : []) {
      total.all += p.numel
      total.bytes += p.data.nbytes
    }
  }
  total.trainable = model.parameters().reduce((n, p) => n + p.numel, 0)
  return total
}

/** A module: its class, and its parts by name; a leaf has none. */
interface Node {
  head: string
  parts: Map<string, Node>
}

function tree(model: AnyModel): string {
  const base = baseOf(model)
  const name = className(base)
  const family = name.replace(/ForCausalLM$/, '')
  const classes: Record<string, string> = {
    model: `${family}Model`,
    layers: 'ModuleList',
    self_attn: `${family}Attention`,
    mlp: `${family}MLP`,
  }
  const root: Node = { head: name, parts: new Map() }
  const add = (path: string, text: string): void => {
    const keys = path.split('.')
    const last = keys.pop()!
    let node = root
    for (const key of keys) {
      const head = classes[key] ?? `${family}DecoderLayer`
      if (!node.parts.has(key)) node.parts.set(key, { head, parts: new Map() })
      node = node.parts.get(key)!
    }
    node.parts.set(last, { head: text, parts: new Map() })
  }
  const { embedding, layers, norm, head } = base.blueprint
  const inner = layers.flatMap(({ modules }) => modules)
  add(embedding.key, `Embedding(${embedding.rows}, ${embedding.columns})`)
  // transformers' order: attention and MLP, then the norms.
  for (const { key, kind } of inner)
    if (kind === 'linear') add(key, linearText(placeOf(base.parts, key).get() as LinearLayer))
  for (const { key, size, eps } of [...inner.filter((module) => module.kind === 'rms_norm'), norm])
    add(key, `${family}RMSNorm((${size},), eps=${formatNumber(eps)})`)
  add('model.rotary_emb', `${family}RotaryEmbedding()`)
  add(head.key, linearText(base.parts.lm_head))
  if (model === base) return print(root, 0)
  const lora: Node = { head: 'LoraModel', parts: new Map([['model', root]]) }
  return print({ head: 'PeftModelForCausalLM', parts: new Map([['base_model', lora]]) }, 0)
}

function linearText(layer: LinearLayer): string {
  const base = baseLayer(layer) ?? layer
  const kind = 'className' in base ? base.className : base.constructor.name
  const bias = base.bias ? 'True' : 'False'
  const shape = `in_features=${base.inFeatures}, out_features=${base.outFeatures}, bias=${bias}`
  if (!(layer instanceof LoraLinear)) return `${kind}(${shape})`
  const { scaling, dropout } = layer.settings
  const adapter = `r=${layer.lora_A.data.shape[0]}, scaling=${scaling}, dropout=${dropout}`
  return `lora.${kind}(${shape}, ${adapter}${layer instanceof DoraLinear ? ', use_dora=True' : ''})`
}

/** Neighbours in a list with equal text become one: `(0-29): 30 x LlamaDecoderLayer(`. */
function print(node: Node, indent: number): string {
  if (node.parts.size === 0) return node.head
  const space = ' '.repeat(indent + 2)
  const texts = [...node.parts].map(([key, part]) => ({ key, text: print(part, indent + 2) }))
  const groups: { first: string; last: string; count: number; text: string }[] = []
  for (const { key, text } of texts) {
    const before = groups.at(-1)
    if (before?.text === text && /^\d+$/.test(key)) {
      before.last = key
      before.count += 1
    } else groups.push({ first: key, last: key, count: 1, text })
  }
  const lines = groups.map(({ first, last, count, text }) =>
    count > 1 ? `${space}(${first}-${last}): ${count} x ${text}` : `${space}(${first}): ${text}`,
  )
  return `${node.head}(\n${lines.join('\n')}\n${' '.repeat(indent)})`
}
