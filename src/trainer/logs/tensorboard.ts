import { appendFile, mkdir, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Writer } from 'protobufjs/minimal'
import { tfRecord } from './record'

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const DT_STRING = 7
const flushBytes = 64 * 1024
const flushDelay = 2_000
let filesOpened = 0

/**
 * Folder of a run's event files: the environment variable TENSORBOARD_LOGGING_DIR, else
 * `<output_dir>/runs/<Mon>DD_HH-MM-SS_<host>` in local time.
 */
export function defaultLoggingDir(outputDir: string, now: Date = new Date()): string {
  const fromEnvironment = process.env['TENSORBOARD_LOGGING_DIR']
  if (fromEnvironment) return fromEnvironment
  const two = (n: number): string => String(n).padStart(2, '0')
  const day = `${months[now.getMonth()]}${two(now.getDate())}`
  const time = `${two(now.getHours())}-${two(now.getMinutes())}-${two(now.getSeconds())}`
  return join(outputDir, 'runs', `${day}_${time}_${hostname()}`)
}

/** Trainer key to TensorBoard tag: `eval_loss` -> `eval/loss`, `test_loss` -> `test/loss`, others `train/<key>`. */
export function rewriteTag(key: string): string {
  if (key.startsWith('eval_')) return `eval/${key.slice(5)}`
  if (key.startsWith('test_')) return `test/${key.slice(5)}`
  return `train/${key}`
}

/**
 * Writes a TensorBoard event file. The `add_` methods only buffer; bytes are written to disk after 64 KiB,
 * after two seconds, or by `flush` and `close`. A write error is thrown by the next `flush` or `close`, so a
 * full disk does not stop a training step.
 */
export class SummaryWriter {
  private pending: Buffer[] = []
  private pendingBytes = 0
  private timer: NodeJS.Timeout | undefined
  private writing: Promise<void> = Promise.resolve()
  private failure: Error | undefined
  private closed = false

  private constructor(readonly file: string) {}

  /** Creates `logDir` if necessary, and a new event file in it. Throws when either cannot be written. */
  static async open(logDir: string): Promise<SummaryWriter> {
    await mkdir(logDir, { recursive: true })
    const seconds = String(Math.floor(Date.now() / 1000)).padStart(10, '0')
    const name = `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${filesOpened++}`
    const writer = new SummaryWriter(join(logDir, name))
    await writeFile(writer.file, tfRecord(event((e) => e.uint32(26).string('brain.Event:2'))), { flag: 'wx' })
    return writer
  }

  /** Adds one float32 value at `step`. NaN and infinities are kept: TensorBoard shows them as gaps. */
  add_scalar(tag: string, value: number, step: number): void {
    this.addValue(step, (v) => v.uint32(10).string(tag).uint32(21).float(value))
  }

  /**
   * Adds a Markdown text at `step`. It is stored as `<tag>/text_summary`, where TensorBoard's text page looks
   * for it.
   */
  add_text(tag: string, text: string, step: number = 0): void {
    this.addValue(step, (v) => {
      v.uint32(10).string(`${tag}/text_summary`)
      v.uint32(66).fork().uint32(8).int32(DT_STRING) // tensor { dtype
      v.uint32(18).fork().uint32(18).fork().uint32(8).int64(1).ldelim().ldelim() // tensor_shape { dim { size: 1 } }
      v.uint32(66).string(text).ldelim() // string_val }
      v.uint32(74).fork().uint32(10).fork().uint32(10).string('text').ldelim().ldelim() // metadata { plugin_data { name
    })
  }

  /** Adds the numbers of one log row under their tags (`rewriteTag`); `step` itself and texts are omitted. */
  add_row(row: Readonly<Record<string, unknown>>, step: number): void {
    for (const [key, value] of Object.entries(row)) {
      if (key !== 'step' && typeof value === 'number') this.add_scalar(rewriteTag(key), value, step)
    }
  }

  /** Writes the buffered bytes. Throws an earlier or present write error, with the file's name. */
  async flush(): Promise<void> {
    this.startWriting()
    await this.writing
    if (!this.failure) return
    const failure = this.failure
    this.failure = undefined
    throw failure
  }

  /** Flushes; later `add_` calls throw. */
  async close(): Promise<void> {
    this.closed = true
    await this.flush()
  }

  private addValue(step: number, fill: (value: Writer) => void): void {
    if (this.closed) throw new Error(`[SummaryWriter] ${this.file}: the writer is closed`)
    const record = tfRecord(
      event((e) => {
        e.uint32(16).int64(step)
        e.uint32(42).fork().uint32(10).fork() // summary { value {
        fill(e)
        e.ldelim().ldelim()
      }),
    )
    this.pending.push(record)
    this.pendingBytes += record.length
    if (this.pendingBytes >= flushBytes) this.startWriting()
    else this.timer ??= setTimeout(() => this.startWriting(), flushDelay).unref()
  }

  private startWriting(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    if (this.pending.length === 0) return
    const bytes = Buffer.concat(this.pending)
    this.pending = []
    this.pendingBytes = 0
    this.writing = this.writing
      .then(() => appendFile(this.file, bytes))
      .catch((cause: unknown) => {
        this.failure ??= new Error(`[SummaryWriter] cannot write ${this.file}: ${String(cause)}`, { cause })
      })
  }
}

/**
 * A serialized `Event` with the current time. The numbers in the callers are protobuf tags, `field << 3
 * wire type`.
 */
function event(fill: (event: Writer) => void): Uint8Array {
  const writer = Writer.create()
  writer.uint32(9).double(Date.now() / 1000)
  fill(writer)
  return writer.finish()
}
