/** Proves the hints about the contents and owners of repositories: triggers each by a real deploy, then follows it. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import t from 'tap'
import { LocalHost } from '../../core/host/local.ts'
import { file } from '../../resources/files/file.ts'
import { git_release } from '../../resources/git/git_release.ts'
import { planRevisions } from '../../resources/git/planned_commits.ts'
import { planOf } from '../support/contract.ts'
import { proveDeploys } from '../support/deploy_proofs.ts'
import { GitSite } from '../support/git_site.ts'
import { needs } from '../support/machine.ts'
import { proveCalls } from '../support/proofs.ts'
import type { Declare } from '../support/resource_proofs.ts'

t.test('the hints about commits work', async (t) => {
  /** Found by trial: commits without files at these two times start with the same seven digits. */
  const alike = [13_201, 18_051]
  proveDeploys(t, [
    {
      source: 'resources/git/resolve_revision.ts',
      hint: 'give more digits of the commit',
      given(site) {
        for (const time of alike) {
          const author = `T <t@e> ${time} +0000`
          const text = `commit refs/heads/c${time}\nauthor ${author}\ncommitter ${author}\ndata 1\nx\n`
          site.gitInput(site.repository, text, 'fast-import', '--quiet')
        }
      },
      broken: { revision: '44efebf' },
      repaired: (site) => ({ revision: site.git(site.repository, 'rev-parse', `c${alike[0]}`).slice(0, 12) }),
    },
  ])
})

t.test('the hints about submodules work', async (t) => {
  const source = 'resources/git/checkout.ts'
  const hint = 'remove what the repository has at the path of the submodule, or correct .gitmodules'
  /** Makes a commit with files and a submodule at the same path, which git itself would not make. */
  const withFiles = (site: GitSite) => {
    const lib = `${site.root}/lib`
    site.init(lib)
    const commit = site.commit({ 'i.txt': '1' }, 'i', lib)
    const { repository } = site
    site.git(repository, 'submodule', 'add', '-q', '../lib', 'lib')
    site.commit({})
    const modules = `100644 blob ${site.git(repository, 'rev-parse', 'HEAD:.gitmodules')}\t.gitmodules\n`
    const files = site.gitInput(repository, modules, 'mktree')
    const entries = `${modules}160000 commit ${commit}\tlib\n040000 tree ${files}\tlib\n`
    const tree = site.gitInput(repository, entries, 'mktree', '--missing')
    const broken = site.git(repository, 'commit-tree', tree, '-m', 'broken', '-p', 'HEAD')
    site.git(repository, 'update-ref', 'refs/heads/main', broken)
  }
  proveDeploys(t, [{ source, hint, given: withFiles, repair: (site) => site.commit({}, 'without the files') }])
})

t.test('the hints about the mirror of another account work', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  proveDeploys(t, [
    {
      source: 'resources/git/mirror.ts',
      hint: 'check that nothing else uses it, then run: chown -R root …/site/shared/repo.git',
      async given(site) {
        await site.deploy()
        execFileSync('chown', ['-R', 'nobody', `${site.shared}/repo.git`])
        site.commit({ 'a.txt': '2' })
      },
      repair: (site) => execFileSync('chown', ['-R', 'root', `${site.shared}/repo.git`]),
    },
  ])
})

t.test('the hints about a directory that changes while it is copied work', async (t) => {
  proveDeploys(t, [
    {
      source: 'resources/git/build_release.ts',
      hint: 'stop what writes to …/origin, then run again',
      broken: { scmType: 'directory' },
      local(site, isRepaired) {
        const host = new LocalHost(`${site.root}/state`)
        const makeDirectory = host.makeDirectory.bind(host)
        host.makeDirectory = (path, options) => {
          if (!isRepaired && path.endsWith('.checkout')) fs.appendFileSync(`${site.repository}/a.txt`, 'x')
          makeDirectory(path, options)
        }
        return host
      },
    },
  ])
})

const attributes = '*.bin filter=lfs diff=lfs merge=lfs -text\n'

function useLfs(site: GitSite): void {
  const settings = { clean: 'git-lfs clean -- %f', smudge: 'git-lfs smudge -- %f', required: 'true' }
  for (const [key, value] of Object.entries(settings)) site.git(site.repository, 'config', `filter.lfs.${key}`, value)
  site.commit({ '.gitattributes': attributes, 'a.bin': 'content\n' })
}

t.test('the hints about Git LFS work', async (t) => {
  if (!needs(t, ['git-lfs'])) return
  const source = 'resources/git/filters.ts'
  proveDeploys(t, [
    {
      source,
      hint: 'run a deploy: it fetches them',
      async given(site) {
        useLfs(site)
        await site.deploy()
        fs.rmSync(`${site.shared}/repo.git/lfs`, { recursive: true })
      },
      broken: { pin: 'current', inputs: { config: 'new' } },
      repaired: { inputs: { config: 'new' } },
    },
    {
      source,
      hint: 'run git lfs fsck --pointers in a clone to list the damaged pointers, then commit these files again',
      given(site) {
        useLfs(site)
        const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:1234\nsize 5\n'
        const blob = site.gitInput(site.repository, pointer, 'hash-object', '-w', '--stdin')
        site.git(site.repository, 'update-index', '--add', '--cacheinfo', `100644,${blob},b.bin`)
        site.git(site.repository, 'commit', '-q', '-m', 'damaged')
      },
      repair(site) {
        const listed = (() => {
          try {
            return site.git(site.repository, 'lfs', 'fsck', '--pointers')
          } catch (error) {
            return String((error as { stdout?: unknown }).stdout)
          }
        })()
        if (!listed.includes('"b.bin"')) throw new Error(`the command does not list b.bin: ${listed}`)
        site.commit({ 'b.bin': 'content of b\n' })
      },
    },
  ])
})

t.test('the hints about the revisions of a plan work', async (t) => {
  const site = new GitSite(t)
  site.commit({ 'a.txt': '1' })
  const ask = (declare: Declare) => {
    const host = new LocalHost(`${site.root}/state`)
    return planRevisions(planOf(declare).resources, host, { warn: () => undefined, secret: () => undefined })
  }
  proveCalls(t, [
    {
      source: 'resources/git/planned_commits.ts',
      hint: 'set repository, revision and directories to strings, not to outputs of other resources',
      broken: () =>
        ask((r) => {
          const address = file(r, { path: `${site.root}/address`, content: 'x' })
          git_release(r, { ...site.props(), repository: address.digest })
        }),
      repaired: () => ask((r) => void git_release(r, site.props())),
    },
  ])
})
