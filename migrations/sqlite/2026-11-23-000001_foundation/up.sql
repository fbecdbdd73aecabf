-- The foundation: what arrives, what is desired and written, and who may write it.
-- Times are UTC microseconds, JSON and decimals are text. Twin of the other database's file.

CREATE TABLE connections (
    name TEXT PRIMARY KEY,
    fingerprint TEXT,
    look_up_before BIGINT,
    updated_at BIGINT NOT NULL
);

CREATE TABLE credentials (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    version BIGINT NOT NULL,
    key_id TEXT NOT NULL,
    sealed TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    expires_at BIGINT,
    updated_at BIGINT NOT NULL,
    UNIQUE (owner, kind)
);

CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    connection TEXT NOT NULL,
    topic TEXT NOT NULL,
    webhook_id TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    event_id TEXT,
    shop_domain TEXT,
    api_version TEXT,
    triggered_at TEXT,
    body BLOB NOT NULL,
    received_at BIGINT NOT NULL,
    trace_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('received', 'mapped', 'superseded', 'quarantined', 'unclaimed')),
    reason TEXT,
    attempts BIGINT NOT NULL DEFAULT 0,
    due_at BIGINT NOT NULL,
    order_id BIGINT,
    origin TEXT NOT NULL CHECK (origin IN ('webhook', 'sweep', 'census', 'sync')),
    UNIQUE (connection, topic, webhook_id, body_sha256)
);
CREATE INDEX inbox_due ON inbox (connection, due_at, id) WHERE state = 'received';
CREATE INDEX inbox_quarantined ON inbox (connection, id) WHERE state = 'quarantined';
CREATE INDEX inbox_unclaimed ON inbox (id) WHERE state = 'unclaimed';
CREATE INDEX inbox_order ON inbox (connection, order_id) WHERE order_id IS NOT NULL;

CREATE TABLE orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    connection TEXT NOT NULL,
    order_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    digest TEXT NOT NULL,
    road TEXT NOT NULL CHECK (road IN ('rest', 'graphql')),
    payload BLOB NOT NULL,
    born_here BIGINT NOT NULL,
    reread_digests TEXT NOT NULL,
    location_id BIGINT,
    staff_id BIGINT,
    first_received_at BIGINT NOT NULL,
    weighed BIGINT NOT NULL DEFAULT 0,
    UNIQUE (connection, order_id)
);
CREATE INDEX orders_name ON orders (name);
CREATE INDEX orders_placed ON orders (connection, created_at);
CREATE INDEX orders_unweighed ON orders (connection, order_id) WHERE weighed <> revision;

CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    connection TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('customer_order', 'customer', 'write_back')),
    business_key TEXT NOT NULL,
    order_id BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('planned', 'writing', 'written', 'retry', 'unknown', 'held', 'parked',
        'superseded', 'skipped', 'resolved')),
    revision BIGINT NOT NULL,
    reason_kind TEXT,
    reason_code TEXT,
    reason_text TEXT,
    desired TEXT NOT NULL,
    desired_digest TEXT NOT NULL,
    desired_version BIGINT NOT NULL,
    written TEXT,
    written_version BIGINT NOT NULL DEFAULT 0,
    rules_revision TEXT NOT NULL,
    look_up_first BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    due_at BIGINT NOT NULL,
    waits_for BIGINT,
    held_since BIGINT,
    released TEXT NOT NULL DEFAULT '',
    claim TEXT,
    claim_generation BIGINT,
    trace_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (connection, kind, business_key)
);
CREATE INDEX documents_due ON documents (connection, due_at, id)
    WHERE state IN ('planned', 'retry', 'unknown', 'held') AND claim IS NULL;
CREATE INDEX documents_open ON documents (state, id, connection)
    WHERE state NOT IN ('written', 'superseded', 'skipped', 'resolved');
CREATE INDEX documents_ended ON documents (state, id, connection)
    WHERE state IN ('superseded', 'skipped', 'resolved');
CREATE INDEX documents_claimed ON documents (connection) WHERE claim IS NOT NULL;
CREATE INDEX documents_waiting ON documents (waits_for) WHERE state = 'held';
CREATE INDEX documents_order ON documents (connection, order_id);
CREATE INDEX documents_by_order ON documents (order_id);

CREATE TABLE order_links (
    document_id INTEGER PRIMARY KEY REFERENCES documents (id),
    connection TEXT NOT NULL,
    order_no TEXT NOT NULL,
    origin TEXT NOT NULL CHECK (origin IN ('created', 'adopted', 'noted')),
    linked_at BIGINT NOT NULL,
    UNIQUE (connection, order_no)
);
CREATE INDEX order_links_number ON order_links (order_no);

