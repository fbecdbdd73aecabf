//! The tables as diesel sees them, one file for both databases; the migrations make them.
#![expect(missing_docs, reason = "diesel's table macro makes items that carry no docs of their own")]

diesel::table! {
    connections (name) {
        name -> Text,
        fingerprint -> Nullable<Text>,
        look_up_before -> Nullable<BigInt>,
        updated_at -> BigInt,
    }
}

diesel::table! {
    credentials (id) {
        id -> BigInt,
        owner -> Text,
        kind -> Text,
        version -> BigInt,
        key_id -> Text,
        sealed -> Text,
        fingerprint -> Text,
        expires_at -> Nullable<BigInt>,
        updated_at -> BigInt,
    }
}

diesel::table! {
    inbox (id) {
        id -> BigInt,
        connection -> Text,
        topic -> Text,
        webhook_id -> Text,
        body_sha256 -> Text,
        event_id -> Nullable<Text>,
        shop_domain -> Nullable<Text>,
        api_version -> Nullable<Text>,
        triggered_at -> Nullable<Text>,
        body -> Binary,
        received_at -> BigInt,
        trace_id -> Text,
        state -> Text,
        reason -> Nullable<Text>,
        attempts -> BigInt,
        due_at -> BigInt,
        order_id -> Nullable<BigInt>,
        origin -> Text,
    }
}

diesel::table! {
    orders (id) {
        id -> BigInt,
        connection -> Text,
        order_id -> BigInt,
        name -> Text,
        revision -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
        digest -> Text,
        road -> Text,
        payload -> Binary,
        born_here -> BigInt,
        reread_digests -> Text,
        location_id -> Nullable<BigInt>,
        staff_id -> Nullable<BigInt>,
        first_received_at -> BigInt,
        weighed -> BigInt,
    }
}

