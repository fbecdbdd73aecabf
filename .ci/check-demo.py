"""Judges what `ml-connector demo --json` printed: check-demo.py FAULTS EXIT_CODE FILE."""

import json
import sys
from decimal import Decimal

KEYS = (
    "orders deliveries acknowledged lost ifs_orders missing double differences parked unexpected_parked"
    " ifs_requests shopify_requests ifs_create_requests_per_order seconds kinds expected_parked_missing"
    " unlike_planned unsettled quarantined customers customers_double write_back requests_per_order"
    " stock_differences oversold disabled enabled_again stock"
).split()
MUST_BE_ZERO = (
    "missing double differences unexpected_parked expected_parked_missing unlike_planned unsettled quarantined"
    " customers_double stock_differences oversold"
).split()
# A day has at least so many kinds of orders.
KINDS = 95
# Of a day of so many orders some webhooks are lost when things go wrong, so that the sweep has something to find.
LOSING = 200
# Metafields that Shopify takes in one call.
METAFIELDS_MAX = 25


def main() -> int:
    faults, code, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        # Decimals stay what was printed: 1.00 is compared as 1.00.
        result = json.load(file, parse_float=Decimal)

    wrong = [f"{key} is absent" for key in KEYS if key not in result]
    wrong += [f"{key} is {result[key]}, not 0" for key in MUST_BE_ZERO if result.get(key, 0) != 0]
    if code != "0":
        wrong.append(f"the demo ended with exit code {code}")
    # Zeros of a run that did nothing prove nothing.
    for key in ("orders", "acknowledged", "ifs_orders", "ifs_requests", "customers", "disabled", "enabled_again"):
        if not result.get(key, 0):
            wrong.append(f"{key} is {result.get(key)}: nothing was played")
    # A kind that nothing happened to, or whose orders are not all told of, proves nothing either.
    kinds = result.get("kinds", [])
    for kind in kinds:
        if sum(kind["ended"].values()) != kind["orders"] or kind["ended"].get("unfinished", 0):
            wrong.append(f"orders of the kind {kind['kind']} did not end: {kind['ended']}")
    if sum(kind["orders"] for kind in kinds) != result.get("orders") or len(kinds) < KINDS:
        wrong.append(f"{len(kinds)} kinds of orders do not make up the day")
    told = result.get("write_back", {})
    if not told.get("metafields") or not told.get("echoes") or told.get("metafields_max", 0) > METAFIELDS_MAX:
        wrong.append(f"the shops were not told as they should be: {told}")
    # Shops that show nothing, or whose shelves no buyer found empty, show nothing of the stock either.
    stock = result.get("stock") or {}
    shops = stock.get("books", {}).get("shops", [])
    if len(shops) != 2 or any(not shop["skus"] or not shop["shown"] or not shop["run_out"] for shop in shops):
        wrong.append(f"the shops' stock: {shops}")
    if not stock.get("orders") or not stock.get("denied"):
        wrong.append(f"nothing ran out while orders came: {stock.get('orders')} orders, {stock.get('denied')} units denied")
    # Something is out at the end, too.
    if result.get("disabled", 0) <= result.get("enabled_again", 0):
        wrong.append(f"{result.get('disabled')} products were disabled, {result.get('enabled_again')} enabled again")
    # A replay asks nothing of IFS, and an order is a create and one reading back.
    costs = result.get("requests_per_order") or {}
    if costs.get("replayed") != 0 or costs.get("created") != 2 or not costs.get("created_and_released"):
        wrong.append(f"requests to IFS for one order: {costs}")
    lost = result.get("lost", 0)
    if faults == "none" and lost != 0:
        wrong.append(f"lost is {lost}: nothing may be lost without faults")
    if faults != "none" and lost == 0 and result.get("orders", 0) >= LOSING:
        wrong.append("lost is 0: the sweep had nothing to find")
    creates = Decimal(str(result.get("ifs_create_requests_per_order", 0)))
    if faults == "none" and creates != 1:
        wrong.append(f"ifs_create_requests_per_order is {creates} without faults, not 1.00")

    for line in wrong:
        print(f"demo --faults {faults}: {line}", file=sys.stderr)
    if not wrong:
        print(
            f"demo --faults {faults}: {result['orders']} orders, {result['ifs_orders']} in IFS,"
            f" {result['parked']} parked as expected, {lost} webhooks lost, {creates} creates an order,"
            f" {result['disabled']} products disabled, {result['enabled_again']} enabled again, {result['seconds']} s"
        )
    return 1 if wrong else 0


sys.exit(main())
