// Sessions of a small Express application, by forward-auth.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import express from 'express';
import session from 'express-session';
import { TokenVerifier } from 'livekit-server-sdk';
import { apiKey, apiSecret, startWith } from './programs.js';

const verifier = new TokenVerifier(apiKey, apiSecret);

// Logs users in and out, and says who a session's user is. `seen` are the cookies of each question.
function application(seen) {
  const app = express();
  app.use(session({ name: 'acme.sid', secret: 'signs-the-cookie', resave: false, saveUninitialized: true }));
  app.post('/login/:name', (request, response) => {
    request.session.regenerate(() => {
      request.session.user = { id: 42, name: request.params.name, plan: 'pro' };
      response.json({});
    });
  });
  app.post('/logout', (request, response) => request.session.destroy(() => response.json({})));
  app.get('/api/session', (request, response) => {
    seen.push(request.headers.cookie);
    response.json(request.session.user ? { user: request.session.user } : {});
  });
  return app;
}

const config = `
projects:
  - { name: main, client_url: wss://acme.example, keys: { env: true } }
rate_limits: { auth_failures_per_address: off }
authenticators:
  - name: session
    forward_auth: { url: "APPLICATION/api/session", allow_http: true, forward_cookies: [acme.sid], subject: { json: user.id }, claims: { json: user } }
policies:
  - name: user
    match: { authenticator: session, claims: { plan: [pro] } }
    room: { client: allow }
    identity: { client: if_equal, value: "user-{subject}" }
    display_name: { client: forbid, default: "{claims.name}" }
gateway:
  relay_cookies: [acme.sid]
  cors: { origins: ["https://app.example"], credentials: true }
`;

describe('sessions of an Express application', () => {
  const seen = [];
  let server;
  let base;
  let running;
  let url;
  before(async () => {
    server = application(seen).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    base = `http://127.0.0.1:${server.address().port}`;
    running = await startWith(config.replace('APPLICATION', base));
    url = `http://${running.addresses.http}/getToken`;
  });
  after(async () => {
    await running?.stop();
    server?.closeAllConnections();
    server?.close();
  });

  // The session's cookie, as a browser sends it back.
  async function login(name) {
    const response = await fetch(`${base}/login/${name}`, { method: 'POST' });
    return response.headers.getSetCookie()[0].split(';')[0];
  }
  const ask = (headers = {}) =>
    fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: '{"room_name":"lobby"}',
    });
  async function verdict(headers) {
    const response = await ask(headers);
    return response.ok ? '201' : `${response.status} ${(await response.json()).reason}`;
  }

  it('gives the user of a session its token, and no other application cookie away', async () => {
    const Cookie = `theme=dark; ${await login('Ann')}; other.sid=s%3Ax`;
    seen.length = 0;
    const response = await ask({ Cookie });
    assert.equal(response.status, 201, await response.clone().text());
    const claims = await verifier.verify((await response.json()).participant_token);
    assert.equal(claims.sub, 'user-42');
    assert.equal(claims.name, 'Ann');
    assert.equal(claims.video.room, 'lobby');
    assert.equal(seen.length, 1);
    assert.match(seen[0], /^acme\.sid=[^;]+$/);
  });

  it('gives nobody else one', async () => {
    assert.equal(await verdict(), '401 AUTHENTICATION_REQUIRED');
    assert.equal(await verdict({ Cookie: 'other.sid=s%3Ax; theme=dark' }), '401 AUTHENTICATION_REQUIRED');
    const visitor = (await fetch(`${base}/api/session`)).headers.getSetCookie()[0].split(';')[0];
    assert.equal(await verdict({ Cookie: visitor }), '401 AUTHENTICATION_FAILED', 'a session without user');
  });

  it('refuses a cookie whose signature is not the application’s', async () => {
    const cookie = await login('Ann');
    const last = cookie.at(-1) === 'A' ? 'B' : 'A';
    assert.equal(await verdict({ Cookie: cookie }), '201');
    for (const forged of [
      cookie.slice(0, -1) + last,
      cookie.slice(0, cookie.indexOf('.', 'acme.sid='.length)),
      cookie.replace('s%3A', ''),
      'acme.sid=',
    ]) {
      assert.equal(await verdict({ Cookie: forged }), '401 AUTHENTICATION_FAILED', forged);
    }
  });

  it('refuses a session that has ended, at once', async () => {
    const Cookie = await login('Ann');
    assert.equal(await verdict({ Cookie }), '201');
    await fetch(`${base}/logout`, { method: 'POST', headers: { Cookie } });
    assert.equal(await verdict({ Cookie }), '401 AUTHENTICATION_FAILED');
  });

  it('refuses requests of other sites before it asks', async () => {
    const Cookie = await login('Ann');
    seen.length = 0;
    assert.equal(await verdict({ Cookie, Origin: 'https://evil.example' }), '403 ORIGIN_NOT_ALLOWED');
    assert.equal(await verdict({ Cookie, Origin: 'null' }), '403 ORIGIN_NOT_ALLOWED');
    assert.equal(await verdict({ Cookie, 'Content-Type': 'text/plain' }), '415 UNSUPPORTED_MEDIA_TYPE');
    // Without `Origin`, what the browser says of the page's site counts.
    assert.equal(await verdict({ Cookie, 'Sec-Fetch-Site': 'cross-site' }), '403 ORIGIN_NOT_ALLOWED');
    assert.equal(await verdict({ Cookie, 'Sec-Fetch-Site': 'same-site' }), '403 ORIGIN_NOT_ALLOWED');
    assert.equal(seen.length, 0);
    assert.equal(await verdict({ Cookie, 'Sec-Fetch-Site': 'same-origin' }), '201');

    const response = await ask({ Cookie, Origin: 'https://app.example' });
    assert.equal(response.status, 201);
    assert.equal(response.headers.get('access-control-allow-origin'), 'https://app.example');
    assert.equal(response.headers.get('access-control-allow-credentials'), 'true');
  });
});

describe('an Express application that is down', () => {
  it('is a 503, and never a token', async () => {
    const running = await startWith(config.replace('APPLICATION', 'http://127.0.0.1:9'));
    try {
      const response = await fetch(`http://${running.addresses.http}/getToken`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Cookie: 'acme.sid=s%3Ax' },
        body: '{}',
      });
      assert.equal(response.status, 503);
      assert.equal((await response.json()).reason, 'UNAVAILABLE');
      assert.ok(response.headers.get('retry-after'));
    } finally {
      await running.stop();
    }
    // Complete only now.
    assert.match(running.output, /"event":"authentication_service_failed",.*"authenticator":"session"/);
  });
});
