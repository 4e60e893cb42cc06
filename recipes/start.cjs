#!/usr/bin/env node
/** Starts the program: the bundle beside it, with what V8 compiled of it at build time, so that a run need not do that. */
'use strict'
const { readFileSync } = require('node:fs')
const { Script } = require('node:vm')

const engine = `${__dirname}/engine.cjs`
/** Compiled code is good for one version of V8 on one kind of machine. */
const compiled = `${__dirname}/engine-${process.versions.v8}-${process.arch}.cache`

function load() {
  // A bundle is ASCII throughout: as latin1 it is read in half the time.
  const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(engine, 'latin1')}\n})`
  return new Script(source, { filename: engine, cachedData: readCompiled() })
}

function readCompiled() {
  try {
    return readFileSync(compiled)
  } catch {
    // Built by another Node: it is compiled as it is needed, which takes some 50 ms longer.
    return undefined
  }
}

function run(script) {
  const module = { exports: {} }
  script.runInThisContext()(module.exports, require, module, engine, __dirname)
}

if (require.main === module) run(load())
module.exports = { compiled, load, run }
