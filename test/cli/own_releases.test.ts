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

t.test('a recipe that cannot be compiled leaves the rest of the status, and shows no secret', async (t) => {
  const directory = scratch(t)
  for (const name of ['recipes', 'etc', 'root']) mkdirSync(`${directory}/${name}`)
  writeFileSync(
    `${directory}/recipes/blog.ts`,
    `import { role } from 'converge-engine'
export default role('blog', { deploy(r, node) { throw new Error('no login with ' + node.deploy.site.scm.password) } })`,
  )
  writeFileSync(
    `${directory}/site.json`,
    JSON.stringify({ deploy: { site: { scm: { password: 'open-sesame-4711' } } } }),
  )
  const words = ['status', '--role', 'blog', '--recipes', 'recipes', '--config-dir', 'etc', '--json', 'site.json']
  const options = { cwd: directory, encoding: 'utf8' } as const
  const ended = spawnSync(process.execPath, [program, ...words, '--prefix', `${directory}/root`], options)
  t.equal(ended.status, 0, ended.stderr)
  t.match(ended.stderr, /^warning: the releases of the role blog are unknown: .*no login with \*{8}/m)
  t.notMatch(`${ended.stdout}${ended.stderr}`, /sesame/)
})
