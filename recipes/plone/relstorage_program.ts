/**
 * The program that opens a database of RelStorage and reads its objects and blobs. It runs with the Python of the site,
 * 2.7 or 3, and with the packages of its scripts.
 */
import { importFromScripts } from './script_packages.ts'

export const relstorageProgram = `
import json, os, re, sys
scripts, config, args = json.loads(sys.argv[1])[0], sys.stdin.read(), json.loads(sys.argv[1])[1]
${importFromScripts('import relstorage')}else:
    sys.exit('no script of the release can import RelStorage: ' + ', '.join(scripts))
import logging
logging.basicConfig(level=logging.ERROR)
from ZODB.blob import is_blob_record
from ZODB.config import storageFromString
from ZODB.DB import DB
from ZODB.POSException import POSKeyError
from ZODB.utils import u64
storage = storageFromString(config)
found = {'objects': 0, 'blobs': 0, 'missing': []}
position = None
if len(storage) > 0:
    while True:
        oid, tid, data, position = storage.record_iternext(position)
        found['objects'] += 1
        if data and is_blob_record(data):
            found['blobs'] += 1
            try:
                path = storage.loadBlob(oid, tid)
                os.stat(path)
                if not args['shared']:
                    # It is a copy of what the database has.
                    os.unlink(path)
            except (POSKeyError, OSError):
                found['missing'].append('0x%x' % u64(oid))
        if position is None:
            break
    database = DB(storage)
    database.open().root().keys()
    database.close()
else:
    storage.close()
found['lost'] = len(found['missing'])
found['missing'] = found['missing'][:3]
print(json.dumps(found))
`