CREATE TABLE customer_links (
    document_id INTEGER PRIMARY KEY REFERENCES documents (id),
    connection TEXT NOT NULL,
    customer_no TEXT NOT NULL,
    origin TEXT NOT NULL CHECK (origin IN ('found', 'created', 'adopted')),
    reason TEXT NOT NULL,
    linked_at BIGINT NOT NULL
);
CREATE INDEX customer_links_number ON customer_links (connection, customer_no);

CREATE TABLE intents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id INTEGER NOT NULL REFERENCES documents (id),
    kind TEXT NOT NULL CHECK (kind IN ('create', 'amend', 'cancel', 'row', 'remove', 'release', 'write_back')),
    business_key TEXT NOT NULL,
    content TEXT NOT NULL,
    desired_version BIGINT NOT NULL,
    parts BIGINT NOT NULL,
    send_by BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    call_ended BIGINT NOT NULL DEFAULT 0,
    needed_us BIGINT NOT NULL,
    watched_us BIGINT NOT NULL DEFAULT 0,
    look_ups BIGINT NOT NULL DEFAULT 0,
    opened_at BIGINT NOT NULL,
    closed_at BIGINT,
    outcome TEXT
);
CREATE UNIQUE INDEX intents_one_open ON intents (document_id) WHERE closed_at IS NULL;
CREATE INDEX intents_document ON intents (document_id);

CREATE TABLE attempts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id INTEGER NOT NULL REFERENCES documents (id),
    at BIGINT NOT NULL,
    step TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT,
    differences TEXT,
    trace_id TEXT NOT NULL
);
CREATE INDEX attempts_document ON attempts (document_id, id);

CREATE TABLE strays (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    connection TEXT NOT NULL,
    order_no TEXT NOT NULL,
    business_key TEXT NOT NULL,
    code TEXT NOT NULL,
    text TEXT NOT NULL,
    document_id INTEGER REFERENCES documents (id),
    found_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    ended_at BIGINT,
    ended TEXT CHECK (ended IN ('explained', 'dismissed')),
    UNIQUE (connection, order_no)
);
CREATE INDEX strays_open ON strays (connection, id) WHERE ended_at IS NULL;
CREATE INDEX strays_key ON strays (connection, business_key);

CREATE TABLE cursors (
    connection TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (connection, name)
);

CREATE TABLE census_days (
    connection TEXT NOT NULL,
    day TEXT NOT NULL,
    taken_at BIGINT NOT NULL,
    shopify BIGINT NOT NULL,
    ours BIGINT NOT NULL,
    missing BIGINT NOT NULL,
    newer BIGINT NOT NULL,
    gone BIGINT NOT NULL,
    gaps TEXT NOT NULL,
    PRIMARY KEY (connection, day)
);

CREATE TABLE heard (
    connection TEXT NOT NULL,
    topic TEXT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (connection, topic)
);

CREATE TABLE schedule_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    connection TEXT NOT NULL,
    what TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    outcome TEXT CHECK (outcome IN ('done', 'failed', 'broke_off')),
    message TEXT,
    figures TEXT NOT NULL
);
CREATE INDEX schedule_runs_latest ON schedule_runs (connection, what, id);
CREATE INDEX schedule_runs_started ON schedule_runs (started_at);

CREATE TABLE stock_marks (
    connection TEXT PRIMARY KEY,
    mark BIGINT NOT NULL
);

CREATE TABLE stock_variants (
    connection TEXT NOT NULL,
    variant_id BIGINT NOT NULL,
    run BIGINT NOT NULL,
    product_id BIGINT NOT NULL,
    item_id BIGINT NOT NULL,
    sku TEXT,
    barcode TEXT,
    catalog_no TEXT,
    price TEXT NOT NULL,
    policy TEXT NOT NULL,
    status TEXT NOT NULL,
    is_tracked BIGINT NOT NULL,
    is_bundle BIGINT NOT NULL,
    sellable BIGINT,
    PRIMARY KEY (connection, variant_id)
);
CREATE INDEX stock_variants_part ON stock_variants (connection, catalog_no);
CREATE INDEX stock_variants_product ON stock_variants (connection, product_id);
CREATE INDEX stock_variants_item ON stock_variants (connection, item_id);

CREATE TABLE stock_levels (
    connection TEXT NOT NULL,
    item_id BIGINT NOT NULL,
    location_id BIGINT NOT NULL,
    run BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    available BIGINT NOT NULL,
    committed BIGINT NOT NULL,
    reserved BIGINT NOT NULL,
    read_from BIGINT,
    read_until BIGINT,
    moved BIGINT NOT NULL DEFAULT 0,
    pending BIGINT,
    state TEXT NOT NULL CHECK (state IN ('read', 'left', 'quiet', 'planned', 'writing', 'written', 'stale', 'parked')),
    site TEXT,
    part_no TEXT,
    catalog_no TEXT,
    quantity BIGINT,
    wanted BIGINT,
    terms TEXT,
    reason_code TEXT,
    reason_text TEXT,
    planned_at BIGINT,
    due_at BIGINT NOT NULL DEFAULT 0,
    batch_max BIGINT NOT NULL,
    call_id BIGINT,
    held_until BIGINT,
    written BIGINT,
    written_at BIGINT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (connection, item_id, location_id)
);
CREATE INDEX stock_levels_due ON stock_levels (connection, due_at, item_id, location_id) WHERE state = 'planned';
CREATE INDEX stock_levels_aging ON stock_levels (connection, planned_at) WHERE state = 'planned';
CREATE INDEX stock_levels_waiting ON stock_levels (connection, planned_at)
    WHERE state IN ('quiet', 'written') AND wanted <> quantity;
