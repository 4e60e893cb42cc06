/** Lists the checks of `doctor` for any role: disk, clock, ports, servers, hooks. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { showHooks } from '../hooks/show.ts'
import { configureTimer, configureUnit } from '../hooks/units.ts'
import type { SiteNode } from '../node.ts'
import { runDiskCheck } from './disk.ts'
import { ok, warning } from './findings.ts'
import { portChecks } from './ports.ts'
import { serverChecks } from './servers.ts'

export async function hostChecks(
  node: SiteNode,
  host: HostReader,
  roles: readonly string[],
): Promise<readonly HostCheck[]> {
  return [
    runDiskCheck(node, host),
    clockCheck(host),
    ...portChecks(node, host, roles),
    ...serverChecks(node, host, roles),
    hookCheck(node, host),
  ]
}

/** Checks the clock: a wrong one breaks TLS and the order of releases. */
function clockCheck(host: HostReader): HostCheck {
  return {
    what: 'clock',
    async run() {
      const now = new Date(host.now() * 1000)
      const shown = now.toISOString().replace(/\.\d+Z$/, 'Z')
      const remedy = 'synchronize the clock (timedatectl set-ntp true), or set it (date --set)'
      if (now.getUTCFullYear() < firstYear) return { status: 'missing', detail: `says ${shown}`, remedy }
      if (host.which('timedatectl') === null || host.stat('/run/systemd/system') === null) return ok(shown)
      const { status, stdout } = await host.query(['timedatectl', 'show', '--property=NTPSynchronized', '--value'], {
        accept: 'any',
      })
      return status === 0 && stdout.trim() === 'no' ? warning(`${shown}, and not synchronized`, remedy) : ok(shown)
    },
  }
}

/** The earliest year that a correct clock can show: this program is not older. */
const firstYear = 2025

/** Checks the hooks. They are optional: a host without hooks has no finding. */
function hookCheck(node: SiteNode, host: HostReader): HostCheck {
  return {
    what: 'lifecycle hooks',
    async run() {
      const system = node.facts.init === 'systemd' && node.facts.uid === 0
      const all = await showHooks(host, { options: { stamp: '' }, usesUnits: system })
      const installed = all.filter((one) => one.installed)
      if (installed.length === 0) return null
      const absent = all.filter((one) => !one.installed).map(({ name }) => name)
      const remedy = 'run converge hooks install again, with the same options'
      if (absent.length > 0) return warning(`${absent.join(', ')}: not installed, though the others are`, remedy)
      const timer = installed.find(({ name }) => name === configureTimer)
      if (timer !== undefined && !timer.detail.startsWith('active'))
        return warning(`${timer.name}: ${timer.detail}`, remedy)
      if (timer !== undefined && /: (?!success)\S+$/.test(timer.detail))
        return warning(
          `${timer.name}: ${timer.detail}`,
          `find the cause with converge status, correct it, then run: systemctl start ${configureUnit}`,
        )
      return ok('installed')
    },
  }
}
