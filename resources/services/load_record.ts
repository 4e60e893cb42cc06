/** What a service had before it when a run last reloaded it: tells whether it may have loaded something else since. */
import type { Host, HostReader } from '../../core/host/types.ts'
import { type Running, runningOf, stillRuns } from './workers.ts'

type Versions = Readonly<Record<string, string | null>>

interface Loaded {
  readonly files: Versions
  /** Null where that could not be told. */
  readonly running: Running | null
}

export class LoadRecord {
  private readonly key: string
  private readonly files: Versions

  /**
   * @param name names the record of the reload
   * @param paths files and links that the service loads
   */
  constructor(
    private readonly reader: HostReader,
    name: string,
    paths: readonly string[],
  ) {
    this.key = `${name}: loaded`
    this.files = Object.fromEntries(paths.map((path) => [path, reader.version(path)]))
  }

  /**
   * Whether a file was changed and put back since then, and something was loaded since then. Without the first there was
   * nothing else to load, and without the second nobody has loaded it.
   * @param pid its main process; null where a reload may leave its processes as they are
   */
  mayDiffer(pid: number | null): boolean {
    const last = this.last()
    if (last === null || !this.moved(last)) return false
    return last.running === null || pid === null || !stillRuns(this.reader, last.running, pid)
  }

  /** Recorded once it was reloaded, with the files that were there before. */
  record(host: Host, pid: number | null): void {
    this.write(host, { files: this.files, running: pid === null ? null : runningOf(this.reader, pid) })
  }

  /** Nothing is due: from now on it is these files that count. */
  settle(host: Host): void {
    const last = this.last()
    const added = Object.keys(this.files).some((path) => last?.files[path] === undefined)
    if (last === null || added || this.moved(last))
      this.write(host, { files: this.files, running: last?.running ?? null })
  }

  private moved({ files }: Loaded): boolean {
    return Object.entries(this.files).some(([path, version]) => files[path] !== undefined && files[path] !== version)
  }

  private last(): Loaded | null {
    const text = this.reader.recorded(this.key)
    return text === null ? null : (JSON.parse(text) as Loaded)
  }

  private write(host: Host, loaded: Loaded): void {
    if (Object.keys(loaded.files).length > 0) host.record(this.key, JSON.stringify(loaded))
  }
}
