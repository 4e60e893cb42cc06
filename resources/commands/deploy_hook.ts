/** Runs a hook of the app's repository in one phase of a deploy, from a file in `deploy/`. */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { digestOf } from '../../core/model/json.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { reachOfAccount } from '../reach.ts'
import { clientScript } from '../zope/temporary_cache.ts'
import {
  appCommandProps,
  commandOptions,
  currentProp,
  deployVariables,
  isCurrentRelease,
  refuseRoot,
  withHint,
} from './app_command.ts'
import { hookScript } from './hook_script.ts'

export const deployHooks = ['before_migrate', 'before_symlink', 'before_restart', 'after_restart'] as const

const props = z.strictObject({
  hook: z.enum(deployHooks).describe('Which one'),
  commit: z.string().optional().describe('What CONVERGE_COMMIT says; default: nothing'),
  current: currentProp,
  zope: z
    .boolean()
    .default(false)
    .describe('A Zope release: CONVERGE_CLIENT is a script like bin/client1 that runs beside the clients'),
  ...appCommandProps,
})
type Props = z.output<typeof props>

const state = z.strictObject({
  /** Name of its file in `deploy/`; null if there is none, or the phase is over. */
  file: z.string().nullable(),
  /** Digest of the inputs of its last success. */
  ranFor: z.string().nullable(),
})
type State = z.output<typeof state>

/** The longest script that runs as a hook, in bytes. */
const longestHook = 4 * 1024 * 1024

const scripts = ['.ts', '.mts', '.js', '.mjs', '.cjs']

function recordName({ app, hook }: Props): string {
  return `deploy_hook ${app} ${hook}`
}

/** Returns the file of a hook: an executable that has its name, or a script. */
function findHookFile(host: HostReader, { directory, hook }: Props): string | null {
  const candidates = host.list(`${directory}/deploy`).filter((name) => name === hook || name.startsWith(`${hook}.`))
  const found = candidates.filter((name) => isExecutable(host, `${directory}/deploy/${name}`) || isScript(name))
  if (found.length < 2) return found[0] ?? candidates[0] ?? null
  throw new ConvergeError(`${directory}/deploy has several files for ${hook}: ${found.join(', ')}`, {
    code: 'AMBIGUOUS_HOOK',
    hint: 'remove all but one of them from the repository',
  })
}

function isScript(name: string): boolean {
  return scripts.some((ending) => name.endsWith(ending))
}

function isExecutable(host: HostReader, path: string): boolean {
  const stat = host.stat(path)
  return stat?.kind === 'file' && (Number.parseInt(stat.mode, 8) & 0o111) !== 0
}

async function runHook(host: Host, props: Props, file: string, context: Context): Promise<void> {
  const { app, hook, directory, commit = '' } = props
  const path = `${directory}/deploy/${file}`
  if (!isExecutable(host, path) && !isScript(file)) return context.warn(reasonNotToRun(host, props, file))
  refuseRoot(host, props, `deploy/${file}`)
  requireTarget(host, path)
  const client = props.zope ? clientScript(host, directory, { owner: props.user, group: props.group }) : null
  const environment = { ...deployVariables(props, hook), ...(client === null ? {} : { CONVERGE_CLIENT: client }) }
  const options = commandOptions(props, { environment, onLine: context.progress })
  if (isExecutable(host, path)) return void (await host.run([path], options))
  // Read with the account that runs the hook: a link to a file that only root may read stays unreadable.
  const account = props.user === undefined ? host.self : host.account(props.user)
  const text = host.readText(path, { limit: longestHook, origin: { path, by: account?.uid ?? null } })
  if (text === null)
    throw new ConvergeError(`${path} was removed while the deploy was running`, {
      code: 'NO_FILE',
      hint: `restore ${path}, then run the deploy again`,
    })
  const input = await hookScript(text, path, { app, hook, release: directory, commit })
  const flags = ['--enable-source-maps', '--disable-warning=ExperimentalWarning', '--input-type=commonjs']
  await host.run([process.execPath, ...flags, '-'], { ...options, input })
}

function isDanglingLink(host: HostReader, path: string): boolean {
  return host.lstat(path)?.kind === 'link' && host.stat(path) === null
}

function requireTarget(host: HostReader, path: string): void {
  if (!isDanglingLink(host, path)) return
  throw new ConvergeError(`${path} is a link to ${host.readLink(path)}, which does not exist`, {
    code: 'NO_FILE',
    hint: 'commit what the link points to, or remove the link from the repository',
  })
}

function reasonNotToRun(host: HostReader, { directory, hook }: Props, file: string): string {
  const path = `${directory}/deploy/${file}`
  if (file.endsWith('.rb'))
    return `${path} is a hook for Chef, and is not run: write deploy/${hook} as an executable, or deploy/${hook}.ts`
  return isDanglingLink(host, path)
    ? `${path} is not run: it is a link to ${host.readLink(path)}, which does not exist`
    : `${path} is not run, since it is not executable: chmod +x deploy/${file}`
}

export const deploy_hook = defineResource(
  {
    type: 'deploy_hook',
    doc: 'Runs a hook of the app from `deploy/` of its release, if there is one. It runs once for each release, and again when a resource in `when` has changed.',
    mirrors: "Chef's deploy resource: before_migrate, before_symlink, before_restart, after_restart",
    examples: [
      { app: 'site', hook: 'before_restart', directory: '/srv/www/site/releases/000042-1a2b3c4d', user: 'deploy' },
    ],
    reach: reachOfAccount,
    key: ({ app, hook }) => `${app} ${hook}`,
    props,
    state,
    when: 'cause',
  },
  {
    read: (host, props): State => ({
      file: isCurrentRelease(host, props.current, props.directory) ? null : findHookFile(host, props),
      ranFor: host.recorded(recordName(props)),
    }),
    desired: ({ directory }, { file, ranFor }, { cause }): State => ({
      file,
      ranFor: file === null ? ranFor : digestOf([directory, cause]),
    }),
    async apply(host, props, { desired }, context) {
      if (desired.file === null) return
      const { file } = desired
      const hint = `correct deploy/${file} in the repository, and deploy again`
      await withHint(hint, () => runHook(host, props, file, context))
      host.record(recordName(props), desired.ranFor ?? '')
    },
    words: (_, { desired }) => `run deploy/${desired.file}`,
    predict(host, props, { desired }) {
      refuseRoot(host, props, `deploy/${desired.file}`)
      if (desired.file !== null && isScript(desired.file))
        requireTarget(host, `${props.directory}/deploy/${desired.file}`)
      host.record(recordName(props), desired.ranFor ?? '')
    },
  },
)
