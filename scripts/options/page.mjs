// docs/options.md, from option tables.
import { describeSchema } from './tables.mjs'

const code = (text) => `\`${text}\``
const cell = (text) => text.replaceAll('|', '\\|').replaceAll(/[*<>]/g, (c) => `\\${c}`)
const shown = (value) =>
  value === undefined ? '' : code(typeof value === 'string' ? `'${value}'` : JSON.stringify(value))
const row = (cells) => `| ${cells.join(' | ')} |`

function optionRow(name, option) {
  const spellings = Object.keys(option.aliases ?? {})
  const also = spellings.length > 0 ? ` Also ${spellings.map(code).join(', ')}.` : ''
  const state = option.inert ? 'accepted, changes nothing' : 'supported'
  const byDefault = option.required ? 'required' : shown(option.default)
  return row([
    code(name),
    state,
    byDefault,
    cell(`${option.doc} Takes ${describeSchema(option.schema)}.`) + also,
  ])
}

function refusedRow(name, { default: value, neutral = [], reason }) {
  const passing = [...new Set([value, ...neutral].map(shown))].join(', ')
  return row([code(name), 'refused', shown(value), `Not supported: ${cell(reason)} Passes: ${passing}.`])
}

function section({ set, base }) {
  const own = (table, of) => Object.entries(table).filter(([name, option]) => of?.[name] !== option)
  const about = base ? [`All of ${base.set.owner}, and:`, ''] : []
  return [
    `## ${set.owner}`,
    '',
    ...about,
    '<!-- prettier-ignore-start -->',
    row(['option', 'state', 'default', 'what it does']),
    row(['---', '---', '---', '---']),
    ...own(set.options, base?.set.options).map(([name, option]) => optionRow(name, option)),
    ...own(set.refused, base?.set.refused).map(([name, option]) => refusedRow(name, option)),
    '<!-- prettier-ignore-end -->',
  ].join('\n')
}

const meanings = {
  refused: 'Refused when changed',
  rows: 'Refused when the tokenized rows differ, and then named',
  loss: 'Refused when the loss differs',
  warned: 'Warned of: the bits may differ',
  free: 'Free to change',
}

/** Which settings have to agree when a run goes on from a checkpoint. */
function resuming({ onResume, adapterSettings }) {
  const names = (policy) =>
    Object.keys(onResume)
      .filter((name) => onResume[name] === policy)
      .sort()
      .map(code)
      .join(', ')
  return [
    '## What must agree on resume',
    '',
    '`train({ resume_from_checkpoint })` compares the run with the one that wrote the checkpoint and names each setting that differs, with both values. Also refused when changed: the data (a fingerprint of the tokenized rows), the objective and its options (of a function only the name can be compared: warned of), the base model (configuration, quantization, dtype, a sum over its last norm; another name or device is warned of), and of the `LoraConfig` ' +
      `${adapterSettings.map(code).join(', ')}. Another length of the run (\`max_steps\`, \`num_train_epochs\`) is warned of where the schedule depends on it.`,
    '',
    '<!-- prettier-ignore-start -->',
    row(['when the setting differs', 'settings']),
    row(['---', '---']),
    ...Object.entries(meanings).map(([policy, meaning]) => row([meaning, names(policy)])),
    '<!-- prettier-ignore-end -->',
  ].join('\n')
}

/** The text of the page, unformatted. */
export function page(files, settings) {
  const sections = [...files.flatMap(({ tables }) => tables.map(section)), resuming(settings)]
  return `<!-- Written by scripts/generate-options.mjs from the option tables: change those, then \`npm run generate\`. -->

# Options

Every option of the Python libraries has one of three states here:

- **supported**: it acts;
- **accepted, changes nothing**: every value passes, because there is nothing to do; the text says why;
- **refused**: a value that asks for something throws an error with the reason; \`null\`, and the values listed as passing, ask for nothing.

Any other name throws an error that names the nearest known one.

${sections.join('\n\n')}
`
}
