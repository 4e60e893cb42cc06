/** Lists mistakes that authors make in recipes: where each is caught, and with which words. */

export interface Mistake {
  readonly name: string
  /** Recipe after its imports. The line with `// here` has the mistake. */
  readonly recipe: string
  /** The text that the compiler prints for that line; absent: it accepts the recipe. */
  readonly compiler?: RegExp
  /** The command that finds the mistake when the recipe is not type-checked. */
  readonly found: 'plan' | 'deploy'
  /** The text that the command prints. */
  readonly message: RegExp
  /** Whether it is a warning, and the command succeeds. */
  readonly isWarning?: boolean
  readonly files?: Readonly<Record<string, string>>
  readonly attributes?: object
}

const deploy = (body: string) => `export default role('web', {
  deploy(r, node) {
${body
  .split('\n')
  .map((line) => `    ${line}`)
  .join('\n')}
  },
})`

/** A role with a resource type of its own, which has these parts; the compiler does not check them. */
const oddType = ({
  type = 'odd',
  description = 'examples: []',
  implementation = 'read: () => ({ on: true }), desired: () => ({ on: true }), apply: () => undefined',
}) => `const odd = defineResource( // here
  { type: '${type}', doc: '', key: () => 'x', props: z.strictObject({}), state: z.strictObject({ on: z.boolean() }), ${description} } as never,
  { ${implementation} } as never,
)
export default role('web', {
  deploy(r) { odd(r, {}) }
})`

/** A role with the attribute `shop.token`, which is a secret. */
const withToken = (
  body: string,
) => `export const own = defineAttributes('shop', z.object({ token: z.string().default('planted-token') }))
export default role<NodeWith<typeof own>>('web', { deploy(r, node) {
  ${body}
} })`

