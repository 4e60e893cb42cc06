/**
 * The program that restores a backup with repozo, or opens a restored database and counts its objects and blobs. It runs
 * with the Python of the site, 2.7 or 3, and with the packages of its scripts.
 */
import { importFromScripts } from './script_packages.ts'

export const databaseProgram = `
import json, os, re, sys
scripts, action, args = json.loads(sys.argv[1])
repozo = None
${importFromScripts('from ZODB.scripts import repozo')}if repozo is None:
    sys.exit('no script of the release can import ZODB: ' + ', '.join(scripts))
import logging
logging.basicConfig(level=logging.ERROR)
if action == 'recover':
    repozo.main(['-R', '-r', args['location'], '-o', args['path'], '-D', args['id']])
else:
    from ZODB.blob import is_blob_record
    from ZODB.FileStorage import FileStorage
    from ZODB.DB import DB
    from ZODB.utils import u64, z64
    options = {'read_only': True}
    if args['blobs']:
        options['blob_dir'] = args['blobs']
    storage = FileStorage(args['path'], **options)
    found = {'objects': 0, 'blobs': 0, 'missing': []}
    position = None
    while len(storage) > 0:
        oid, tid, data, position = storage.record_iternext(position)
        found['objects'] += 1
        if data and is_blob_record(data):
            found['blobs'] += 1
            name = storage.fshelper.getBlobFilename(oid, tid) if args['blobs'] else None
            if name is None or not os.path.isfile(name):
                found['missing'].append('0x%x' % u64(oid))
        if position is None:
            break
    if found['objects'] > 0:
        database = DB(storage)
        database.open().root().keys()
        database.close()
    found['lost'] = len(found['missing'])
    found['missing'] = found['missing'][:3]
    print(json.dumps(found))
`
