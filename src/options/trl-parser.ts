import { readArgumentsFile } from './arguments-file'
import { HfArgumentParser } from './argument-parser'
import { checkNames, show } from './parse'
import type { ArgumentsClass } from './user-class'

export interface TrlParserOptions {
  /** Return unknown words last, as a list, in place of an error. Default: false. */
  return_remaining_strings?: boolean
  /** false: skip names in the file that no class has. Default: true, they are an error. */
  fail_with_unknown_args?: boolean
}

/** HfArgumentParser with a file of defaults, like TRL's. */
export class TrlParser<const C extends readonly ArgumentsClass[]> extends HfArgumentParser<C> {
  /**
   * Like `parse_args_into_dataclasses`. `--config <file>` names a YAML file whose values replace the classes'
   * defaults; its `env` sets environment variables. The command line has priority over the file.
   * @throws TypeError like HfArgumentParser, and on an unknown name in the file.
   */
  async parse_args_and_config(
    args: readonly string[] = process.argv.slice(2),
    options: TrlParserOptions = {},
  ): Promise<ReturnType<HfArgumentParser<C>['parse_dict']>> {
    checkNames<TrlParserOptions>('TrlParser', options, ['return_remaining_strings', 'fail_with_unknown_args'])
    const { return_remaining_strings: keep = false, fail_with_unknown_args = true } = options
    const at = args.indexOf('--config')
    const words = at < 0 ? args : [...args.slice(0, at), ...args.slice(at + 2)]
    const path = args[at + 1]
    if (at >= 0 && path === undefined)
      throw new TypeError('[TrlParser] --config needs the path of a YAML file')
    const { env = {}, ...values } = at < 0 ? {} : await readArgumentsFile(path!, 'YAML')
    if (typeof env !== 'object' || env === null || Array.isArray(env))
      throw new TypeError(`${path}: env: got ${show(env)}, needs an object of environment variables`)
    for (const [name, value] of Object.entries(env)) process.env[name] = String(value)
    const unknown = this.setDefaults(values)
    if (!keep) {
      if (fail_with_unknown_args && unknown.length > 0)
        throw new TypeError(
          `${path}: no class knows ${unknown.join(', ')}; take them out, or pass fail_with_unknown_args: false`,
        )
      return this.parse_args_into_dataclasses(words)
    }
    const parsed = this.parse_args_into_dataclasses(words, { return_remaining_strings: true }) as unknown[]
    const fromFile = unknown.flatMap((name) => [`--${name}`, String(values[name])])
    return [...parsed.slice(0, -1), [...fromFile, ...(parsed.at(-1) as string[])]] as never
  }
}
