/**
 * The parts of a zod schema that this folder uses, written out so that public declaration files do not need
 * zod.
 */
export interface Schema<T> {
  safeParse(
    value: unknown,
  ): { success: true; data: T } | { success: false; error: { issues: { message: string }[] } }
}

/**
 * One option, declared once. Parsing, `--help`, defaults, error messages, the interfaces that editors show and
 * docs/options.md all use it.
 */
export interface Option<T> {
  readonly schema: Schema<T>
  readonly default: T
  /** One or two sentences: what it does, its unit, what null means. */
  readonly doc: string
  /** TypeScript type of the value. Default: the schema's. */
  readonly type?: string
  /** TypeScript type of the accepted input, if it is wider than the value's. */
  readonly input?: string
  /** It must be given. */
  readonly required?: true
  /** Every value is accepted and has no effect; `doc` says why. */
  readonly inert?: true
  /** It has no effect in the reference library either, so no warning is shown. */
  readonly silent?: true
  /** Other spellings of this option. */
  readonly aliases?: Readonly<Record<string, Alias>>
}

/** Another spelling of an option. */
export interface Alias {
  /** Converts its value to the option's value. */
  convert(value: unknown): unknown
  /** TypeScript type of its value, if it differs from the option's. */
  readonly type?: string
  /**
   * If the option's own name is given too, this one is ignored with a warning. Otherwise both must have the
   * same value.
   */
  readonly yields?: true
}

/**
 * An option of the reference libraries that this version does not implement. Only values that request nothing
 * are accepted.
 */
export interface Refused {
  /** Always accepted, and reported by `to_dict`. */
  readonly default: unknown
  /** Further accepted values, which request nothing either. `null` and `undefined` are always accepted. */
  readonly neutral?: readonly unknown[]
  /** TypeScript type, if more values compile than are accepted; the error at run time gives the reason. */
  readonly type?: string
  /** Completes the sentence "... is not supported: ". */
  readonly reason: string
}

/** The options of one class; `T` is the type of the parsed values. */
export interface OptionSet<T> {
  /** The class name; it begins every error message. */
  readonly owner: string
  readonly options: { readonly [K in keyof T]-?: Option<T[K]> }
  readonly refused: Readonly<Record<string, Refused>>
}

/** Another name with the same value. */
export const renamed: Alias = { convert: (value) => value }

/** The declarations by name, for code that loops over them. */
export function optionTable(set: OptionSet<object>): Readonly<Record<string, Option<unknown>>> {
  return set.options as Record<string, Option<unknown>>
}

/** Every name that `parseOptions` accepts: options, their aliases, refused options. */
export function knownNames(set: OptionSet<object>): string[] {
  const names = Object.entries(optionTable(set)).flatMap(([name, option]) => [
    name,
    ...Object.keys(option.aliases ?? {}),
  ])
  return [...names, ...Object.keys(set.refused)]
}
