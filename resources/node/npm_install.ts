/** Installs the packages of an app from its lock file with npm. */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { digestOf } from '../../core/model/json.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { absolutePath, duration, minutes, systemText } from '../../core/model/units.ts'
import { refuseRoot } from '../commands/app_command.ts'

const props = z.strictObject({
  path: absolutePath.describe('Directory with package.json and its lock file, such as a release'),
  user: z.string().min(1).optional().describe('Account that npm runs as; default: the account of the run'),
  group: z.string().min(1).optional().describe('Group that npm runs as; default: that of the account'),
  allowRoot: z.boolean().default(false).describe('Let npm run as root; default false'),
  production: z.boolean().default(true).describe('Leave out devDependencies; default true'),
  allowScripts: z
    .boolean()
    .default(false)
    .describe('Run the install scripts of packages, which packages with native code need; default false'),
  environment: z
    .record(z.string().regex(/^[A-Za-z_]\w*$/, { error: 'the name of a variable' }), systemText)
    .default({})
    .describe('Variables added to the bare environment (PATH, HOME, USER, LANG), such as npm_config_registry'),
  timeout: duration.default(() => minutes(30)).describe('Time limit of npm; default 30 minutes'),
})
type Props = z.output<typeof props>

const state = z.strictObject({
  /** Digest of the lock file, the options and the version of Node.js; empty without a lock file. */
  wanted: z.string(),
  /** The same of the last installation whose packages are unchanged; null if there is none. */
  installed: z.string().nullable(),
})
type State = z.output<typeof state>

const lockFiles = ['npm-shrinkwrap.json', 'package-lock.json']

function readFile(host: HostReader, path: string): string | null {
  return host.stat(path)?.kind === 'file' ? host.readText(path) : null
}

function readLock(host: HostReader, { path }: Props): string | null {
  for (const name of lockFiles) {
    const text = readFile(host, `${path}/${name}`)
    if (text !== null) return text
  }
  return null
}

/** Returns npm's own record of what it has installed; it writes none for an app without packages. */
function installedPackages(host: HostReader, { path }: Props): string {
  return readFile(host, `${path}/node_modules/.package-lock.json`) ?? ''
}

async function read(host: HostReader, props: Props, { name }: Context): Promise<State> {
  const lock = readLock(host, props)
  if (lock === null) return { wanted: '', installed: null }
  const { production, allowScripts } = props
  const { stdout } = await host.cached('node --version', () => host.query(['node', '--version']))
  const manifest = readFile(host, `${props.path}/package.json`)
  const target = digestOf([lock, manifest, production, allowScripts, stdout.trim()])
  const [installed = null, packages] = (host.recorded(name) ?? '').split(' ')
  return { wanted: target, installed: packages === digestOf(installedPackages(host, props)) ? installed : null }
}

async function install(host: Host, props: Props, target: string, { name, progress }: Context): Promise<void> {
  const { path, user, group, environment, timeout, production, allowScripts } = props
  refuseRoot(host, { ...props, directory: path }, 'npm')
  const options = ['--no-audit', '--no-fund', '--no-update-notifier']
  const command = [
    ...['npm', 'ci', ...options],
    ...(production ? ['--omit=dev'] : ['--include=dev']),
    allowScripts ? '--no-ignore-scripts' : '--ignore-scripts',
  ]
  await host.run(command, { cwd: path, user, group, environment, timeout, onLine: progress })
  host.record(name, `${target} ${digestOf(installedPackages(host, props))}`)
}

export const npm_install = defineResource(
  {
    type: 'npm_install',
    doc: 'Installs the packages of an app with npm ci: exactly those of its lock file. Installs again when that, package.json or Node.js changes, or somebody has changed the packages with npm. npm removes node_modules first, so declare it for a new release.',
    mirrors: "Ansible's npm, pyinfra's npm.packages; npm-ci(1)",
    examples: [
      { path: '/srv/www/shop/releases/000042-1a2b3c4d', user: 'deploy' },
      { path: '/srv/tool', user: 'tool', allowScripts: true, production: false },
    ],
    reach: 'paths',
    key: ({ path }) => path,
    props,
    state,
    readsAhead: true,
  },
  {
    read,
    desired({ path }, { wanted: target }): State {
      if (target === '')
        throw new ConvergeError(`${path} has no package-lock.json, so the versions of its packages are unknown`, {
          code: 'NO_LOCK_FILE',
          hint: 'make it with npm install --package-lock-only, and commit it',
        })
      return { wanted: target, installed: target }
    },
    apply: (host, props, { desired }, context) => install(host, props, desired.wanted, context),
    predict(host, props, { desired }, context) {
      refuseRoot(host, { ...props, directory: props.path }, 'npm')
      host.unknown(`${props.path}/node_modules`, context.name)
      host.record(context.name, desired.wanted)
    },
    paths: ({ path }) => [`${path}/node_modules`],
    words: () => 'npm ci',
  },
)
