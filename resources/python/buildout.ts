/** Runs a site's buildout in its release, and repeats it in later runs until it has succeeded for the same inputs. */
import * as z from 'zod'
import { resolvedPath } from '../../core/host/resolved_path.ts'
import type { Host, HostReader } from '../../core/host/types.ts'
import { asConvergeError, ConvergeError } from '../../core/model/errors.ts'
import { describeFileKind, readDisposable, writeDisposable } from '../../core/model/file_errors.ts'
import { canonicalJson, digestOf } from '../../core/model/json.ts'
import { under } from '../../core/model/reference.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { absolutePath, duration, minutes } from '../../core/model/units.ts'
import { shellWord, shellWords } from '../../core/text/shell.ts'
import { readAccountCrontab, writeAccountCrontab } from '../cron/crontab.ts'
import { findEntries } from '../cron/usercrontab.ts'
import { fileOwner } from '../files/ownership.ts'
import { metadataDirectory } from '../releases/releases.ts'
import { type BuildArea, beginBuild, discardFailed, endBuild, recoverBuild } from './build_area.ts'
import { linkEggs } from './linked_eggs.ts'
import { shellSplit } from './shell_words.ts'

const words = z
  .union([z.array(z.string()), z.string()])
  .default([])
  .refine((text) => typeof text !== 'string' || shellSplit(text) !== null, {
    error: 'words with every quote closed',
  })

const props = z.strictObject({
  directory: absolutePath.describe('Directory of the buildout: the release'),
  config: z
    .string()
    .regex(/^[^\0-\x1f/-][^\0-\x1f]*$/, { error: 'the name of a file in the directory' })
    .default('deploy.cfg')
    .describe('Its configuration, in the directory; default deploy.cfg. Cookbook: buildout_config'),
  buildout: absolutePath.describe('The program: `bin/buildout` of a virtualenv with zc.buildout'),
  shared: absolutePath
    .optional()
    .describe('Directory whose eggs, downloads and extends this build shares with others; default: the directory'),
  eggsOf: z
    .array(absolutePath)
    .default([])
    .describe(
      'Directories like `shared` of other apps: eggs that the same account has built there are linked and not built again; default none',
    ),
  like: absolutePath.optional().describe('An earlier release; a plan assumes that this build schedules the same jobs'),
  app: z.string().min(1).optional().describe('Name of the app, for hints; no part of the build'),
  user: z.string().min(1).optional().describe('Account it runs as; default: the account of the run'),
  group: z.string().min(1).optional().describe('Group it runs as; default: that of the account'),
  allowRoot: z
    .boolean()
    .default(false)
    .describe('Let it run as root, and with it the setup.py of every package; default false. Cookbook: allow_root'),
  flags: words.describe('Further arguments, as a list or one line of words. Cookbook: buildout_flags'),
  bootstrapParams: words.describe(
    'If set, `buildout bootstrap` runs first with these arguments. Cookbook: buildout_bootstrap_params',
  ),
  environment: z
    .record(z.string().regex(/^[A-Za-z_]\w*$/, { error: 'the name of a variable' }), z.string())
    .default({})
    .describe('Variables added to the bare environment (PATH, HOME, USER, LANG)'),
  eggsByPython: z
    .boolean()
    .default(true)
    .describe(
      'Keep eggs apart by Python (abi-tag-eggs), so that none is met by a Python it was not built for; default true',
    ),
  inputs: z
    .record(z.string(), z.string())
    .default({})
    .describe(
      'Other values that the result depends on, such as the identity of the release and versions: a difference causes another build',
    ),
  timeout: duration.default(() => minutes(30)).describe('Time limit of the build; default 30 min'),
})
type Props = z.output<typeof props>

const state = z.strictObject({
  /** Digest of the inputs of the last success; null if there is none. */
  built: z.string().nullable(),
})
type State = z.output<typeof state>

/** The longest wait for another build that uses the same eggs. */
const patience = minutes(60)

function toWords(text: string | readonly string[]): readonly string[] {
  return typeof text === 'string' ? (shellSplit(text) ?? []) : text
}

function markPath({ directory }: Pick<Props, 'directory'>): string {
  return `${directory}/${metadataDirectory}/built.json`
}

function inputDigest({ config, buildout, flags, bootstrapParams, environment, eggsByPython, inputs }: Props): string {
  const [flagWords, bootstrapWords] = [toWords(flags), toWords(bootstrapParams)]
  return digestOf({ config, buildout, flagWords, bootstrapWords, environment, eggsByPython, inputs })
}

function readMark(host: HostReader, props: Props): string | null {
  return /^\{"built":"([0-9a-f]{64})"\}\n$/.exec(readDisposable(host, markPath(props)) ?? '')?.[1] ?? null
}

