/** Proves the hints about builds: triggers each with a program in place of buildout, then follows it. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { converge } from '../../core/converge/engine.ts'
import { LocalHost } from '../../core/host/local.ts'
import { seconds } from '../../core/model/units.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { buildout } from '../../resources/python/buildout.ts'
import { planOf } from '../support/contract.ts'
import { FakeHost } from '../support/fake_host.ts'
import { directoryOf, needs, scratch } from '../support/machine.ts'
import { hintPattern, type Proof } from '../support/proofs.ts'
import type { Declare } from '../support/resource_proofs.ts'

/**
 * Runs setup.sh of each egg, fails if its configuration contains the word broken, and waits while a file `wait` exists.
 */
const program = `#!/bin/sh
for setup in ../shared/eggs/*/setup.sh; do [ ! -e "$setup" ] || . "$setup"; done
if grep -n broken "$2"; then echo "Error: broken configuration" >&2; exit 1; fi
while [ -e wait ]; do sleep 0.1; done
mkdir -p bin && touch bin/client1
`

class Site {
  readonly directory: string
  readonly release: string
  readonly shared: string
  readonly program: string
  private readonly host: LocalHost

  constructor(t: Test) {
    this.directory = directoryOf(scratch(t), 'site', 'nobody')
    this.host = new LocalHost(`${this.directory}/../state`)
    for (const name of ['release', 'shared', 'shared/eggs', 'env']) directoryOf(this.directory, name, 'nobody')
    this.release = `${this.directory}/release`
    this.shared = `${this.directory}/shared`
    this.program = `${this.directory}/env/buildout`
    fs.writeFileSync(this.program, program, { mode: 0o755 })
    this.write('deploy.cfg', '[buildout]\n')
  }

  write(name: string, text: string): void {
    fs.writeFileSync(`${this.release}/${name}`, text)
  }

  declare(more: object = {}): Declare {
    const { release, shared } = this
    return (r) => buildout(r, { directory: release, shared, buildout: this.program, user: 'nobody', ...more })
  }

  async failure(declare: Declare) {
    const { resources } = await converge(planOf(declare), this.host, { id: 't', mode: 'run' })
    return resources.find(({ outcome }) => outcome === 'failed')?.failure
  }
}

interface BuildProof extends Proof {
  readonly given?: (site: Site) => unknown
  /** Properties that differ from those of the site. */
  readonly broken?: (site: Site) => object
  readonly repair?: (site: Site, t: Test, hint: string) => unknown
  readonly repaired?: (site: Site) => object | Declare
}

function prove(t: Test, proofs: readonly BuildProof[]): void {
  for (const { source, hint, given, broken = () => ({}), repair, repaired = broken } of proofs)
    t.test(`${source}: ${hint}`, async (t) => {
      const site = new Site(t)
      given?.(site)
      const before = await site.failure(site.declare(broken(site)))
      t.match(before?.hint, hintPattern(hint), 'the hint is given', { before })
      await repair?.(site, t, before?.hint ?? '')
      const after = repaired(site)
      t.equal(await site.failure(typeof after === 'function' ? (after as Declare) : site.declare(after)), undefined)
      t.ok(fs.existsSync(`${site.release}/bin/client1`), 'the build completed')
    })
}

/** Returns a command of a hint as a user would type it. */
function runAsTyped(command: string) {
  const { status, stdout, stderr } = spawnSync('bash', ['-c', command], { encoding: 'utf8' })
  return { status, output: stdout + stderr }
}

