/** Proves the hints of the types that edit lines of text files. */
import t from 'tap'
import { block_in_file } from '../../resources/files/block_in_file.ts'
import { line_in_file } from '../../resources/files/line_in_file.ts'
import { hosts_entry } from '../../resources/system/hosts_entry.ts'
import { type Declare, proveResources as prove } from '../support/resource_proofs.ts'

const path = '/srv/f'
const line: Declare = (r) => line_in_file(r, { path, line: 'a = 1', match: '^a' })

t.test('the hints about lines of files work', async (t) => {
  const source = 'resources/files/text_lines.ts'
  prove(t, [
    {
      source,
      hint: 'declare the path of the file itself, which this shows: readlink -f /srv/f',
      given: (host) => host.given('/srv/g', 'a\n').given(path, { link: '/srv/g' }),
      broken: line,
      repaired: (r) => line_in_file(r, { path: '/srv/g', line: 'a = 1', match: '^a' }),
    },
    {
      source: 'core/model/file_errors.ts',
      hint: 'check whether it is still needed, then move it away: mv /srv/f /srv/f.old',
      given: (host) => host.given(path, null),
      broken: (r) => line_in_file(r, { path, line: 'a', create: true }),
      repair: (host) => host.rename(path, `${path}.old`),
    },
    {
      source,
      hint: 'set create to true, or declare what creates the file before this',
      broken: line,
      repaired: (r) => line_in_file(r, { path, line: 'a = 1', create: true }),
    },
    {
      source,
      hint: 'correct "insertAfter", or remove it to insert at the end of the file',
      given: (host) => host.given(path, 'b\n'),
      broken: (r) => line_in_file(r, { path, line: 'a', insertAfter: 'x' }),
      repaired: (r) => line_in_file(r, { path, line: 'a' }),
    },
    {
      source,
      hint: 'extend "insertBefore" until it matches one line only',
      given: (host) => host.given(path, 'b1\nb2\n'),
      broken: (r) => line_in_file(r, { path, line: 'a', insertBefore: 'b' }),
      repaired: (r) => line_in_file(r, { path, line: 'a', insertBefore: 'b2' }),
    },
    {
      source: 'resources/files/line_in_file.ts',
      hint: 'extend "match" until it matches one line only, or remove the other lines',
      given: (host) => host.given(path, 'a = 2\na = 3\n'),
      broken: line,
      repair: (host) => host.writeFile(path, 'a = 2\n'),
    },
    {
      source: 'resources/files/block_in_file.ts',
      hint: 'edit /srv/f: keep one line "# BEGIN converge: x" before one line "# END converge: x", or remove all of them',
      given: (host) => host.given(path, '# BEGIN converge: x\n'),
      broken: (r) => block_in_file(r, { path, name: 'x', block: 'a\n' }),
      repair: (host) => host.writeFile(path, ''),
    },
    {
      source: 'resources/system/hosts_entry.ts',
      hint: 'programs of this host rely on localhost: declare another name',
      broken: (r) => hosts_entry(r, { names: ['localhost'], address: '10.0.0.5' }),
      repaired: (r) => hosts_entry(r, { names: ['web1'], address: '10.0.0.5' }),
    },
  ])
})
