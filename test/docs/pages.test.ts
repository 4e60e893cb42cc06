/** Tests how the pages are built: a table of contents on long pages, links to the glossary, and links that lead somewhere. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { pages, project } from './blocks.ts'

/** Lines; about two screens. */
const longPage = 100

const all = pages()

function withoutBlocks(text: string): string {
  return text.replaceAll(/^\s*```[\s\S]*?^\s*```/gm, '')
}

/** Returns the anchor that GitHub gives a heading. */
function anchorOf(heading: string): string {
  const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll(/[`*]/g, '')
  return words
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\- _]/gu, '')
    .replaceAll(' ', '-')
}

function headings(text: string, levels = /^#{1,6} (.*)$/gm): string[] {
  return [...withoutBlocks(text).matchAll(levels)].map(([, heading = '']) => heading.trim())
}

t.test('a long page has a table of contents with all its sections', async (t) => {
  const pagesWithSections = [...all].filter(([path]) => !/^README|^docs\/(reference|decisions)\/|glossary/.test(path))
  for (const [path, text] of pagesWithSections) {
    if (text.split('\n').length <= longPage) continue
    const [top = ''] = text.split('\n## ')
    for (const heading of headings(text, /^## (.*)$/gm))
      t.ok(top.includes(`](#${anchorOf(heading)})`), `${path} lists "${heading}" at its top`)
  }
})

t.test('each page links to the glossary', async (t) => {
  for (const [path, text] of all)
    if (/^docs\/[^/]+\.md$/.test(path) && !path.endsWith('glossary.md'))
      t.match(text, /\]\(glossary\.md#/, `${path} has a link to the glossary`)
})

t.test('each link leads to a file, and each anchor to a heading', async (t) => {
  for (const [path, text] of all)
    for (const [, target = ''] of withoutBlocks(text).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^(https?|mailto):/.test(target)) continue
      const [file = '', anchor] = target.split('#')
      const linked = file === '' ? path : join(dirname(path), file)
      if (!t.ok(existsSync(join(project, linked)), `${path}: ${target}`) || anchor === undefined) continue
      const known = headings(all.get(linked) ?? '').map(anchorOf)
      t.ok(known.includes(anchor), `${path}: ${target} is a heading of ${linked}`)
    }
})
