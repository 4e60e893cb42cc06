/** Sets kernel settings and limits of logins as OpsWorks did on each new host. */
import type { Recipe } from '../../core/compile/role.ts'
import { kernelPath } from '../../core/text/sysctl.ts'
import { file } from '../../resources/files/file.ts'
import { sysctl } from '../../resources/system/sysctl.ts'
import type { SiteNode } from '../node.ts'
import { AttributeWriter } from '../site/attribute_writer.ts'
import { systemSetting } from '../site/system_setting.ts'

/** The settings of the platform, which it chose for servers of web sites. */
const platformSysctl: Readonly<Record<string, number>> = {
  'net.core.somaxconn': 1024,
  'net.core.netdev_max_backlog': 3072,
  'net.ipv4.tcp_max_syn_backlog': 2048,
  'net.ipv4.tcp_fin_timeout': 30,
  'net.ipv4.tcp_keepalive_time': 1024,
  'net.ipv4.tcp_max_orphans': 131_072,
  'net.ipv4.tcp_tw_reuse': 1,
}

const platformLimits = { nofile: 65_536 }

/** pam_limits(8) reads the files of this directory in the order of their names. */
const limitsFile = '/etc/security/limits.d/60-converge.conf'

type KernelSettings = NonNullable<SiteNode['opsworks_initial_setup']['sysctl']>
type Limits = NonNullable<SiteNode['opsworks_initial_setup']['limits']>

export function kernelSettings(r: Recipe<SiteNode>, node: SiteNode): void {
  const { sysctl: own } = node.opsworks_initial_setup
  if (own === null) return
  systemSetting(r, node, {
    attribute: ['opsworks_initial_setup', 'sysctl'],
    leftOut: 'the kernel settings are left out: they need root and the whole system',
    declare: () => declareSettings(r, own),
  })
}

function declareSettings(r: Recipe<SiteNode>, own: KernelSettings): void {
  const spellings = new Map<string, string>()
  const values = new AttributeWriter()
  for (const key of Object.keys(own)) {
    const first = spellings.get(kernelPath(key))
    if (first === undefined) spellings.set(kernelPath(key), key)
    else
      values.refuse(
        `opsworks_initial_setup.sysctl["${key}"]`,
        `is another spelling of ${first}`,
        'remove one of the two',
      )
  }
  values.check()
  const platform = Object.entries(platformSysctl).filter(([key]) => !spellings.has(kernelPath(key)))
  for (const [key, value] of [...platform, ...Object.entries(own)])
    sysctl(r, value === null ? { key, absent: true } : { key, value })
}

export function loginLimits(r: Recipe<SiteNode>, node: SiteNode): void {
  const { limits } = node.opsworks_initial_setup
  if (limits === null) return
  systemSetting(r, node, {
    attribute: ['opsworks_initial_setup', 'limits'],
    leftOut: 'the limits of logins are left out: they need root and the whole system',
    declare: () => declareLimits(r, limits),
  })
}

function declareLimits(r: Recipe<SiteNode>, own: Limits): void {
  const limits = Object.entries({ ...platformLimits, ...own })
  // The wildcard does not include root.
  const lines = limits.flatMap(([name, value]) =>
    value === null || value === undefined ? [] : [`root - ${name} ${value}`, `* - ${name} ${value}`],
  )
  if (lines.length === 0) return void file(r, { path: limitsFile, absent: true })
  file(r, {
    path: limitsFile,
    content: ['# Written by converge, changes are overwritten.', ...lines, ''].join('\n'),
    mode: '0644',
    owner: 'root',
    group: 'root',
  })
}