function writeMark(host: Host, props: Props, built: string): void {
  const account = fileOwner(host, props)
  const directory = `${props.directory}/${metadataDirectory}`
  const kind = host.lstat(directory)?.kind
  // The build may have created it as a link to a directory that only root may write to.
  if (kind !== undefined && kind !== 'directory')
    throw new ConvergeError(`${directory} is ${describeFileKind(kind)}, not a directory`, {
      code: 'IN_THE_WAY',
      hint: `remove it, and the package that creates it during the build (${shellWords(['grep', '-rlF', metadataDirectory, `${props.shared ?? props.directory}/eggs`])})`,
    })
  if (kind === undefined) host.makeDirectory(directory, account)
  writeDisposable(host, markPath(props), `${canonicalJson({ built })}\n`, { ...account, mode: '0644' })
}

/** Rejects root: a build runs the setup.py of every package that it fetches. */
function refuseRoot(host: HostReader, { user, allowRoot }: Props): void {
  const account = user === undefined ? host.self : host.account(user)
  if (account?.uid !== 0 || allowRoot) return
  throw new ConvergeError(
    `the buildout would run as ${account.name}, and with it the code of every package it fetches`,
    {
      code: 'BUILDOUT_AS_ROOT',
      hint: 'set user to the account of the site, such as deploy; allowRoot allows root, and gives this host to any hostile setup.py',
    },
  )
}

/**
 * Recognizes that setuptools begins to read PyPI's list of all packages, which takes minutes, after PyPI has answered that
 * it has no package of the requested name, and no find-links have it either. PyPI finds each spelling of a name, so the
 * list cannot have it.
 */
