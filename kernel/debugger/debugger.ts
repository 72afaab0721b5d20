import { pathToFileURL } from 'node:url'
import { kernelGlobals, lastExpression, parameters } from '../runner/parameters'
import { Breakpoints } from './breakpoints'
import { cellExports, evaluate } from './evaluate'
import type { Inspector } from '../runner/inspector'
import type { DapEvent, DapRequest, DapResponse, DapVariable, Evaluated, RemoteObject } from './messages'
import { hashSeed, Sources, type CellScript } from './sources'
import { Stops, type Frame } from './stops'
import { Variables } from './variables'

type Arguments = Record<string, unknown>
type Command = (given: Arguments) => object | Promise<object>

/** The only thread that frontends see. */
const threadId = 1
/**
 * Names that are not shown: the parameters of every cell's function, and what the kernel adds to the cells'
 * names.
 */
const hiddenNames = new Set<string>([...parameters, 'arguments'])
const globals = new Set([...kernelGlobals, lastExpression, '__esModule'])

/**
 * Jupyter's debugger: receives the Debug Adapter Protocol and sends V8's inspector protocol to the thread that
 * runs the cells.
 */
export class Debugger {
  private readonly sources = new Sources()
  private readonly variables: Variables
  private readonly stops: Stops
  private readonly breakpoints: Breakpoints
  private started = false
  private attached = false
  private sequence = 0
  private readonly commands: Record<string, Command> = {
    debugInfo: () => this.info(),
    initialize: () => this.initialize(),
    attach: () => this.attach(),
    configurationDone: () => ({}),
    disconnect: () => this.disconnect(),
    dumpCell: ({ code }) => ({ sourcePath: this.sources.dump(String(code)) }),
    setBreakpoints: (given) => this.setBreakpoints(given),
    setExceptionBreakpoints: ({ filters }) => this.pauseOnExceptions(filters),
    source: ({ source }) => this.source((source as { path?: string } | undefined)?.path ?? ''),
    modules: () => this.modules(),
    threads: () => ({ threads: [{ id: threadId, name: 'cells' }] }),
    stackTrace: (given) => this.stackTrace(given),
    scopes: ({ frameId }) => this.scopes(this.stops.frame(frameId)),
    variables: async ({ variablesReference }) => ({
      variables: await this.variables.list(Number(variablesReference)),
    }),
    inspectVariables: () => this.inspectVariables(),
    richInspectVariables: (given) => this.richInspectVariables(given),
    evaluate: (given) => this.evaluate(given),
    continue: async () => (await this.stops.resume(), { allThreadsContinued: true }),
    next: async () => (await this.stops.go('stepOver'), {}),
    stepIn: async () => (await this.stops.go('stepInto'), {}),
    stepOut: async () => (await this.stops.go('stepOut'), {}),
    pause: async () => (await this.stops.pause(), {}),
  }

  constructor(
    private readonly inspector: Inspector,
    private readonly send: (event: DapEvent) => void,
  ) {
    this.breakpoints = new Breakpoints(inspector, this.sources)
    this.variables = new Variables(inspector)
    this.stops = new Stops({
      inspector,
      sources: this.sources,
      stopped: (reason, text) =>
        this.event('stopped', { reason, threadId, allThreadsStopped: true, ...(text && { text }) }),
      continued: () => {
        this.variables.clear()
        this.event('continued', { threadId, allThreadsContinued: true })
      },
    })
    inspector.on<{ scriptId: string; url: string }>('Debugger.scriptParsed', ({ scriptId, url }) =>
      this.sources.parsed(scriptId, url),
    )
  }

  /** Answers the content of a `debug_request`. */
  async handle(request: DapRequest): Promise<DapResponse> {
    const { seq, command, arguments: given = {} } = request
    const head = { type: 'response', seq: ++this.sequence, request_seq: seq, command } as const
    try {
      const act = Object.hasOwn(this.commands, command) ? this.commands[command] : undefined
      if (!act)
        throw new Error(`${command}: not supported; supported: ${Object.keys(this.commands).join(', ')}`)
      return { ...head, success: true, body: await act(given) }
    } catch (error) {
      return { ...head, success: false, message: (error as Error).message, body: {} }
    }
  }

  /** Called before a cell runs: sets its breakpoints. */
  async beforeRun(script: CellScript): Promise<void> {
    this.sources.executed(script)
    if (!this.attached) return
    await this.stops.begins()
    await this.breakpoints.place(script)
  }

  async afterRun(): Promise<void> {
    if (this.attached) await this.stops.ended()
  }

  /** Resumes a stopped cell, so that its interrupt can end it. */
  async interrupt(): Promise<void> {
    if (this.attached) await this.stops.release()
  }

  /** The thread was restarted, and its inspector has no state of this debugger. */
  async restarted(): Promise<void> {
    this.breakpoints.unplaced()
    this.variables.clear()
    this.stops.restarted()
    if (!this.attached) return
    await this.inspector.post('Debugger.enable')
    await this.stops.passInternals(true)
  }

  private async disconnect(): Promise<object> {
    if (this.attached) await this.inspector.post('Debugger.disable')
    this.attached = this.started = false
    this.breakpoints.clear()
    this.variables.clear()
    return {}
  }

  private info(): object {
    return {
      isStarted: this.started,
      hashMethod: 'Murmur2',
      hashSeed,
      tmpFilePrefix: this.sources.prefix,
      tmpFileSuffix: this.sources.suffix,
      breakpoints: this.breakpoints.all(),
      stoppedThreads: this.stops.frames ? [threadId] : [],
      richRendering: true,
      exceptionPaths: [],
      copyToGlobals: false,
    }
  }

