// Validates every GraphQL document of ours against Shopify's official schema, and adds up what each query will be charged.
//
//   node .ci/graphql-check.mjs SCHEMA [FOLDER]
//
// SCHEMA is an introspection result, plain or gzipped (npm @shopify/dev-mcp, dist/data/admin_2026-10.json.gz). FOLDER is
// src/shopify/graphql unless given. The npm package graphql must stand beside SCHEMA's package, in the working folder, or in NODE_PATH.
// Exits 1 when a document is wrong, uses a deprecated field or may cost more than 1,000 points. The queries that a bulk operation runs
// (bulk_of_*.graphql) cost nothing and have rules of their own.
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const COST_MAX = 1000;
const BULK_LISTS_MAX = 5;
const BULK_DEPTH_MAX = 2;
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
    if (name.startsWith('bulk_of_')) {
      checkBulk(name, part);
      continue;
    }
    defaults.clear();
    for (const variable of part.variableDefinitions) defaults.set(variable.variable.name.value, variable.defaultValue);
    const root = part.operation === 'mutation' ? schema.getMutationType() : schema.getQueryType();
    const cost = (part.operation === 'mutation' ? 10 : 0) + costOf(part.selectionSet, root, fragments);
    console.log(`${name}: ${part.name?.value ?? part.operation} is valid, about ${cost} points`);
    if (cost > COST_MAX) complain(name, `may cost ${cost} points; Shopify refuses more than ${COST_MAX}`);
  }
}

// What Shopify asks of a query that a bulk operation runs: no variables, one list at its root, few lists and not deep, each with edges and
// the id of its nodes, none with a page size.
function checkBulk(name, part) {
  const lists = [];
  if (part.operation !== 'query') complain(name, 'a bulk operation of ours runs queries');
  if (part.variableDefinitions.length > 0) complain(name, 'a bulk operation has no variables');
  if (part.selectionSet.selections.length !== 1) complain(name, 'a bulk operation has one list at its root');
  look(part.selectionSet, schema.getQueryType(), 0);
  if (lists.length === 0) complain(name, 'a bulk operation runs over a list');
  if (lists.length > BULK_LISTS_MAX) complain(name, `${lists.length} lists; Shopify takes ${BULK_LISTS_MAX}`);
  if (wrong === 0) console.log(`${name}: a bulk operation's query is valid, ${lists.length} lists`);

  function look(selections, parent, depth) {
    for (const field of selections.selections) {
      if (field.kind !== 'Field') {
        complain(name, 'a bulk query of ours has no fragments: write its fields out');
        continue;
      }
      if (!field.selectionSet) continue;
      const type = gql.getNamedType(parent.getFields()[field.name.value].type);
      const isList = type.name.endsWith('Connection');
      if (isList) checkList(field, depth + 1);
      look(field.selectionSet, type, isList ? depth + 1 : depth);
    }
  }

  function checkList(field, depth) {
    lists.push(field.name.value);
    const selects = (selections, wanted) => selections?.selections.find((one) => one.name?.value === wanted);
    const node = selects(selects(field.selectionSet, 'edges')?.selectionSet, 'node');
    if (depth > BULK_DEPTH_MAX) complain(name, `${field.name.value} is ${depth} lists deep; Shopify takes ${BULK_DEPTH_MAX}`);
    if (!selects(node?.selectionSet, 'id')) complain(name, `${field.name.value} wants edges { node { id } }`);
    if (pageSize(field)) complain(name, `${field.name.value} has a page size`);
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
