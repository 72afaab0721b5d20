/** Severities as in Python's `logging`; a message is shown when its level is at least the verbosity. */
export const levels: Readonly<Record<LevelName, number>> = {
  debug: 10,
  info: 20,
  warning: 30,
  error: 40,
  critical: 50,
}

export type LevelName = 'debug' | 'info' | 'warning' | 'error' | 'critical'

export interface Logger {
  debug(message: string): void
  info(message: string): void
  warning(message: string): void
  /** Like `warning`, but shows the same text only once per process. */
  warning_once(message: string): void
  error(message: string): void
}

const shownOnce = new Set<string>()
let verbosity = initialVerbosity()
let progressBars = process.env['HF_HUB_DISABLE_PROGRESS_BARS'] !== '1'

function isLevelName(name: string): name is LevelName {
  return Object.hasOwn(levels, name)
}

function initialVerbosity(): number {
  const name = process.env['TRANSFORMERS_VERBOSITY']?.toLowerCase()
  if (!name) return levels.warning
  if (isLevelName(name)) return levels[name]
  console.warn(
    `qlora: TRANSFORMERS_VERBOSITY is '${name}'; known: ${Object.keys(levels).join(', ')}. Using 'warning'.`,
  )
  return levels.warning
}

function write(name: string, level: LevelName, message: string): void {
  if (levels[level] < verbosity) return
  // Every level goes to stderr, as in Python: a script's standard output stays its own, a cell shows both.
  const line = level === 'info' ? `${name}: ${message}` : `${name}: ${level.toUpperCase()}: ${message}`
  if (levels[level] >= levels.error) console.error(line)
  else console.warn(line)
}

/** A logger whose lines begin with `name`. All loggers share one verbosity. */
export function get_logger(name: string = 'qlora'): Logger {
  return {
    debug: (message) => write(name, 'debug', message),
    info: (message) => write(name, 'info', message),
    warning: (message) => write(name, 'warning', message),
    warning_once(message) {
      if (levels.warning < verbosity || shownOnce.has(message)) return
      shownOnce.add(message)
      write(name, 'warning', message)
    },
    error: (message) => write(name, 'error', message),
  }
}

/** Sets the lowest level that is shown: a level name or its number (10 debug ... 50 critical). Throws on anything else. */
function set_verbosity(level: LevelName | number): void {
  const value = typeof level === 'string' && isLevelName(level) ? levels[level] : level
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new TypeError(
      `[logging.set_verbosity] got '${String(level)}', needs a number or one of ${Object.keys(levels).join(', ')}`,
    )
  }
  verbosity = value
}

/**
 * Verbosity of the whole library, with the names of `transformers.logging`. The start value is the environment
 * variable TRANSFORMERS_VERBOSITY (debug, info, warning, error, critical), else warning.
 */
export const logging: {
  get_verbosity(): number
  set_verbosity(level: LevelName | number): void
  set_verbosity_debug(): void
  set_verbosity_info(): void
  set_verbosity_warning(): void
  set_verbosity_error(): void
  /** Shows no progress bars from now on (like the environment variable HF_HUB_DISABLE_PROGRESS_BARS=1). */
  disable_progress_bar(): void
  enable_progress_bar(): void
  is_progress_bar_enabled(): boolean
  get_logger(name?: string): Logger
  readonly DEBUG: number
  readonly INFO: number
  readonly WARNING: number
  readonly ERROR: number
  readonly CRITICAL: number
} = {
  get_verbosity: () => verbosity,
  set_verbosity,
  set_verbosity_debug: () => set_verbosity('debug'),
  set_verbosity_info: () => set_verbosity('info'),
  set_verbosity_warning: () => set_verbosity('warning'),
  set_verbosity_error: () => set_verbosity('error'),
  disable_progress_bar() {
    progressBars = false
  },
  enable_progress_bar() {
    progressBars = true
  },
  is_progress_bar_enabled: () => progressBars,
  get_logger,
  DEBUG: levels.debug,
  INFO: levels.info,
  WARNING: levels.warning,
  ERROR: levels.error,
  CRITICAL: levels.critical,
}

/** The library's own logger. */
export const logger: Logger = get_logger()