  private initialize(): object {
    this.started = true
    return {
      supportsConfigurationDoneRequest: true,
      supportsModulesRequest: true,
      supportsEvaluateForHovers: true,
      exceptionBreakpointFilters: [{ filter: 'all', label: 'Thrown exceptions', default: false }],
    }
  }

  private async attach(): Promise<object> {
    if (!this.started) throw new Error('attach: comes after initialize')
    await this.inspector.post('Debugger.enable')
    await this.stops.passInternals(true)
    this.attached = true
    await this.breakpoints.placeAll()
    this.event('initialized', {})
    return {}
  }

  private async setBreakpoints({ source, breakpoints = [] }: Arguments): Promise<object> {
    const path = (source as { path?: string } | undefined)?.path
    if (path === undefined) throw new Error('setBreakpoints: source.path is missing')
    const lines = (breakpoints as { line: number }[]).map(({ line }) => line)
    const set = await this.breakpoints.set(path, lines, this.attached)
    return { breakpoints: set.map((breakpoint) => ({ ...breakpoint, source: { path } })) }
  }

  private async pauseOnExceptions(filters: unknown): Promise<object> {
    const state = (filters as string[]).includes('all') ? 'all' : 'none'
    await this.inspector.post('Debugger.setPauseOnExceptions', { state })
    return {}
  }

  private async source(path: string): Promise<object> {
    const text = this.sources.text(path)
    if (text !== undefined) return { content: text, mimeType: 'text/typescript' }
    const scriptId = this.sources.scriptId(path) ?? this.sources.scriptId(pathToFileURL(path).href)
    if (scriptId === undefined) throw new Error(`source: ${path} is no cell and no loaded file`)
    const { scriptSource } = await this.inspector.post<{ scriptSource: string }>('Debugger.getScriptSource', {
      scriptId,
    })
    return { content: scriptSource, mimeType: 'text/javascript' }
  }

  private modules(): object {
    const files = this.sources.files()
    const modules = files.map((path, id) => ({ id, name: path.split(/[\\/]/).at(-1), path }))
    return { modules, totalModules: modules.length }
  }

  private stackTrace({ startFrame = 0, levels = 0 }: Arguments): object {
    const frames = this.stops.frames ?? []
    const from = Number(startFrame)
    const to = Number(levels) > 0 ? from + Number(levels) : undefined
    const stackFrames = frames.slice(from, to).map(({ id, name, line, path }) => {
      return { id, name, line, column: 1, source: { name: path.split(/[\\/]/).at(-1), path } }
    })
    return { stackFrames, totalFrames: frames.length }
  }

  private async scopes({ call, cell }: Frame): Promise<object> {
    const ids = (types: string[]): string[] =>
      call.scopeChain.filter(({ type }) => types.includes(type)).map(({ object }) => object.objectId!)
    const extra: DapVariable[] = []
    if (call.returnValue) extra.push(this.variables.variable('(return value)', call.returnValue))
    if (call.this.type === 'object' && call.this.className !== 'global' && call.this.className !== 'Object')
      extra.push(this.variables.variable('this', call.this))
    const hidden = cell === undefined ? new Set<string>() : hiddenNames
    const locals = ids(['local', 'block', 'catch', 'with', 'eval'])
    const closures = ids(['closure'])
    const scope = (name: string, variablesReference: number, hint?: string): object => ({
      name,
      variablesReference,
      expensive: false,
      ...(hint && { presentationHint: hint }),
    })
    return {
      scopes: [
        scope('Locals', this.variables.hold({ objectIds: locals, hidden, extra }), 'locals'),
        ...(closures.length > 0
          ? [scope('Closure', this.variables.hold({ objectIds: closures, hidden }))]
          : []),
        scope('Notebook', await this.notebook()),
      ],
    }
  }

  /** The variables that the cells have declared. */
  private async notebook(): Promise<number> {
    const { result } = await this.inspector.post<Evaluated>('Runtime.evaluate', {
      expression: `({ ...${cellExports} })`,
    })
    return this.variables.hold({ objectIds: [result.objectId!], hidden: globals })
  }

  private async inspectVariables(): Promise<object> {
    if (!this.stops.frames) this.variables.clear()
    return { variables: await this.variables.list(await this.notebook()) }
  }

  /** The value as it would be displayed as a cell's result. */
  private async richInspectVariables({ variableName, frameId }: Arguments): Promise<object> {
    const name = String(variableName)
    if (!/^[\w$\u0080-\uffff]+$/.test(name)) return { data: {}, metadata: {} }
    const expression = `globalThis.__tslab__.render(${name})`
    const data = await evaluate(this.inspector, expression, this.callFrame(frameId), { returnByValue: true })
    return { data: data.value as object, metadata: {} }
  }

  private async evaluate({ expression, frameId }: Arguments): Promise<object> {
    const found: RemoteObject = await evaluate(this.inspector, String(expression), this.callFrame(frameId))
    const { value: result, type, variablesReference } = this.variables.variable('', found)
    return { result, type, variablesReference }
  }

  private callFrame(frameId: unknown): string | undefined {
    if (!this.stops.frames) return undefined
    return typeof frameId === 'number'
      ? this.stops.frame(frameId).call.callFrameId
      : this.stops.frames[0]?.call.callFrameId
  }

  private event(event: string, body: object): void {
    this.send({ type: 'event', seq: ++this.sequence, event, body })
  }
}
