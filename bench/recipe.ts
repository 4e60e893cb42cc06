/** Declares the desired state of the benchmark as a recipe of converge. */
import { directory, role, symlink, template } from 'converge-engine'
import { stateOf, templateText } from './state.ts'

interface BenchNode {
  readonly bench: { readonly root: string; readonly count: number }
}

const source = templateText((name) => `{{${name}}}`)

export default role<BenchNode>('bench', {
  deploy(r, node) {
    const { root, directories, files, links } = stateOf(node.bench.root, node.bench.count)
    directory(r, { path: root, mode: '0755' })
    for (const path of directories) directory(r, { path, mode: '0750' })
    for (const { path, svc, port, workers } of files)
      template(r, { path, mode: '0640', source, variables: { svc, port, workers } })
    for (const { path, target } of links) symlink(r, { path, target })
  },
})
