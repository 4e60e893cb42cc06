/** Tests that the releases of a role of a user are displayed. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { scratch } from '../support/machine.ts'

const program = fileURLToPath(new URL('../../dist/start.cjs', import.meta.url))

const recipe = `import { directory, git_release, placed, role, symlink, under } from 'converge-engine'
export default role('blog', { deploy(r, node) {
  const at = (path) => placed(node, '/srv/blog' + path)
  for (const path of ['/releases', '/shared']) directory(r, { path: at(path), parents: true })
  const release = git_release(r, { into: at('/releases'), shared: at('/shared'), current: at('/current'), repository: REPOSITORY, revision: 'main' })
  symlink(r, { path: at('/current'), target: release.path })
} })`

t.test('status and releases show a release of a role of a user', async (t) => {
  const place = scratch(t)
  const git = (...args: string[]) => {
    const identity = ['-c', 'user.name=test', '-c', 'user.email=test@example.org']
    const { status, stderr } = spawnSync('git', ['-C', `${place}/site`, ...identity, ...args], { encoding: 'utf8' })
    t.equal(status, 0, stderr)
  }
  for (const directory of ['site', 'recipes', 'etc', 'root']) mkdirSync(`${place}/${directory}`)
  writeFileSync(`${place}/site/VERSION`, '1\n')
  git('init', '-q', '-b', 'main')
  git('add', '.')
  git('commit', '-q', '-m', 'first page')
  writeFileSync(`${place}/recipes/blog.ts`, recipe.replace('REPOSITORY', `'${place}/site'`))
  const converge = (...words: string[]) => {
    const options = ['--role', 'blog', '--recipes', 'recipes', '--config-dir', 'etc', '--prefix', `${place}/root`]
    const ended = spawnSync(process.execPath, [program, ...words, ...options], { cwd: place, encoding: 'utf8' })
    return `${ended.stdout}${ended.stderr}`
  }
  t.match(converge('status'), /blog {2}\S+\n {2}release {2}none/)
  const deployed = converge('deploy')
  t.match(converge('status'), /release {2}000001-[0-9a-f]+ .* first page\n/, deployed)
  t.match(converge('releases'), /\* 000001-[0-9a-f]+ .* first page {2}not complete\n/)
})
