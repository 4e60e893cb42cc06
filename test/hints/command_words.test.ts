/** Proves the hints about the words of a command: triggers each, then follows it. */
import t from 'tap'
import { proveCommands } from '../support/proofs.ts'

const render = 'render --role solr --prefix @/root'

t.test('the hints about words and options work', async (t) => {
  const source = 'core/cli/command_line/parse.ts'
  const values = 'core/cli/command_line/option_values.ts'
  proveCommands(t, [
    {
      source,
      hint: 'give one of them',
      broken: 'plan --role base --quiet --verbose --prefix @/root',
      repaired: 'plan --role base --quiet --prefix @/root',
    },
    {
      source,
      hint: 'give - to one of --json and --node-json',
      broken: `${render} --json - --node-json -`,
      repaired: `${render} --json @/site.json --node-json @/site.json`,
      files: { 'site.json': '{}' },
    },
    { source: values, hint: '--role takes a value: leave it out', broken: `${render} --no-role`, repaired: render },
    { source: values, hint: '--prefix DIR: …', broken: 'render --role solr --prefix=', repaired: render },
    {
      source: values,
      hint: 'remove the word after it',
      broken: 'plan --explain site --role base --prefix @/root',
      repaired: 'plan --explain --role base --prefix @/root',
    },
    {
      source: values,
      hint: 'remove the control characters',
      broken: 'apply --event stop --role base --prefix @/root --by ann\u0007',
      repaired: 'apply --event stop --role base --prefix @/root --by ann',
    },
    {
      source: values,
      hint: 'give the name as the repository has it, for example --revision main',
      broken: 'apply --event stop --role base --prefix @/root --revision=-x',
      repaired: 'apply --event stop --role base --prefix @/root --revision main',
    },
    {
      source: values,
      hint: 'write a,b without a gap',
      broken: `${render} --role solr,,base`,
      repaired: `${render} --role solr,base`,
    },
    {
      source: values,
      hint: 'for example --wait 60',
      broken: 'apply --role solr --prefix @/root --event restart --wait soon',
      repaired: 'apply --event stop --role base --prefix @/root --wait 60',
    },
    {
      source,
      hint: 'write --dry-run, or leave it out',
      broken: 'apply --event stop --role base --prefix @/root --dry-run=maybe',
      repaired: 'apply --event stop --role base --prefix @/root --dry-run',
    },
    {
      source,
      hint: 'did you mean converge plan --event stop?',
      broken: 'plan stop --role base --prefix @/root',
      repaired: 'plan --event stop --role base --prefix @/root',
    },
    {
      source,
      hint: 'one command at a time: converge resources ...',
      broken: 'completion bash resources',
      repaired: 'resources file',
    },
    { source, hint: 'there are: …', broken: 'qqqqqqqq', repaired: 'resources' },
    {
      source,
      hint: 'did you mean converge stack run restart?',
      broken: 'stack restart',
      repaired: 'stack run restart',
      reaches: 'stack file',
    },
    {
      source,
      hint: '--limit is for …: converge … --help',
      broken: `${render} --limit web1`,
      repaired: 'stack deploy --help',
    },
    { source, hint: 'did you mean --role?', broken: 'render --rol solr --prefix @/root', repaired: render },
    {
      source: 'core/fleet/planning/host_count.ts',
      hint: 'for example --parallel 10',
      broken: 'stack run restart --parallel many',
      repaired: 'stack run restart --parallel 10',
      reaches: 'stack file',
    },
  ])
})

t.test('the hints about files and directories work', async (t) => {
  const source = 'core/cli/inputs/read_inputs.ts'
  proveCommands(t, [
    {
      source: 'core/cli/inputs/stack_references.ts',
      hint: 'set the variable CONVERGE_ATTR_haproxy__password to the value, or deploy with a stack file',
      broken: `${render} --json @/references.json`,
      files: { 'references.json': '{"haproxy": {"password": {"$age": "secrets.age", "key": "password"}}}' },
      changed: { 'references.json': '{}' },
    },
    {
      source,
      hint: '["the first one", "the second one"]',
      broken: `${render} --secrets @/secrets.json`,
      files: { 'secrets.json': '{"a": "b"}' },
      changed: { 'secrets.json': '["b", "c"]' },
    },
    { source, hint: 'check the path', broken: `${render} --json @/none.json`, changed: { 'none.json': '{}' } },
    {
      source,
      hint: 'check the path, which is relative to the working directory, @',
      broken: `${render} --json none.json`,
      changed: { 'none.json': '{}' },
    },
    {
      source,
      hint: 'give a file; several by repeating the option',
      broken: `${render} --json @/d`,
      repaired: `${render} --json @/d/a.json --json @/d/b.json`,
      files: { 'd/a.json': '{}', 'd/b.json': '{}' },
    },
    {
      source,
      hint: 'give a directory',
      broken: `${render} --config-dir @/site.json`,
      repaired: `${render} --config-dir @/d`,
      files: { 'site.json': '{}', 'd/a.json': '{}' },
    },
    {
      source,
      hint: 'give a directory; one that is not there yet is made',
      broken: 'render --role solr --prefix @/site.json',
      repaired: 'render --role solr --prefix @/new',
      files: { 'site.json': '{}' },
    },
    {
      source,
      hint: '--role NAME, of: …; or {"converge": {"roles": [...]}} in /etc/converge',
      broken: 'render --prefix @/root',
      changed: { 'etc/host.json': '{"converge": {"roles": ["solr"]}}' },
    },
    { source, hint: 'there are: …', broken: 'render --role qqqqqq --prefix @/root', repaired: render },
  ])
})

t.test('the hints about small commands work', async (t) => {
  proveCommands(t, [
    {
      source: 'core/cli/commands/balancer.ts',
      hint: 'give the node JSON of a stack with a frontend (--node-json), or name its socket: {"converge": {"balancer": {"sockets": ["/run/haproxy/admin.sock"]}}}',
      broken: 'balancer list',
      changed: { 'etc/host.json': '{"converge": {"balancer": {"sockets": ["/nowhere/admin.sock"]}}}' },
      reaches: '/nowhere/admin.sock',
    },
    {
      source: 'core/cli/command_line/completion.ts',
      hint: 'name bash or zsh: converge completion bash',
      broken: 'completion fish',
      repaired: 'completion zsh',
    },
    {
      source: 'core/cli/commands/resources.ts',
      hint: 'there are: …',
      broken: 'resources qqqqqqq',
      repaired: 'resources file',
    },
    {
      source: 'core/cli/commands/render.ts',
      hint: 'there are: …',
      broken: `${render} --path qqqqqqqqqq`,
      repaired: render,
    },
    {
      source: 'core/node/explain.ts',
      hint: 'there are: …',
      broken: 'attributes --explain qqqqqqqqqqqq',
      repaired: 'attributes --explain plone_solr',
    },
    {
      source: 'core/node/path.ts',
      hint: 'write it as plone_instances.zeo.address or plone_instances.subsites["www.example.com"]',
      broken: 'attributes --explain plone_instances..zeo',
      repaired: 'attributes --explain plone_instances.zeo.address',
    },
  ])
})
