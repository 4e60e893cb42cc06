/** Tests that code of a recipe which never returns is ended, and that secrets in its output are masked. */
import t from 'tap'
import { callRecipe, callWithLimit, isRecipeRunning } from '../../../core/compile/recipe_call.ts'
import { milliseconds } from '../../../core/model/units.ts'

t.test('ends code that does not return, and names the subject', async (t) => {
  const endless = () => {
    let isWaiting = true
    while (isWaiting) isWaiting = isWaiting && true
  }
  t.throws(() => callWithLimit(endless, { subject: 'deploy of the role web', limit: milliseconds(50) }), {
    code: 'ENDLESS',
    message: 'deploy of the role web has not ended after 50 ms',
  })
  t.equal(
    callWithLimit(() => 5, { subject: 'x' }),
    5,
  )
  t.throws(() => callWithLimit(() => JSON.parse('{'), { subject: 'x' }), SyntaxError)
})

t.test('masks what a recipe prints, and restores the streams', async (t) => {
  const { write } = process.stdout
  const printed: string[] = []
  process.stdout.write = ((text: string) => printed.push(text) > 0) as typeof write
  t.teardown(() => Object.assign(process.stdout, { write }))
  const mask = (text: string) => text.replaceAll('hunter2', '********')
  callRecipe(() => process.stdout.write(`password hunter2, running ${isRecipeRunning()}`), mask)
  process.stdout.write(`after, running ${isRecipeRunning()}`)
  process.stdout.write = write
  t.strictSame(printed, ['password ********, running true', 'after, running false'])
})
