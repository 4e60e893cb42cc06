/** Tests deploys on a host in a bad state: no network, a full disk, missing permissions, a wrong clock. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import type { Test } from 'tap'
import type { DeploySite } from '../../support/deploy_site.ts'
import { needs } from '../../support/machine.ts'
import { checkFailure, checkPages, client, pids } from './steps.ts'

/** A URL at which nothing listens. */
const nowhere = 'http://127.0.0.1:9'
const cutOff = { environment: { http_proxy: nowhere, https_proxy: nowhere, PIP_INDEX_URL: `${nowhere}/simple` } }

export async function offline(t: Test, site: DeploySite): Promise<void> {
  const running = await pids(site)
  await site.serveGit(false)
  try {
    // Not in a network namespace: a run checks the clients' readiness at the loopback address.
    const unchanged = await site.done(t, ['deploy'], { ...client, ...cutOff })
    t.match(unchanged.output, /warning: .*cannot list the branches and tags of git:.*using [0-9a-f]{40}/)
    t.match(unchanged.output, /^nothing to do/m)
    t.strictSame(await pids(site), running)
    const named = await site.converge(['deploy', '--revision', 'elsewhere'], { ...client, ...cutOff })
    await checkFailure(t, named, /cannot list the branches and tags of git:/)
    const commit = await site.converge(['deploy', '--revision', '1'.repeat(40)], { ...client, ...cutOff })
    await checkFailure(t, commit, /cannot fetch from git:/)
    t.strictSame(await pids(site), running)
    // Without the network, a known commit can still be configured, built and rolled back.
    const json = { plone_instances: { zodb_cache_size: 6000 } }
    await site.done(t, ['deploy'], { ...client, ...cutOff, json })
    t.strictSame(
      (await site.pages()).map((page) => page?.cacheSize),
      [6000, 6000],
    )
    await site.done(t, ['rollback'], { ...client, ...cutOff })
    t.strictSame(
      (await site.pages()).map((page) => page?.cacheSize),
      [5000, 5000],
    )
  } finally {
    await site.serveGit(true)
  }
  t.match((await site.done(t, ['deploy'], client)).output, /nothing to do|changed/)
}

export async function fullDisk(t: Test, site: DeploySite): Promise<void> {
  if (!needs(t, ['root', 'tmpfs'])) return
  const releases = `${site.directory()}/releases`
  const small = `${site.root}/small`
  const { uid, gid } = site.account
  const run = (command: string, ...args: string[]) => execFileSync(command, args)
  fs.mkdirSync(small)
  run('mount', '-t', 'tmpfs', '-o', `size=16m,mode=755,uid=${uid},gid=${gid}`, 'tmpfs', small)
  run('cp', '-a', `${releases}/.`, small)
  run('mount', '--bind', small, releases)
  try {
    const [before, running] = [site.currentPath(), await pids(site)]
    site.commit()
    for (const left of [0, 12, 60]) {
      fill(`${releases}/filler`, left * 1024)
      const ended = await site.converge(['deploy'], client)
      await checkFailure(t, ended, /no space left|out of diskspace|hint: free some space/i)
      t.equal(site.currentPath(), before, `with ${left} kB free, the old release stays current`)
      t.strictSame(await pids(site), running)
      fs.rmSync(`${releases}/filler`)
    }
    await site.done(t, ['deploy'], client)
    await checkPages(t, site, site.latest)
    t.ok(site.unfinished().length === 0)
  } finally {
    run('umount', '--lazy', releases)
    for (const name of fs.readdirSync(releases)) fs.rmSync(`${releases}/${name}`, { recursive: true })
    run('cp', '-a', `${small}/.`, releases)
    run('umount', '--lazy', small)
    fs.rmdirSync(small)
  }
}

/** Fills a disk, except for the given number of bytes. */
function fill(file: string, left: number): void {
  const { bavail, bsize } = fs.statfsSync(file.slice(0, file.lastIndexOf('/')))
  fs.writeFileSync(file, Buffer.alloc(Math.max(0, bavail * bsize - left)))
}

export async function readOnly(t: Test, site: DeploySite): Promise<void> {
  if (!needs(t, ['root', 'tmpfs'])) return
  const [before, running, releases] = [site.currentPath(), await pids(site), `${site.directory()}/releases`]
  site.commit()
  const run = (command: string, ...args: string[]) => execFileSync(command, args)
  fs.chownSync(releases, 0, 0)
  await checkFailure(t, await site.converge(['deploy'], client), /permission denied|EACCES/i, /releases/)
  fs.chownSync(releases, site.account.uid, site.account.gid)
  run('mount', '--bind', releases, releases)
  run('mount', '-o', 'remount,bind,ro', releases)
  await checkFailure(t, await site.converge(['deploy'], client), /read-only|EROFS/i, /releases/)
  run('umount', '--lazy', releases)
  t.equal(site.currentPath(), before)
  t.strictSame(await pids(site), running)
  await site.done(t, ['deploy'], client)
  await checkPages(t, site, site.latest)
}