CREATE INDEX stock_levels_stale ON stock_levels (connection, item_id) WHERE state = 'stale';
CREATE INDEX stock_levels_parked ON stock_levels (connection, item_id) WHERE state = 'parked';
CREATE INDEX stock_levels_parked_part ON stock_levels (connection, site, part_no) WHERE state = 'parked';
CREATE INDEX stock_levels_under_way ON stock_levels (connection, planned_at) WHERE call_id IS NOT NULL;

CREATE TABLE stock_calls (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    connection TEXT NOT NULL,
    idempotency_key TEXT NOT NULL UNIQUE,
    content TEXT NOT NULL,
    levels BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    ended_at BIGINT,
    outcome TEXT
);
CREATE INDEX stock_calls_open ON stock_calls (connection, id) WHERE ended_at IS NULL;
CREATE INDEX stock_calls_ended ON stock_calls (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE stock_sales_parts (
    connection TEXT NOT NULL,
    site TEXT NOT NULL,
    catalog_no TEXT NOT NULL,
    run BIGINT NOT NULL,
    part_no TEXT,
    conversion TEXT,
    price_conversion TEXT,
    is_active BIGINT NOT NULL,
    list_price TEXT,
    list_price_incl_tax TEXT,
    currency TEXT,
    PRIMARY KEY (connection, site, catalog_no)
);
CREATE INDEX stock_sales_parts_part ON stock_sales_parts (connection, site, part_no);

CREATE TABLE stock_parts (
    connection TEXT NOT NULL,
    site TEXT NOT NULL,
    part_no TEXT NOT NULL,
    stock TEXT,
    stock_run BIGINT,
    demand_before TEXT,
    demand_before_run BIGINT,
    demand_after TEXT,
    demand_after_run BIGINT,
    PRIMARY KEY (connection, site, part_no)
);

CREATE TABLE stock_orders (
    connection TEXT NOT NULL,
    order_id BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (connection, order_id)
);

CREATE TABLE stock_order_units (
    connection TEXT NOT NULL,
    order_id BIGINT NOT NULL,
    catalog_no TEXT NOT NULL,
    site TEXT NOT NULL,
    units BIGINT NOT NULL,
    open BIGINT NOT NULL,
    written BIGINT,
    PRIMARY KEY (connection, order_id, catalog_no, site)
);
CREATE INDEX stock_order_units_part ON stock_order_units (connection, catalog_no);

CREATE TABLE stock_outs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    connection TEXT NOT NULL,
    product_id BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('disabling', 'disabled', 'respected', 'enabling')),
    acts TEXT NOT NULL,
    reason TEXT,
    revision BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    called_in BIGINT NOT NULL,
    called_at BIGINT NOT NULL,
    unanswered BIGINT NOT NULL,
    ended_at BIGINT,
    ended TEXT CHECK (ended IN ('enabled', 'restocked', 'overtaken', 'void', 'gone'))
);
CREATE UNIQUE INDEX stock_outs_one_open ON stock_outs (connection, product_id) WHERE ended_at IS NULL;
CREATE INDEX stock_outs_product ON stock_outs (connection, product_id, id);

CREATE TABLE prices (
    connection TEXT NOT NULL,
    price_list BIGINT NOT NULL,
    variant_id BIGINT NOT NULL,
    product_id BIGINT NOT NULL,
    catalog_no TEXT NOT NULL,
    run BIGINT NOT NULL,
    rules TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('planned', 'written', 'parked', 'aged')),
    together BIGINT,
    shown TEXT,
    wanted TEXT,
    currency TEXT NOT NULL,
    accepted TEXT,
    reason_code TEXT,
    reason_text TEXT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (connection, price_list, variant_id),
    CHECK (state <> 'planned' OR wanted IS NOT NULL)
);
CREATE INDEX prices_planned ON prices (connection, price_list, product_id, variant_id) WHERE state = 'planned';
CREATE INDEX prices_parked ON prices (connection, price_list, variant_id) WHERE state = 'parked';
CREATE INDEX prices_aged ON prices (connection, updated_at) WHERE state = 'aged';

CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    generation BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at BIGINT NOT NULL,
    who TEXT NOT NULL,
    act TEXT NOT NULL,
    subject TEXT NOT NULL,
    note TEXT
);
