// Checks templates with the classes that the vendor generated for every ROS resource type (ros-cdk-*).
// Reads a JSON list of templates from stdin, writes a JSON list of lists of complaints. Argument: a node_modules folder.
// The classes check types, nested property names, required properties, types and ranges of values, and attributes.

const fs = require('fs')
const path = require('path')

const modules = path.resolve(process.argv[2])
const load = name => require(path.join(modules, '@alicloud', name))
const core = load('ros-cdk-core')
const classes = {}
for (const name of ['fc3', 'mns', 'oss', 'imm', 'ram', 'sls', 'cms', 'ros']) {
  for (const value of Object.values(load('ros-cdk-' + name))) {
    if (value && value.ROS_RESOURCE_TYPE_NAME) classes[value.ROS_RESOURCE_TYPE_NAME] = value
  }
}

const isFunction = value => {
  const keys = value && typeof value === 'object' && !Array.isArray(value) ? Object.keys(value) : []
  return keys.length === 1 && (keys[0] === 'Ref' || keys[0].startsWith('Fn::'))
}

// The classes read camelCase names, templates have PascalCase. The Proxy ignores the case of names.
function wrap (value) {
  if (Array.isArray(value)) return value.map(wrap)
  if (!value || typeof value !== 'object') return value
  if (isFunction(value)) return value // checked by checkReferences; the classes accept it
  const names = new Map(Object.keys(value).map(key => [key.toLowerCase(), key]))
  return new Proxy(value, {
    get: (target, name) => typeof name === 'symbol' ? target[name] : wrap(target[names.get(name.toLowerCase()) ?? name])
  })
}

// Returns the given keys that the class does not render: ROS does not know them.
function unknown (given, rendered, at) {
  if (!given || typeof given !== 'object' || isFunction(given)) return []
  if (Array.isArray(given)) {
    return given.flatMap((item, place) => unknown(item, (rendered || [])[place], `${at}[${place}]`))
  }
  return Object.keys(given).flatMap(key => rendered && typeof rendered === 'object' && !(key in rendered)
    ? [`${at}.${key}: unknown property`]
    : unknown(given[key], rendered && rendered[key], `${at}.${key}`))
}

function attributes (type) {
  return new Set([...classes[type].toString().matchAll(/getAtt\(['"]([^'"]+)['"]\)/g)].map(match => match[1]))
}

function checkResource (id, resource, stack) {
  if (!classes[resource.Type]) return [`Resources.${id}: unknown type ${resource.Type}`]
  try {
    const made = new classes[resource.Type](stack, id, wrap(resource.Properties || {}), true)
    const rendered = made.renderProperties(made.rosProperties)
    return unknown(resource.Properties || {}, rendered, `Resources.${id}`)
  } catch (error) {
    return [`Resources.${id}: ${String(error.message).split('\n').map(line => line.trim()).join(' ')}`]
  }
}

// Every Fn::GetAtt and ${Resource.Attribute} must name a resource and one of its attributes, every Ref a resource or parameter.
function checkReferences (node, template, at) {
  const resources = template.Resources || {}
  const known = name => name in resources || name in (template.Parameters || {}) || name.startsWith('ALIYUN::')
  const attribute = (id, name) => {
    if (!resources[id]) return [`${at}: no resource ${id}`]
    if (!classes[resources[id].Type] || attributes(resources[id].Type).has(name)) return []
    return [`${at}: ${resources[id].Type} has no attribute ${name}`]
  }
  if (!node || typeof node !== 'object') return []
  if (Array.isArray(node)) return node.flatMap((item, place) => checkReferences(item, template, `${at}[${place}]`))
  if (isFunction(node) && node.Ref) return known(node.Ref) ? [] : [`${at}: Ref to ${node.Ref}, which is not defined`]
  if (isFunction(node) && Array.isArray(node['Fn::GetAtt'])) return attribute(...node['Fn::GetAtt'])
  if (isFunction(node) && typeof node['Fn::Sub'] === 'string') {
    return [...node['Fn::Sub'].matchAll(/\$\{([^}]+)\}/g)].flatMap(([, name]) => {
      const dot = name.indexOf('.')
      if (dot > 0) return attribute(name.slice(0, dot), name.slice(dot + 1))
      return known(name) ? [] : [`${at}: \${${name}} is not defined`]
    })
  }
  return Object.entries(node).flatMap(([key, item]) => checkReferences(item, template, `${at}.${key}`))
}

function check (template) {
  const stack = new core.Stack(new core.App(), 'stack')
  const resources = Object.entries(template.Resources || {})
  return [
    ...resources.flatMap(([id, resource]) => checkResource(id, resource, stack)),
    ...resources.flatMap(([id, resource]) => checkReferences(resource.Properties, template, `Resources.${id}`)),
    ...checkReferences(template.Outputs, template, 'Outputs')
  ]
}

const templates = JSON.parse(fs.readFileSync(0, 'utf8'))
process.stdout.write(JSON.stringify(templates.map(check)))
