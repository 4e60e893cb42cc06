/** Queries nginx's configuration, whose other sites decide what the site of an app can be. */
import { type DefaultedQuery, defineQuery } from '../../core/model/query.ts'

interface Directories {
  /** Directory of the sites that nginx serves. */
  readonly enabled: string
  readonly confDir: string
}

export interface NginxFile {
  readonly name: string
  readonly path: string
  /** Empty for what is not a file. */
  readonly text: string
}

export interface NginxFiles {
  readonly enabled: readonly NginxFile[]
  /** The files that nginx reads from its directory for all sites. */
  readonly common: readonly NginxFile[]
}

export function nginxFilesOf({ enabled, confDir }: Directories): DefaultedQuery<NginxFiles> {
  return defineQuery({
    name: `the sites in ${enabled}`,
    read(host) {
      const filesIn = (directory: string) =>
        host.list(directory).map((name) => {
          const path = `${directory}/${name}`
          return { name, path, text: host.stat(path)?.kind === 'file' ? (host.readText(path) ?? '') : '' }
        })
      return { enabled: filesIn(enabled), common: filesIn(confDir).filter(({ name }) => name.endsWith('.conf')) }
    },
    unread: { enabled: [], common: [] },
  })
}
