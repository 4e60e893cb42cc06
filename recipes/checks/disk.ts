/** Checks free space and inodes of the file systems that a run writes to. */
import type { Finding, HostCheck } from '../../core/compile/inspection.ts'
import { readMounts } from '../../core/host/network_mounts.ts'
import type { HostReader } from '../../core/host/types.ts'
import { seconds } from '../../core/model/units.ts'
import { shellWord, shellWords } from '../../core/text/shell.ts'
import { type SiteNode, underPrefix } from '../node.ts'
import { missing, nearestExisting, ok, warning } from './findings.ts'

/** Limits in MiB: below `fails` a build cannot succeed, below `warns` the next deploys may fail. */
const leastFreeMiB = { fails: 100, warns: 1024 }
const leastInodes = 10_000

interface FileSystem {
  readonly target: string
  /** MiB. */
  readonly free: number
  readonly freeInodes: number
  /** 0 if the file system creates inodes on demand. */
  readonly inodes: number
}

/** Checks the file systems of releases, state and temporary files. */
export function runDiskCheck(node: SiteNode, host: HostReader): HostCheck {
  return diskCheck(
    host,
    ['/srv/www', '/var', '/tmp'].map((path) => underPrefix(node, path)),
  )
}

/** Checks all file systems, and reports the worst. */
export function diskCheck(host: HostReader, paths: readonly string[]): HostCheck {
  return {
    what: 'disk space',
    async run() {
      const existing = [...new Set(paths.map((path) => nearestExisting(host, path)))]
      const columns = '--output=avail,iavail,itotal,target'
      const { stdout } = await host.query(['df', '-k', columns, '--', ...existing], {
        environment: { LC_ALL: 'C' },
        // df queries every mount if it does not find the one of the path: a silent server would hang it.
        timeout: seconds(20),
      })
      const found = fileSystems(stdout)
      if (found.length === 0) throw new Error(`df printed ${JSON.stringify(stdout)}`)
      const findings = found.map((one) => readOnlyFinding(host, one) ?? inodeFinding(one) ?? spaceFinding(one))
      const bad = findings.find(({ status }) => status === 'missing') ?? findings.find(({ status }) => status !== 'ok')
      return bad ?? ok(findings.map(({ detail }) => detail).join(', '))
    },
  }
}

function fileSystems(output: string): FileSystem[] {
  const found = [...output.matchAll(/^\s*(\d+)\s+(\d+|-)\s+(\d+|-)\s+(\/.*)$/gm)].map(
    ([, avail, iavail, itotal, target = '']): FileSystem => ({
      target,
      free: Math.floor(Number(avail) / 1024),
      freeInodes: Number(iavail),
      inodes: Number(itotal) || 0,
    }),
  )
  return [...new Map(found.map((one) => [one.target, one])).values()]
}

function readOnlyFinding(host: HostReader, { target }: FileSystem): Finding | null {
  // The last mount at a path covers earlier ones.
  const mount = readMounts(host).findLast(({ mountPoint: at }) => at === target)
  if (!mount?.options.includes('ro')) return null
  return missing(
    `${target} is a read-only file system`,
    `check dmesg for errors of the disk, then run: ${shellWords(['mount', '-o', 'remount,rw', target])}`,
  )
}

function inodeFinding({ target, freeInodes, inodes }: FileSystem): Finding | null {
  if (inodes === 0 || freeInodes >= leastInodes) return null
  const remedy = `remove files; du --inodes -x ${shellWord(target)} | sort -n | tail lists the directories with the most`
  return missing(`${target} has ${freeInodes} free inodes`, remedy)
}

function spaceFinding({ target, free }: FileSystem): Finding {
  const detail = `${target} has ${free >= 1024 ? `${(free / 1024).toFixed(1)} GiB` : `${free} MiB`} free`
  const remedy = `free some space; du -xm ${shellWord(target)} | sort -n | tail lists the largest directories`
  if (free < leastFreeMiB.fails) return missing(detail, remedy)
  return free < leastFreeMiB.warns ? warning(detail, remedy) : ok(detail)
}
