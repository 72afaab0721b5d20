// Interfaces with documentation, from option tables.
import { describeSchema, toJsonSchema } from './tables.mjs'

const quoted = (text) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
const union = (types) => [...new Set(types)].join(' | ')
const orUndefined = (type) => (type.includes('=>') ? `(${type}) | undefined` : `${type} | undefined`)
const listOf = (type) => (type.includes(' | ') ? `(${type})[]` : `${type}[]`)

/** A value as a TypeScript type. */
function literal(value) {
  if (typeof value === 'string') return quoted(value)
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`
  if (value === null || typeof value !== 'object') return String(value)
  const members = Object.entries(value).map(([name, member]) => `${name}: ${literal(member)}`)
  return members.length > 0 ? `{ ${members.join('; ')} }` : 'Record<string, never>'
}

/** The TypeScript type of what a JSON schema describes. */
function typeOf(schema) {
  if (schema.anyOf) return union(schema.anyOf.map(typeOf))
  if (schema.enum) return union(schema.enum.map(literal))
  if (schema.const !== undefined) return literal(schema.const)
  if (Array.isArray(schema.type)) return union(schema.type.map((type) => typeOf({ type })))
  switch (schema.type) {
    case 'integer':
    case 'number':
      return 'number'
    case 'array':
      return listOf(typeOf(schema.items))
    case 'object':
      return `Record<string, ${typeOf(schema.additionalProperties)}>`
    case 'string':
    case 'boolean':
    case 'null':
      return schema.type
    default:
      return 'unknown'
  }
}

function valueType(owner, name, option) {
  const type = option.type ?? typeOf(toJsonSchema(option.schema))
  if (type === 'unknown') throw new Error(`${owner}.${name}: its schema has no type; declare one with 'type'`)
  return type
}

/** The lines of a doc comment. A default that is absent has no tag. */
function docOf(option) {
  const { doc, default: value } = option
  const fits = `Takes ${describeSchema(option.schema)}.`
  const lines = [doc, '', fits]
  if (value !== undefined)
    lines.push(`@default ${typeof value === 'object' && value ? JSON.stringify(value) : literal(value)}`)
  return comment(lines)
}

function comment(lines) {
  const safe = lines.map((line) => line.replaceAll('*/', '*\\/'))
  return safe.length === 1
    ? `/** ${safe[0]} */`
    : ['/**', ...safe.map((line) => ` * ${line}`.trimEnd()), ' */'].join('\n')
}

const member = (doc, name, type, mark = '') => `${doc}\n${name}${mark}: ${type}`

function valueMembers({ set, base }) {
  return Object.entries(set.options)
    .filter(([name, option]) => base?.set.options[name] !== option)
    .map(([name, option]) => {
      const type = valueType(set.owner, name, option)
      const absent = option.default === undefined && !option.required
      return member(docOf(option), name, absent ? orUndefined(type) : type)
    })
}

function givenMembers({ set, base }) {
  const own = Object.entries(set.options).filter(([name, option]) => base?.set.options[name] !== option)
  const supported = own.map(([name, option]) =>
    member(
      docOf(option),
      name,
      option.input ?? valueType(set.owner, name, option),
      option.required ? '' : '?',
    ),
  )
  const spellings = own.flatMap(([name, option]) =>
    Object.entries(option.aliases ?? {}).map(([spelling, alias]) =>
      member(
        comment([`Another spelling of ${name}. ${option.doc}`]),
        spelling,
        alias.type ?? option.input ?? valueType(set.owner, name, option),
        '?',
      ),
    ),
  )
  const refused = Object.entries(set.refused)
    .filter(([name, option]) => base?.set.refused[name] !== option)
    .map(([name, { default: value, neutral = [], type, reason }]) =>
      member(
        comment([`@deprecated not supported: ${reason}`]),
        name,
        union([...(type ? [type] : [value, ...neutral].map(literal)), literal(null)]),
        '?',
      ),
    )
  return [...supported, ...spellings, ...refused]
}

/** Names that a table declares otherwise than its base. */
function redeclared({ set, base }) {
  const names = Object.keys(base.set.options).filter((name) => base.set.options[name] !== set.options[name])
  const spellings = names.flatMap((name) => Object.keys(base.set.options[name].aliases ?? {}))
  const refused = Object.keys(base.set.refused).filter((name) => base.set.refused[name] !== set.refused[name])
  return [...names, ...spellings, ...refused]
}

function interfaceOf(about, name, members, parent) {
  const extending = parent ? ` extends ${parent}` : ''
  return `/** ${about} */\nexport interface ${name}${extending} {\n${members.join('\n')}\n}`
}

/** The text of one generated file, unformatted. */
export function interfaces({ imports, tables }) {
  const parts = tables.flatMap((table) => {
    const { set, values, given, base } = table
    const without = base ? redeclared(table).map(quoted).join(' | ') : ''
    const parent = (name) => name && (without ? `Omit<${name}, ${without}>` : name)
    return [
      interfaceOf(`The values of ${set.owner}.`, values, valueMembers(table), parent(base?.values)),
      interfaceOf(`What ${set.owner} takes.`, given, givenMembers(table), parent(base?.given)),
    ]
  })
  return [
    '// Written by scripts/generate-options.mjs from the option tables: change those, then `npm run generate`.',
    ...imports,
    '',
    parts.join('\n\n'),
    '',
  ].join('\n')
}