t.test('the hints about buildouts work', async (t) => {
  if (!needs(t, ['root', 'nobody', 'bash'])) return
  const source = 'resources/python/buildout.ts'
  const account =
    'set user to the account of the site, such as deploy; allowRoot allows root, and gives this host to any hostile setup.py'
  const timeout =
    'set a longer timeout, or find the cause of the wait in the output; the next run keeps the complete eggs'
  prove(t, [
    {
      source,
      hint: 'correct what the output reports, and test it with: cd … && runuser -u nobody -- …/buildout -c deploy.cfg buildout:abi-tag-eggs=true',
      given: (site) => site.write('deploy.cfg', '[buildout]\nbroken\n'),
      repair(site, t, hint) {
        const command = hint.slice(hint.indexOf('cd '))
        t.match(
          runAsTyped(command),
          { status: 1, output: /2:broken\nError: broken configuration/ },
          'it fails as the run did',
        )
        site.write('deploy.cfg', '[buildout]\n')
        t.match(runAsTyped(command), { status: 0 }, 'the corrected configuration succeeds')
      },
    },
    {
      source,
      hint: 'remove it, and the package that creates it during the build (grep -rlF .converge …/eggs)',
      given(site) {
        fs.mkdirSync(`${site.shared}/eggs/evil`)
        fs.writeFileSync(`${site.shared}/eggs/evil/setup.sh`, 'ln -sfn /etc .converge\n')
      },
      repair(site, t, hint) {
        const { output } = runAsTyped(/\((.*)\)$/.exec(hint)?.[1] ?? '')
        t.equal(output, `${site.shared}/eggs/evil/setup.sh\n`, 'the command finds the package')
        fs.rmSync(`${site.shared}/eggs/evil`, { recursive: true })
        fs.unlinkSync(`${site.release}/.converge`)
      },
    },
    { source, hint: account, broken: () => ({ user: 'root' }), repaired: () => ({ user: 'nobody' }) },
    { source, hint: account, broken: () => ({ user: 'root' }), repaired: () => ({ user: 'root', allowRoot: true }) },
    {
      source,
      hint: 'declare git_release() first, and set directory to its path',
      broken: (site) => ({ directory: `${site.directory}/none` }),
      repaired: () => ({}),
    },
    {
      source,
      hint: "declare virtualenv() with the package 'zc.buildout' first, and set buildout to its bin/buildout",
      broken: (site) => ({ buildout: `${site.directory}/env/bin/buildout` }),
      repaired: (site) => (r) => {
        const env = directory(r, { path: `${site.directory}/env/bin`, owner: 'nobody' })
        const path = `${site.directory}/env/bin/buildout`
        const buildoutFile = file(r, { path, content: program, mode: '0755', owner: 'nobody', when: [env] })
        site.declare({ buildout: path, when: [buildoutFile] })(r)
      },
    },
    {
      source,
      hint: timeout,
      given: (site) => site.write('wait', ''),
      broken: () => ({ timeout: seconds(1) }),
      repair: (site) => fs.unlinkSync(`${site.release}/wait`),
    },
  ])
})

t.test('the hints about blobs work', async (t) => {
  const proof = {
    source: 'resources/zope/blob_directories.ts',
    hint: 'set plone_blobs.blob_dir to one directory and deploy the ZEO server and its clients; or set plone_instances.shared_blobs to false',
  }
  const repairs: Record<string, (host: FakeHost) => object> = {
    'one directory': () => ({ plone_blobs: { blob_dir: '/srv/blobs' } }),
    'not shared': ({ attributes }) => ({
      plone_instances: { ...(attributes.plone_instances as object), shared_blobs: false },
    }),
  }
  for (const [name, repair] of Object.entries(repairs))
    t.test(`${proof.source}: ${proof.hint}: ${name}`, async (t) => {
      const host = new FakeHost({ roles: ['zeo-server', 'zeo-client'] })
      host.remote.push({ 'shared-blob': '' })
      const failure = async () => (await host.run()).resources.find(({ outcome }) => outcome === 'failed')?.failure
      t.match((await failure())?.hint, hintPattern(proof.hint), 'the hint is given')
      host.attributes = { ...host.attributes, ...repair(host) }
      t.equal(await failure(), undefined, 'the run succeeds')
      t.ok(host.currentRelease('site'), 'the clients are deployed')
    })
})
