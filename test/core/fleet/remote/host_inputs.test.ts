/** Tests the inputs of a host: files, and the options that name them. */
import t from 'tap'
import { inputFileArguments, inputFiles } from '../../../../core/fleet/remote/host_inputs.ts'

const documents = [
  { name: 'stack.yaml', kind: 'stack', value: { deploy: { site: { environment: { GREETING: 'good morning' } } } } },
  { name: 'stack.yaml: custom_json[0]', kind: 'stack', value: [{ op: 'add', path: '/a', value: ['good evening'] }] },
  { name: 'stack.yaml: hosts.one.attributes', kind: 'host', value: { b: 1 } },
  { name: '…', kind: 'deployment', value: { c: 2 } },
]

t.test('writes each document to its layer', async (t) => {
  const files = inputFiles(documents, [])
  t.strictSame(
    [...files.keys()],
    [
      'node.json',
      'stack/001-stack-yaml-custom-json-0.json',
      'custom/002-stack-yaml-hosts-one-attributes.json',
      'custom/003-document.json',
      'custom/.stack',
      'secrets.json',
    ],
  )
  t.ok([...files.values()].every(({ mode }) => mode === 0o600))
  t.strictSame(
    JSON.parse(Buffer.from(files.get('stack/001-stack-yaml-custom-json-0.json')?.content ?? '').toString()),
    [{ op: 'add', path: '/a', value: ['good evening'] }],
  )
  t.equal(
    inputFileArguments(documents, '/in').join(' '),
    '--node-json /in/node.json --node-json /in/stack/001-stack-yaml-custom-json-0.json --config-dir /in/custom --secrets /in/secrets.json',
  )
  t.ok(inputFiles(documents.slice(0, 1), []).has('custom/.stack'), 'files in /etc/converge of the host do not count')
})

t.test('a host gets the secrets of its documents, and no others', async (t) => {
  const content = inputFiles(documents, ['good night', 'good evening', 'good', 'good morning']).get(
    'secrets.json',
  )?.content
  t.strictSame(JSON.parse(Buffer.from(content ?? '').toString()), ['good morning', 'good evening'])
})

t.test('only the account of the run can read the files', async (t) => {
  const files = inputFiles([{ name: 'site.json', kind: 'deployment', value: { api_token: 'hunter22' } }], ['hunter22'])
  t.ok(files.size >= 3)
  for (const [path, { mode }] of files) t.equal(mode, 0o600, path)
})
