/** Builds wheels for tests that install Python packages without an index. */

/** A Python program that writes a wheel with a recipe of zc.buildout: `name version requirement...`. */
export const wheelMaker = `
import sys, zipfile
name, version, *requires = sys.argv[1:]
info = f'{name}-{version}.dist-info'
needed = ''.join(f'Requires-Dist: {one}\\n' for one in requires)
with zipfile.ZipFile(f'{name}-{version}-py3-none-any.whl', 'w') as whole:
    whole.writestr(f'{name}.py', 'class Recipe:\\n  def __init__(self, *_): pass\\n  def install(self): return ()\\n')
    whole.writestr(f'{info}/METADATA', f'Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n{needed}')
    whole.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    whole.writestr(f'{info}/entry_points.txt', f'[zc.buildout]\\ndefault = {name}:Recipe\\n')
    whole.writestr(f'{info}/RECORD', '')
`