export const mistakes: readonly Mistake[] = [
  {
    name: 'a misspelt property',
    recipe: deploy("file(r, { paht: '/srv/a', content: '' }) // here"),
    compiler: /'paht' does not exist/,
    found: 'plan',
    message: /paht/,
  },
  {
    name: 'a missing property',
    recipe: deploy("symlink(r, { path: '/srv/a' }) // here"),
    compiler: /'target' is missing/,
    found: 'plan',
    message: /target/,
  },
  {
    name: 'a text in the place of a list',
    recipe: deploy("packages(r, { names: 'nginx' }) // here"),
    compiler: /not assignable/,
    found: 'plan',
    message: /names/,
  },
  {
    name: 'a number in the place of a mode',
    recipe: deploy("file(r, { path: '/srv/a', content: '', mode: 0o644 }) // here"),
    compiler: /'number' is not assignable/,
    found: 'plan',
    message: /mode/,
  },
  {
    name: 'a mode of three digits',
    recipe: deploy("file(r, { path: '/srv/a', content: '', mode: '644' }) // here"),
    found: 'plan',
    message: /mode/,
  },
  {
    name: 'a relative path',
    recipe: deploy("file(r, { path: 'srv/a', content: '' }) // here"),
    found: 'plan',
    message: /path: .*absolute/,
  },
  {
    name: 'a number without a unit',
    recipe: deploy("execute(r, { command: ['true'], timeout: 60 }) // here"),
    compiler: /seconds/,
    found: 'plan',
    message: /seconds\(60\)/,
  },
  {
    name: 'a value outside the choices',
    recipe: deploy("service(r, { name: 'nginx', action: 'started' }) // here"),
    compiler: /"started"/,
    found: 'plan',
    message: /action/,
  },
  {
    name: 'an unknown event',
    recipe: "export default role('web', { depoly(r: Recipe<PloneNode>) { directory(r, { path: '/srv/a' }) } }) // here",
    compiler: /'depoly' does not exist/,
    found: 'plan',
    message: /depoly/,
  },
  {
    name: 'an asynchronous recipe',
    recipe: "export default role('web', { async deploy(r) { directory(r, { path: '/srv/a' }) } }) // here",
    found: 'plan',
    message: /synchronous|async|promise/i,
  },
  {
    name: 'a resource without r',
    recipe: deploy("directory({ path: '/srv/a' } as never, {} as never) // here"),
    found: 'plan',
    message: /first argument is the r/,
  },
  {
    name: 'a role that names itself wrongly',
    recipe: "export default role('Web Server', { // here\n  deploy(r) { directory(r, { path: '/srv/a' }) },\n})",
    found: 'plan',
    message: /the name of a role must start/,
  },
  {
    name: 'the same file declared twice',
    recipe: deploy("file(r, { path: '/srv/a', content: 'x' })\nfile(r, { path: '/srv/a', content: 'y' }) // here"),
    found: 'plan',
    message: /\/srv\/a/,
  },
  {
    name: 'a resource after one that is declared later',
    recipe: deploy(
      "const later = () => file(r, { path: '/srv/b', content: '' })\nfile(r, { path: '/srv/a', content: '', after: { resource: { type: 'file', key: '/srv/b' } } as never }) // here\nlater()",
    ),
    found: 'plan',
    message: /\/srv\/b/,
  },
  {
    name: 'a list of handles with undefined',
    recipe: deploy(
      "const found = ([] as Handle[])[0]\nexecute(r, { command: ['true'], when: [found as Handle] }) // here",
    ),
    found: 'plan',
    message: /when/,
  },
  {
    name: 'an output that a type does not have',
    recipe: deploy(
      "const env = virtualenv(r, { path: '/srv/env' })\nfile(r, { path: '/srv/a', content: env.bim }) // here",
    ),
    compiler: /'bim' does not exist/,
    found: 'plan',
    message: /bim/,
  },
  {
    name: 'a reference in a text',
    recipe: deploy(
      "const env = virtualenv(r, { path: '/srv/env' })\nfile(r, { path: '/srv/a', content: `exec ${env.bin}` }) // here",
    ),
    found: 'plan',
    message: /the bin of virtualenv \/srv\/env is not known yet/,
  },
  {
    name: 'a missing template',
    recipe: deploy(
      "template(r, { path: '/srv/a', source: readTemplate(import.meta.url, 'gone.hbs'), variables: {} }) // here",
    ),
    found: 'plan',
    message: /gone\.hbs/,
  },
  {
    name: 'a variable that the template does not get',
    recipe: deploy(
      "template(r, { path: '/srv/a', source: readTemplate(import.meta.url, 'a.hbs'), variables: { one: 1 } }) // here",
    ),
    files: { 'a.hbs': '{{one}} {{two}}\n' },
    found: 'plan',
    message: /"two" is not among the variables/,
  },
  {
    name: 'a variable that the template does not use',
    recipe: deploy(
      "template(r, { path: '/srv/a', source: readTemplate(import.meta.url, 'a.hbs'), variables: { one: 1, two: 2 } }) // here",
    ),
    files: { 'a.hbs': '{{one}}\n' },
    found: 'plan',
    message: /does not use the variable "two"/,
    isWarning: true,
  },
  {
    name: 'an unknown helper in a template',
    recipe: deploy(
      "template(r, { path: '/srv/a', source: readTemplate(import.meta.url, 'a.hbs'), variables: { one: 1 } }) // here",
    ),
    files: { 'a.hbs': '{{upper one}}\n' },
    found: 'plan',
    message: /upper/,
  },
  {
    name: 'an override of nothing',
    recipe: deploy("r.override(file, '/srv/none', { content: 'x' }) // here"),
    found: 'plan',
    message: /\/srv\/none/,
  },
  {
    name: 'two overrides of one resource',
    recipe: deploy(
      "file(r, { path: '/srv/a', content: '' })\nr.override(file, '/srv/a', { content: 'x' })\nr.override(file, '/srv/a', { content: 'y' }) // here",
    ),
    found: 'plan',
    message: /\/srv\/a/,
  },
  {
    name: 'include of an event that a role does not have',
    recipe: deploy("r.include(roles.base, 'tidy') // here"),
    found: 'plan',
    message: /tidy/,
  },
  {
    name: 'a misspelt attribute of a role',
    recipe:
      "export default role('web', { attributes: { haproxy: { client_timeuot: '120s' } }, deploy(r) { directory(r, { path: '/srv/a' }) } }) // here",
    compiler: /client_timeuot/,
    found: 'plan',
    message: /client_timeuot/,
    isWarning: true,
  },
  {
    name: 'a value of a wrong type in the attributes of a role',
    recipe:
      "export default role('web', { attributes: { plone_instances: { per_cpu: 'two' } }, deploy(r) { directory(r, { path: '/srv/a' }) } }) // here",
    compiler: /'"two"' is not assignable/,
    found: 'plan',
    message: /per_cpu/,
  },
  {
    name: 'an own attribute that is built in',
    recipe:
      "export const own = defineAttributes('haproxy', z.object({})) // here\nexport default role('web', {\n  deploy(r) { directory(r, { path: '/srv/a' }) },\n})",
    found: 'plan',
    message: /haproxy/,
  },
  {
    name: 'a required own attribute that nobody sets',
    recipe:
      "export const own = defineAttributes('shop', z.object({ name: z.string() }))\nexport default role<NodeWith<typeof own>>('web', {\n  deploy(r, node) { file(r, { path: '/srv/a', content: node.shop.name }) }, // here\n})",
    found: 'plan',
    message: /shop\.name/,
  },
  {
    name: 'a misspelt layer',
    recipe: deploy(
      "const [first] = stack(node).addresses({ layer: 'ap' }) // here\nif (first !== undefined) file(r, { path: '/srv/a', content: first })",
    ),
    attributes: { opsworks: { layers: { app: { instances: {} } } } },
    found: 'plan',
    message: /"?ap"?/,
  },
  {
    name: 'a property of undefined',
    recipe: deploy(
      "const site = node.deploy.site as { user: string }\nfile(r, { path: '/srv/a', content: site.user }) // here",
    ),
    found: 'plan',
    message: /TypeError/,
  },
  {
    name: 'a directory that nothing declares',
    recipe: deploy("file(r, { path: placed(node, '/srv/none/a'), content: '' }) // here"),
    found: 'deploy',
    message: /none/,
  },
  {
    name: 'a command that fails',
    recipe: deploy("execute(r, { command: ['false'], contained: true }) // here"),
    found: 'deploy',
    message: /false/,
  },
  {
    name: 'a command that does not create its result',
    recipe: deploy("execute(r, { command: ['true'], creates: placed(node, '/made'), contained: true }) // here"),
    found: 'deploy',
    message: /made/,
  },
  {
    name: 'a type that does not read back what it wrote',
    recipe:
      "const odd = defineResource(\n  { type: 'odd', doc: '', examples: [], reach: 'paths', key: () => 'x', props: z.strictObject({}), state: z.strictObject({ on: z.boolean() }) },\n  { read: () => ({ on: false }), desired: () => ({ on: true }), apply: () => undefined },\n)\nexport default role('web', {\n  deploy(r) { odd(r, {}) }, // here\n})",
    found: 'plan',
    message: /still differs/,
  },
  {
    name: 'an assignment to the node',
    recipe: deploy("file(r, { path: '/srv/a', content: '' })\nObject(node.haproxy).client_timeout = '1s' // here"),
    found: 'plan',
    message: /Cannot assign to read only property 'client_timeout'/,
  },
  {
    name: 'an assignment of a whole key of the node',
    recipe: deploy("file(r, { path: '/srv/a', content: '' })\nObject(node).haproxy = {} // here"),
    found: 'plan',
    message: /Cannot (assign to read only property|add property|set property) ?'?haproxy/,
  },
  {
    name: 'an attribute that the recipe adds to the node',
    recipe: deploy("file(r, { path: '/srv/a', content: '' })\nObject(node).mine = true // here"),
    found: 'plan',
    message: /Cannot add property mine, object is not extensible/,
  },
  {
    name: 'an asynchronous query',
    recipe: `const motd = defineQuery({ name: 'the motd', read: async () => '', unread: '' as never })\n${deploy(
      "r.given(motd, (text) => { // here\n  file(r, { path: '/srv/a', content: `${text}` })\n})",
    )}`,
    found: 'plan',
    message: /the query "the motd" is asynchronous/,
  },
  {
    name: 'an asynchronous query in a property',
    recipe: `const motd = defineQuery({ name: 'the motd', read: async () => '', unread: '' as never })\n${deploy(
      "file(r, { path: '/srv/a', content: queried(motd) as never }) // here",
    )}`,
    found: 'plan',
    message: /the query "the motd" is asynchronous/,
  },
  {
    name: 'a warning without a text',
    recipe: deploy('r.warn(node.facts.fqdn === null ? undefined : undefined) // here'),
    compiler: /'undefined' is not assignable/,
    found: 'plan',
    message: /warn: expected a text, got undefined/,
  },
  {
    name: 'the name of a template in the place of its text',
    recipe: deploy("template(r, { path: '/srv/a', source: 'a.hbs', variables: {} }) // here"),
    files: { 'a.hbs': '' },
    found: 'plan',
    message: /source.*the text of a template, and not its name/,
  },
  {
    name: 'a link to itself',
    recipe: deploy("symlink(r, { path: '/srv/a', target: '/srv/a' }) // here"),
    found: 'plan',
    message: /target: .*to itself/,
  },
  {
    name: 'a schedule with six fields',
    recipe: deploy("cron(r, { name: 'tidy', schedule: '0 0 * * * *', command: 'true' }) // here"),
    found: 'plan',
    message: /schedule/,
  },
  {
    name: 'an enabled unit without a section [Install]',
    recipe: deploy(
      "systemd_unit(r, { name: 'a.service', content: { Service: { ExecStart: '/bin/true' } }, enabled: true }) // here",
    ),
    found: 'plan',
    message: /nothing in its section \[Install\]/,
  },
  {
    name: 'a text in the place of a handle',
    recipe: deploy("execute(r, { command: ['true'], when: ['file /srv/a'] as never }) // here"),
    found: 'plan',
    message: /when/,
  },
  {
    name: 'a role that extends nothing',
    recipe:
      "export default role('web', { extends: Object(roles).zeo_clint, deploy(r) { directory(r, { path: '/srv/a' }) } }) // here",
    found: 'plan',
    message: /extends/,
  },
  {
    name: 'a role that includes itself',
    recipe:
      "const web = role('web', { deploy(r: Recipe<PloneNode>) { r.include(web, 'deploy') } }) // here\nexport default web",
    found: 'plan',
    message: /web/,
  },
  {
    name: 'a declaration after the recipe has returned',
    recipe: deploy("Promise.resolve().then(() => file(r, { path: '/srv/a', content: '' })) // here"),
    found: 'plan',
    message: /file/,
  },
  {
    name: 'an override of an unknown property',
    recipe: deploy(
      "file(r, { path: '/srv/a', content: '' })\nr.override(file, '/srv/a', { contnt: 'x' } as never) // here",
    ),
    found: 'plan',
    message: /contnt/,
  },
  {
    name: 'a file of the recipe that does not exist',
    recipe: deploy("file(r, { path: '/srv/a', source: recipeFile(import.meta.url, 'gone.png') }) // here"),
    found: 'plan',
    message: /gone\.png/,
  },
  {
    name: 'a guard that throws',
    recipe: deploy(
      "file(r, { path: '/srv/a', content: '', onlyIf: { description: 'x', check: () => { throw new Error('boom') } } }) // here",
    ),
    found: 'plan',
    message: /boom/,
  },
  {
    name: 'an attribute that no schema has',
    recipe: deploy("file(r, { path: '/srv/a', content: Object(node).shop.name }) // here"),
    found: 'plan',
    message: /TypeError|shop/,
  },
  {
    name: 'a default outside its own schema',
    recipe: `export const own = defineAttributes('shop', z.object({ n: z.number().min(5).default(2) })) // here\n${deploy(
      "directory(r, { path: '/srv/a' })",
    )}`,
    found: 'plan',
    message: /the default of shop\.n does not pass its own schema: .*5/,
  },
  {
    name: 'a default of a nested attribute outside its own schema',
    recipe: `export const own = defineAttributes('shop', z.object({ list: z.array(z.object({ mode: z.enum(['a', 'b']).default('c' as never) })).optional() })) // here\n${deploy(
      "directory(r, { path: '/srv/a' })",
    )}`,
    found: 'plan',
    message: /the default of shop\.list\[\]\.mode does not pass its own schema/,
  },
  {
    name: 'a default of a map outside its own schema',
    recipe: `export const own = defineAttributes('shop', z.object({ a: z.object({ n: z.string().regex(/^x/) }).default({ n: 'y' }) })) // here\n${deploy(
      "directory(r, { path: '/srv/a' })",
    )}`,
    found: 'plan',
    message: /the default of shop\.a does not pass its own schema: n: /,
  },
  {
    name: 'an asynchronous check in the schema of attributes',
    recipe: `export const own = defineAttributes('shop', z.object({ n: z.string().refine(async () => true).default('x') })) // here\n${deploy(
      "directory(r, { path: '/srv/a' })",
    )}`,
    found: 'plan',
    message: /the schema of shop\.n is asynchronous/,
  },
  {
    name: 'a thrown text',
    recipe:
      "export default role('web', { // here\n  deploy(r: Recipe<PloneNode>) {\n    directory(r, { path: '/srv/a' })\n    throw 'no space'\n  },\n})",
    found: 'plan',
    message:
      /deploy of the role web failed: no space\n {2}hint: throw an error, which has a line: throw new Error\('\.\.\.'\)/,
  },
  {
    name: 'two roles of one name in one file',
    recipe:
      "export const one = role('web', { deploy(r: Recipe<PloneNode>) { directory(r, { path: '/srv/a' }) } })\nexport default role('web', { deploy(r: Recipe<PloneNode>) { directory(r, { path: '/srv/b' }) } }) // here",
    found: 'plan',
    message: /web\.ts:2:\d+ and again in .*web\.ts:3:\d+/,
  },
  {
    name: 'roles that include each other',
    recipe:
      "const a = role('a', { deploy(r: Recipe<PloneNode>) { r.include(b, 'deploy') } }) // here\nconst b = role('web', { deploy(r: Recipe<PloneNode>) { r.include(a, 'deploy') } })\nexport default b",
    found: 'plan',
    message: /include: circle: web::deploy includes a::deploy, which includes web::deploy/,
  },
  {
    name: 'an asynchronous function that declares later',
    recipe: `async function later(r: Recipe<PloneNode>) {\n  await null\n  file(r, { path: '/srv/late', content: '' }) // here\n}\n${deploy(
      'void later(r)',
    )}`,
    found: 'plan',
    message: /file: called after the recipes have returned/,
  },
  {
    name: 'a declaration of a timer',
    recipe: deploy("setTimeout(() => file(r, { path: '/srv/late', content: '' }), 0) // here"),
    found: 'plan',
    message: /file: called after the recipes have returned/,
  },
  {
    name: 'an r that another event has kept',
    recipe:
      "let kept: Recipe<PloneNode> | undefined\nconst other = role('other', { deploy(r: Recipe<PloneNode>) { kept = r } })\nexport default role('web', {\n  deploy(r: Recipe<PloneNode>) {\n    r.include(other, 'deploy')\n    setTimeout(() => kept?.warn('late'), 0) // here\n  },\n})",
    found: 'plan',
    message: /warn: called after the recipes have returned/,
  },
  {
    name: 'an import that converge-engine does not have',
    recipe: `import { copy_file } from 'converge-engine' // here\n${deploy("copy_file(r, { path: '/srv/a' })")}`,
    compiler: /has no exported member( named)? 'copy_file'/,
    found: 'plan',
    message: /No matching export in "converge-engine" for import "copy_file"/,
  },
  {
    name: 'a query that writes',
    recipe: `const motd = defineQuery({ name: 'the motd', read: (host) => String(Object(host).writeFile('/srv/a', 'x')), unread: '' }) // here\n${deploy(
      "r.given(motd, (text) => {\n  file(r, { path: '/srv/b', content: text })\n})",
    )}`,
    found: 'plan',
    message: /writeFile is not a function|may only read/,
  },
  {
    name: 'a guard that writes',
    recipe: deploy(
      "file(r, { path: '/srv/a', content: '', onlyIf: { description: 'x', check: (host) => Object(host).writeFile('/srv/b', '') === undefined } }) // here",
    ),
    found: 'plan',
    message: /writeFile is not a function|may only read/,
  },
  {
    name: 'a resource type whose desired is asynchronous',
    recipe:
      "const odd = defineResource(\n  { type: 'odd', doc: '', examples: [], key: () => 'x', props: z.strictObject({}), state: z.strictObject({ on: z.boolean() }) },\n  { read: () => ({ on: false }), desired: (async () => ({ on: true })) as never, apply: () => undefined, paths: () => [] },\n)\nexport default role('web', {\n  deploy(r) { odd(r, {}) }, // here\n})",
    found: 'plan',
    message: /desired of the resource type odd is asynchronous/,
  },
  {
    name: 'two paths of one file',
    recipe: deploy("file(r, { path: '/srv/a', content: 'x' })\nfile(r, { path: '/srv//a', content: 'y' }) // here"),
    found: 'plan',
    message: /declared twice/,
  },
  {
    name: 'an event that is defined twice',
    recipe:
      "export default role('web', { deploy(r: Recipe<PloneNode>) { directory(r, { path: '/srv/a' }) }, events: { deploy(r: Recipe<PloneNode>) { directory(r, { path: '/srv/b' }) } } }) // here",
    found: 'plan',
    message: /the role web defines deploy twice/,
  },
  {
    name: 'an empty list in when',
    recipe: deploy("execute(r, { command: ['true'], when: [] }) // here"),
    found: 'plan',
    message: /when: expected at least one resource/,
  },
  {
    name: 'a negative duration',
    recipe: deploy("execute(r, { command: ['true'], timeout: seconds(-1) }) // here"),
    found: 'plan',
    message: /a duration must be a number from 0 up, got -1/,
  },
  {
    name: 'an import of a file that does not exist',
    recipe: `import { a } from './gone.ts' // here\n${deploy("file(r, { path: '/srv/a', content: `${a}` })")}`,
    compiler: /Cannot find module/,
    found: 'plan',
    message: /Could not resolve ".\/gone.ts"/,
  },
  {
    name: 'a default export that is not a role',
    recipe: `export default { deploy() {} }`,
    found: 'plan',
    message: /its default export is not a role, but an object/,
  },
  {
    name: 'a reference to a skipped resource',
    recipe: deploy(
      "const env = virtualenv(r, { path: placed(node, '/env'), onlyIf: false })\nfile(r, { path: '/srv/a', content: env.bin }) // here",
    ),
    found: 'plan',
    message: /which was skipped/,
  },
  {
    name: 'a resource type with a fault',
    recipe:
      "const odd = defineResource(\n  { type: 'odd', doc: '', examples: [], key: () => 'x', props: z.strictObject({}), state: z.strictObject({ on: z.boolean() }) },\n  { read: () => ({ on: Object(undefined).a.b }), desired: () => ({ on: true }), apply: () => undefined, paths: () => [] }, // here\n)\nexport default role('web', {\n  deploy(r) { odd(r, {}) },\n})",
    found: 'plan',
    message: /the resource type odd threw TypeError/,
  },
  {
    name: 'a resource type that runs a command without predict',
    recipe:
      "const odd = defineResource(\n  { type: 'odd', doc: '', examples: [], key: () => 'x', props: z.strictObject({}), state: z.strictObject({ on: z.boolean() }) },\n  { read: () => ({ on: false }), desired: () => ({ on: true }), apply: async (host) => { await host.run(['true']) } },\n)\nexport default role('web', {\n  deploy(r) { odd(r, {}) }, // here\n})",
    found: 'plan',
    message: /a dry run may not do this: true/,
  },
  {
    name: 'a resource type whose read writes',
    recipe:
      "const odd = defineResource(\n  { type: 'odd', doc: '', examples: [], key: () => 'x', props: z.strictObject({}), state: z.strictObject({ on: z.boolean() }) },\n  { read: (host) => ({ on: Object(host).writeFile('/srv/a', 'x') === undefined }), desired: () => ({ on: true }), apply: () => undefined, paths: () => [] }, // here\n)\nexport default role('web', {\n  deploy(r) { odd(r, {}) },\n})",
    found: 'plan',
    message: /read of the resource type odd may only read: it called writeFile/,
  },
  {
    name: 'a resource type whose asynchronous read runs a command',
    recipe:
      "const odd = defineResource(\n  { type: 'odd', doc: '', examples: [], key: () => 'x', props: z.strictObject({}), state: z.strictObject({ on: z.boolean() }) },\n  { read: async (host) => ({ on: (await Object(host).run(['true'])).ok }), desired: () => ({ on: true }), apply: () => undefined, paths: () => [] }, // here\n)\nexport default role('web', {\n  deploy(r) { odd(r, {}) },\n})",
    found: 'plan',
    message: /read of the resource type odd may only read: it called run/,
  },
  {
    name: 'a resource type with the name of a built-in one',
    recipe:
      "const odd = defineResource( // here\n  { type: 'file', doc: '', examples: [], key: () => 'x', props: z.strictObject({}), state: z.strictObject({ on: z.boolean() }) },\n  { read: () => ({ on: true }), desired: () => ({ on: true }), apply: () => undefined, paths: () => [] },\n)\nexport default role('web', {\n  deploy(r) { odd(r, {}) },\n})",
    found: 'plan',
    message: /the resource type file is built in/,
  },
  {
    name: 'two resource types with one name',
    recipe:
      "const rest = { read: () => ({ on: true }), desired: () => ({ on: true }), apply: () => undefined, paths: () => [] }\nexport const first = defineResource({ type: 'odd', doc: '', examples: [], key: () => 'x', props: z.strictObject({}), state: z.strictObject({ on: z.boolean() }) }, rest)\nexport const second = defineResource({ type: 'odd', doc: '', examples: [], key: () => 'x', props: z.strictObject({}), state: z.strictObject({ on: z.boolean() }) }, rest) // here\nexport default role('web', {\n  deploy(r) { first(r, {}) },\n})",
    found: 'plan',
    message: /the resource type odd is defined twice: first in \S*web\.ts:3:/,
  },
  {
    name: 'a role with the name of a built-in one',
    recipe: `export const other = role('frontend', { deploy() {} }) // here\n${deploy("file(r, { path: '/srv/a', content: '' })")}`,
    found: 'plan',
    message: /the role frontend is built in/,
  },
  {
    name: 'overrides of nothing',
    recipe:
      "const base = role('base-web', { deploy(r) { file(r, { path: '/srv/a', content: '' }) } })\nexport default role('web', {\n  extends: base,\n  overrides: (r) => r.override(file, '/srv/b', { content: 'x' }), // here\n})",
    found: 'plan',
    message: /override: no recipe of this run declares file \/srv\/b/,
  },
  {
    name: 'an override in one event of a resource that another event declares too',
    recipe:
      "const base = role('base-web', { deploy(r) { file(r, { path: '/srv/a', content: '' }) }, configure(r) { file(r, { path: '/srv/a', content: '' }) } })\nexport default role('web', {\n  extends: base,\n  deploy(r, node) {\n    r.include(base, 'deploy')\n    r.override(file, '/srv/a', { content: 'x' }) // here\n  },\n})",
    found: 'plan',
    message: /web overrides file \/srv\/a in deploy, but not in configure: write overrides/,
    isWarning: true,
  },
  {
    name: 'a step before nothing',
    recipe: deploy("r.before(file, '/srv/b', () => undefined) // here"),
    found: 'plan',
    message: /before: no recipe of this run declares file \/srv\/b/,
  },
  {
    name: 'process.exit',
    recipe: deploy('process.exit(0) // here'),
    found: 'plan',
    message: /the program ended before its work was over: process\.exit\(\) was called/,
  },
  {
    name: 'a promise in a text',
    recipe: deploy("file(r, { path: '/srv/a', content: `${Promise.resolve('x')}` }) // here"),
    found: 'plan',
    message: /property content contains "\[object Promise\]"/,
    isWarning: true,
  },
  {
    name: 'an undefined value in a text',
    recipe: deploy(
      "const names: Record<string, string> = {}\nfile(r, { path: '/srv/a', content: `name = ${names.nmae}\\n` }) // here",
    ),
    found: 'plan',
    message: /file \/srv\/a: property content contains "undefined": name = undefined/,
    isWarning: true,
  },
  {
    name: 'an object in a text',
    recipe: deploy("file(r, { path: '/srv/a', content: `name = ${node.opsworks}\\n` }) // here"),
    found: 'plan',
    message: /property content contains "\[object Object\]"/,
    isWarning: true,
  },
  {
    name: 'an output in JSON',
    recipe: deploy(
      "const env = virtualenv(r, { path: '/srv/env' })\nfile(r, { path: '/srv/a.json', content: JSON.stringify({ bin: env.bin }) }) // here",
    ),
    found: 'plan',
    message: /property content contains "\(known later: bin of virtualenv \/srv\/env\)"/,
    isWarning: true,
  },
  {
    name: 'a handle in a text',
    recipe: deploy("const d = directory(r, { path: '/srv' })\nfile(r, { path: `${d}/a`, content: '' }) // here"),
    found: 'plan',
    message: /the handle of directory \/srv is not a text/,
  },
  {
    name: 'files that import each other',
    recipe: `import { b } from './b.ts'\nexport const a = 'a'\n${deploy("file(r, { path: '/srv/a', content: b }) // here")}`,
    files: { 'b.ts': "import { a } from './web.ts'\nexport const b = `${a}b`\n" },
    found: 'plan',
    message: /property content contains "undefined": undefinedb/,
    isWarning: true,
  },
  {
    name: 'a role that is not exported',
    recipe: "role('web', { deploy(r: Recipe<PloneNode>) { directory(r, { path: '/srv/a' }) } }) // here",
    found: 'plan',
    message: /the role web is not exported/,
  },
  {
    name: 'top-level await',
    recipe: `const text = await Promise.resolve('x') // here\n${deploy("file(r, { path: '/srv/a', content: text })")}`,
    found: 'plan',
    message: /Top-level await is not supported in recipes\n {2}hint: remove await/,
  },
  {
    name: 'a misspelt member in a template',
    recipe: deploy(
      "template(r, { path: '/srv/a', source: '{{site.naem}}\\n', variables: { site: { name: 'a' } } }) // here",
    ),
    found: 'plan',
    message: /a value in the template has no member "naem"/,
  },
  {
    name: 'an undefined variable of a template',
    recipe: deploy("template(r, { path: '/srv/a', source: '{{site}}\\n', variables: { site: undefined } }) // here"),
    found: 'plan',
    message: /the variable "site" has no value: it is undefined/,
  },
  {
    name: 'a template without import.meta.url',
    recipe: deploy("template(r, { path: '/srv/a', source: readTemplate('web.ts', 'a.hbs'), variables: {} }) // here"),
    found: 'plan',
    message: /expected import\.meta\.url and the name of a file, got "web\.ts" and "a\.hbs"/,
  },
  {
    name: 'notifies, as in Chef',
    recipe: deploy("file(r, { path: '/srv/a', content: '', notifies: ['restart', 'nginx'] } as never) // here"),
    found: 'plan',
    message: /file has no property notifies\n {2}hint: write when: \[handle\]/,
  },
  {
    name: 'a guard with a misspelt part',
    recipe: deploy("file(r, { path: '/srv/a', content: '', onlyIf: { desc: 'x', check: () => true } }) // here"),
    compiler: /'desc' does not exist/,
    found: 'plan',
    message: /onlyIf: expected true or false, or a check/,
  },
  {
    name: 'attributes that are defined in a recipe',
    recipe: deploy("defineAttributes('shop', z.object({ n: z.number().default(1) })) // here"),
    found: 'plan',
    message: /defineAttributes: shop is defined while a recipe runs/,
  },
  {
    name: 'a secret that the recipe prints',
    recipe:
      "const own = defineAttributes('shop', z.object({ password: z.string().default('hunter2-xyzzy') }))\nexport default role<NodeWith<typeof own>>('web', {\n  deploy(r, node) {\n    console.log(`it is ${node.shop.password}`)\n    file(r, { path: '/srv/a', content: `${Object(node).shop.nmae} ${node.shop.password}` }) // here\n  },\n})",
    found: 'plan',
    message: /^it is \*{8}\n(?!.*hunter2)[\s\S]*undefined \*{8}/,
    isWarning: true,
  },
  {
    name: 'a secret in the arguments of a command',
    recipe:
      "const own = defineAttributes('shop', z.object({ password: z.string().default('hunter2-xyzzy') }))\nexport default role<NodeWith<typeof own>>('web', {\n  deploy(r, node) { execute(r, { command: ['login', node.shop.password] }) }, // here\n})",
    found: 'plan',
    message: /execute login \*{8}: every account can read the arguments of the command/,
    isWarning: true,
  },
  {
    name: 'an operator of the shell in a list',
    recipe: deploy("execute(r, { command: ['echo', 'a', '>', '/srv/b'] }) // here"),
    found: 'plan',
    message: /the program gets ">" as an argument/,
    isWarning: true,
  },
  {
    name: 'a misspelt filter of hosts',
    recipe: deploy("const [first] = stack(node).hosts({ layr: 'app' }) // here\nif (first) r.note(first.name)"),
    compiler: /'layr' does not exist/,
    found: 'plan',
    message: /stack: hosts have no filter "layr"\n {2}hint: did you mean layer\?/,
  },
  {
    name: 'a misspelt resource type in unlessDeclared',
    recipe: deploy("r.unlessDeclared('fiel', '/srv/a', () => { file(r, { path: '/srv/a', content: '' }) }) // here"),
    found: 'plan',
    message: /unlessDeclared: there is no resource type "fiel"\n {2}hint: did you mean file\?/,
  },
  {
    name: 'a part of a role of a wrong kind',
    recipe:
      "export default role('web', { attributes: (() => ({})) as never, deploy(r) { directory(r, { path: '/srv/a' }) } }) // here",
    found: 'plan',
    message: /the role web: attributes is a function/,
  },
  {
    name: 'a role that extends a list',
    recipe:
      "export default role('web', { extends: [roles.frontend] as never, deploy(r: Recipe<PloneNode>) { r.note('a') } }) // here",
    found: 'plan',
    message: /the role web extends a list, not a role/,
  },
  {
    name: 'a misspelt part of a resource type',
    recipe: oddType({
      implementation: 'read: () => ({ on: true }), desired: () => ({ on: true }), aply: () => undefined',
    }),
    found: 'plan',
    message: /the resource type odd has the unknown part "aply"\n {2}hint: did you mean apply\?/,
  },
  {
    name: 'a resource type without apply',
    recipe: oddType({ implementation: 'read: () => ({ on: true }), desired: () => ({ on: true })' }),
    found: 'plan',
    message: /the resource type odd has no apply/,
  },
  {
    name: 'a resource type with a wrong example',
    recipe: oddType({ description: "examples: [{ nmae: 'a' }]" }),
    found: 'plan',
    message: /the resource type odd: its schema refuses example 1: .*nmae/,
  },
  {
    name: 'a resource type whose name has a blank',
    recipe: oddType({ type: 'odd type' }),
    found: 'plan',
    message: /"odd type" is not a name for a resource type/,
  },
  {
    name: 'a resource type whose read returns another state than its schema',
    recipe:
      `${oddType({ implementation: 'read: () => ({ on: 1 }), desired: () => ({ on: true }), apply: () => undefined, paths: () => []' }).replace('// here', '')}`.replace(
        'odd(r, {})',
        'odd(r, {}) // here\n',
      ),
    found: 'plan',
    message: /read of odd returned a state that its schema refuses: on: expected boolean, received number/,
  },
  {
    name: 'a check that returns nothing',
    recipe: deploy(
      "execute(r, { command: ['true'], onlyIf: { description: 'a', check: (() => undefined) as never } }) // here",
    ),
    found: 'plan',
    message: /the check "a" returned undefined, not true or false/,
  },
  {
    name: 'a check that returns a text',
    recipe: deploy(
      "execute(r, { command: ['true'], notIf: { description: 'a', check: () => 'no' as never } }) // here",
    ),
    found: 'plan',
    message: /the check "a" returned a string, not true or false/,
  },
  {
    name: 'an asynchronous function in given',
    recipe: `const motd = defineQuery({ name: 'the motd', read: (host) => host.readText('/etc/motd'), unread: null })\n${deploy("r.given(motd, async () => { file(r, { path: '/srv/a', content: '' }) }) // here")}`,
    found: 'plan',
    message: /the function that declares is asynchronous/,
  },
  {
    name: 'an asynchronous step before a resource',
    recipe: deploy(
      "file(r, { path: '/srv/a', content: '' })\nr.before(file, '/srv/a', (async () => { file(r, { path: '/srv/b', content: '' }) }) as never) // here",
    ),
    found: 'plan',
    message: /the function that declares is asynchronous/,
  },
  {
    name: 'a declaration in overrides',
    recipe:
      "export default role('web', { deploy(r: Recipe<PloneNode>) { r.note('a') }, overrides(r) { file(r as never, { path: '/srv/b', content: '' }) } }) // here",
    found: 'plan',
    message: /file: overrides of a role can only override/,
  },
  {
    name: 'an event whose name has a blank',
    recipe: "export default role('web', { events: { 'tidy up': () => undefined } }) // here",
    found: 'plan',
    message: /the role web: "tidy up" is not a name for an event/,
  },
  {
    name: 'include without an event',
    recipe: deploy('(r.include as (role: unknown) => void)(roles.memcached) // here'),
    found: 'plan',
    message: /include: expected the name of an event, got undefined/,
  },
  {
    name: 'stack without a node',
    recipe: deploy('stack({} as never).hosts() // here'),
    found: 'plan',
    message: /stack: expected the node of a recipe/,
  },
  {
    name: 'a duration of a text',
    recipe: deploy("execute(r, { command: ['true'], timeout: seconds('5' as never) }) // here"),
    found: 'plan',
    message: /a duration must be a number from 0 up, got the string "5"/,
  },
  {
    name: 'a message with an undefined value',
    recipe: deploy('r.note(`port ${(node as never)["x"]}`) // here'),
    found: 'plan',
    message: /note: the message contains "undefined"/,
    isWarning: true,
  },
  {
    name: 'an own attribute that is a date',
    recipe: `export const own = defineAttributes('shop', z.object({ days: z.array(z.date()).default([]) })) // here\n${deploy("r.note('a')")}`,
    found: 'plan',
    message:
      /shop\.days\[\] is of the type date, and no JSON or YAML file has such values\n {2}hint: write z\.iso\.date\(\)/,
  },
  {
    name: 'an own attribute whose default is a function',
    recipe: `export const own = defineAttributes('shop', z.object({ make: z.any().default(() => () => 1) })) // here\n${deploy("r.note('a')")}`,
    found: 'plan',
    message: /the default of shop\.make does not pass its own schema: it is a function/,
  },
  {
    name: 'a secret in the name of a file',
    recipe: withToken("file(r, { path: `/srv/${node.shop.token}`, content: '' }) // here"),
    found: 'plan',
    message: /file \/srv\/\*+: its name holds a secret/,
    isWarning: true,
  },
  {
    name: 'a secret in a cron job',
    recipe: withToken(
      "cron(r, { name: 'tidy', schedule: '@daily', command: `curl -u a:${node.shop.token} http://localhost/` }) // here",
    ),
    found: 'plan',
    message: /every account can read \/etc\/cron\.d\/tidy, and it holds a secret; let the command read/,
    isWarning: true,
  },
  {
    name: 'a secret in a unit',
    recipe: withToken(
      "systemd_unit(r, { name: 'a.service', content: { Service: { ExecStart: `/bin/true ${node.shop.token}` } } }) // here",
    ),
    found: 'plan',
    message: /every account can read \/etc\/systemd\/system\/a\.service, and it holds a secret; name a file/,
    isWarning: true,
  },
]
