//! Bulk operations of the simulated Admin API: a query over everything, run beside the calls, whose rows lie in a file afterwards.
//! Each look at an operation takes it one step further.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Shop;
use super::graphql;
use super::rest::gid;
use super::stock::Listed;

/// Operations of one app at a time (five since 2026-01).
const RUNNING_MAX: usize = 5;
/// Rows that are made at once.
const ROWS_AT_ONCE: usize = 250;
/// Objects that an operation comes to between two looks at it.
const OBJECTS_A_LOOK: usize = 5_000;

/// All operations of one shop.
#[derive(Debug, Default)]
pub(super) struct Bulk {
    operations: BTreeMap<u64, Operation>,
    /// Where the shop is called, for the addresses of files.
    host: String,
    /// The next operation fails with this code.
    fails_with: Option<&'static str>,
    /// So many further readings of a file break off at once.
    files_broken: u32,
    /// What the next file lacks, and nothing tells.
    file_lacks: Option<Lack>,
}

#[derive(Clone, Copy, Debug)]
enum Lack {
    LastLine,
    HalfOfTheLastLine,
}

#[derive(Debug)]
struct Operation {
    query: String,
    status: &'static str,
    fails_with: Option<&'static str>,
    lines: Vec<String>,
    /// What a large one has not come to yet: each look takes it some way on.
    left: Vec<u64>,
    created_at: String,
}

/// What comes of asking for a file.
pub(super) enum BulkReply {
    /// Its lines.
    Whole(String),
    /// There is none any more.
    Gone,
    /// The connection is closed.
    Broken,
}

impl Shop {
    /// The next bulk operation ends as failed, with this code of Shopify's.
    pub fn fail_next_bulk(&self, code: &'static str) {
        self.lock().bulk.fails_with = Some(code);
    }

    /// So many further readings of a bulk file break off.
    pub fn break_bulk_files(&self, times: u32) {
        self.lock().bulk.files_broken = times;
    }

    /// The next bulk file lacks its last line.
    pub fn shorten_next_bulk_file(&self) {
        self.lock().bulk.file_lacks = Some(Lack::LastLine);
    }

    /// The next bulk file ends inside its last line.
    pub fn cut_next_bulk_file(&self) {
        self.lock().bulk.file_lacks = Some(Lack::HalfOfTheLastLine);
    }

    /// Each bulk operation so far has missed the last order that it should have found: its file and its count lack it.
    pub fn shorten_bulk_operations(&self) {
        for operation in self.lock().bulk.operations.values_mut() {
            operation.lines.pop();
        }
    }

    /// Seven days have passed: the files of all operations are gone.
    pub fn expire_bulk_files(&self) {
        for operation in self.lock().bulk.operations.values_mut().filter(|operation| operation.status == "COMPLETED") {
            operation.status = "EXPIRED";
        }
    }

    /// How many bulk operations were started.
    pub fn bulk_operations(&self) -> usize {
        self.lock().bulk.operations.len()
    }

    pub(super) fn remember_host(&self, host: &str) {
        self.lock().bulk.host = host.to_owned();
    }

    /// `bulkOperationRunQuery`.
    pub(super) fn run_in_bulk(&self, arguments: &Map<String, Value>) -> Value {
        let refused = |code: &str, message: String| json!({"bulkOperation": null, "userErrors": [{"code": code, "field": ["query"], "message": message}]});
        let query = arguments.get("query").and_then(Value::as_str).unwrap_or("");
        let running =
            self.lock().bulk.operations.values().filter(|one| matches!(one.status, "CREATED" | "RUNNING")).count();
        if running >= RUNNING_MAX {
            return refused("LIMIT_REACHED", "Bulk operations limit reached. Please try again later.".to_owned());
        }
        let found = self.found_by(query).and_then(|mut ids| {
            let left = ids.split_off(ids.len().min(OBJECTS_A_LOOK));
            Ok((self.rows_of(query, &ids)?, left))
        });
        let (lines, left) = match found {
            Ok(found) => found,
            Err(message) => return refused("INVALID", message),
        };
        let created_at = self.core.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut state = self.lock();
        let id = state.ids.next();
        let fails_with = state.bulk.fails_with.take();
        let operation = Operation { query: query.to_owned(), status: "CREATED", fails_with, lines, left, created_at };
        let shown = shown(&state.bulk.host, id, &operation);
        state.bulk.operations.insert(id, operation);
        json!({"bulkOperation": shown, "userErrors": []})
    }

