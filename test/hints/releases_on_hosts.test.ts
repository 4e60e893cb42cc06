/** Proves the hints about links, releases and templates on a host in memory: triggers each, then follows it. */
import t from 'tap'
import { link_sources } from '../../resources/files/link_sources.ts'
import { remote_file } from '../../resources/files/remote_file.ts'
import { prepareTemplates, renderTemplate } from '../../resources/files/render_template.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { rollbackTarget } from '../../resources/releases/release_selection.ts'
import type { Release } from '../../resources/releases/releases.ts'
import { proveCalls } from '../support/proofs.ts'
import { proveResources } from '../support/resource_proofs.ts'

t.test('the hints about links and releases work', async (t) => {
  proveResources(t, [
    {
      source: 'resources/files/symlink.ts',
      hint: 'check whether it is still needed, then move it away: mv /srv/l /srv/l.old',
      given: (host) => host.given('/srv/l', 'x'),
      broken: (r) => symlink(r, { path: '/srv/l', target: '/srv/t' }),
      repair: (host) => host.rename('/srv/l', '/srv/l.old'),
    },
    {
      source: 'resources/files/symlink.ts',
      hint: 'stop what writes there; if its data is still needed, copy it to the target of the link: …; then move the directory away: mv /srv/l /srv/l.old',
      given: (host) => host.given('/srv/l', null),
      broken: (r) => symlink(r, { path: '/srv/l', target: '/srv/t' }),
      repair: (host) => host.rename('/srv/l', '/srv/l.old'),
    },
    {
      source: 'resources/files/link_sources.ts',
      hint: 'create them; where one is a directory, list it in deploy.site.create_dirs_before_symlink',
      broken: (r) => link_sources(r, { app: 'site', shared: '/srv', files: ['.env'] }),
      repair: (host) => host.given('/srv/.env', 'A=1'),
    },
    {
      source: 'resources/files/link_sources.ts',
      hint: 'create them; where one is a directory, list it in deploy.site.create_dirs_before_symlink',
      broken: (r) => link_sources(r, { app: 'site', shared: '/srv', files: ['media'] }),
      repaired: (r) => link_sources(r, { app: 'site', shared: '/srv', directories: ['media'] }),
    },
    {
      source: 'resources/files/link_sources.ts',
      hint: 'mount or create what it points to: readlink /srv/.env',
      given: (host) => host.given('/srv/.env', { link: '/srv/none' }),
      broken: (r) => link_sources(r, { app: 'site', shared: '/srv', files: ['.env'] }),
      repair: (host) => host.given('/srv/none', 'A=1'),
    },
    {
      source: 'core/model/file_errors.ts',
      hint: 'check whether it is still needed, then move it away: mv /srv/f /srv/f.old',
      given: (host) => host.given('/srv/a', 'x').given('/srv/f', null),
      commands: () => ({ status: 0, stdout: `${'a'.repeat(64)}  /srv/a\n`, stderr: '' }),
      broken: (r) => remote_file(r, { path: '/srv/f', url: '/srv/a' }),
      repair: (host) => host.rename('/srv/f', '/srv/f.old'),
    },
  ])
})

t.test('the hints about rollbacks work', async (t) => {
  const source = 'resources/releases/release_selection.ts'
  const release = (id: string, complete: boolean) =>
    ({ id, commit: id.slice(7), isManaged: true, complete }) as unknown as Release
  const releases = [release('000001-aaaaaaaa', true), release('000002-bbbbbbbb', false)]
  proveCalls(t, [
    {
      source,
      hint: 'choose one that is complete: 000001-aaaaaaaa',
      broken: () => rollbackTarget(releases, '000002'),
      repaired: () => rollbackTarget(releases, '000001-aaaaaaaa'),
    },
    {
      source,
      hint: 'deploy the app first: it has no complete release',
      broken: () => rollbackTarget([], '000001'),
      repaired: () => rollbackTarget(releases, '000001'),
    },
  ])
})

t.test('the hints about templates work', async (t) => {
  await prepareTemplates()
  const source = 'resources/files/render_template.ts'
  const renderAll = (source: string, variables: object) =>
    renderTemplate({ path: '/srv/f', source, variables: variables as Record<string, string> })
  const render = (text: string) => renderAll(text, { port: 80, body: 'x' })
  proveCalls(t, [
    { source, hint: 'it gets: body, port', broken: () => render('{{prot}}'), repaired: () => render('{{port}}') },
    {
      source,
      hint: 'close every {{#block}} by {{/block}}, and use names without spaces',
      broken: () => render('{{#if port}}x'),
      repaired: () => render('{{#if port}}x{{/if}}'),
    },
    {
      source,
      hint: 'templates have no partials: pass the text as a variable',
      broken: () => render('{{> body}}'),
      repaired: () => render('{{body}}'),
    },
    {
      source,
      hint: 'pass a value, or print it in a block that tests it: {{#if name}}',
      broken: () => renderAll('{{site}}', { site: undefined }),
      repaired: () => renderAll('{{site}}', { site: 'x' }),
    },
    {
      source,
      hint: 'correct the name; the template gets: site',
      broken: () => renderAll('{{site.naem}}', { site: { name: 'x' } }),
      repaired: () => renderAll('{{site.name}}', { site: { name: 'x' } }),
    },
    {
      source: 'resources/files/strict_handlebars.ts',
      hint: 'compute the text in the recipe, and pass it as a variable',
      broken: () => render(`${'{{#if port}}'.repeat(101)}x${'{{/if}}'.repeat(101)}`),
      repaired: () => render('{{body}}'),
    },
    {
      source,
      hint: 'correct the name, pass the value, or print it in a block that tests it: {{#if name}}',
      broken: () => render('{{#with body as |text|}}{{text.title.first}}{{/with}}'),
      repaired: () => render('{{#with body as |text|}}{{text}}{{/with}}'),
    },
  ])
})
