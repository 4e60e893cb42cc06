/** Proves the hints about remote files, archives and templates: triggers each, then follows it. */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import type { CommandHandler, VirtualHost } from '../../core/host/virtual.ts'
import { archive } from '../../resources/files/archive.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { remote_file } from '../../resources/files/remote_file.ts'
import { readTemplate } from '../../resources/files/render_template.ts'
import { archivePrograms, packed, programs } from '../support/commands.ts'
import { scratch } from '../support/machine.ts'
import { proveCalls } from '../support/proofs.ts'
import { type Declare, proveResources } from '../support/resource_proofs.ts'

const commands = programs(archivePrograms)
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

t.test('the hints about files work', async (t) => {
  const source = 'resources/files/remote_file.ts'
  const copy: Declare = (r) => remote_file(r, { path: '/srv/app.war', url: '/var/tmp/app.war' })
  const inside: Declare = (r) => remote_file(r, { path: '/srv/app/app.war', url: '/var/tmp/app.war' })
  const withDigest =
    (text: string): Declare =>
    (r) =>
      remote_file(r, { path: '/srv/app.war', url: '/var/tmp/app.war', sha256: sha256(text) })
  const uploaded = (text: string) => (host: VirtualHost) => host.given('/var/tmp/app.war', text)
  const missing = 'put the file at /var/tmp/app.war on the host, or correct the property url'
  const digest = 'fetch the file again from its source; change sha256 only if the source publishes the new digest'
  proveResources(t, [
    { source, hint: missing, commands, broken: copy, repair: uploaded('app') },
    {
      source,
      hint: missing,
      commands,
      given: (host) => host.given('/var/tmp/app-2.war', 'app'),
      broken: copy,
      repaired: (r) => remote_file(r, { path: '/srv/app.war', url: '/var/tmp/app-2.war' }),
    },
    {
      source,
      hint: 'declare it with directory() before this file',
      commands,
      given: uploaded('app'),
      broken: inside,
      repaired: (r) => {
        directory(r, { path: '/srv/app' })
        inside(r)
      },
    },
    {
      source: 'resources/files/source_url.ts',
      hint: digest,
      commands,
      given: uploaded('ap'),
      broken: withDigest('app'),
      repair: uploaded('app'),
    },
    {
      source: 'resources/files/source_url.ts',
      hint: digest,
      commands,
      given: uploaded('app, version 2'),
      broken: withDigest('app'),
      repaired: withDigest('app, version 2'),
    },
  ])
})

