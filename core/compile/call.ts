/** Checks how a recipe calls the function of a resource: esbuild removes the types without checking them. */
import { ConvergeError } from '../model/errors.ts'
import { isPlainObject, isReference, partsOf } from '../model/reference.ts'
import { displayText, type Mask } from './props.ts'

/**
 * @param args what the recipe passed after `r`
 * @returns null for one object of properties
 */
export function callProblem(type: string, args: readonly unknown[], mask: Mask): ConvergeError | null {
  const [props] = args
  if (!isPlainObject(props) || isReference(props))
    return invalidCall(
      `${type}: expected an object of properties, got ${kindOf(props, mask)}`,
      `write ${type}(r, { ... }); converge resources ${type} lists its properties`,
    )
  if (args.length === 1) return null
  return invalidCall(
    `${type}: expected r and one object, got ${args.length + 1} arguments`,
    `write options such as onlyIf beside the properties: ${type}(r, { ..., onlyIf: ... })`,
  )
}

function invalidCall(message: string, hint: string): ConvergeError {
  return new ConvergeError(message, { code: 'INVALID_CALL', hint, usage: true })
}

function kindOf(value: unknown, mask: Mask): string {
  if (typeof value === 'string') return `the text ${displayText(value, mask)}`
  if (value === null || value === undefined) return String(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  if (Array.isArray(value)) return 'a list'
  if (isReference(value)) {
    const { output, provider } = partsOf(value)
    return `the output ${output} of ${provider}`
  }
  if (value instanceof Promise) return 'a promise'
  const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name
  return typeof name === 'string' && name !== '' ? `an instance of ${name}` : 'an object of a class'
}