export function createIndexWatch(): (line: string) => boolean {
  let isUnknown = false
  let isNowhere = false
  return (line) => {
    const text = line.replace(/^root: /, '')
    if (/^(HTTP error:|Download error on |Can't download )/.test(text)) isUnknown = text === 'HTTP error: Not Found'
    // setuptools prints "retrieve" instead of "find" where find-links have the package.
    const [, verb] = /^Couldn't (find|retrieve) index page/.exec(text) ?? []
    if (verb !== undefined) isNowhere = isUnknown && verb === 'find'
    return isNowhere && text === 'Reading https://pypi.org/simple/'
  }
}

/** Explains the line at which buildout stays for minutes, for an egg that only find-links have. */
function describeProgress(line: string): string {
  return /^(root: )?Reading https:\/\/pypi\.org\/simple\/$/.test(line)
    ? `${line} (the list of all packages, for minutes: PyPI lacks an egg that find-links have)`
    : line
}

async function build(host: Host, props: Props, area: BuildArea, context: Context): Promise<void> {
  if (host.stat(props.directory)?.kind !== 'directory')
    throw new ConvergeError(`the build directory ${props.directory} does not exist`, {
      code: 'ENOENT',
      hint: 'declare git_release() first, and set directory to its path',
    })
  if (host.which(props.buildout) === null)
    throw new ConvergeError(`there is no program ${props.buildout}`, {
      code: 'NO_PROGRAM',
      hint: "declare virtualenv() with the package 'zc.buildout' first, and set buildout to its bin/buildout",
    })
  if (await recoverBuild(host, area)) context.progress('an earlier build was killed: what it had added was removed')
  await beginBuild(host, area)
  const linked = await linkEggs(host, area, props.eggsOf)
  if (linked > 0) context.progress(`${linked} eggs of another app are linked`)
  const run = (...args: readonly string[]) =>
    host.run([props.buildout, '-c', props.config, ...args], {
      cwd: props.directory,
      user: props.user,
      group: props.group,
      environment: props.environment,
      timeout: props.timeout,
      onLine: (line) => context.progress(describeProgress(line)),
      endsAt: createIndexWatch(),
    })
  const bootstrap = toWords(props.bootstrapParams)
  try {
    if (bootstrap.length > 0) await run(...pythonTag(props), ...bootstrap, 'bootstrap')
    await run(...pythonTag(props), ...toWords(props.flags))
  } catch (error) {
    throw await buildError(host, props, area, error, context)
  }
  await endBuild(host, area)
  hideConfiguration(host, props)
  await removeSchedule(host, props)
}

/** Hides from other accounts what buildout copied from deploy.cfg: passwords, and the environment of the programs. */
function hideConfiguration(host: Host, { directory }: Props): void {
  const parts = host.list(`${directory}/parts`).map((part) => `${directory}/parts/${part}/etc`)
  const configs = parts.flatMap((path) =>
    host.lstat(path)?.kind === 'directory' ? host.list(path).map((name) => `${path}/${name}`) : [],
  )
  for (const path of [`${directory}/.installed.cfg`, ...configs]) {
    const stat = host.lstat(path)
    if (stat?.kind !== 'file') continue
    const hidden = stat.mode.replace(/.$/, '0')
    if (hidden !== stat.mode) host.setMode(path, hidden)
  }
}

function predictSchedule(host: Host, { directory, like }: Props): void {
  const installed = like === undefined ? null : readDisposable(host, `${like}/.installed.cfg`)
  if (like === undefined || installed === null) return
  host.writeFile(`${directory}/.installed.cfg`, installed.replaceAll(resolvedPath(host, like), directory))
}

/**
 * Removes the jobs that the build added to the crontab. The release is not current yet: release_crontab schedules its
 * jobs later.
 */
async function removeSchedule(host: Host, { directory, user }: Props): Promise<void> {
  const text = await readAccountCrontab(host, user)
  if (text === null) return
  const paths = { releases: directory, current: directory, release: directory }
  const { ownLines, rest } = findEntries(host, text, paths)
  if (ownLines.length > 0) await writeAccountCrontab(host, user, rest.map((line) => `${line}\n`).join(''))
}

function pythonTag({ eggsByPython }: Props): readonly string[] {
  return eggsByPython ? ['buildout:abi-tag-eggs=true'] : []
}

async function buildError(
  host: Host,
  props: Props,
  area: BuildArea,
  error: unknown,
  context: Context,
): Promise<unknown> {
  if (!(error instanceof ConvergeError)) return error
  const { code, message } = error
  const timedOut = code === 'COMMAND_TIMEOUT'
  try {
    await discardFailed(host, area, timedOut || / was ended by /.test(message))
  } catch (problem) {
    // The build's own error matters more; the record of the build still exists, so the next run tries again.
    context.warn(`${asConvergeError(problem).message} (correct that; the next build tries again)`)
  }
  if (timedOut)
    return new ConvergeError(`the buildout did not end within ${props.timeout}, and was killed`, {
      code: 'BUILDOUT_TIMEOUT',
      output: error.output,
      hint: 'set a longer timeout, or find the cause of the wait in the output; the next run keeps the complete eggs',
      cause: error,
    })
  if (code !== 'COMMAND_FAILED') return error
  return new ConvergeError(
    `the buildout in ${props.directory} failed: ${message.replace(/^.* (?=exited |was ended )/s, 'it ')}`,
    {
      code: 'BUILDOUT_FAILED',
      output: error.output,
      hint:
        error.hint?.replaceAll('<app>', props.app ?? '<app>') ??
        `correct what the output reports, and test it with: ${manualCommand(props)}`,
      cause: error,
    },
  )
}

/**
 * Returns a command that an operator can run. It uses the account of the build: files of root in the release or among
 * the eggs would make the next build fail.
 */
function manualCommand(props: Props): string {
  const { directory, buildout, config, user, group, flags } = props
  const account = user === undefined ? [] : ['runuser', '-u', user, ...(group === undefined ? [] : ['-g', group]), '--']
  const words = [...account, buildout, '-c', config, ...pythonTag(props), ...toWords(flags)]
  return `cd ${shellWord(directory)} && ${shellWords(words)}`
}

export const buildout = defineResource(
  {
    type: 'buildout',
    doc: 'Runs buildout in a release until it has succeeded for what went in; one at a time where eggs are shared, and refused as root.',
    mirrors: "buildout(1); the cookbook's buildout of a deployment",
    examples: [
      {
        directory: '/srv/www/site/releases/000042-1a2b3c4d',
        buildout: '/srv/www/site/shared/env/bin/buildout',
        shared: '/srv/www/site/shared',
        user: 'deploy',
        group: 'www-data',
        flags: '-N',
        environment: { PYTHON_EGG_CACHE: '/srv/www/site/shared/eggs' },
        inputs: { release: '1a2b3c4d' },
      },
    ],
    reach: 'paths',
    key: ({ directory }) => directory,
    props,
    state,
  },
  {
    read(host, props): State {
      refuseRoot(host, props)
      return { built: readMark(host, props) }
    },
    desired: (props): State => ({ built: inputDigest(props) }),
    async apply(host, props, _, context) {
      const { directory, shared = directory, user, group } = props
      const area = { directory, shared, user, group }
      await host.locked(`${shared}/.build`, patience, () => build(host, props, area, context))
      writeMark(host, props, inputDigest(props))
    },
    words: () => 'built',
    predict(host, props, _, { name }) {
      writeMark(host, props, inputDigest(props))
      host.unknown(`${props.directory}/bin`, name)
      host.unknown(`${props.directory}/parts`, name)
      predictSchedule(host, props)
    },
    paths: ({ directory }) => [under(directory, 'bin'), under(directory, 'parts')],
  },
)
