/** Exports what reads data files; the bundle loads it, with the YAML parser, when a recipe uses it. */
export { readData } from './data_file.ts'
