/** Prepares `itamae local`: one itamae resource for each resource, contents by erb. */
import { templateText } from '../state.ts'
import { type Peer, put, versionOf } from './types.ts'

export const itamae: Peer = {
  name: 'itamae',
  package: 'itamae',
  version: () => versionOf('itamae', 'version'),
  largest: 1000,
  prepare(scratch, { root, directories, files, links }) {
    put(
      `${scratch}/file.erb`,
      templateText((name) => `<%= @${name} %>`),
    )
    const directory = (path: string, mode: string) => `directory '${path}' do\n  mode '${mode}'\nend`
    const recipe = [
      directory(root, '0755'),
      ...directories.map((path) => directory(path, '0750')),
      ...files.map(
        ({ path, svc, port, workers }) =>
          `template '${path}' do\n  source '${scratch}/file.erb'\n  mode '0640'\n  variables(svc: '${svc}', port: ${port}, workers: ${workers})\nend`,
      ),
      ...links.map(({ path, target }) => `link '${path}' do\n  to '${target}'\nend`),
    ]
    put(`${scratch}/recipe.rb`, `${recipe.join('\n')}\n`)
    return { argv: ['itamae', 'local', `${scratch}/recipe.rb`] }
  },
}