export async function realDirectory(t: Test, site: DeploySite): Promise<void> {
  const [current, running] = [`${site.directory()}/current`, await pids(site)]
  fs.renameSync(current, `${current}.away`)
  fs.mkdirSync(current)
  try {
    await checkFailure(t, await site.converge(['deploy'], client), /current/, /directory/, /hint: .*mv/)
    t.strictSame(fs.readdirSync(current), [], 'the directory is unchanged')
    t.strictSame(await pids(site), running)
  } finally {
    fs.rmdirSync(current)
    fs.renameSync(`${current}.away`, current)
  }
  t.match((await site.done(t, ['deploy'], client)).output, /^nothing to do/m)
}

export async function clock(t: Test, site: DeploySite): Promise<void> {
  const before = site.currentPath() ?? ''
  const file = `${site.directory()}/releases/${before}/.converge/release.json`
  const reported = JSON.parse(fs.readFileSync(file, 'utf8')) as object
  fs.writeFileSync(file, JSON.stringify({ ...reported, created: '2099-01-01T00:00:00.000Z' }))
  site.commit()
  await site.done(t, ['deploy'], client)
  const after = site.currentPath() ?? ''
  t.ok(after > before, 'ids continue to count')
  await checkPages(t, site, site.latest)
  await site.done(t, ['rollback'], client)
  t.equal(site.currentPath(), before, 'the one before is the one made before')
  await site.done(t, ['deploy'], client)
  t.equal(site.currentPath(), after)
  t.ok(
    (await site.releases()).some(({ id }) => id === before),
    'the cleanup does not count it as the newest',
  )
}

const oddNames = [
  'a name with spaces',
  ' leading',
  'trailing ',
  'ünïcödé ☃.txt',
  'quote\'s "and" `ticks`',
  '-dash',
  '*?[x]',
  '#hash;semi',
  'new\nline',
]
/** A file name that is not valid UTF-8. */
const latin = Buffer.concat([Buffer.from('caf'), Buffer.from([0xe9])])

export async function manyFiles(t: Test, site: DeploySite): Promise<void> {
  const many = `${site.repository}/many`
  for (let directory = 0; directory < 100; directory++) {
    fs.mkdirSync(`${many}/${directory}`, { recursive: true })
    for (let file = 0; file < 100; file++) fs.writeFileSync(`${many}/${directory}/${file}`, `${directory} ${file}\n`)
  }
  fs.mkdirSync(`${many}/odd`)
  for (const name of oddNames) fs.writeFileSync(`${many}/odd/${name}`, name)
  fs.writeFileSync(Buffer.concat([Buffer.from(`${many}/odd/`), latin]), 'not UTF-8')
  fs.writeFileSync(`${many}/script`, '#!/bin/sh\n', { mode: 0o755 })
  fs.symlinkSync('odd/a name with spaces', `${many}/link`)
  site.commit()
  const { seconds } = await site.done(t, ['deploy'], client)
  t.comment(`a deploy with 10,000 files more took ${seconds.toFixed(1)} s`)
  await checkPages(t, site, site.latest)
  const copyDirectory = `${site.directory()}/releases/${site.currentPath()}/many`
  t.equal(site.as('find', copyDirectory, '-type', 'f', '-printf', '.').length, 10_000 + oddNames.length + 2)
  for (const name of oddNames) t.equal(fs.readFileSync(`${copyDirectory}/odd/${name}`, 'utf8'), name)
  t.ok(fs.readdirSync(`${copyDirectory}/odd`, { encoding: 'buffer' }).some((name) => name.equals(latin)))
  t.equal(fs.statSync(`${copyDirectory}/script`).mode & 0o777, 0o755)
  t.equal(fs.readlinkSync(`${copyDirectory}/link`), 'odd/a name with spaces')
  t.match((await site.done(t, ['deploy'], client)).output, /^nothing to do/m)
  // The next commit removes the files.
  fs.rmSync(many, { recursive: true })
}

export async function cleanedUp(t: Test, site: DeploySite): Promise<void> {
  const releases = `${site.directory()}/releases`
  const ids = (await site.releases()).map(({ id }) => id)
  t.strictSame(fs.readdirSync(releases).sort(), ['.history', ...ids], 'there is nothing but releases and their history')
  t.equal(ids.length, 5)
  t.notOk(
    ids.some((id) => fs.existsSync(`${releases}/${id}/many`)),
    'whatever the files of the older ones are called',
  )
}
