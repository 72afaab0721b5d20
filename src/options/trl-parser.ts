import { readArgumentsFile } from './arguments-file'
import { HfArgumentParser } from './argument-parser'
import { checkNames, show } from './parse'
import type { ArgumentsClass } from './user-class'

export interface TrlParserOptions {
  /** What is not known comes last, as a list of words, in place of an error. Default: false. */
  return_remaining_strings?: boolean
  /** false: what the file has and no class knows is left out. Default: true, an error. */
  fail_with_unknown_args?: boolean
}

/** HfArgumentParser with a file of defaults, as TRL's. */
export class TrlParser<const C extends readonly ArgumentsClass[]> extends HfArgumentParser<C> {
  /**
   * As `parse_args_into_dataclasses`, where `--config <file>` names a YAML file whose values take the place of the classes'
   * defaults; its `env` sets environment variables. The command line goes before the file.
   * @throws TypeError as HfArgumentParser, and on an unknown name of the file.
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