diesel::table! {
    documents (id) {
        id -> BigInt,
        connection -> Text,
        kind -> Text,
        business_key -> Text,
        order_id -> BigInt,
        state -> Text,
        revision -> BigInt,
        reason_kind -> Nullable<Text>,
        reason_code -> Nullable<Text>,
        reason_text -> Nullable<Text>,
        desired -> Text,
        desired_digest -> Text,
        desired_version -> BigInt,
        written -> Nullable<Text>,
        written_version -> BigInt,
        rules_revision -> Text,
        look_up_first -> BigInt,
        attempts -> BigInt,
        due_at -> BigInt,
        waits_for -> Nullable<BigInt>,
        held_since -> Nullable<BigInt>,
        released -> Text,
        claim -> Nullable<Text>,
        claim_generation -> Nullable<BigInt>,
        trace_id -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    order_links (document_id) {
        document_id -> BigInt,
        connection -> Text,
        order_no -> Text,
        origin -> Text,
        linked_at -> BigInt,
    }
}

diesel::table! {
    customer_links (document_id) {
        document_id -> BigInt,
        connection -> Text,
        customer_no -> Text,
        origin -> Text,
        reason -> Text,
        linked_at -> BigInt,
    }
}

diesel::table! {
    intents (id) {
        id -> BigInt,
        document_id -> BigInt,
        kind -> Text,
        business_key -> Text,
        content -> Text,
        desired_version -> BigInt,
        parts -> BigInt,
        send_by -> BigInt,
        generation -> BigInt,
        call_ended -> BigInt,
        needed_us -> BigInt,
        watched_us -> BigInt,
        look_ups -> BigInt,
        opened_at -> BigInt,
        closed_at -> Nullable<BigInt>,
        outcome -> Nullable<Text>,
    }
}

diesel::table! {
    attempts (id) {
        id -> BigInt,
        document_id -> BigInt,
        at -> BigInt,
        step -> Text,
        outcome -> Text,
        detail -> Nullable<Text>,
        differences -> Nullable<Text>,
        trace_id -> Text,
    }
}

diesel::table! {
    strays (id) {
        id -> BigInt,
        connection -> Text,
        order_no -> Text,
        business_key -> Text,
        code -> Text,
        text -> Text,
        document_id -> Nullable<BigInt>,
        found_at -> BigInt,
        seen_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        ended -> Nullable<Text>,
    }
}

diesel::table! {
    cursors (connection, name) {
        connection -> Text,
        name -> Text,
        value -> Text,
        updated_at -> BigInt,
    }
}

diesel::table! {
    census_days (connection, day) {
        connection -> Text,
        day -> Text,
        taken_at -> BigInt,
        shopify -> BigInt,
        ours -> BigInt,
        missing -> BigInt,
        newer -> BigInt,
        gone -> BigInt,
        gaps -> Text,
    }
}

diesel::table! {
    heard (connection, topic) {
        connection -> Text,
        topic -> Text,
        last_at -> BigInt,
    }
}

diesel::table! {
    schedule_runs (id) {
        id -> BigInt,
        connection -> Text,
        what -> Text,
        started_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        outcome -> Nullable<Text>,
        message -> Nullable<Text>,
        figures -> Text,
    }
}

diesel::table! {
    stock_marks (connection) {
        connection -> Text,
        mark -> BigInt,
    }
}

diesel::table! {
    stock_variants (connection, variant_id) {
        connection -> Text,
        variant_id -> BigInt,
        run -> BigInt,
        product_id -> BigInt,
        item_id -> BigInt,
        sku -> Nullable<Text>,
        barcode -> Nullable<Text>,
        catalog_no -> Nullable<Text>,
        price -> Text,
        policy -> Text,
        status -> Text,
        is_tracked -> BigInt,
        is_bundle -> BigInt,
        sellable -> Nullable<BigInt>,
    }
}

diesel::table! {
    stock_levels (connection, item_id, location_id) {
        connection -> Text,
        item_id -> BigInt,
        location_id -> BigInt,
        run -> BigInt,
        revision -> BigInt,
        available -> BigInt,
        committed -> BigInt,
        reserved -> BigInt,
        read_from -> Nullable<BigInt>,
        read_until -> Nullable<BigInt>,
        moved -> BigInt,
        pending -> Nullable<BigInt>,
        state -> Text,
        site -> Nullable<Text>,
        part_no -> Nullable<Text>,
        catalog_no -> Nullable<Text>,
        quantity -> Nullable<BigInt>,
        wanted -> Nullable<BigInt>,
        terms -> Nullable<Text>,
        reason_code -> Nullable<Text>,
        reason_text -> Nullable<Text>,
        planned_at -> Nullable<BigInt>,
        due_at -> BigInt,
        batch_max -> BigInt,
        call_id -> Nullable<BigInt>,
        held_until -> Nullable<BigInt>,
        written -> Nullable<BigInt>,
        written_at -> Nullable<BigInt>,
        updated_at -> BigInt,
    }
}

diesel::table! {
    stock_calls (id) {
        id -> BigInt,
        connection -> Text,
        idempotency_key -> Text,
        content -> Text,
        levels -> BigInt,
        generation -> BigInt,
        failures -> BigInt,
        opened_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        outcome -> Nullable<Text>,
    }
}

diesel::table! {
    stock_sales_parts (connection, site, catalog_no) {
        connection -> Text,
        site -> Text,
        catalog_no -> Text,
        run -> BigInt,
        part_no -> Nullable<Text>,
        conversion -> Nullable<Text>,
        price_conversion -> Nullable<Text>,
        is_active -> BigInt,
        list_price -> Nullable<Text>,
        list_price_incl_tax -> Nullable<Text>,
        currency -> Nullable<Text>,
    }
}

diesel::table! {
    stock_parts (connection, site, part_no) {
        connection -> Text,
        site -> Text,
        part_no -> Text,
        stock -> Nullable<Text>,
        stock_run -> Nullable<BigInt>,
        demand_before -> Nullable<Text>,
        demand_before_run -> Nullable<BigInt>,
        demand_after -> Nullable<Text>,
        demand_after_run -> Nullable<BigInt>,
    }
}

diesel::table! {
    stock_orders (connection, order_id) {
        connection -> Text,
        order_id -> BigInt,
        changed_at -> BigInt,
    }
}

diesel::table! {
    stock_order_units (connection, order_id, catalog_no, site) {
        connection -> Text,
        order_id -> BigInt,
        catalog_no -> Text,
        site -> Text,
        units -> BigInt,
        open -> BigInt,
        written -> Nullable<BigInt>,
    }
}

diesel::table! {
    stock_outs (id) {
        id -> BigInt,
        connection -> Text,
        product_id -> BigInt,
        state -> Text,
        acts -> Text,
        reason -> Nullable<Text>,
        revision -> BigInt,
        opened_at -> BigInt,
        changed_at -> BigInt,
        called_in -> BigInt,
        called_at -> BigInt,
        unanswered -> BigInt,
        ended_at -> Nullable<BigInt>,
        ended -> Nullable<Text>,
    }
}

diesel::table! {
    prices (connection, price_list, variant_id) {
        connection -> Text,
        price_list -> BigInt,
        variant_id -> BigInt,
        product_id -> BigInt,
        catalog_no -> Text,
        run -> BigInt,
        rules -> Text,
        state -> Text,
        together -> Nullable<BigInt>,
        shown -> Nullable<Text>,
        wanted -> Nullable<Text>,
        currency -> Text,
        accepted -> Nullable<Text>,
        reason_code -> Nullable<Text>,
        reason_text -> Nullable<Text>,
        updated_at -> BigInt,
    }
}

diesel::table! {
    leases (name) {
        name -> Text,
        owner -> Text,
        generation -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    audit (id) {
        id -> BigInt,
        at -> BigInt,
        who -> Text,
        act -> Text,
        subject -> Text,
        note -> Nullable<Text>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    documents,
    order_links,
    customer_links,
    intents,
    attempts,
    orders,
    inbox,
    strays
);
