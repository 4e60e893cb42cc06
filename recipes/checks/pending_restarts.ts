/** Finds what still runs as it was before an upgrade: services with old libraries, and the kernel. */
import type { HostReader } from '../../core/host/types.ts'
import { asConvergeError } from '../../core/model/errors.ts'
import type { PendingRestarts } from '../../core/model/pending_restarts.ts'
import { seconds } from '../../core/model/units.ts'
import type { SiteNode } from '../node.ts'

const needrestart = '/usr/sbin/needrestart'
/** Written by the kernel's packages and others, removed by the reboot. */
const rebootFile = '/run/reboot-required'

/**
 * Returns null if nothing is due, nothing is known, or a prefix limits converge to a part of the host. Only root can see the
 * libraries of other accounts' processes.
 */
export async function pendingRestarts(
  { facts, converge }: SiteNode,
  host: HostReader,
): Promise<PendingRestarts | null> {
  if (converge.prefix !== '/') return null
  const found = facts.uid === 0 && host.stat(needrestart) !== null ? await queryNeedrestart(host) : nothingDue
  const reboot = host.stat(rebootFile) === null ? found.reboot : packagesText(host.readText(`${rebootFile}.pkgs`))
  if (found.services.length === 0 && reboot === null && found.problem === null) return null
  return { ...found, reboot }
}

const nothingDue: PendingRestarts = { services: [], reboot: null, problem: null }

function packagesText(text: string | null): string {
  const names = [...new Set((text ?? '').split('\n').filter((name) => name !== ''))].sort()
  return names.length === 0 ? 'since an upgrade' : `since the upgrade of ${names.join(', ')}`
}

async function queryNeedrestart(host: HostReader): Promise<PendingRestarts> {
  try {
    // -b prints lines for programs, -r l restarts nothing.
    const { stdout } = await host.query([needrestart, '-b', '-r', 'l'], { timeout: seconds(60) })
    return parseNeedrestart(stdout)
  } catch (error) {
    return { ...nothingDue, problem: `needrestart failed: ${asConvergeError(error).message}` }
  }
}

function parseNeedrestart(output: string): PendingRestarts {
  const values = (key: string) =>
    [...output.matchAll(/^NEEDRESTART-(\w+): *(.*)$/gm)].flatMap(([, name, value = '']) =>
      name === key ? [value] : [],
    )
  const [state, current = '', expected = ''] = ['KSTA', 'KCUR', 'KEXP'].map((key) => values(key)[0])
  // 2: another build of the same version, 3: another version.
  const isOldKernel = state === '2' || state === '3'
  return {
    services: [...new Set(values('SVC').map((name) => name.replace(/\.service$/, '')))].sort(),
    reboot: isOldKernel ? `because the kernel ${current} runs, and ${expected} is installed` : null,
    problem: null,
  }
}
