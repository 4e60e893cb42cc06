/** A hook that is written in TypeScript or JavaScript, made into a script that Node runs from its standard input. */
import { asConvergeError, ConvergeError } from '../../core/model/errors.ts'

/** What a hook written in TypeScript is called with. */
export interface DeployHookContext {
  readonly app: string
  /** Which moment of the deploy it is. */
  readonly hook: 'before_migrate' | 'before_symlink' | 'before_restart' | 'after_restart'
  /** Directory of the release; also the working directory. */
  readonly release: string
  /** The commit that the release was made of; empty where it is not known. */
  readonly commit: string
}

/** The default export of `deploy/<hook>.ts`; it runs in a process of its own, as the account of the app. */
export type DeployHook = (context: DeployHookContext) => void | Promise<void>

/** Text of a script that loads the hook as a module at its own place, whence its imports are resolved, and calls its default export. */
export async function hookScript(text: string, path: string, context: DeployHookContext): Promise<string> {
  const { transform } = await import('esbuild')
  try {
    const { code } = await transform(text, {
      loader: /\.m?ts$/.test(path) ? 'ts' : 'js',
      format: 'cjs',
      platform: 'node',
      target: 'node20',
      sourcefile: path,
      sourcemap: 'inline',
      logLevel: 'silent',
    })
    return calling(code, path, context)
  } catch (error) {
    throw new ConvergeError(`${path} cannot be compiled: ${asConvergeError(error).message}`, {
      code: 'HOOK_SYNTAX',
      cause: error,
    })
  }
}

/** What it throws or rejects with ends the process, with its own stack; a module without a function is told of as such. */
function calling(code: string, path: string, context: DeployHookContext): string {
  const [file, none] = [path, `${path} has no function as its default export`].map((text) => JSON.stringify(text))
  return `
const Module = require('node:module')
const module_ = new Module(${file})
module_.filename = ${file}
module_.paths = Module._nodeModulePaths(require('node:path').dirname(${file}))
module_._compile(${JSON.stringify(code)}, ${file})
const hook = module_.exports.default ?? module_.exports
if (typeof hook !== 'function') throw new Error(${none})
void hook(${JSON.stringify(context)})
`
}
