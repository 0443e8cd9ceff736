// Manages functions with the vendor's client for Node, @alicloud/fc20230330. Argument: a node_modules folder.

const path = require('path')
const { Readable } = require('stream')

const load = name => require(path.join(path.resolve(process.argv[2]), name))
const { default: Client, ...models } = load('@alicloud/fc20230330')
const { $OpenApiUtil } = load('@alicloud/openapi-core')
const { RuntimeOptions } = load('@darabonba/typescript')

const { ZIP, OUT, UPLOAD_URL, FC_ENDPOINT } = process.env
const fc = new Client(new $OpenApiUtil.Config({
  accessKeyId: process.env.OSS_ACCESS_KEY_ID,
  accessKeySecret: process.env.OSS_ACCESS_KEY_SECRET,
  endpoint: new URL(FC_ENDPOINT).host,
  protocol: 'http'
}))
const print = (name, ...values) => console.log(`${name}:`, ...values)
const code = call => call.then(() => 'accepted', error => error.code)

async function invoke (event, qualifier, invocationType) {
  const request = new models.InvokeFunctionRequest({ body: Readable.from([Buffer.from(event)]), qualifier })
  const headers = new models.InvokeFunctionHeaders({ xFcInvocationType: invocationType })
  const response = await fc.invokeFunctionWithOptions('f', request, headers, new RuntimeOptions({}))
  const chunks = await response.body.toArray()
  const version = response.headers['x-fc-invocation-service-version']
  return { status: response.statusCode, text: Buffer.concat(chunks).toString(), version }
}

const body = (Request, Input, fields, query = {}) => new models[Request]({ body: new models[Input](fields), ...query })
const settings = { runtime: 'python3.10', handler: 'index.handler', timeout: 20 }
const variables = tag => ({ OUT, TAG: tag })

async function main () {
  const zip = new models.InputCodeLocation({ zipFile: ZIP })
  const created = (await fc.createFunction(body('CreateFunctionRequest', 'CreateFunctionInput',
    { functionName: 'f', code: zip, environmentVariables: variables('first'), ...settings }))).body
  print('created', created.functionName, created.functionArn, created.state, created.lastUpdateStatus)
  const object = new models.InputCodeLocation({ ossBucketName: 'bkt', ossObjectName: 'code.zip' })
  const other = (await fc.createFunction(body('CreateFunctionRequest', 'CreateFunctionInput',
    { functionName: 'g', code: object, ...settings }))).body
  print('from OSS', other.codeChecksum === created.codeChecksum)
  const version = (await fc.publishFunctionVersion('f', body('PublishFunctionVersionRequest', 'PublishVersionInput',
    { description: 'one' }))).body
  print('published', version.versionId, version.description)
  await fc.updateFunction('f', body('UpdateFunctionRequest', 'UpdateFunctionInput',
    { timeout: 7, environmentVariables: variables('second') }))
  const got = (await fc.getFunction('f', new models.GetFunctionRequest({}))).body
  print('updated', got.runtime, got.handler, got.timeout, got.environmentVariables.TAG)
  const page = (await fc.listFunctions(new models.ListFunctionsRequest({ limit: 1 }))).body
  const next = (await fc.listFunctions(new models.ListFunctionsRequest({ limit: 1, nextToken: page.nextToken }))).body
  print('listed', [...page.functions, ...next.functions].map(one => one.functionName).join(), !next.nextToken)

  const alias = (await fc.createAlias('f', body('CreateAliasRequest', 'CreateAliasInput',
    { aliasName: 'prod', versionId: '1' }))).body
  const aliases = (await fc.listAliases('f', new models.ListAliasesRequest({}))).body.aliases
  const versions = (await fc.listFunctionVersions('f', new models.ListFunctionVersionsRequest({}))).body.versions
  print('alias', alias.aliasName, alias.versionId, aliases.length, versions.length)
  const [latest, prod] = [await invoke('sync'), await invoke('sync', 'prod')]
  print('invoked', latest.text, latest.version, prod.text, prod.version)
  print('accepted', (await invoke('async', 'prod', 'Async')).status)

  const config = { events: ['oss:ObjectCreated:*'], filter: { key: { prefix: 'in/', suffix: '' } } }
  const trigger = (await fc.createTrigger('f', body('CreateTriggerRequest', 'CreateTriggerInput', {
    triggerName: 't',
    triggerType: 'oss',
    sourceArn: 'acs:oss:cn-hangzhou:1234567890123456:bkt',
    invocationRole: 'acs:ram::1234567890123456:role/x',
    triggerConfig: JSON.stringify(config)
  }))).body
  print('uploaded', (await fetch(UPLOAD_URL, { method: 'PUT', body: Buffer.from('x') })).status)
  await fc.updateTrigger('f', 't', body('UpdateTriggerRequest', 'UpdateTriggerInput', { description: 'new' }))
  const changed = (await fc.getTrigger('f', 't')).body
  const triggers = (await fc.listTriggers('f', new models.ListTriggersRequest({}))).body.triggers
  print('trigger', changed.triggerType, changed.description, changed.triggerId === trigger.triggerId, triggers.length)

  await fc.putAsyncInvokeConfig('f', body('PutAsyncInvokeConfigRequest', 'PutAsyncInvokeConfigInput',
    { maxAsyncRetryAttempts: 2 }, { qualifier: 'prod' }))
  const byQualifier = new models.GetAsyncInvokeConfigRequest({ qualifier: 'prod' })
  const async = (await fc.getAsyncInvokeConfig('f', byQualifier)).body
  const configs = (await fc.listAsyncInvokeConfigs(new models.ListAsyncInvokeConfigsRequest({}))).body.configs
  await fc.deleteAsyncInvokeConfig('f', new models.DeleteAsyncInvokeConfigRequest({ qualifier: 'prod' }))
  print('async', async.maxAsyncRetryAttempts, async.functionArn, configs.length,
    await code(fc.getAsyncInvokeConfig('f', byQualifier)))
  await fc.putConcurrencyConfig('f', body('PutConcurrencyConfigRequest', 'PutConcurrencyInput',
    { reservedConcurrency: 0 }))
  const reserved = (await fc.getConcurrencyConfig('f')).body.reservedConcurrency
  const throttled = await code(invoke('refused'))
  await fc.deleteConcurrencyConfig('f')
  print('concurrency', reserved, throttled, await code(fc.getConcurrencyConfig('f')))
  const { url, checksum } = (await fc.getFunctionCode('f', new models.GetFunctionCodeRequest({}))).body
  const bytes = await (await fetch(url)).arrayBuffer()
  print('code', bytes.byteLength === got.codeSize, checksum === got.codeChecksum)

  const inUse = await code(fc.deleteFunction('f'))
  await fc.deleteTrigger('f', 't')
  await fc.deleteAlias('f', 'prod')
  await fc.deleteFunctionVersion('f', '1')
  await fc.deleteFunction('g')
  print('deleted', inUse, await code(fc.getTrigger('f', 't')), await code(fc.getAlias('f', 'prod')),
    await code(invoke('gone', '1')), await code(fc.getFunction('g', new models.GetFunctionRequest({}))))
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
