/** The logs of a host: where they are, and the lines that the host sends of them. */
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

/** The command that prints the logs, see `LogReader`. */
export function logWords(sources: readonly LogSource[], lines: number, follow: boolean): string[] {
  const places = sources.flatMap(({ kind, pattern }, index) => [String(index), kind, pattern])
  return ['sh', '-c', logScript, 'sh', String(lines), follow ? 'follow' : '', ...places]
}

/** A longer line is shown in parts. Characters. */
const longestLine = 64 * 1024

/** Divides the output of a host into lines of its logs. */
export class LogReader {
  private rest = ''

  /** @param skip called with a line that is not wanted, and shows where the log ends */
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
    // What follows belongs to the same log.
    this.rest = /^=?\d+ \S*\t/.exec(this.rest)?.[0] ?? ''
  }

  /** Drops the beginning of a line that was cut off by a lost connection. */
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

/** How a log is named before its lines: the program, and the file where the program has others. */
export function logLabel({ program, file }: Pick<LogLine, 'program' | 'file'>): string {
  return file === program || file === `${program}.log` || file === '' ? program : `${program}:${file}`
}
