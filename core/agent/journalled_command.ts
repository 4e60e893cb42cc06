/** Runs one command, with its journal: its content before it starts, its output, and its exit status. */
import { type ChildProcess, spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  type FSWatcher,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  watch,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { AnswerContent } from '../bus/protocol.ts'
import type { CommandContent } from '../bus/sealing.ts'
import { replaceFile, syncDirectory } from '../host/replace_file.ts'

/** The shell that runs the command notes its status, so that a new agent finds it. */
const wrapper = `sh -c "$1"; status=$?; echo $status >"$2/.status" && mv "$2/.status" "$2/status"`

/** Bytes of output in one message. */
const partBytes = 128 * 1024

/** Milliseconds between two looks at output of which the system sends no notice. */
const pollMs = 1000

export type SendAnswer = (command: CommandContent, answer: AnswerContent) => void

interface End {
  readonly code: number | null
  readonly signal: string | null
}

export class JournalledCommand {
  private child: ChildProcess | null = null
  private end: End | null = null
  /** Bytes of input that have arrived. */
  private received = 0
  private readonly sent = { out: 0, err: 0 }
  private hasReported = false
  private watcher: FSWatcher | null = null
  private timer: NodeJS.Timeout | undefined
  private settle: () => void = () => undefined
  /** Resolves when the command has ended. */
  readonly ended: Promise<void>

  constructor(
    readonly content: CommandContent,
    private readonly directory: string,
    private readonly send: SendAnswer,
  ) {
    this.ended = new Promise((resolve) => {
      this.settle = resolve
    })
  }

  /** Loads a command from the journal of an earlier agent; null where the journal is incomplete. */
  static load(directory: string, send: SendAnswer): JournalledCommand | null {
    const file = join(directory, 'command.json')
    if (!existsSync(file)) return null
    const command = new JournalledCommand(JSON.parse(readFileSync(file, 'utf8')) as CommandContent, directory, send)
    command.watchEarlier()
    return command
  }

  get id(): string {
    return this.content.id
  }

  get hasEnded(): boolean {
    return this.end !== null
  }

  get state() {
    return { in: this.received, out: this.size('out'), err: this.size('err'), hasEnded: this.hasEnded }
  }

  /** Journals the command, then starts it. */
  start(): void {
    mkdirSync(this.directory, { mode: 0o700 })
    for (const name of ['out', 'err']) closeSync(openSync(join(this.directory, name), 'w', 0o600))
    replaceFile(join(this.directory, 'command.json'), JSON.stringify(this.content))
    syncDirectory(join(this.directory, '..'))
    this.send(this.content, { kind: 'acknowledged' })
    const [out, err] = [openSync(join(this.directory, 'out'), 'a'), openSync(join(this.directory, 'err'), 'a')]
    // These are for the agent's own memory.
    const { NODE_OPTIONS, MALLOC_ARENA_MAX, UV_THREADPOOL_SIZE, ...env } = process.env
    const child = spawn('/bin/sh', ['-c', wrapper, 'sh', this.content.command, this.directory], {
      cwd: homedir(),
      env,
      stdio: ['pipe', out, err],
      detached: true,
    })
    closeSync(out)
    closeSync(err)
    this.child = child
    // A command that ended early no longer reads.
    child.stdin?.on('error', () => undefined)
    child.once('error', () => this.finish({ code: 127, signal: null }))
    child.once('exit', (code, signal) => this.finish(this.recordedEnd() ?? { code: signal ? null : code, signal }))
    if (child.pid !== undefined) replaceFile(join(this.directory, 'pid'), `${child.pid}\n`)
    this.follow()
  }

  /** @returns false where earlier bytes are missing */
  input(at: number, data: Uint8Array, isLast: boolean): boolean {
    if (at > this.received) return false
    const stdin = this.child?.stdin
    const fresh = data.subarray(this.received - at)
    this.received += fresh.length
    if (fresh.length > 0) stdin?.write(fresh)
    if (isLast) stdin?.end()
    return true
  }

  /** Ends the input, as when a connection is lost. */
  endInput(): void {
    this.child?.stdin?.end()
  }

  /** Ends the processes of the command. Runs, which have a session of their own, continue. */
  close(): void {
    const pid = this.child?.pid ?? this.recordedPid()
    if (this.end !== null || pid === null) return
    try {
      process.kill(-pid, 'SIGTERM')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }

  /** Sends the output from these bytes on, and the end. */
  resume(out: number, err: number): void {
    this.sent.out = Math.min(out, this.size('out'))
    this.sent.err = Math.min(err, this.size('err'))
    this.hasReported = false
    this.sendOutput()
  }

  private size(name: 'out' | 'err'): number {
    return statSync(join(this.directory, name), { throwIfNoEntry: false })?.size ?? 0
  }

  private follow(): void {
    this.watcher = watch(this.directory, () => this.sendOutput())
    this.watcher.on('error', () => this.watcher?.close())
    this.timer = setInterval(() => this.onTimer(), pollMs)
  }

  /** A process of an earlier agent is no child of this one: only its status tells that it has ended. */
  private onTimer(): void {
    if (this.child === null) {
      const end = this.recordedEnd()
      if (end !== null) this.finish(end)
      else if (!this.isAlive()) this.finish(this.recordedEnd() ?? { code: null, signal: 'lost' })
    }
    this.sendOutput()
  }

  private watchEarlier(): void {
    // The input of an earlier agent is lost with its pipe.
    this.sent.out = this.size('out')
    this.sent.err = this.size('err')
    this.hasReported = true
    const end = this.recordedEnd() ?? (this.isAlive() ? null : ({ code: null, signal: 'lost' } as const))
    if (end === null) {
      this.hasReported = false
      this.follow()
    } else this.finish(end)
  }

  private recordedEnd(): End | null {
    const file = join(this.directory, 'status')
    return existsSync(file) ? { code: Number(readFileSync(file, 'utf8')), signal: null } : null
  }

  private recordedPid(): number | null {
    const file = join(this.directory, 'pid')
    return existsSync(file) && this.isAlive() ? Number(readFileSync(file, 'utf8')) : null
  }

  private isAlive(): boolean {
    try {
      const pid = Number(readFileSync(join(this.directory, 'pid'), 'utf8'))
      return pid > 1 && readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(this.directory)
    } catch {
      // No process was noted, or it is gone.
      return false
    }
  }

  private finish(end: End): void {
    if (this.end !== null) return
    this.end = end
    this.watcher?.close()
    clearInterval(this.timer)
    this.sendOutput()
    this.settle()
  }

  private sendOutput(): void {
    for (const kind of ['out', 'err'] as const) {
      const size = this.size(kind)
      if (this.sent[kind] >= size) continue
      const file = openSync(join(this.directory, kind), 'r')
      try {
        while (this.sent[kind] < size) {
          const part = Buffer.alloc(Math.min(partBytes, size - this.sent[kind]))
          const length = readSync(file, part, 0, part.length, this.sent[kind])
          if (length === 0) break
          const data = part.subarray(0, length).toString('base64')
          this.send(this.content, { kind, at: this.sent[kind], data })
          this.sent[kind] += length
        }
      } finally {
        closeSync(file)
      }
    }
    if (this.end === null || this.hasReported) return
    this.hasReported = true
    this.send(this.content, { kind: 'ended', ...this.sent, ...this.end })
  }
}
