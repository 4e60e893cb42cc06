/** Tests that the reason of a failed start is quoted from the journal of systemd only after the mark. */
import t from 'tap'
import { type CommandHandler, VirtualHost } from '../../../../core/host/virtual.ts'
import { SystemdReader } from '../../../../resources/services/managers/system.ts'

interface Entry {
  readonly unit: string
  readonly text: string | readonly number[] | null
}

/** A journal in memory, which understands the arguments that the manager passes, and refuses others. */
function journalOf(entries: Entry[]): CommandHandler {
  return ([program, ...words]) => {
    if (program !== 'journalctl') return null
    let count = Number.POSITIVE_INFINITY
    const units: string[] = []
    while (words.length > 0) {
      const word = words.shift() ?? ''
      const unit = /^(?:_SYSTEMD_)?UNIT=(.*)$/.exec(word)
      if (unit !== null) units.push(unit[1] ?? '')
      else if (word === '--lines') count = Number(words.shift())
      else if (['--output', '--output-fields'].includes(word)) words.shift()
      else if (!['+', '--quiet', '--no-pager', '--sync', '--all'].includes(word))
        throw new Error(`unknown argument ${word}`)
    }
    const found = entries
      .map((entry, index) => ({ ...entry, __CURSOR: `s=${index + 1}`, MESSAGE: entry.text }))
      .filter(({ unit }) => units.includes(unit))
      .slice(-count)
    return { stdout: found.map(({ __CURSOR, MESSAGE }) => `${JSON.stringify({ __CURSOR, MESSAGE })}\n`).join('') }
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

t.test('has no cursor in an empty journal, and quotes all that follows', async (t) => {
  const entries: Entry[] = []
  const mark = await readerOf(entries).markLog('site')
  entries.push(site('the reason'))
  t.equal((await mark.linesSince(5)).trim(), 'the reason')
})

t.test('quotes the last lines, not the first ones after the mark', async (t) => {
  const entries = [other('noise')]
  const mark = await readerOf(entries).markLog('site')
  for (const number of [1, 2, 3, 4, 5, 6]) entries.push(site(`line ${number}`))
  t.equal(await mark.linesSince(2), 'line 5\nline 6')
  t.equal(await mark.linesSince(6), 'line 1\nline 2\nline 3\nline 4\nline 5\nline 6')
})

t.test('quotes text that is not UTF-8, has several lines or is missing', async (t) => {
  const entries: Entry[] = []
  const mark = await readerOf(entries).markLog('site')
  entries.push(
    { unit: 'site.service', text: [0x63, 0x61, 0x66, 0xe9] },
    { unit: 'site.service', text: null },
    site('a\nb\nc'),
  )
  t.equal(await mark.linesSince(2), 'b\nc')
  t.match(await mark.linesSince(5), /^caf\uFFFD\n/)
})

t.test('an account that may not read the journal gets no lines', async (t) => {
  const commands: CommandHandler = () => ({ status: 1, stdout: 'No journal files were opened due to permissions.\n' })
  const reader = new SystemdReader(new VirtualHost({ commands }))
  t.equal(await (await reader.markLog('site')).linesSince(5), '')
})
