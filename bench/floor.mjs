// The lower bound of the comparison: the minimum that one process of Node must do for the same desired state.
import * as fs from 'node:fs'

const { template, root, directories, files, links } = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'))
const found = (path) => fs.lstatSync(path, { throwIfNoEntry: false })

function directory(path, mode) {
  const stat = found(path)
  if (!stat) fs.mkdirSync(path)
  if (!stat || (stat.mode & 0o7777) !== mode) fs.chmodSync(path, mode)
}

function file({ path, ...variables }, mode) {
  const expected = template.replace(/@(\w+)@/g, (_, name) => variables[name])
  const stat = found(path)
  if (stat && fs.readFileSync(path, 'utf8') === expected) {
    if ((stat.mode & 0o7777) !== mode) fs.chmodSync(path, mode)
    return
  }
  fs.writeFileSync(`${path}.new`, expected, { mode })
  fs.chmodSync(`${path}.new`, mode)
  fs.renameSync(`${path}.new`, path)
}

function link({ path, target }) {
  const stat = found(path)
  if (stat?.isSymbolicLink() && fs.readlinkSync(path) === target) return
  if (stat) fs.unlinkSync(path)
  fs.symlinkSync(target, path)
}

directory(root, 0o755)
for (const path of directories) directory(path, 0o750)
for (const one of files) file(one, 0o640)
for (const one of links) link(one)
