/** Tests that a deploy rebuilds the mirror of a repository if files of git in it are hostile, missing or damaged. */
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { GitSite } from '../../support/git_site.ts'
import { type HostileName, hostileKinds, secret } from '../../support/hostile.ts'

t.setTimeout(120_000)

/** The file of converge in a mirror; the other ones are git's. */
const recordName = 'converge.json'
const gitFiles = ['HEAD', 'config', 'packed-refs', 'refs/heads/main', 'objects/info/alternates']
/** A mirror with these in place of a file of git makes git hang or read for ever. */
const endless: readonly HostileName[] = ['FIFO', 'link to /dev/zero']

/** Makes a site that was deployed once, with a function that damages its mirror and deploys a new commit. */
async function deployedSite(t: Test) {
  const site = new GitSite(t)
  site.commit({ 'a.txt': '0' })
  t.equal((await site.deploy()).failure, undefined)
  let commitCount = 0
  return {
    site,
    async deployAfter(name: string, damage: (path: string) => void, title: string) {
      const path = `${site.shared}/repo.git/${name}`
      fs.rmSync(path, { recursive: true, force: true })
      damage(path)
      site.commit({ 'a.txt': `${++commitCount}` })
      const { failure, report } = await site.deploy()
      t.equal(failure, undefined, `${title}: ${failure?.text}`)
      t.equal(site.read(`${site.current}/a.txt`), `${commitCount}`, title)
      return report
    },
  }
}

t.test('rebuilds a mirror with a hostile object in place of a file', async (t) => {
  const { site, deployAfter } = await deployedSite(t)
  const precious = `${site.root}/precious`
  fs.writeFileSync(precious, secret, { mode: 0o600 })
  for (const name of [recordName, ...gitFiles])
    for (const kind of hostileKinds.filter((kind) => name === recordName || endless.includes(kind.name))) {
      const report = await deployAfter(name, (path) => kind.put(path, precious), `${name}: ${kind.name}`)
      t.notMatch(JSON.stringify(report), secret)
    }
})

t.test('rebuilds a mirror that lacks files of git, or has empty files or directories in their place', async (t) => {
  const { deployAfter } = await deployedSite(t)
  const damages: readonly (readonly [title: string, damage: (path: string) => void])[] = [
    ['nothing', () => undefined],
    ['an empty directory', (path) => fs.mkdirSync(path)],
    ['an empty file', (path) => fs.writeFileSync(path, '')],
  ]
  for (const name of ['HEAD', 'config', 'packed-refs', 'FETCH_HEAD', 'objects', 'refs', 'objects/pack', 'refs/heads'])
    for (const [title, damage] of damages) await deployAfter(name, damage, `${name}: ${title}`)
})
