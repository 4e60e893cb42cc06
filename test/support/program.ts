/** Runs the built program in a scratch directory, without files, attributes or caches of the tester's account. */
import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { scratch } from './machine.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
const { bin } = JSON.parse(fs.readFileSync(join(project, 'package.json'), 'utf8')) as { bin: { converge: string } }
const program = join(project, bin.converge)
if (!fs.existsSync(program)) execFileSync(process.execPath, [join(project, 'build.mjs')], { stdio: 'ignore' })

/** Commands that accept neither a state directory nor the options for files of the host. */
const bare = /^(resources|completion|help|--help|-h|--version|--complete)$/

/** tap makes every child process of a test load a tap module, which is not part of the program. */
const withoutTap = ['-u', 'NODE_OPTIONS']

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** The text on standard input; default: empty. */
  readonly input?: string
  /** Whether to run the words as they are, without a state directory or a directory for the host's files. */
  readonly bare?: boolean
  /** The account to run as; requires root. */
  readonly account?: string | undefined
  /** A command that runs the program, such as strace. */
  readonly through?: readonly string[]
}

export interface Finished {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A run that has started. */
export class Running {
  stdout = ''
  stderr = ''
  readonly finished: Promise<Finished>

  constructor(readonly child: ChildProcess) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.finished = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (status, signal) => resolve({ status, signal, stdout: this.stdout, stderr: this.stderr }))
    })
  }

  get pid(): number {
    return this.child.pid ?? 0
  }
}

export class Sandbox {
  /** The working directory of the program, above everything that a test creates. */
  readonly directory: string
  readonly state: string
  private readonly outside: string

  constructor(t: Test) {
    const root = scratch(t)
    this.directory = join(root, 'work')
    this.outside = join(root, 'outside')
    this.state = join(this.directory, 'state')
    for (const path of [this.directory, join(this.directory, 'etc'), this.outside]) fs.mkdirSync(path)
  }

  at(...parts: string[]): string {
    return join(this.directory, ...parts)
  }

  /**
   * Writes files, by path below the directory.
   * @returns the path of the first
   */
  write(files: Readonly<Record<string, string>>): string {
    for (const [path, content] of Object.entries(files)) {
      fs.mkdirSync(dirname(this.at(path)), { recursive: true })
      fs.writeFileSync(this.at(path), content)
    }
    return this.at(Object.keys(files)[0] ?? '')
  }

  read(...parts: string[]): string {
    return fs.readFileSync(this.at(...parts), 'utf8')
  }

  converge(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return this.start(args, options).finished
  }

  start(args: readonly string[], options: RunOptions = {}): Running {
    const words = [...(options.through ?? []), process.execPath, this.programFor(options.account), ...args]
    const child = spawn(
      'env',
      [...withoutTap, ...words, ...this.usualOptions(args, options)],
      this.spawnOptions(options),
    )
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(options.input ?? '')
    return new Running(child)
  }

  /** Runs a bash script in which `converge` is the program with the usual options after its own arguments. */
  shell(script: string, options: RunOptions = {}): Promise<Finished> {
    const usual = this.usualOptions([], options).map((word) => `'${word}'`)
    const whole = `converge() { '${process.execPath}' '${program}' "$@" ${usual.join(' ')}; }\n${script}`
    return new Running(spawn('env', [...withoutTap, 'bash', '-o', 'pipefail', '-c', whole], this.spawnOptions(options)))
      .finished
  }

  private spawnOptions({ env, cwd, account }: RunOptions): SpawnOptions {
    const home = join(this.outside, `home-${account ?? 'own'}`)
    if (!fs.existsSync(home)) fs.mkdirSync(home)
    const ids = account === undefined ? {} : { uid: idOf('-u', account), gid: idOf('-g', account) }
    if (account !== undefined) fs.chownSync(home, ids.uid ?? -1, ids.gid ?? -1)
    return {
      cwd: cwd ?? this.directory,
      env: { PATH: process.env.PATH, HOME: home, XDG_CACHE_HOME: join(home, 'cache'), LANG: 'C.UTF-8', ...env },
      ...ids,
    }
  }

  /**
   * Lists everything below the directory with the metadata that a write would change: inode, change time, size, mode.
   */
  snapshot(directory = this.directory): string[] {
    return fs.readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
      const path = join(directory, entry.name)
      const { ino, ctimeMs, size, mode } = fs.lstatSync(path)
      return [
        `${path} ${ino} ${ctimeMs} ${size} ${mode.toString(8)}`,
        ...(entry.isDirectory() ? this.snapshot(path) : []),
      ]
    })
  }

  /** The lines of the journals, oldest run first. */
  journals(): JournalLine[][] {
    const directory = join(this.state, 'runs')
    return fs
      .readdirSync(directory)
      .sort()
      .map((name) => linesOf(fs.readFileSync(join(directory, name), 'utf8')))
  }

  private usualOptions(args: readonly string[], { bare: asItIs }: RunOptions): string[] {
    if (asItIs || args.some((word) => bare.test(word))) return []
    return [
      ...(args.includes('--state-dir') ? [] : ['--state-dir', this.state]),
      ...(args.includes('--config-dir') ? [] : ['--config-dir', this.at('etc')]),
    ]
  }

  /**
   * Returns the program for an account: other accounts may not have access to the project's directory, so they use a
   * copy.
   */
  private programFor(account: string | undefined): string {
    if (account === undefined) return program
    const copy = join(this.outside, 'program')
    if (!fs.existsSync(copy)) fs.cpSync(dirname(program), copy, { recursive: true })
    return join(copy, bin.converge.split('/').at(-1) ?? '')
  }
}

export interface JournalLine {
  readonly event: string
  readonly [key: string]: unknown
}

export function linesOf(text: string): JournalLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JournalLine)
}

function idOf(option: '-u' | '-g', account: string): number {
  return Number(execFileSync('id', [option, account], { encoding: 'utf8' }))
}

/** The words that run a command on its own terminal, 100 columns wide; requires python3. */
export const onTerminal: readonly string[] = [
  'python3',
  '-c',
  `
import fcntl, os, pty as terminal, struct, sys, termios
pid, fd = terminal.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 40, 100, 0, 0))
while True:
    try:
        data = os.read(fd, 65536)
    except OSError:
        break
    if not data:
        break
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 255)
`,
]
