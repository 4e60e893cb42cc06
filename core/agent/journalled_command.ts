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
import type { AnswerContent, TakenOutput } from '../bus/protocol.ts'
import type { CommandContent } from '../bus/sealing.ts'
import { replaceFile, syncDirectory } from '../host/replace_file.ts'

/** The shell that runs the command notes its process and its status, so that a new agent finds them. */
const wrapper = [
  `echo $$ >"$2/.pid" && mv "$2/.pid" "$2/pid" || exit 125`,
  `sh -c "$1"; status=$?; echo $status >"$2/.status" && mv "$2/.status" "$2/status"`,
].join('\n')

/** Bytes of output in one message. */
const partBytes = 128 * 1024

/** How far the output of a command may be ahead of its reader. Bytes. */
export interface OutputLimits {
  /** Sent, and not taken by the reader. */
  readonly sent: number
  /** In the file, and not taken: the command is stopped until the reader has taken half of it. */
  readonly written: number
  /** Output that the reader has taken, after which its space on the disk is freed. */
  readonly kept: number
}

export const defaultOutputLimits: OutputLimits = { sent: 4 << 20, written: 64 << 20, kept: 64 << 20 }

/** Milliseconds without a mention by the control plane, after which the reader of a command counts as gone. */
const leaseMs = 60_000

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
  /** Bytes of input that the command has read. */
  private read = 0
  private readonly sent = { out: 0, err: 0 }
  /** Bytes of output that the reader has taken. */
  private readonly taken = { out: 0, err: 0 }
  private readonly freed = { out: 0, err: 0 }
  private isPaused = false
  private isAbandoned = false
  private mentioned = performance.now()
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
    private readonly limits: OutputLimits = defaultOutputLimits,
  ) {
    this.ended = new Promise((resolve) => {
      this.settle = resolve
    })
  }

  /** Loads a command from the journal of an earlier agent; null where the journal is incomplete. */
  static load(directory: string, send: SendAnswer, limits?: OutputLimits): JournalledCommand | null {
    const file = join(directory, 'command.json')
    if (!existsSync(file)) return null
    const content = JSON.parse(readFileSync(file, 'utf8')) as CommandContent
    const command = new JournalledCommand(content, directory, send, limits)
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
    return { in: this.read, out: this.size('out'), err: this.size('err'), hasEnded: this.hasEnded }
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
    this.follow()
  }

  /** @returns false where earlier bytes are missing */
  input(at: number, data: Uint8Array, isLast: boolean): boolean {
    if (at > this.received) return false
    const stdin = this.child?.stdin
    const fresh = data.subarray(this.received - at)
    this.received += fresh.length
    if (fresh.length > 0) this.write(fresh)
    if (isLast) stdin?.end(() => this.noteInputComplete())
    return true
  }

  private write(data: Uint8Array): void {
    const onRead = () => {
      this.read += data.length
      this.send(this.content, { kind: 'taken', in: this.read })
    }
    // A command that no longer reads takes no input, as over SSH.
    if (this.child?.stdin?.writable === true) this.child.stdin.write(data, onRead)
    else onRead()
  }

  /** The next agent would otherwise report a command whose input was cut off as one that has ended. */
  private noteInputComplete(): void {
    if (existsSync(this.directory)) replaceFile(this.inputComplete, '')
  }

  private get inputComplete(): string {
    return join(this.directory, 'input-complete')
  }

  /** Continues the output after the bytes that the reader has taken. */
  passOn({ out, err }: TakenOutput): void {
    this.mentioned = performance.now()
    this.taken.out = Math.max(this.taken.out, out)
    this.taken.err = Math.max(this.taken.err, err)
    this.free()
    this.sendOutput()
  }

  /** Frees the space of output that nobody asks for again. */
  private free(): void {
    for (const kind of ['out', 'err'] as const) {
      const taken = this.taken[kind]
      if (taken - this.freed[kind] < this.limits.kept) continue
      this.freed[kind] = taken
      const child = spawn(
        'fallocate',
        ['--punch-hole', '--offset', '0', '--length', `${taken}`, join(this.directory, kind)],
        {
          stdio: 'ignore',
        },
      )
      // A file system without holes keeps the output until the journal of the command is removed.
      child.once('error', () => undefined)
    }
  }

  /** Ends a command without a reader, as when a connection is lost. Runs, which have a session of their own, continue. */
  private abandon(): void {
    this.isAbandoned = true
    this.child?.stdin?.end()
    if (this.isPaused) this.close()
  }

  /** Ends the processes of the command. Runs, which have a session of their own, continue. */
  close(): void {
    const pid = this.child?.pid ?? this.recordedPid()
    if (this.end !== null || pid === null) return
    signalGroup(pid, 'SIGTERM')
    signalGroup(pid, 'SIGCONT')
  }

  /** Sends the output from these bytes on, and the end. */
  resume(out: number, err: number): void {
    this.sent.out = Math.min(out, this.size('out'))
    this.sent.err = Math.min(err, this.size('err'))
    this.hasReported = false
    this.passOn({ out, err })
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
    if (!this.isAbandoned && performance.now() - this.mentioned > leaseMs) this.abandon()
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
    if (!existsSync(file)) return null
    const isCut = this.child === null || this.isAbandoned
    if (isCut && !existsSync(this.inputComplete)) return { code: null, signal: 'lost' }
    return { code: Number(readFileSync(file, 'utf8')), signal: null }
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
      const written = this.size(kind)
      const size = Math.min(written, this.taken[kind] + this.limits.sent)
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
    this.pauseOrContinue()
    if (this.end === null || this.hasReported) return
    if (this.sent.out < this.size('out') || this.sent.err < this.size('err')) return
    this.hasReported = true
    this.send(this.content, { kind: 'ended', ...this.sent, ...this.end })
  }

  /** A command whose reader is slow would fill the disk. */
  private pauseOrContinue(): void {
    const ahead = this.size('out') - this.taken.out + this.size('err') - this.taken.err
    const isPaused = this.isPaused ? ahead > this.limits.written / 2 : ahead > this.limits.written
    const pid = this.child?.pid ?? this.recordedPid()
    if (isPaused === this.isPaused || this.end !== null || pid === null) return
    this.isPaused = isPaused
    signalGroup(pid, isPaused ? 'SIGSTOP' : 'SIGCONT')
  }
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    // It has ended.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
