// What a usual Node service does with a webhook: express, Shopify's official library for the signature, pg for the row, and the
// answer after the commit. Started by benches/speed; prints its port.
import '@shopify/shopify-api/adapters/node';
import { createHash } from 'node:crypto';
import { ApiVersion, shopifyApi } from '@shopify/shopify-api';
import express from 'express';
import pg from 'pg';

const shopify = shopifyApi({
  apiKey: 'peer',
  apiSecretKey: process.env.WEBHOOK_SECRET,
  apiVersion: Object.values(ApiVersion).at(-1),
  scopes: ['read_orders'],
  hostName: 'localhost',
  isEmbeddedApp: false,
  logger: { level: 0 },
});
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 20 });
await pool.query(`CREATE TABLE IF NOT EXISTS deliveries (
  id BIGSERIAL PRIMARY KEY, topic TEXT NOT NULL, webhook_id TEXT NOT NULL, body_sha256 TEXT NOT NULL, shop_domain TEXT,
  body BYTEA NOT NULL, received_at TIMESTAMPTZ NOT NULL DEFAULT now(), UNIQUE (topic, webhook_id, body_sha256))`);

const app = express();
app.post('/webhooks', express.raw({ type: '*/*', limit: '4mb' }), async (request, response) => {
  const found = await shopify.webhooks.validate({
    rawBody: request.body.toString('utf8'),
    rawRequest: request,
    rawResponse: response,
  });
  if (!found.valid) {
    response.status(401).end();
    return;
  }
  const digest = createHash('sha256').update(request.body).digest('hex');
  await pool.query({
    name: 'insert',
    text: `INSERT INTO deliveries (topic, webhook_id, body_sha256, shop_domain, body) VALUES ($1, $2, $3, $4, $5)
      ON CONFLICT DO NOTHING`,
    values: [found.topic, found.webhookId, digest, found.domain, request.body],
  });
  response.status(200).end();
});
const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port));
