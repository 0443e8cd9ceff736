// Stores, reads, copies, lists and deletes with ali-oss, signed by V1 and V4. Argument: a node_modules folder.

const fs = require('fs')
const os = require('os')
const path = require('path')

const OSS = require(path.join(path.resolve(process.argv[2]), 'ali-oss'))
const { OSS_ENDPOINT, OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET, CLIPSTITCH_BUCKET } = process.env
const KEY = 'js/a b+ä.txt'
const print = (name, ...values) => console.log(`${name}:`, ...values)

async function tour (authorizationV4) {
  const client = new OSS({
    endpoint: OSS_ENDPOINT,
    region: 'oss-cn-hangzhou',
    authorizationV4,
    accessKeyId: OSS_ACCESS_KEY_ID,
    accessKeySecret: OSS_ACCESS_KEY_SECRET,
    bucket: CLIPSTITCH_BUCKET
  })
  const put = await client.put(KEY, Buffer.from('0123456789'), { meta: { uid: 7 } })
  print('put', put.res.status)
  print('get', (await client.get(KEY)).content.toString())
  print('range', (await client.get(KEY, { headers: { Range: 'bytes=2-4' } })).content.toString())
  print('meta', (await client.head(KEY)).meta.uid)
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'objects-')), 'big')
  fs.writeFileSync(file, Buffer.alloc(3 << 20, 7))
  await client.multipartUpload('js/big', file, { partSize: 1 << 20, parallel: 2 })
  print('multipart', (await client.head('js/big')).res.headers['content-length'])
  await client.copy('js/copy', 'js/big')
  await client.append('js/log', Buffer.from('one '))
  print('append', (await client.append('js/log', Buffer.from('two'), { position: 4 })).nextAppendPosition)
  await client.putObjectTagging(KEY, { a: '1' })
  print('tags', (await client.getObjectTagging(KEY)).tag.a)
  const listed = await client.listV2({ prefix: 'js/' })
  print('list', listed.objects.map(object => object.name).join(' '))
  const missing = await client.get('js/none').catch(error => error)
  print('missing', missing.code, missing.status)
  print('bucket', (await client.getBucketInfo(CLIPSTITCH_BUCKET)).bucket.Location)
  print('deleted', (await client.deleteMulti(listed.objects.map(object => object.name))).deleted.length)
}

tour(false).then(() => tour(true)).catch(error => {
  console.error(error)
  process.exit(1)
})
