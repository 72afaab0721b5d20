// What each way of merging changes: SmolLM2 tuned as the tutorial does it, on rows that were not trained on. Writes the table of
// docs/export.md, between its marks.
//   node scripts/parity/merge-table.mjs [--prompts 20] [--steps 8] [--max_new_tokens 32] [--folder FOLDER]
// FOLDER keeps the adapter, and is not made again where it has one.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PeftModel } from '../../dist/index.js'
import { root } from '../setup/step.mjs'
import { loadBase, loadTokenizer, rows, trimmed, tune } from './tuned-smollm2.mjs'

const { values } = parseArgs({
  options: {
    prompts: { type: 'string', default: '20' },
    steps: { type: 'string', default: '8' },
    max_new_tokens: { type: 'string', default: '32' },
    folder: { type: 'string' },
  },
})
const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'qlora-merge-'))
const dtype = 'bfloat16'
/** By the names that merge_differences has for them. */
const ways = {
  [`${dtype}, dequantized`]: { dtype },
  [`${dtype}, original`]: { dtype, base_weights: 'original' },
  'nf4 again, dequantized': {},
  'nf4 again, original': { base_weights: 'original' },
}

await tune(folder, Number(values.steps))
const tokenizer = await loadTokenizer()
const model = await PeftModel.from_pretrained(await loadBase(), join(folder, 'adapter'))
const held = rows.slice(-Number(values.prompts))
const prompts = []
const texts = []
for (const { messages } of held) {
  const asked = await tokenizer.apply_chat_template(messages.slice(0, 1), { add_generation_prompt: true })
  prompts.push(asked.input_ids)
  texts.push(await tokenizer.apply_chat_template(messages, { tokenize: false }))
}
async function answers() {
  const options = { max_new_tokens: Number(values.max_new_tokens), do_sample: false }
  const out = await model.generate({ input_ids: prompts }, options)
  return out.map((row, i) => trimmed(row.slice(prompts[i].length), tokenizer.eos_token_id).join())
}

const expected = await answers()
const differences = await model.merge_differences(texts, tokenizer, { dtype })
const number = (value) => (value < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(2))))
const lines = []
for (const row of differences.rows) {
  await model.merge_adapter(ways[row.merged])
  const equal = (await answers()).filter((answer, i) => answer === expected[i]).length
  model.unmerge_adapter()
  console.log(
    JSON.stringify({ ...row, equal_answers: equal, prompts: prompts.length, tokens: differences.tokens }),
  )
  const figures = [number(row.max_logit), number(row.mean_logit), number(row.kl_divergence)]
  lines.push([row.merged, ...figures, `${(100 * row.same_top).toFixed(1)}%`, `${equal} of ${prompts.length}`])
}
model.dispose()
if (values.folder === undefined) rmSync(folder, { recursive: true, force: true })

const head = ['merged', 'largest', 'mean', 'divergence', 'same likeliest', 'same answers']
const table = [head, ['---', ...Array(5).fill('---:')], ...lines].map((cells) => `| ${cells.join(' | ')} |`)
const page = join(root, 'docs/export.md')
const [begin, end] = ['<!-- merge-table -->', '<!-- end -->']
const text = readFileSync(page, 'utf8')
const [above, rest] = text.split(begin)
const facts = `SmolLM2-135M in NF4, ${values.steps} steps of the tutorial's kind, the texts of ${prompts.length} rows that were not trained on (${differences.tokens} tokens), greedy answers of ${values.max_new_tokens} tokens:`
writeFileSync(page, `${above}${begin}\n\n${facts}\n\n${table.join('\n')}\n\n${end}${rest.split(end)[1]}`)
