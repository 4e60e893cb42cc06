/** A hook that is written in TypeScript or JavaScript, made into a script that Node runs from its standard input. */
import nodeModule from 'node:module'
import { pathToFileURL } from 'node:url'
import { loadCompiler } from '../../core/model/compiler.ts'
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

/**
 * Text of a script that loads the hook as a module at its own place, whence its imports are resolved, and calls its default
 * export. Where there is no compiler, Node itself takes the types out.
 * @throws HOOK_SYNTAX, NO_COMPILER
 */
export async function hookScript(
  text: string,
  path: string,
  context: DeployHookContext,
  load = loadCompiler,
): Promise<string> {
  const compiler = await load()
  if (compiler === null) return plainScript(text, path, context)
  try {
    const { code } = await compiler.transform(text, {
      loader: isTypeScript(path) ? 'ts' : 'js',
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

const isTypeScript = (path: string) => /\.m?ts$/.test(path)

/** The hook as Node runs it by itself. */
function plainScript(text: string, path: string, context: DeployHookContext): string {
  if (isTypeScript(path) && !('stripTypeScriptTypes' in nodeModule))
    throw new ConvergeError(
      `${path} cannot be run here: neither esbuild nor this Node (${process.version}) takes the types out`,
      {
        code: 'NO_COMPILER',
        hint: 'install Node 22.13 or later on this host, or write the hook in JavaScript (.mjs) or as an executable',
      },
    )
  const isModule = /\.(mjs|m?ts)$/.test(path) || (path.endsWith('.js') && /^\s*(import|export)\b/m.test(text))
  return isModule ? importing(text, path, context) : calling(text, path, context)
}

/** Its own text is given to Node at its own address; whatever it imports is loaded as ever. */
function importing(text: string, path: string, context: DeployHookContext): string {
  const [file, source, url] = [path, text, pathToFileURL(path).href].map((one) => JSON.stringify(one))
  return `
const { register, stripTypeScriptTypes } = require('node:module')
let source = ${source}
try {
  if (${isTypeScript(path)}) source = stripTypeScriptTypes(source)
} catch (error) {
  throw new Error(${file} + ' cannot be compiled: ' + error.message)
}
const own = JSON.stringify({ url: ${url}, format: 'module', source, shortCircuit: true })
const hooks = 'const own = ' + own + '; export const resolve = (name, context, next) => name === own.url ? own : next(name, context);' +
  'export const load = (url, context, next) => url === own.url ? own : next(url, context)'
register('data:text/javascript,' + encodeURIComponent(hooks))
import(${url}).then(({ default: hook }) => {
  if (typeof hook !== 'function') throw new Error(${file} + ${JSON.stringify(noFunction)})
  return hook(${JSON.stringify(context)})
})
`
}

const noFunction = ' has no function as its default export'

/** What it throws or rejects with ends the process, with its own stack; a module without a function is told of as such. */
function calling(code: string, path: string, context: DeployHookContext): string {
  const [file, none] = [path, `${path}${noFunction}`].map((text) => JSON.stringify(text))
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
