/** Tests that the reason of a failed start is quoted from the journal of systemd only after the mark. */
import t from 'tap'
import { type CommandHandler, VirtualHost } from '../../../../core/host/virtual.ts'
import { SystemdReader } from '../../../../resources/services/managers/system.ts'

interface Entry {
  readonly unit: string
  readonly text: string
}

/** A journal in memory, which understands the arguments that the manager passes, and refuses others. */
function journalOf(entries: Entry[]): CommandHandler {
  return ([program, ...words]) => {
    if (program !== 'journalctl') return null
    let from = 0
    let count = Number.POSITIVE_INFINITY
    let isShown = false
    const units: string[] = []
    while (words.length > 0) {
      const word = words.shift() ?? ''
      const unit = /^(?:_SYSTEMD_)?UNIT=(.*)$/.exec(word)
      if (unit !== null) units.push(unit[1] ?? '')
      else if (word === '--after-cursor') from = Number(/^s=(\d+)$/.exec(words.shift() ?? '')?.[1] ?? Number.NaN)
      else if (word === '--lines') count = Number(words.shift())
      else if (word === '--show-cursor') isShown = true
      else if (word === '--output') words.shift()
      else if (!['+', '--quiet', '--no-pager', '--sync'].includes(word)) throw new Error(`unknown argument ${word}`)
    }
    if (Number.isNaN(from)) return { status: 1, stderr: 'Failed to seek to cursor: Invalid argument' }
    const numbered = entries.map((entry, index) => ({ ...entry, cursor: index + 1 }))
    const found = numbered
      .filter(({ unit, cursor }) => cursor > from && (units.length === 0 || units.includes(unit)))
      .slice(-count)
    const cursor = isShown && found.length > 0 ? `-- cursor: s=${found.at(-1)?.cursor}\n` : ''
    return { stdout: `${found.map(({ text }) => `${text}\n`).join('')}${cursor}` }
  }
}

const site = (text: string) => ({ unit: 'site.service', text })
const other = (text: string) => ({ unit: 'other.service', text })

function readerOf(entries: Entry[]): SystemdReader {
  return new SystemdReader(new VirtualHost({ commands: journalOf(entries) }))
}

t.test('quotes only lines after the mark, of that unit alone', async (t) => {
  const entries = [site('an old reason'), other('noise')]
  const mark = await readerOf(entries).markLog('site')
  t.equal((await mark.linesSince(5)).trim(), '', 'nothing was logged since')
  entries.push(site('a new reason'), other('more noise'), site('the end'))
  t.equal((await mark.linesSince(5)).trim(), 'a new reason\nthe end')
  t.equal((await mark.linesSince(1)).trim(), 'the end')
})

t.test('a later mark quotes less', async (t) => {
  const entries = [site('first')]
  const reader = readerOf(entries)
  const early = await reader.markLog('site')
  entries.push(site('second'))
  const late = await reader.markLog('site')
  entries.push(site('third'))
  t.equal((await early.linesSince(5)).trim(), 'second\nthird')
  t.equal((await late.linesSince(5)).trim(), 'third')
})

t.test('an empty journal has no cursor: all that follows is new', async (t) => {
  const entries: Entry[] = []
  const mark = await readerOf(entries).markLog('site')
  entries.push(site('the reason'))
  t.equal((await mark.linesSince(5)).trim(), 'the reason')
})

t.test('a line that looks like a cursor is not one', async (t) => {
  const entries = [site('-- cursor: s=9'), other('-- cursor: nonsense')]
  const mark = await readerOf(entries).markLog('site')
  entries.push(site('the reason'))
  t.equal((await mark.linesSince(5)).trim(), 'the reason')
})
