/** Records which files a service had at its last reload, to decide whether it may have loaded others since. */
import { posix } from 'node:path'
import type { Host, HostReader } from '../../../core/host/types.ts'
import { hasSameProcesses, readProcesses, type ServiceProcesses } from '../managers/service_processes.ts'

type FileVersions = Readonly<Record<string, string | null>>

interface LoadedState {
  readonly files: FileVersions
  /** Null if the process was unknown. */
  readonly running: ServiceProcesses | null
}

interface Reloads {
  readonly command?: readonly string[] | undefined
  readonly pidFile?: string | undefined
}

/**
 * Returns the main process of a service. Null if a reload may keep all processes, such as that of Varnish.
 * @param pid from the manager of the service
 */
export function mainPid(host: HostReader, { command, pidFile }: Reloads, pid: number): number | null {
  if (command !== undefined) return null
  return pid || Number.parseInt((pidFile && host.readText(pidFile)) || '', 10) || 0
}

export class LoadRecord {
  private readonly key: string
  private files: FileVersions

  /**
   * Reads the current versions of the files.
   * @param name names the record of the reload
   * @param paths files and links that the service loads
   * @param unmanaged files that the service loads and that this resource does not manage
   */
  constructor(
    private readonly reader: HostReader,
    name: string,
    private readonly paths: readonly string[],
    private readonly unmanaged: readonly string[] = [],
  ) {
    this.key = `${name}: loaded`
    this.files = this.readVersions()
  }

  private readVersions(): FileVersions {
    const { reader, paths, unmanaged } = this
    return Object.fromEntries([
      ...paths.map((path) => [path, reader.version(path)]),
      ...unmanaged.map((path) => [path, versionWithLinks(reader, path)]),
    ])
  }

  /**
   * Decides whether the service may have loaded other content since the record: a file was changed and restored, and
   * the service was started or reloaded meanwhile. Without the first there was no other content, and without the second
   * the service did not load it.
   * @param pid its main process; null if a reload may keep its processes
   */
  mayHaveLoadedOthers(pid: number | null): boolean {
    const last = this.last()
    if (last === null) return false
    if (this.unmanaged.some((path) => this.isReplaced(last, path))) return true
    if (!this.hasReplacedFile(last)) return false
    return last.running === null || pid === null || !hasSameProcesses(this.reader, last.running, pid)
  }

  /** Records a reload, with the versions of the files before it. */
  record(host: Host, pid: number | null): void {
    this.write(host, { files: this.files, running: pid === null ? null : readProcesses(this.reader, pid) })
  }

  /**
   * Records the current files if no reload is due. If they are those of the record, the service has loaded nothing else,
   * and its current processes are recorded: those of the record may be of before a reload that took its time.
   * @param pid its main process; null if a reload may keep its processes
   */
  settle(host: Host, pid: number | null): void {
    const last = this.last()
    // Before the files: a service that loads other ones after that counts as reloaded.
    const running = pid === null ? null : readProcesses(this.reader, pid)
    this.files = this.readVersions()
    const isOther = Object.entries(this.files).some(([path, version]) => last?.files[path] !== version)
    if (last === null || isOther) return this.write(host, { files: this.files, running: last?.running ?? null })
    const isReloaded = last.running !== null && pid !== null && !hasSameProcesses(this.reader, last.running, pid)
    if (isReloaded && running !== null) this.write(host, { files: this.files, running })
  }

  private hasReplacedFile(last: LoadedState): boolean {
    return Object.keys(this.files).some((path) => this.isReplaced(last, path))
  }

  /**
   * Decides whether a file was replaced. A file that appears or disappears does not count: it causes a reload anyway.
   */
  private isReplaced({ files }: LoadedState, path: string): boolean {
    const [before, now] = [files[path] ?? null, this.files[path] ?? null]
    return before !== null && now !== null && before !== now
  }

  private last(): LoadedState | null {
    const text = this.reader.recorded(this.key)
    return text === null ? null : (JSON.parse(text) as LoadedState)
  }

  private write(host: Host, loaded: LoadedState): void {
    if (Object.keys(loaded.files).length > 0) host.record(this.key, JSON.stringify(loaded))
  }
}

/** Returns the version of a file and of the links that lead to it. */
function versionWithLinks(reader: HostReader, path: string): string | null {
  const versions: string[] = []
  for (let at: string | null = path; at !== null && versions.length < maxLinks; ) {
    const version: string | null = reader.version(at)
    if (version === null) return null
    versions.push(version)
    const target: string | null = reader.lstat(at)?.kind === 'link' ? reader.readLink(at) : null
    at = target === null ? null : posix.resolve(posix.dirname(at), target)
  }
  return versions.join(' ')
}

const maxLinks = 10
