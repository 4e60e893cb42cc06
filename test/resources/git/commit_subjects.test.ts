/** Tests the subjects of commits in the list of releases. */
import { execFileSync } from 'node:child_process'
import t from 'tap'
import { LocalHost } from '../../../core/host/local.ts'
import { readCommitSubjects } from '../../../resources/git/commit_subjects.ts'
import { scratch } from '../../support/machine.ts'

t.test('returns the subject of each commit in the mirror', async (t) => {
  const directory = scratch(t)
  const identity = ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org']
  const git = (...words: string[]) =>
    execFileSync('git', ['-C', directory, ...identity, ...words], { encoding: 'utf8' }).trim()
  git('init', '--quiet', 'site')
  const commit = (message: string) => {
    git('-C', 'site', 'commit', '--quiet', '--allow-empty', '--allow-empty-message', '-m', message)
    return git('-C', 'site', 'rev-parse', 'HEAD')
  }
  const first = commit('Add a page\n\nand a body')
  const second = commit('')
  const third = commit(`Fix ${'long '.repeat(100)}`)
  git('clone', '--quiet', '--bare', 'site', 'repo.git')
  const host = new LocalHost(`${directory}/state`)
  const mirror = `${directory}/repo.git`
  const found = await readCommitSubjects(host, mirror, {}, [first, second, third, 'f'.repeat(40), '--all', first])
  t.equal(found.get(first), 'Add a page')
  t.match(found.get(third), /^Fix long/)
  t.equal(found.get(third)?.length, 200)
  t.equal(found.size, 2)
  t.equal((await readCommitSubjects(host, `${directory}/none.git`, {}, [first])).size, 0, 'no mirror')
})
