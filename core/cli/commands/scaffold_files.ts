/** The texts of the files that `converge new` writes. */

/** Versions of the packages for the editor and the type check; npm takes the newest that fits. */
export const packageVersions = { typescript: '^5.9.3', '@types/node': '^20.19.43' }

export interface DirectoryNames {
  /** Name in package.json. */
  readonly name: string
  /** How npm installs converge: a version, or `file:` with a path. */
  readonly engine: string
}

/** Files of a new directory of recipes, by path; those of its first role are not among them. */
export function directoryFiles({ name, engine }: DirectoryNames): Readonly<Record<string, string>> {
  const manifest = {
    name,
    private: true,
    type: 'module',
    scripts: { test: 'converge test', check: 'tsc --noEmit' },
    devDependencies: {
      '@types/node': packageVersions['@types/node'],
      'converge-engine': engine,
      typescript: packageVersions.typescript,
    },
  }
  const compilerOptions = {
    module: 'NodeNext',
    target: 'ES2023',
    strict: true,
    noEmit: true,
    allowImportingTsExtensions: true,
    skipLibCheck: true,
    types: ['node'],
  }
  return {
    'package.json': json(manifest),
    'tsconfig.json': json({ compilerOptions, include: ['*.ts', 'recipes', 'test'] }),
    'converge.config.ts': config,
    '.gitignore': 'node_modules/\n',
    '.vscode/settings.json': json({
      'typescript.tsdk': 'node_modules/typescript/lib',
      'files.associations': { '*.hbs': 'handlebars' },
    }),
    '.github/workflows/test.yml': workflow,
    'README.md': readme(name),
  }
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`

const config = `/** Tells converge where the roles are. */
import type { ConvergeConfig } from 'converge-engine'

const config: ConvergeConfig = { recipes: './recipes' }

export default config
`

const workflow = `name: test
on: [push, pull_request]
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with:
          node-version: 20
      - run: npm install
      - run: npx tsc --noEmit
      - run: npx converge test
`

const readme = (name: string) => `# ${name}

Roles for [converge](node_modules/converge-engine/README.md).

| path | content |
|---|---|
| \`recipes/\` | one file for each role, and its templates |
| \`recipes/resources/\` | resource types |
| \`test/\` | tests, which run on a host in memory |
| \`converge.config.ts\` | where converge finds the roles |

\`\`\`sh
npm install                                        # once, for the editor and the type check
npx converge test                                  # runs the tests
npx tsc --noEmit                                   # checks the types
npx converge plan --role motd --prefix /tmp/try    # shows what the role would change below /tmp/try
npx converge new role NAME                         # adds a role with a template and a test
npx converge new resource NAME                     # adds a resource type with a test
\`\`\`

As root, \`npx converge plan --role motd\` shows what the role would change on this computer. If other accounts may write to this directory or one above
it, name the configuration: \`--config converge.config.ts\`. To try changes, converge a copy of the system: \`npx converge verify --role motd\`.

The guides are [write recipes](node_modules/converge-engine/docs/writing-recipes.md) and
[test recipes](node_modules/converge-engine/docs/testing-recipes.md).
`

/** Files of a new role, by path. */
export function roleFiles(role: string): Readonly<Record<string, string>> {
  const key = role.replaceAll('-', '_')
  return {
    [`recipes/${key}.ts`]: `/** Defines the role ${role}. This example writes one file; change it to what your role declares. */
import { defineAttributes, directory, type NodeWith, placed, readTemplate, role, template, z } from 'converge-engine'

/** Attributes that users set as {"${key}": {"greeting": "..."}}. */
export const attributes = defineAttributes(
  '${key}',
  z.object({
    greeting: z.string().default('Welcome').meta({ description: 'First word of the text' }),
  }),
)

export default role<NodeWith<typeof attributes>>('${role}', {
  doc: 'Writes /etc/${role}',
  configure(r, node) {
    directory(r, { path: placed(node, '/etc'), parents: true })
    template(r, {
      path: placed(node, '/etc/${role}'),
      source: readTemplate(import.meta.url, '${key}.hbs'),
      variables: { greeting: node.${key}.greeting, hostname: node.facts.hostname },
      mode: '0644',
    })
  },
})
`,
    [`recipes/${key}.hbs`]: '{{greeting}} to {{hostname}}\n',
    [`test/${key}.test.ts`]: `/** Tests the role ${role}. */
import { test } from 'node:test'
import { template } from 'converge-engine'
import { converge, plan, verify } from 'converge-engine/testing'
import role from '../recipes/${key}.ts'

test('the plan has the file', async () => {
  const run = await plan(role)
  run.assertResource(template, '/etc/${role}', { mode: '0644' })
})

test('the file has the greeting of the attributes', async () => {
  const { host } = await converge(role, { attributes: { ${key}: { greeting: 'Hello' } } })
  host.assertFile('/etc/${role}', 'Hello to localhost\\n')
})

test('a second run changes nothing', async () => {
  await verify(role)
})
`,
  }
}

/** Files of a new resource type, by path. */
export function resourceFiles(type: string): Readonly<Record<string, string>> {
  return {
    [`recipes/resources/${type}.ts`]: `/** Defines the resource type ${type}. This example keeps one setting in a file; change it to what your type manages. */
import { absolutePath, defineResource, type HostReader, z } from 'converge-engine'

export const ${type} = defineResource(
  {
    type: '${type}',
    doc: 'Keeps one setting in a file with lines such as PORT=8080.',
    examples: [{ file: '/etc/default/shop', name: 'PORT', value: '8080' }],
    key: ({ file, name }) => \`\${name} in \${file}\`,
    props: z.strictObject({
      file: absolutePath.describe('The file'),
      name: z.string().regex(/^\\w+$/, { error: 'a name: letters, digits and _' }).describe('Name of the setting'),
      value: z.string().regex(/^.*$/, { error: 'a text without line breaks' }).describe('Value of the setting'),
    }),
    state: z.strictObject({ value: z.string().nullable() }),
  },
  {
    read: (host, { file, name }) => ({ value: currentValue(host, file, name) }),
    desired: ({ value }) => ({ value }),
    apply(host, { file, name, value }) {
      const others = linesOf(host, file).filter((line) => !line.startsWith(\`\${name}=\`))
      host.writeFile(file, \`\${[...others, \`\${name}=\${value}\`].join('\\n')}\\n\`)
    },
    paths: ({ file }) => [file],
  },
)

function linesOf(host: HostReader, file: string): string[] {
  return (host.readText(file) ?? '').split('\\n').filter((line) => line !== '')
}

/** Returns null for a setting that the file does not have. */
function currentValue(host: HostReader, file: string, name: string): string | null {
  const line = linesOf(host, file).find((one) => one.startsWith(\`\${name}=\`))
  return line === undefined ? null : line.slice(name.length + 1)
}
`,
    [`test/${type}.test.ts`]: `/** Tests the resource type ${type}: its contract in each case. */
import { test } from 'node:test'
import { resourceContract } from 'converge-engine/testing'
import { ${type} as type } from '../recipes/resources/${type}.ts'

const file = '/etc/default/shop'
const props = { file, name: 'PORT', value: '8080' }

for (const { name, run } of resourceContract(type, [
  {
    name: 'adds the setting',
    props,
    host: { files: { [file]: 'HOST=localhost\\n' } },
    changes: ['replace /value = "8080"'],
    then: (host) => host.assertFile(file, 'HOST=localhost\\nPORT=8080\\n'),
  },
  {
    name: 'replaces another value',
    props,
    host: { files: { [file]: 'PORT=80\\n' } },
    changes: ['replace /value = "8080"'],
    then: (host) => host.assertFile(file, 'PORT=8080\\n'),
  },
  {
    name: 'leaves the same value alone',
    props,
    host: { files: { [file]: 'PORT=8080\\n' } },
    changes: [],
  },
]))
  test(name, run)
`,
  }
}
