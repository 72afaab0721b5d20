import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import type * as Logging from '../src/logging'
import { get_logger, logger, logging } from '../src/logging'

/** The module as a new process would load it. */
function fresh(): Promise<typeof Logging> {
  vi.resetModules()
  return vi.importActual('../src/logging')
}

describe('logging', () => {
  let lines: string[] = []
  beforeEach(() => {
    lines = []
    vi.spyOn(console, 'warn').mockImplementation((line: string) => void lines.push(line))
    vi.spyOn(console, 'error').mockImplementation((line: string) => void lines.push(line))
    logging.set_verbosity_warning()
  })
  afterEach(() => {
    vi.restoreAllMocks()
    vi.unstubAllEnvs()
    logging.set_verbosity_warning()
  })

  it('shows what is at least as severe as the verbosity', () => {
    const say = (): void => {
      logger.debug('d')
      logger.info('i')
      logger.warning('w')
      logger.error('e')
    }
    say()
    expect(lines).toEqual(['qlora: WARNING: w', 'qlora: ERROR: e'])
    lines = []
    logging.set_verbosity_debug()
    say()
    expect(lines).toHaveLength(4)
    lines = []
    logging.set_verbosity('error')
    say()
    expect(lines).toEqual(['qlora: ERROR: e'])
    lines = []
    logging.set_verbosity(logging.CRITICAL)
    say()
    expect(lines).toEqual([])
    logging.set_verbosity_info()
    get_logger('hub').info('hello')
    expect(lines).toEqual(['hub: hello'])
  })

  it('reports the verbosity as Python does and refuses an unknown level', () => {
    logging.set_verbosity_info()
    expect(logging.get_verbosity()).toBe(20)
    expect(() => logging.set_verbosity('loud' as never)).toThrow(
      "[logging.set_verbosity] got 'loud', needs a number or one of",
    )
    expect(logging.get_verbosity()).toBe(20)
  })

  it('says a thing once, and not before it can be seen', () => {
    logging.set_verbosity_error()
    logger.warning_once('only once')
    logging.set_verbosity_warning()
    logger.warning_once('only once')
    logger.warning_once('only once')
    expect(lines).toEqual(['qlora: WARNING: only once'])
  })

  it('switches progress bars', () => {
    expect(logging.is_progress_bar_enabled()).toBe(true)
    logging.disable_progress_bar()
    expect(logging.is_progress_bar_enabled()).toBe(false)
    logging.enable_progress_bar()
    expect(logging.is_progress_bar_enabled()).toBe(true)
  })

  it('starts from TRANSFORMERS_VERBOSITY, and says so when it is not a level', async () => {
    vi.stubEnv('TRANSFORMERS_VERBOSITY', 'info')
    expect((await fresh()).logging.get_verbosity()).toBe(20)
    vi.stubEnv('TRANSFORMERS_VERBOSITY', 'loud')
    expect((await fresh()).logging.get_verbosity()).toBe(30)
    expect(lines).toEqual([
      "qlora: TRANSFORMERS_VERBOSITY is 'loud'; known: debug, info, warning, error, critical. Using 'warning'.",
    ])
  })
})
