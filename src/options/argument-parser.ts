import { type OptionSet, knownNames, optionTable } from './declaration'
import { describeSchema } from './describe'
import { type Kind, anyKind, fromText, kindsOf } from './from-text'
import { nearest, unknownNameError } from './nearest'
import { readArgumentsFile } from './arguments-file'
import { checkNames, show } from './parse'
import { argumentsOf, type Arguments, type ArgumentsClass } from './user-class'

type Instances<C extends readonly ArgumentsClass[]> = { -readonly [K in keyof C]: InstanceType<C[K]> }

/**
 * Thrown on --help; its message is the help text. The process is not ended, since in a notebook it is the
 * kernel's.
 */
export class HelpRequested extends Error {
  override readonly name = 'HelpRequested'
}

interface Known {
  /** Index of the class. */
  owner: number
  kinds: ReadonlySet<Kind>
}

const OWN = 'HfArgumentParser'

/** `--learning-rate` -> `learning_rate`. */
const plainName = (flag: string): string => flag.slice(2).replaceAll('-', '_')
const isFlag = (word: string): boolean => /^--[A-Za-z_]/.test(word)

/**
 * Reads a command line, a dictionary, a JSON or a YAML file into argument classes. Options, help texts and
 * checks are those that the classes declare. Your own classes can take part: their fields are their options.
 *
 * Throws `TypeError`: an option that two classes have, an unknown option (with the nearest known one), one
 * given twice, a wrong value.
 */
export class HfArgumentParser<const C extends readonly ArgumentsClass[]> {
  readonly #classes: readonly Arguments[]
  readonly #known: ReadonlyMap<string, Known>
  /** Values that replace the classes' defaults. */
  #defaults: ReadonlyMap<string, unknown> = new Map()

  /** @param classes - A list of classes, or one class. */
  constructor(classes: C | C[number]) {
    const list = (Array.isArray(classes) ? classes : [classes]) as unknown[]
    this.#classes = list.map((given) => argumentsOf(given, OWN))
    this.#known = index(this.#classes.map(({ set }) => set))
  }

