/** Tests that secrets in the output of recipes are masked. */
import t from 'tap'
import { callRecipe, isRecipeRunning } from '../../../core/compile/recipe_call.ts'

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
