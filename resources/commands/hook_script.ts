/** Turns a hook written in TypeScript or JavaScript into a script that Node reads from its standard input. */
import nodeModule from 'node:module'
import { pathToFileURL } from 'node:url'
import { loadCompiler } from '../../core/model/compiler.ts'
import { asConvergeError, ConvergeError } from '../../core/model/errors.ts'

/** The argument of a hook written in TypeScript. */
export interface DeployHookContext {
  readonly app: string
  /** The phase of the deploy. */
  readonly hook: 'before_migrate' | 'before_symlink' | 'before_restart' | 'after_restart'
  /** Directory of the release; also the working directory. */
  readonly release: string
  /** The commit of the release; empty if it is unknown. */
  readonly commit: string
}

/** The default export of `deploy/<hook>.ts`; it runs in its own process, as the account of the app. */
export type DeployHook = (context: DeployHookContext) => void | Promise<void>

/**
 * Returns a script that loads the hook as a module at its own path, so that its imports resolve, and calls its default
 * export. Without a compiler, Node strips the types.
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
    return commonJsScript(code, path, context)
  } catch (error) {
    throw new ConvergeError(`${path} cannot be compiled: ${asConvergeError(error).message}`, {
      code: 'HOOK_SYNTAX',
      cause: error,
    })
  }
}

const isTypeScript = (path: string) => /\.m?ts$/.test(path)

/** Returns a script for the hook that Node runs without a compiler. */
function plainScript(text: string, path: string, context: DeployHookContext): string {
  if (isTypeScript(path) && !('stripTypeScriptTypes' in nodeModule))
    throw new ConvergeError(
      `${path} cannot be run here: neither esbuild nor this Node (${process.version}) removes the types`,
      {
        code: 'NO_COMPILER',
        hint: 'install Node 22.13 or later on this host, or write the hook in JavaScript (.mjs) or as an executable',
      },
    )
  const isModule = /\.(mjs|m?ts)$/.test(path) || (path.endsWith('.js') && /^\s*(import|export)\b/m.test(text))
  return isModule ? moduleScript(text, path, context) : commonJsScript(text, path, context)
}

/** Returns a script that registers the text of the hook at the hook's own URL; Node loads all its imports as usual. */
function moduleScript(text: string, path: string, context: DeployHookContext): string {
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

/**
 * Returns a script that calls the hook. An error or rejection ends the process with the hook's own stack trace; a
 * module without a default function is reported as such.
 */
function commonJsScript(code: string, path: string, context: DeployHookContext): string {
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