    /// The objects of a query of one list, which has no page size.
    fn found_by(&self, query: &str) -> Result<Vec<u64>, String> {
        let prepared = prepared(query)?;
        let found = RefCell::new(Vec::new());
        let find = |field: &str, arguments: &Map<String, Value>| {
            let ids = match Listed::of(field) {
                Some(listed) => self.stock_in_bulk(listed, arguments),
                None if field == "orders" => self.orders_in_bulk(arguments),
                None => Ok(Vec::new()),
            };
            found.replace(ids.unwrap_or_default());
            self.page_in_bulk(field, &[])
        };
        graphql::answer(&prepared, &find)?;
        Ok(found.into_inner())
    }

    /// The rows of some objects of a query, a few at a time: the graph of an order is far larger than its row.
    fn rows_of(&self, query: &str, ids: &[u64]) -> Result<Vec<String>, String> {
        let prepared = prepared(query)?;
        let mut rows = Vec::new();
        for some in ids.chunks(ROWS_AT_ONCE) {
            let data = graphql::answer(&prepared, &|field, _| self.page_in_bulk(field, some))?;
            let list = data.as_object().and_then(|lists| lists.values().next()).unwrap_or(&Value::Null);
            let edges = list["edges"].as_array().ok_or("Bulk queries want edges { node }")?;
            for edge in edges {
                lay_down(edge["node"].clone(), None, &mut rows);
            }
        }
        Ok(rows)
    }

    /// These of a list as one page.
    fn page_in_bulk(&self, field: &str, ids: &[u64]) -> Value {
        match Listed::of(field) {
            Some(listed) => self.page_of_stock(listed, ids),
            None => self.page_of_orders(ids),
        }
    }

    /// `bulkOperation(id:)`: a look, and a step further.
    pub(super) fn bulk_operation(&self, arguments: &Map<String, Value>) -> Value {
        let id = arguments.get("id").and_then(Value::as_str);
        let id =
            id.and_then(|id| id.strip_prefix("gid://shopify/BulkOperation/")).and_then(|id| id.parse::<u64>().ok());
        let Some(id) = id else { return Value::Null };
        // What is read of the shop is read without holding it.
        let work = self.lock().bulk.operations.get_mut(&id).map(|operation| {
            let most = operation.left.len().min(OBJECTS_A_LOOK);
            (operation.query.clone(), operation.left.drain(..most).collect::<Vec<_>>())
        });
        let rows = work.map(|(query, ids)| self.rows_of(&query, &ids));
        let mut state = self.lock();
        let super::State { bulk, .. } = &mut *state;
        let Some(operation) = bulk.operations.get_mut(&id) else { return Value::Null };
        operation.lines.extend(rows.and_then(Result::ok).unwrap_or_default());
        operation.status = match operation.status {
            "CREATED" => "RUNNING",
            "RUNNING" if !operation.left.is_empty() => "RUNNING",
            "RUNNING" if operation.fails_with.is_some() => "FAILED",
            "RUNNING" => "COMPLETED",
            ended => ended,
        };
        shown(&bulk.host, id, operation)
    }

    /// What comes of asking for a file.
    pub(super) fn bulk_file(&self, name: &str) -> BulkReply {
        let mut state = self.lock();
        let bulk = &mut state.bulk;
        if bulk.files_broken > 0 {
            bulk.files_broken -= 1;
            return BulkReply::Broken;
        }
        let lacks = bulk.file_lacks.take();
        let id = name.strip_suffix(".jsonl").and_then(|id| id.parse::<u64>().ok());
        match id.and_then(|id| bulk.operations.get(&id)).filter(|operation| operation.status == "COMPLETED") {
            Some(operation) => {
                let Some((last, lines)) = operation.lines.split_last() else { return BulkReply::Gone };
                let last = match lacks {
                    None => format!("{last}\n"),
                    Some(Lack::LastLine) => String::new(),
                    Some(Lack::HalfOfTheLastLine) => last.chars().take(last.chars().count() / 2).collect(),
                };
                BulkReply::Whole(lines.iter().map(|line| format!("{line}\n")).chain([last]).collect())
            }
            None => BulkReply::Gone,
        }
    }
}

fn prepared(query: &str) -> Result<graphql::Prepared, String> {
    let paged = paged(query).ok_or("Bulk queries must contain one list, without a page size")?;
    graphql::prepare(&paged, Map::new(), None).map_err(|errors| json!(errors).to_string())
}