t.test('the hints about archives work', async (t) => {
  const source = 'resources/files/unpack.ts'
  const [tar, zip] = [packed({ 'a.egg': 'A' }), packed({ 'a.egg': 'A' }, 'zip')]
  const notWhole = 'correct the url, or have the archive uploaded again: the file is incomplete, or not an archive'
  const local: Declare = (r) => archive(r, { url: '/var/tmp/eggs', into: '/srv/eggs' })
  const uploaded = (content: string) => (host: VirtualHost) => host.given('/var/tmp/eggs', content)
  const zipped = (host: VirtualHost) => uploaded(zip)(host).given('/usr/bin/unzip', '', '0755')
  /** A tar without the program that unpacks .xz files. */
  const withoutXz: CommandHandler = (argv, options, host) =>
    argv[0] === 'tar' && host.lstat('/usr/bin/xz') === null
      ? { status: 2, stderr: 'tar (child): xz: Cannot exec: No such file or directory\ntar: Child returned status 2\n' }
      : commands(argv, options, host)
  /** A head that runs as an account without special permissions. */
  const asDeploy: CommandHandler = (argv, options, host) => {
    const mayRead = () => /[4567]$/.test(host.stat(argv.at(-1) ?? '')?.mode ?? '')
    return argv[0] === 'head' && options.user === 'deploy' && !mayRead()
      ? { status: 1, stderr: `head: cannot open '${argv.at(-1)}' for reading: Permission denied\n` }
      : commands(argv, options, host)
  }
  const downloads: Record<string, string> = { 'https://example.org/eggs.tgz': '<!DOCTYPE html>' }
  proveResources(t, [
    {
      source,
      hint: 'let that account read it: it owns /srv/site, and unpacks the archive',
      commands: asDeploy,
      given: (host) => host.given('/srv/site', null, '0755', 'deploy').given('/var/tmp/eggs', tar, '0600'),
      broken: (r) => archive(r, { url: '/var/tmp/eggs', into: '/srv/site/eggs' }),
      repair: (host) => host.setMode('/var/tmp/eggs', '0644'),
    },
    {
      source,
      hint: notWhole,
      commands,
      host: { downloads },
      broken: (r) => archive(r, { url: 'https://example.org/eggs.tgz', into: '/srv/eggs' }),
      repair: () => {
        downloads['https://example.org/eggs.tgz'] = tar
      },
    },
    {
      source,
      hint: notWhole,
      commands,
      given: uploaded('<!DOCTYPE html>'),
      broken: local,
      repair: (host) => host.given('/var/tmp/eggs.tgz', tar),
      repaired: (r) => archive(r, { url: '/var/tmp/eggs.tgz', into: '/srv/eggs' }),
    },
    {
      source,
      hint: notWhole,
      commands: (argv, options, host) =>
        argv[0] === 'unzip' && host.readText('/var/tmp/eggs') !== zip
          ? { status: 9, stderr: 'End-of-central-directory signature not found.' }
          : commands(argv, options, host),
      given: (host) => uploaded(zip.slice(0, 10))(zipped(host)),
      broken: local,
      repair: uploaded(zip),
    },
    {
      source,
      hint: 'install it: apt-get install xz-utils',
      commands: withoutXz,
      given: uploaded(tar),
      broken: local,
      repair: (host) => host.given('/usr/bin/xz', '', '0755'),
    },
    {
      source,
      hint: 'install it: apt-get install unzip',
      commands,
      given: uploaded(zip),
      broken: local,
      repair: (host) => host.given('/usr/bin/unzip', '', '0755'),
    },
    ...[packed({ '/etc/passwd': 'x' }), packed({ '../x': 'x' }), packed({ x: { link: '/etc/passwd' } })].map(
      (content) => ({
        source,
        hint: 'use an archive from a source that you trust, packed with relative names only',
        commands,
        given: uploaded(content),
        broken: local,
        repair: uploaded(tar),
      }),
    ),
  ])
})

t.test('the hints about the check of new content work', async (t) => {
  const source = 'resources/files/verify.ts'
  /** A program that knows one setting. */
  const nginx: CommandHandler = (argv, _, host) =>
    host.readText(argv.at(-1) ?? '') === 'listen 80;' ? {} : { status: 1, stderr: 'unknown directive\n' }
  const configured =
    (content: string): Declare =>
    (r) =>
      file(r, { path: '/etc/nginx.conf', content, verify: { command: ['nginx', '-t', '-c', '%{path}'] } })
  const installed = (host: VirtualHost) => host.given('/usr/sbin/nginx', '', '0755')
  proveResources(t, [
    {
      source,
      hint: 'install its package (apt-get install nginx), or declare it with packages() before this',
      commands: nginx,
      broken: configured('listen 80;'),
      repair: installed,
    },
    {
      source,
      hint: 'display the new content with converge render, and correct what it is made from; the file in use is unchanged',
      commands: nginx,
      given: installed,
      broken: configured('lisen 80;'),
      repaired: configured('listen 80;'),
    },
  ])
})

t.test('the hints about the file of a template work', async (t) => {
  const directory = scratch(t)
  const recipe = pathToFileURL(`${directory}/web.ts`).href
  const read = (name: string) => () => readTemplate(recipe, name)
  const source = 'resources/files/render_template.ts'
  const hint = 'put the template beside the file that calls readTemplate, or correct its name'
  proveCalls(t, [
    {
      source,
      hint,
      broken: read('web.conf.hbs'),
      repaired: () => {
        writeFileSync(`${directory}/web.conf.hbs`, 'port {{port}}')
        return read('web.conf.hbs')()
      },
    },
    { source, hint, broken: read('wbe.conf.hbs'), repaired: read('web.conf.hbs') },
  ])
})
