/** Proves the remedies of `converge doctor` for a site: triggers each, then follows it. */
import { execFileSync } from 'node:child_process'
import { chmodSync, rmSync, symlinkSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { Need } from '../../core/compile/inspection.ts'
import { type JsonObject, merge } from '../../core/node/merge.ts'
import { needs } from '../support/machine.ts'
import { Sandbox } from '../support/program.ts'
import { hintPattern, type Proof } from '../support/proofs.ts'

interface DoctorProof extends Proof {
  /** The name of the check; `becomes` is its name after the hint was followed. */
  readonly what: string
  readonly becomes?: string
  /** Whether the check reports nothing if it succeeds. */
  readonly isSilent?: boolean
  /** Files of the repository, merged over a base configuration; `@` stands for the directory of the test. */
  readonly files?: Readonly<Record<string, string>>
  /** Attributes that are merged over those of a working site. */
  readonly broken?: JsonObject
  readonly given?: (sandbox: Sandbox) => void
  /** The attributes after the repair; default: the same. */
  readonly repaired?: JsonObject
  /** Files that the repair commits. */
  readonly committed?: Readonly<Record<string, string>>
  readonly repair?: (sandbox: Sandbox) => void
}

const words = ['doctor', '--role', 'zeo-client', '--json', 'site.json', '--prefix', 'site', '--json-output']

function proveDoctor(t: Test, proofs: readonly DoctorProof[]): void {
  t.jobs = 2
  for (const proof of proofs)
    t.test(`${proof.source}: ${proof.hint}`, { buffered: true }, async (t) => {
      const { hint, what, becomes = what, files = {}, broken = {}, repaired = broken, committed, repair } = proof
      if (!needs(t, ['git', 'python3 venv'])) return
      const sandbox = new Sandbox(t)
      const inSandbox = (text: string) => text.replaceAll('@', sandbox.directory)
      const sound = {
        plone_instances: { instance_count: 1, zeo: { address: '127.0.0.1:8001' } },
        deploy: { plone_instances: { scm: { scm_type: 'git', repository: sandbox.at('site.git') } } },
      }
      const find = async (what: string, more: JsonObject): Promise<Need | undefined> => {
        sandbox.write({ 'site.json': inSandbox(JSON.stringify(merge(sound, more))) })
        const { stdout } = await sandbox.converge(words)
        return (JSON.parse(stdout) as { needs: Need[] }).needs.find((need) => need.what === inSandbox(what))
      }
      commit(sandbox, { 'cfg/base.cfg': '[buildout]\nparts =\n', ...files })
      proof.given?.(sandbox)
      const before = await find(what, broken)
      t.match(before?.remedy, hintPattern(inSandbox(hint)), 'the remedy is named', { before })
      if (committed) commit(sandbox, committed)
      repair?.(sandbox)
      const after = await find(becomes, repaired)
      if (proof.isSilent) t.equal(after, undefined, 'the check reports nothing', { after })
      else t.match(after, { met: true, remedy: undefined }, 'the check finds nothing missing', { after })
    })
}

function commit(sandbox: Sandbox, files: Readonly<Record<string, string>>): void {
  const at = sandbox.at('site.git')
  sandbox.write(Object.fromEntries(Object.entries(files).map(([name, text]) => [`site.git/${name}`, text])))
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', '-C', at, ...args], { stdio: 'ignore' })
  git('init', '--quiet', '--initial-branch=main')
  git('add', '.')
  git('commit', '--quiet', '-m', 'files')
}

t.test('the hints about buildout files of the repository work', async (t) => {
  const source = 'recipes/plone/buildout_check.ts'
  const shared = '[buildout]\n[client]\nshared-blob = on\nblob-storage = var/blobs\n'
  const blobs =
    'set plone_blobs.blob_dir to one directory for the server and its clients, or plone_instances.shared_blobs to false'
  proveDoctor(t, [
    {
      source,
      hint: 'set plone_instances.base_config to the buildout file of the repository that deploy.cfg extends',
      what: 'plone_instances.base_config',
      files: { 'site.cfg': '[buildout]\n' },
      broken: { plone_instances: { base_config: 'none.cfg' } },
      repaired: { plone_instances: { base_config: 'site.cfg' } },
    },
    {
      source,
      hint: 'commit it, or remove it from extends',
      what: 'plone_instances.base_config',
      files: { 'cfg/base.cfg': '[buildout]\nextends = versions.cfg\n' },
      committed: { 'cfg/versions.cfg': '[versions]\n' },
    },
    {
      source,
      hint: 'commit it, or remove it from extends',
      what: 'plone_instances.base_config',
      files: { 'cfg/base.cfg': '[buildout]\nextends = versions.cfg\n' },
      committed: { 'cfg/base.cfg': '[buildout]\n' },
    },
    {
      source,
      hint: 'set deploy.plone_instances.buildout_version to "3.0.1"',
      what: 'zc.buildout of plone_instances',
      files: { 'cfg/base.cfg': '[buildout]\n[versions]\nzc.buildout = 3.0.1\n' },
      repaired: { deploy: { plone_instances: { buildout_version: '3.0.1' } } },
    },
    {
      source,
      hint: blobs,
      what: 'shared blobs',
      files: { 'cfg/base.cfg': shared },
      repaired: { plone_blobs: { blob_dir: '/srv/blobs' } },
      isSilent: true,
    },
    {
      source,
      hint: blobs,
      what: 'shared blobs',
      files: { 'cfg/base.cfg': shared },
      repaired: { plone_instances: { shared_blobs: false } },
      isSilent: true,
    },
  ])
})

t.test('the hints about Python work', async (t) => {
  const source = 'recipes/plone/python_check.ts'
  const install =
    'install it by other means as /usr/local/bin/python9.9, or set converge.python to a Python of this host'
  const named = { converge: { python: '@/bin/python' } }
  const own = (sandbox: Sandbox) => {
    sandbox.write({ 'bin/empty': '' })
    rmSync(sandbox.at('bin/python'), { force: true })
    symlinkSync('/usr/bin/python3', sandbox.at('bin/python'))
  }
  proveDoctor(t, [
    {
      source,
      hint: install,
      what: 'python9.9',
      broken: { converge: { python: 'python9.9' } },
      repaired: {},
      becomes: 'python3',
    },
    {
      source,
      hint: 'install @/bin/python, then run converge doctor again',
      what: 'python venv',
      broken: named,
      repair: own,
    },
    {
      source,
      hint: 'repair or reinstall it: @/bin/python --version must succeed',
      what: '@/bin/python',
      given: (sandbox) => {
        sandbox.write({ 'bin/python': '#!/bin/sh\nexit 1\n' })
        chmodSync(sandbox.at('bin/python'), 0o755)
      },
      broken: named,
      repair: own,
    },
  ])
})

t.test('the hints about the app work', async (t) => {
  const source = 'recipes/app/checks.ts'
  const create =
    'create it for deploy:www-data; where it is a directory, list it in deploy.plone_instances.create_dirs_before_symlink'
  const link = (name: string, directories: readonly string[] = []): JsonObject => ({
    deploy: {
      plone_instances: {
        symlink_before_migrate: { [name]: name },
        create_dirs_before_symlink: ['log', 'tmp', ...directories],
      },
    },
  })
  const what = 'linked file @/site/srv/www/plone_instances/shared'
  proveDoctor(t, [
    {
      source,
      hint: create,
      what: `${what}/site.conf`,
      broken: link('site.conf'),
      repair: (sandbox) => sandbox.write({ 'site/srv/www/plone_instances/shared/site.conf': '' }),
    },
    {
      source,
      hint: create,
      what: `${what}/media.new`,
      broken: link('media.new'),
      repaired: link('media.new', ['media.new']),
      isSilent: true,
    },
    {
      source,
      hint: 'set it in a file given with --json: {"deploy": {"plone_instances": {"scm": {"scm_type": "git", "repository": "..."}}}}',
      what: 'deploy.plone_instances.scm.repository',
      broken: { deploy: { plone_instances: { scm: { repository: '' } } } },
      repaired: {},
    },
  ])
})
