/** Defines the role base, which every host of a stack has: packages, upgrades, accounts of people, settings of the system. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import { lifecycleEvents, type Recipe, role } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import { aptText } from '../../core/text/apt_conf.ts'
import { file } from '../../resources/files/file.ts'
import { package_ } from '../../resources/packages/package.ts'
import { programCheck } from '../checks/programs.ts'
import { rightsCheck } from '../checks/rights.ts'
import type { SiteNode } from '../node.ts'
import { AttributeWriter } from '../site/attribute_writer.ts'
import { hostsFile } from '../site/hosts_file.ts'
import { systemSetting } from '../site/system_setting.ts'
import { systemTimezone } from '../site/timezone.ts'
import { temporaryFileSystem } from '../site/tmpfs.ts'
import { kernelSettings, loginLimits } from './kernel_settings.ts'
import { sshUsers } from './ssh_users.ts'

const periodic = '/etc/apt/apt.conf.d/20auto-upgrades'
/** The path of our settings; apt reads it after the package's own 50unattended-upgrades. */
const updatesConfig = '/etc/apt/apt.conf.d/52unattended-upgrades-converge'

function setup(r: Recipe<SiteNode>, node: SiteNode): void {
  systemTimezone(r, node)
  temporaryFileSystem(r, node)
  sshUsers(r, node)
  kernelSettings(r, node)
  loginLimits(r, node)
  const { packages, automatic_updates } = node.converge
  const names = [
    packages.length > 0 ? `packages (${packages.map(({ name }) => name).join(', ')})` : '',
    automatic_updates === null ? '' : 'automatic updates',
  ].filter((one) => one !== '')
  if (names.length === 0) return
  systemSetting(r, node, {
    attribute: ['converge', packages.length > 0 ? 'packages' : 'automatic_updates'],
    leftOut: `${names.join(' and ')} are left out: they need root and the whole system`,
    subject: 'them',
    declare: () => packagesAndUpdates(r, node),
  })
}

function packagesAndUpdates(r: Recipe<SiteNode>, node: SiteNode): void {
  const { packages, automatic_updates } = node.converge
  const newest = packages.filter(({ version }) => version === null).map(({ name }) => name)
  const fixed = packages.flatMap(({ name, version }) => (version === null ? [] : [[name, version] as const]))
  if (newest.length > 0) package_(r, { names: newest })
  if (fixed.length > 0) package_(r, { names: Object.fromEntries(fixed) })
  if (automatic_updates !== null) automaticUpdates(r, node, automatic_updates)
}

function configure(r: Recipe<SiteNode>, node: SiteNode): void {
  hostsFile(r, node)
  sshUsers(r, node)
}

/** Configures upgrades like `dpkg-reconfigure unattended-upgrades`: the package reads these files once a day. */
function automaticUpdates(r: Recipe<SiteNode>, node: SiteNode, enabled: boolean): void {
  const { mail, package_blacklist } = node.apt.unattended_upgrades
  const values = new AttributeWriter()
  const written = (key: string, text: string) => values.writtenLine(`apt.unattended_upgrades.${key}`, text, aptText)
  const mailLines = mail === null ? [] : [`Unattended-Upgrade::Mail ${written('mail', mail)};`]
  const blacklistLines = package_blacklist.map((name) => `  ${written('package_blacklist', name)};`)
  values.check()
  if (enabled) package_(r, { names: ['unattended-upgrades'] })
  if (enabled)
    file(r, {
      path: updatesConfig,
      content: `${fileHeader}${lines([...mailLines, 'Unattended-Upgrade::Package-Blacklist {', ...blacklistLines, '};'])}`,
      mode: '0644',
    })
  const daily = enabled ? '1' : '0'
  const settings = ['Update-Package-Lists', 'Unattended-Upgrade'].map((name) => `APT::Periodic::${name} "${daily}";`)
  file(r, { path: periodic, content: `${fileHeader}${lines(settings)}`, mode: '0644' })
}

const fileHeader = '// Written by converge, changes are overwritten.\n'

function lines(items: readonly string[]): string {
  return `${items.join('\n')}\n`
}

function checks(node: SiteNode, host: HostReader): HostCheck[] {
  const { packages, automatic_updates, prefix } = node.converge
  if (packages.length === 0 && automatic_updates === null) return []
  return [rightsCheck(node, host, prefix), programCheck(host, 'apt-get', 'apt')]
}

/** The recipe of events without work: a host whose layers have no other role still takes part in all rollouts. */
const noWork = () => undefined
const eventsWithWork: readonly string[] = ['setup', 'build', 'configure']

export default role<SiteNode>('base', {
  doc: 'Packages, automatic updates, accounts of people and system settings of a host',
  events: Object.fromEntries(
    lifecycleEvents.filter((event) => !eventsWithWork.includes(event)).map((event) => [event, noWork]),
  ),
  setup,
  configure,
  checks,
})
