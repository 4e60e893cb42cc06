/** Tests that a benchmark first reports missing requirements, and keeps finished measurements if others fail. */
import t from 'tap'
import { measureSections, type Section } from '../../bench/sections.ts'

t.test('reports sections that are skipped, that fail, and that work', async (t) => {
  const reported: string[] = []
  const kept: string[][] = []
  const section = (title: string, more: Partial<Section>): Section => ({
    title,
    about: `about ${title}`,
    missing: () => [],
    measure: async () => `table of ${title}`,
    ...more,
  })
  const complete = await measureSections(
    [
      section('zope', {}),
      section('jetty', {
        missing: () => ['jetty9 is not installed (apt install jetty9)'],
        measure: () => Promise.reject(new Error('is not to be called')),
      }),
      section('php', { measure: () => Promise.reject(new Error('setup: php-fpm did not start')) }),
      section('node', {}),
    ],
    { tell: (text) => reported.push(text), keep: (texts) => kept.push([...texts]) },
  )
  t.equal(complete, false)
  t.equal(
    reported[0],
    'cannot measure "jetty": jetty9 is not installed (apt install jetty9)',
    'before anything is measured',
  )
  t.strictSame(kept[0], ['## zope', 'about zope', 'table of zope'], 'stored at once')
  t.strictSame(kept.at(-1), [
    ...['## zope', 'about zope', 'table of zope'],
    ...['## jetty', 'Not measured: jetty9 is not installed (apt install jetty9).'],
    ...['## php', 'Not measured: setup: php-fpm did not start.'],
    ...['## node', 'about node', 'table of node'],
  ])
})

t.test('a report without gaps is complete', async (t) => {
  const whole: Section = { title: 'all', about: '', missing: () => [], measure: async () => '' }
  t.equal(await measureSections([whole], { tell: () => undefined, keep: () => undefined }), true)
})
