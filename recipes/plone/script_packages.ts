/** Python that imports a module with the packages of a script of the site, which lists their paths. */

/**
 * Returns a loop over `scripts`, which ends at the first one whose packages can run the import. An `else` may follow.
 * @param statement the import, such as `import relstorage`
 */
export function importFromScripts(statement: string): string {
  return String.raw`for script in scripts:
    if not os.path.isfile(script):
        continue
    with open(script) as stream:
        text = stream.read()
    paths = re.search(r'sys\.path\[0:0\] *= *\[[^\]]*\]', text)
    if not paths:
        continue
    saved = list(sys.path)
    try:
        exec(compile(text[:paths.end()], script, 'exec'), {'__name__': 'converge', '__file__': script})
        ${statement}
        break
    except ImportError:
        sys.path[:] = saved
`
}
