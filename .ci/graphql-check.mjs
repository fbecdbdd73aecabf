// Validates every GraphQL document of ours against Shopify's official schema, and adds up what each query will be charged.
//
//   node .ci/graphql-check.mjs SCHEMA [FOLDER]
//
// SCHEMA is an introspection result, plain or gzipped (npm @shopify/dev-mcp, dist/data/admin_2026-10.json.gz). FOLDER is
// src/shopify/graphql unless given. The npm package graphql must stand beside SCHEMA's package, in the working folder, or in NODE_PATH.
// Exits 1 when a document is wrong, uses a deprecated field or may cost more than 1,000 points.
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const COST_MAX = 1000;
const defaults = new Map();
const here = dirname(fileURLToPath(import.meta.url));
const [schemaPath, folder = join(here, '..', 'src', 'shopify', 'graphql')] = process.argv.slice(2);
if (!schemaPath) {
  console.error('usage: node graphql-check.mjs SCHEMA [FOLDER]');
  process.exit(2);
}

const gql = loadGraphql();
const schema = loadSchema();
const names = readdirSync(folder).filter((name) => name.endsWith('.graphql')).sort();
let wrong = names.length === 0 ? 1 : 0;
if (wrong) console.error(`no .graphql files in ${folder}`);
for (const name of names) check(name, readFileSync(join(folder, name), 'utf8'));
process.exit(wrong ? 1 : 0);

function check(name, text) {
  let document;
  try {
    document = gql.parse(text);
  } catch (error) {
    return complain(name, error.message);
  }
  const rules = [...gql.specifiedRules, gql.NoDeprecatedCustomRule];
  const errors = gql.validate(schema, document, rules);
  for (const error of errors) complain(name, `${error.message} (line ${error.locations?.[0]?.line})`);
  if (errors.length > 0) return;
  const fragments = new Map();
  for (const part of document.definitions) if (part.kind === 'FragmentDefinition') fragments.set(part.name.value, part);
  for (const part of document.definitions) {
    if (part.kind !== 'OperationDefinition') continue;
    defaults.clear();
    for (const variable of part.variableDefinitions) defaults.set(variable.variable.name.value, variable.defaultValue);
    const root = part.operation === 'mutation' ? schema.getMutationType() : schema.getQueryType();
    const cost = (part.operation === 'mutation' ? 10 : 0) + costOf(part.selectionSet, root, fragments);
    console.log(`${name}: ${part.name?.value ?? part.operation} is valid, about ${cost} points`);
    if (cost > COST_MAX) complain(name, `may cost ${cost} points; Shopify refuses more than ${COST_MAX}`);
  }
}

// Shopify's rule: scalars and enums 0, objects 1, unions and interfaces the dearest of their selections, connections by their size.
function costOf(selections, parent, fragments) {
  let shared = 0;
  const byType = new Map();
  for (const selection of selections.selections) {
    if (selection.kind === 'Field') {
      shared += costOfField(selection, parent, fragments);
      continue;
    }
    const fragment = selection.kind === 'FragmentSpread' ? fragments.get(selection.name.value) : selection;
    const type = fragment.typeCondition ? schema.getType(fragment.typeCondition.name.value) : parent;
    const cost = costOf(fragment.selectionSet, type, fragments);
    if (type === parent) shared += cost;
    else byType.set(type.name, (byType.get(type.name) ?? 0) + cost);
  }
  return shared + Math.max(0, ...byType.values());
}

// The size of a page: written there, or the default of the variable that stands for it.
function pageSize(field) {
  const size = field.arguments.find((argument) => ['first', 'last'].includes(argument.name.value))?.value;
  return size?.kind === 'Variable' ? defaults.get(size.name.value) : size;
}

function costOfField(field, parent, fragments) {
  if (field.name.value.startsWith('__') || !field.selectionSet) return 0;
  const type = gql.getNamedType(parent.getFields()[field.name.value].type);
  const size = pageSize(field);
  if (!type.name.endsWith('Connection')) return 1 + costOf(field.selectionSet, type, fragments);
  if (size?.kind !== 'IntValue') throw new Error(`${field.name.value} has no page size, nor a variable with a default for it`);
  let each = 0;
  let once = 1;
  for (const part of field.selectionSet.selections) {
    const cost = costOfField(part, type, fragments);
    if (['nodes', 'edges'].includes(part.name.value)) each += cost;
    else once += cost;
  }
  return once + Number(size.value) * each;
}

function loadSchema() {
  const bytes = readFileSync(schemaPath);
  const text = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
  const json = JSON.parse(text);
  return gql.buildClientSchema(json.data ?? json);
}

function loadGraphql() {
  for (const from of [resolve(schemaPath), join(process.cwd(), 'package.json'), fileURLToPath(import.meta.url)]) {
    try {
      return createRequire(from)('graphql');
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  console.error('the npm package graphql is not installed beside the schema or here');
  process.exit(2);
}

function complain(name, text) {
  console.error(`${name}: ${text}`);
  wrong += 1;
}