  /** Uses these values for options that are not given. Returns the names that no class has. */
  protected setDefaults(values: Readonly<Record<string, unknown>>): string[] {
    const [known, unknown] = [true, false].map((isKnown) =>
      Object.keys(values).filter((name) => this.#known.has(name) === isKnown),
    )
    this.#defaults = new Map(known!.map((name) => [name, values[name]]))
    return unknown!
  }

  /**
   * Parses a command line into one object per class, in order. Accepts `--name value`, `--name=value`, `--a-b`
   * for `--a_b`, several values for lists, JSON for dictionaries, None for null; for booleans `--name`, `--name
   * True`, `--no_name`.
   *
   * @param args - Words after the program's name. Default: those of this process.
   * With `return_remaining_strings`, unknown words are returned last, as a list, and are no error.
   */
  parse_args_into_dataclasses(
    args?: readonly string[],
    options?: { return_remaining_strings?: false },
  ): Instances<C>
  parse_args_into_dataclasses(
    args: readonly string[] | undefined,
    options: { return_remaining_strings: true },
  ): [...Instances<C>, string[]]
  parse_args_into_dataclasses(
    args: readonly string[] = process.argv.slice(2),
    options: { return_remaining_strings?: boolean } = {},
  ): unknown[] {
    checkNames<typeof options>(OWN, options, ['return_remaining_strings'])
    const { return_remaining_strings: keep = false } = options
    const given = new Map<string, unknown>()
    const remaining: string[] = []
    for (let i = 0; i < args.length;) {
      const word = args[i++] ?? ''
      if (word === '-h' || word === '--help') throw new HelpRequested(this.format_help())
      const [flag = '', inline] = split(word)
      const words = inline === undefined ? [] : [inline]
      if (inline === undefined)
        while (i < args.length && !isFlag(args[i] ?? '') && args[i] !== '-h') words.push(args[i++] ?? '')
      const found = isFlag(word) ? this.#find(plainName(flag)) : undefined
      if (found === undefined) {
        if (!keep) throw this.#unknown(word, flag)
        remaining.push(...(inline === undefined ? [word, ...words] : [word]))
        continue
      }
      const value = valueOf(flag, found, words)
      if (given.has(found.name)) throw new TypeError(`[${OWN}] ${flag} is given twice`)
      given.set(found.name, value)
    }
    const built = this.#build(given)
    return keep ? [...built, remaining] : built
  }

  /** The same from an object. `allow_extra_keys` skips names that no class has. */
  parse_dict(args: Record<string, unknown>, options: { allow_extra_keys?: boolean } = {}): Instances<C> {
    checkNames<typeof options>(OWN, options, ['allow_extra_keys'])
    const { allow_extra_keys = false } = options
    const given = new Map<string, unknown>()
    for (const [name, value] of Object.entries(args)) {
      if (this.#known.has(name)) given.set(name, value)
      else if (!allow_extra_keys) throw unknownNameError(OWN, name, [...this.#known.keys()])
    }
    return this.#build(given)
  }

  /** The same from a JSON file that holds one object. */
  async parse_json_file(
    json_file: string,
    options: { allow_extra_keys?: boolean } = {},
  ): Promise<Instances<C>> {
    return this.parse_dict(await readArgumentsFile(json_file, 'JSON'), options)
  }

  /** The same from a YAML file that holds one mapping. */
  async parse_yaml_file(
    yaml_file: string,
    options: { allow_extra_keys?: boolean } = {},
  ): Promise<Instances<C>> {
    return this.parse_dict(await readArgumentsFile(yaml_file, 'YAML'), options)
  }

  /** The text of --help: each option with its values, its default and what it does. */
  format_help(): string {
    return this.#classes.map(({ set }) => helpOf(set)).join('\n\n')
  }

  #find(name: string): { name: string; known: Known; negated: boolean } | undefined {
    const known = this.#known.get(name)
    if (known) return { name, known, negated: false }
    const positive = name.startsWith('no_') ? this.#known.get(name.slice(3)) : undefined
    if (!positive?.kinds.has('boolean')) return undefined
    return { name: name.slice(3), known: positive, negated: true }
  }

  #unknown(word: string, flag: string): TypeError {
    if (!isFlag(word)) return new TypeError(`[${OWN}] '${word}' follows no option; options begin with --`)
    const names = [...this.#known.keys()]
    const near = nearest(plainName(flag), names)
    if (near === undefined)
      return unknownNameError(
        OWN,
        flag,
        names.map((name) => `--${name}`),
      )
    return new TypeError(`[${OWN}] unknown option '${flag}'. Did you mean '--${near}'?`)
  }

  #build(given: ReadonlyMap<string, unknown>): Instances<C> {
    const inits = this.#classes.map((): Record<string, unknown> => ({}))
    for (const [name, value] of new Map([...this.#defaults, ...given])) {
      const init = inits[this.#known.get(name)?.owner ?? -1]
      if (init) init[name] = value
    }
    return this.#classes.map((own, i) => own.make(inits[i]!)) as unknown as Instances<C>
  }
}

function split(word: string): [string, string | undefined] {
  const at = isFlag(word) ? word.indexOf('=') : -1
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)]
}

function index(sets: readonly OptionSet<object>[]): Map<string, Known> {
  const known = new Map<string, Known>()
  sets.forEach((set, owner) => {
    const table = optionTable(set)
    for (const name of knownNames(set)) {
      const before = sets[known.get(name)?.owner ?? -1]
      if (before)
        throw new TypeError(`[${OWN}] ${before.owner} and ${set.owner} both have an option '${name}'`)
      const option = Object.hasOwn(table, name) ? table[name] : undefined
      // An alias can have another type than its option (group_by_length is a boolean): its text decides how it
      // is parsed.
      const kinds = option ? kindsOf(option.schema) : anyKind
      known.set(name, { owner, kinds })
    }
  })
  return known
}

function valueOf(flag: string, found: { known: Known; negated: boolean }, words: readonly string[]): unknown {
  if (found.negated) {
    if (words.length > 0) throw new TypeError(`[${OWN}] ${flag} takes no value, got ${show(words[0])}`)
    return false
  }
  const value = fromText(found.known.kinds, words)
  if (value === undefined) throw new TypeError(`[${OWN}] ${flag} needs a value`)
  return value
}

function helpOf(set: OptionSet<object>): string {
  const lines = Object.entries(optionTable(set)).flatMap(([name, option]) => {
    const others = Object.keys(option.aliases ?? {}).map((alias) => `--${alias}`)
    const also = others.length > 0 ? ` (also ${others.join(', ')})` : ''
    return [
      `  --${name}${also}`,
      `      ${option.doc}`,
      `      ${describeSchema(option.schema)}; default: ${show(option.default)}`,
    ]
  })
  const refused = Object.keys(set.refused)
  const tail = refused.length > 0 ? [`  Known but not supported: ${refused.join(', ')}`] : []
  return [`${set.owner}:`, ...lines, ...tail].join('\n')
}