/// The query with a page size at its list and at each list of connections within it; `None` where its root is no list that is answered,
/// or where a list has a page size already.
fn paged(query: &str) -> Option<String> {
    let query = query.split_whitespace().collect::<Vec<_>>().join(" ");
    let root = query.trim_start_matches(['{', ' ']);
    let is_listed = ["orders", "productVariants", "inventoryItems", "products"].iter().any(|list| {
        let behind = root.strip_prefix(list).map(str::trim_start);
        behind.is_some_and(|rest| rest.starts_with(['(', '{']))
    });
    if !is_listed || query.contains("first:") {
        return None;
    }
    let mut parts = query.split("{ edges");
    let mut sized = parts.next()?.to_owned();
    for part in parts {
        let list = sized.trim_end();
        sized = match list.strip_suffix(')') {
            Some(with_arguments) => format!("{with_arguments}, first: 250)"),
            None => format!("{list}(first: 250)"),
        };
        sized.push_str(" { edges");
        sized.push_str(part);
    }
    Some(sized)
}

/// Lays a node down as a line, then the nodes of the lists within it as lines of their own, each of which names the node it stood in.
fn lay_down(mut node: Value, parent: Option<&str>, lines: &mut Vec<String>) {
    let mut below = Vec::new();
    take_lists(&mut node, &mut below);
    let id = node["id"].as_str().or(parent).map(str::to_owned);
    if let (Some(parent), Some(fields)) = (parent, node.as_object_mut()) {
        drop(fields.insert("__parentId".to_owned(), json!(parent)));
    }
    lines.push(node.to_string());
    for node in below {
        lay_down(node, id.as_deref(), lines);
    }
}

/// Takes the lists out of a node, and out of the objects in it.
fn take_lists(node: &mut Value, below: &mut Vec<Value>) {
    let Some(fields) = node.as_object_mut() else { return };
    let is_list = |value: &Value| value.get("edges").is_some_and(Value::is_array);
    let lists: Vec<String> = fields.iter().filter(|(_, value)| is_list(value)).map(|(name, _)| name.clone()).collect();
    for mut list in lists.iter().filter_map(|name| fields.remove(name)) {
        let edges = list["edges"].as_array_mut().map(std::mem::take).unwrap_or_default();
        below.extend(edges.into_iter().map(|mut edge| edge["node"].take()));
    }
    for value in fields.values_mut() {
        take_lists(value, below);
    }
}

fn shown(host: &str, id: u64, operation: &Operation) -> Value {
    let completed = operation.status == "COMPLETED";
    let count = match operation.status {
        "CREATED" => 0,
        "RUNNING" => operation.lines.len() / 2,
        _ => operation.lines.len(),
    };
    let is_root = |line: &&String| !line.contains("\"__parentId\"");
    let roots = operation.lines.iter().take(count).filter(is_root).count();
    let url = (completed && !operation.lines.is_empty()).then(|| format!("http://{host}/_bulk/{id}.jsonl"));
    json!({
        "__typename": "BulkOperation", "id": gid("BulkOperation", id), "status": operation.status, "type": "QUERY",
        "query": operation.query, "createdAt": operation.created_at, "completedAt": completed.then_some(&operation.created_at),
        "errorCode": operation.fails_with.filter(|_| operation.status == "FAILED"), "objectCount": count.to_string(),
        "rootObjectCount": roots.to_string(), "fileSize": null, "partialDataUrl": null, "url": url,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_within_a_node_are_lines_of_their_own() {
        let node = json!({"id": "V", "sku": "CUP", "item": {"tracked": true, "levels": {"edges": [
            {"node": {"id": "L1", "n": 1}}, {"node": {"id": "L2", "n": 2}},
        ]}}});
        let mut lines = Vec::new();
        lay_down(node, None, &mut lines);
        let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
        let level = |id: &str, n: u8| json!({"id": id, "n": n, "__parentId": "V"});
        assert_eq!(
            lines,
            [json!({"id": "V", "sku": "CUP", "item": {"tracked": true}}), level("L1", 1), level("L2", 2)]
        );
    }

    #[test]
    fn every_list_of_a_query_gets_a_page_size() {
        let query =
            "{ productVariants(sortKey: ID) { edges { node { id item { levels { edges { node { id } } } } } } } }";
        let sized = paged(query).expect("a list that is answered");
        assert!(sized.contains("productVariants(sortKey: ID, first: 250) { edges"), "{sized}");
        assert!(sized.contains("levels(first: 250) { edges"), "{sized}");
        assert_eq!(paged("{ shop { name } }"), None);
        assert_eq!(paged("{ orders(first: 5) { edges { node { id } } } }"), None);
    }
}
