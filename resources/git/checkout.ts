/** Checks a commit of a mirror out into a directory of its own, with its submodules. */
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { digestOf } from '../../core/model/json.ts'
import type { Context } from '../../core/model/resource.ts'
import { queryGit, runGit } from './checkout_git.ts'
import type { CheckoutOptions } from './checkout_options.ts'
import { isRealDirectory, sharedPath } from './contained_paths.ts'
import { filterFailure, prepareFilters, requireNoPointers } from './filters.ts'
import { ensureCommit, ensureMirror, hasCommit, type Mirror } from './mirror.ts'
import { localGit, submoduleRemote } from './remote.ts'

/**
 * Writes the files, and a small `.git` that shares its objects with the mirror, so that `git log` and setuptools_scm
 * work there.
 * @returns the `.git` directories made
 */
export async function checkOut(host: Host, options: CheckoutOptions, context: Context): Promise<string[]> {
  const { directory, mirror } = options
  const git = `${directory}/.git`
  await runGit(host, mirror.remote, ['init', '--quiet', '--template=', directory], `cannot make ${git}`)
  const objects = sharedPath(host, `${git}/objects`, `${mirror.path}/objects`)
  const write = (path: string, text: string) =>
    host.writeFile(`${git}/${path}`, text, { mode: '0644', ...mirror.owner })
  for (const path of ['info', 'objects/info'])
    if (host.lstat(`${git}/${path}`) === null) host.makeDirectory(`${git}/${path}`, mirror.owner)
  write('objects/info/alternates', `${objects}\n`)
  write('info/exclude', options.exclude.map((line) => `${line}\n`).join(''))
  write('packed-refs', await describeTags(host, mirror))
  await checkOutFiles(host, options, context)
  return options.submodules ? [git, ...(await checkOutSubmodules(host, options, context))] : [git]
}

async function checkOutFiles(host: Host, options: CheckoutOptions, context: Context): Promise<void> {
  const { directory, mirror, commit } = options
  const filters = await prepareFilters(host, options, context)
  const settings = ['checkout.workers=4', ...filters.settings].flatMap((setting) => ['-c', setting])
  const args = ['-C', directory, ...settings, 'checkout', '--quiet', '--force', '--detach', commit]
  try {
    await runGit(host, mirror.remote, args, `cannot check out ${commit} of ${mirror.remote.url}`)
  } catch (error) {
    throw filterFailure(error, options, filters)
  }
  requireNoPointers(host, options, filters)
}

/** Marks purged files of the repository as skip-worktree, so that git does not report them as deleted. */
export async function forgetFiles(
  host: Host,
  mirror: Mirror,
  directory: string,
  paths: readonly string[],
): Promise<void> {
  const files = (await queryGit(host, mirror.remote, directory, ['ls-files', '-z', '--', ...paths])).stdout
  if (files === '') return
  const args = ['-C', directory, 'update-index', '-z', '--skip-worktree', '--stdin']
  await runGit(host, mirror.remote, args, `cannot leave out ${paths.join(', ')}`, files)
}

async function describeTags(host: HostReader, mirror: Mirror): Promise<string> {
  const format = '--format=%(objectname) %(refname)'
  const { argv, options } = localGit(mirror.remote, [`--git-dir=${mirror.path}`, 'for-each-ref', format, 'refs/tags'])
  return (await host.query(argv, options)).stdout
}

interface Submodule {
  readonly name: string
  readonly path: string
  readonly url: string
  readonly commit: string
}

async function checkOutSubmodules(host: Host, options: CheckoutOptions, context: Context): Promise<string[]> {
  if (host.lstat(`${options.directory}/.gitmodules`)?.kind !== 'file') return []
  const checkedOut: string[] = []
  for (const { name, path, url, commit } of await readSubmodules(host, options, context)) {
    const remote = submoduleRemote(options.mirror.remote, url, context.secret)
    const slug = name.replace(/[^\w.-]+/g, '-').slice(-40)
    const modules = `${options.mirror.path}/modules`
    const mirror = { ...options.mirror, path: `${modules}/${slug}-${digestOf(remote.url).slice(0, 8)}.git`, remote }
    const directory = `${options.directory}/${path}`
    if (!isRealDirectory(host, options.directory, path) || host.list(directory).length > 0)
      throw directoryNotEmptyError(directory, name)
    if (host.lstat(modules) === null) host.makeDirectory(modules, mirror.owner)
    await ensureMirror(host, mirror, context)
    if (options.fetch) await ensureSubmodule(host, mirror, commit, name, context)
    else if (!(await hasCommit(host, mirror, commit))) throw missingSubmoduleError(name, remote.url, commit)
    checkedOut.push(...(await checkOut(host, { ...options, directory, mirror, commit, exclude: [] }, context)))
  }
  return checkedOut
}

async function ensureSubmodule(
  host: Host,
  mirror: Mirror,
  commit: string,
  name: string,
  context: Context,
): Promise<void> {
  try {
    await ensureCommit(host, mirror, commit, context)
  } catch (error) {
    if (!(error instanceof ConvergeError) || error.code !== 'UNKNOWN_REVISION') throw error
    throw new ConvergeError(`the submodule ${name} requires ${commit}, which ${mirror.remote.url} does not have`, {
      code: 'UNKNOWN_REVISION',
      hint: 'push that commit of the submodule, or commit another one in the main repository',
      cause: error,
    })
  }
}

function missingSubmoduleError(name: string, url: string, commit: string): ConvergeError {
  return new ConvergeError(`the commit ${commit} of the submodule ${name} (${url}) is not on this host`, {
    code: 'NOT_HERE',
    hint: 'run a deploy: it may ask the remote',
  })
}

function directoryNotEmptyError(directory: string, name: string): ConvergeError {
  return new ConvergeError(`the submodule ${name} cannot be checked out: ${directory} is not an empty directory`, {
    code: 'IN_THE_WAY',
    hint: 'remove what the repository has at the path of the submodule, or correct .gitmodules',
  })
}

/** Reads the submodules from `.gitmodules` and the tree of the commit. */
async function readSubmodules(
  host: Host,
  { directory, mirror, commit }: CheckoutOptions,
  context: Context,
): Promise<Submodule[]> {
  const settings = await queryGit(host, mirror.remote, directory, ['config', '--file', '.gitmodules', '-z', '--list'])
  const modules = new Map<string, Record<string, string>>()
  for (const entry of settings.stdout.split('\0')) {
    const match = /^submodule\.(.+)\.([a-z]+)\n(.*)$/is.exec(entry)
    const [, name = '', key = '', value = ''] = match ?? []
    if (match) modules.set(name, { ...modules.get(name), [key.toLowerCase()]: value })
  }
  const byPath = new Map([...modules].map(([name, module]) => [module.path?.replace(/\/+$/, ''), { ...module, name }]))
  const entries = (await queryGit(host, mirror.remote, directory, ['ls-tree', '-r', '-z', '--full-tree', commit]))
    .stdout
  const submodules: Submodule[] = []
  for (const entry of entries.split('\0')) {
    const [, sha, path] = /^160000 commit ([0-9a-f]+)\t(.*)$/s.exec(entry) ?? []
    if (sha === undefined || path === undefined) continue
    const module: Record<string, string> | undefined = byPath.get(path)
    if (module?.update === 'none') continue
    if (module?.url) submodules.push({ name: module.name ?? path, path, url: module.url, commit: sha })
    else context.warn(`${path} is a submodule without a url, and stays empty (add its url to .gitmodules)`)
  }
  return submodules
}
