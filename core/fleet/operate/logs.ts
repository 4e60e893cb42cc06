/** Builds the command that reads the logs of a host, and parses its output. */
import { logScript } from './log_script.ts'

export interface LogSource {
  readonly program: string
  /** Short name of the app that the program belongs to; null: none. */
  readonly app: string | null
  readonly kind: 'file' | 'journal'
  /** Path or name of a unit; `*` stands for any characters. */
  readonly pattern: string
}

export interface LogLine {
  readonly program: string
  /** Name of the file or unit, without its directory. */
  readonly file: string
  readonly line: string
}

/** Builds the command that prints the logs, see `LogReader`. */
export function logWords(sources: readonly LogSource[], lines: number, follow: boolean): string[] {
  const sourceWords = sources.flatMap(({ kind, pattern }, index) => [String(index), kind, pattern])
  return ['sh', '-c', logScript, 'sh', String(lines), follow ? 'follow' : '', ...sourceWords]
}

/** Characters; a longer line is displayed in parts. */
const longestLine = 64 * 1024

/** Divides the output of a host into lines of its logs. */
export class LogReader {
  private rest = ''

  /** @param skip called with a line that was not requested, and marks the end of the log */
  constructor(
    private readonly sources: readonly LogSource[],
    private readonly pass: (line: LogLine) => void,
    private readonly skip: (line: LogLine) => void = () => undefined,
  ) {}

  add(text: string): void {
    const lines = (this.rest + text).split('\n')
    this.rest = lines.pop() ?? ''
    for (const line of lines) this.line(line)
    if (this.rest.length <= longestLine) return
    this.line(this.rest)
    // The next part belongs to the same log.
    this.rest = /^=?\d+ \S*\t/.exec(this.rest)?.[0] ?? ''
  }

  /** Drops the beginning of a line that a lost connection left incomplete. */
  reset(): void {
    this.rest = ''
  }

  end(): void {
    if (this.rest !== '') this.line(this.rest)
    this.rest = ''
  }

  private line(text: string): void {
    const [, mark, number, file = '', line = ''] = /^(=?)(\d+) (\S*)\t(.*)$/s.exec(text) ?? []
    const source = number === undefined ? undefined : this.sources[Number(number)]
    if (source === undefined) return
    const found = { program: source.program, file, line }
    if (mark === '=') this.skip(found)
    else this.pass(found)
  }
}

/** Returns the label of a log before its lines: the program, and the file where the program has others. */
export function logLabel({ program, file }: Pick<LogLine, 'program' | 'file'>): string {
  return file === program || file === `${program}.log` || file === '' ? program : `${program}:${file}`
}
