/** Defines a custom role that handles secrets in each way that a recipe can, and fails if its attributes request it. */
export const plantedRecipe = `import { execute, file, git_release, link_sources, placed, role, supervisor_program, symlink, template } from 'converge-engine'

const app = (node) => node.deploy.shop
const variables = (node) => Object.entries(app(node).environment).map(([name, value]) => ({ name, value }))

export default role('planted', {
  deploy(r, node) {
    const at = (path) => placed(node, path)
    const { scm, environment } = app(node)
    const release = git_release(r, {
      into: at('/srv/shop/releases'),
      shared: at('/srv/shop/shared'),
      current: at('/srv/shop/current'),
      repository: scm.repository,
      username: scm.user,
      password: scm.password,
      sshKey: scm.ssh_key,
      inputs: { 'settings.ini': variables(node).map(({ name, value }) => name + ' = ' + value + '\\n').join('') },
      record: environment,
    })
    symlink(r, { path: at('/srv/shop/current'), target: release.path })
  },
  configure(r, node) {
    const at = (path) => placed(node, path)
    const { environment, failing } = app(node)
    file(r, { path: at('/etc/settings.json'), content: JSON.stringify(environment, null, 2), mode: '0600' })
    file(r, { path: at('/etc/settings.sh'), content: variables(node).map(({ name, value }) => 'export ' + name + "='" + value.replaceAll("'", "'\\\\''") + "'\\n").join(''), mode: '0600' })
    file(r, { path: at('/etc/settings.b64'), content: variables(node).map(({ value }) => Buffer.from('shop:' + value).toString('base64') + '\\n').join(''), mode: '0600' })
    file(r, { path: at('/etc/settings.url'), content: variables(node).map(({ name, value }) => name + '=' + encodeURIComponent(value)).join('&'), mode: '0600' })
    file(r, { path: at('/etc/hidden.txt'), content: node.hidden ?? '', mode: '0600', sensitive: true })
    template(r, {
      path: at('/etc/settings.xml'),
      source: '{{#each variables}}<value name="{{name}}">{{value}}</value>\\n{{/each}}',
      variables: { variables: variables(node) },
      mode: '0600',
    })
    file(r, { path: at('/etc/foreign.conf'), content: '# managed\\n', mode: '0600' })
    supervisor_program(r, { name: 'shop', command: '/bin/sleep 9', confDir: at('/etc'), environment })
    execute(r, { name: 'print all', command: 'env; env >&2; cat ' + at('/etc') + '/settings.*', environment, contained: true })
    execute(r, { name: 'print foreign', command: 'cat foreign.log; test ! -e ' + failing, cwd: node.work, environment, contained: true })
    if (node.thrown) throw new Error('cannot use ' + JSON.stringify(environment))
    if (node.wrong) file(r, { path: at('/etc/wrong'), content: 'x', mode: Object.values(environment).join(' ') })
  },
})
`
